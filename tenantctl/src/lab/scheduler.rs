//! The simulated scheduler: binds pods that have no node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use controllers::Key;
use controllers::client::{self, Part};
use controllers::events::{Level, Regarding};
use controllers::informer::{Change, Raw};
use controllers::queue::{self, Outcome, Queue};
use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

use super::cluster::{Cluster, Room, phase};
use super::{Parts, pods, status};

/// A pod that fits nowhere is looked at again after this time, if nothing changes before.
const AGAIN: Duration = Duration::from_secs(60);

struct Scheduler {
    parts: Parts,
    cluster: Arc<Mutex<Cluster>>,
}

fn lock(cluster: &Mutex<Cluster>) -> MutexGuard<'_, Cluster> {
    cluster.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Schedules for ever.
pub(super) async fn run(parts: Parts) {
    let cluster = Arc::new(Mutex::new(Cluster::default()));
    let queue = Queue::default();
    watch(&parts, &cluster, &queue);
    parts.nodes.synced().await;
    parts.pods.synced().await;
    let scheduler = Arc::new(Scheduler { parts, cluster });
    // One worker: a decision must see the one before it.
    queue::run(queue, 1, move |key| {
        let scheduler = scheduler.clone();
        async move { scheduler.schedule(&key).await }
    })
    .await;
}

/// Feeds what is known from what is watched. Whatever frees room puts the pods that wait back into the queue.
fn watch(parts: &Parts, cluster: &Arc<Mutex<Cluster>>, queue: &Queue<Key>) {
    let (known, keys) = (cluster.clone(), queue.clone());
    parts.nodes.subscribe(move |change| {
        let node = change.new.as_ref().and_then(|raw| raw.view::<Node>().ok());
        let mut cluster = lock(&known);
        match node {
            Some(node) => cluster.set_node(node),
            None => cluster.remove_node(change.latest().name()),
        }
        cluster.waiting.iter().for_each(|key| keys.add(key.clone()));
    });
    let (known, keys) = (cluster.clone(), queue.clone());
    parts.pods.subscribe(move |change: &Change| {
        let key = change.key();
        let pod = change.new.as_ref().and_then(|raw| raw.view::<Pod>().ok());
        let mut cluster = lock(&known);
        if pod.as_ref().is_some_and(waits) {
            cluster.waiting.insert(key.clone());
            keys.add(key.clone());
            return;
        }
        cluster.waiting.remove(key);
        let freed = match &pod {
            Some(pod) => cluster.set_pod(key, pod),
            None => cluster.remove_pod(key),
        };
        if freed == Room::Freed {
            cluster.waiting.iter().for_each(|key| keys.add(key.clone()));
        }
    });
}

/// Whether a pod waits for a node from this scheduler.
fn waits(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    spec.node_name.as_deref().unwrap_or_default().is_empty()
        && matches!(spec.scheduler_name.as_deref(), None | Some("" | "default-scheduler"))
        && spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty)
        && pod.metadata.deletion_timestamp.is_none()
        && !matches!(phase(pod), "Succeeded" | "Failed")
}

impl Scheduler {
    async fn schedule(&self, key: &Key) -> Outcome {
        let Some(raw) = self.parts.pods.get(&key.namespace, &key.name) else { return Outcome::Done };
        let Ok(pod) = raw.view::<Pod>() else { return Outcome::Done };
        if !waits(&pod) {
            return Outcome::Done;
        }
        let choice = {
            let mut cluster = lock(&self.cluster);
            let choice = cluster.choose(&pod);
            if let Ok(node) = &choice {
                cluster.place(key, &pod, node.clone());
            }
            choice
        };
        let result = match choice {
            Ok(node) => self.bind(&raw, &node).await.map(|()| Outcome::Done),
            Err(why) => self.refuse(&raw, &pod, &why).await.map(|()| Outcome::After(AGAIN)),
        };
        result.unwrap_or_else(|error| {
            lock(&self.cluster).remove_pod(key);
            // Gone, or bound by somebody else: the watch will tell.
            if client::is_not_found(&error) || client::is_conflict(&error) {
                return Outcome::Done;
            }
            tracing::debug!(%error, pod = %key, "scheduler of the lab");
            Outcome::Retry
        })
    }

    async fn bind(&self, raw: &Raw, node: &str) -> Result<(), kube::Error> {
        let (namespace, name) = (raw.namespace(), raw.name());
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, "uid": raw.uid()},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        let request = Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/binding"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(binding.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        self.parts.objects.client().request::<Value>(request).await?;
        self.record(raw, Level::Normal, "Scheduled", format!("Successfully assigned {namespace}/{name} to {node}"));
        Ok(())
    }

    async fn refuse(&self, raw: &Raw, pod: &Pod, why: &str) -> Result<(), kube::Error> {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let said = conditions.into_iter().flatten().find(|condition| condition.type_ == "PodScheduled");
        if said.is_some_and(|condition| condition.message.as_deref() == Some(why)) {
            return Ok(());
        }
        self.record(raw, Level::Warning, "FailedScheduling", why.to_owned());
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
            "lastProbeTime": null, "lastTransitionTime": status::time(Timestamp::now())});
        let patch = json!({"metadata": {"uid": raw.uid()}, "status": {"conditions": [condition]}});
        let key = (raw.namespace(), raw.name());
        self.parts.objects.strategic(&pods(), key, Part::Status, &patch).await.map(|_| ())
    }

    fn record(&self, raw: &Raw, level: Level, reason: &'static str, message: String) {
        let recorder = self.parts.recorder.component("default-scheduler");
        recorder.record(&Regarding::raw(&pods(), raw), level, reason, message);
    }
}
