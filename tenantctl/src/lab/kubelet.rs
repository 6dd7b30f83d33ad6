//! The simulated kubelet of all nodes of the lab: runs pods that have a node, ends those that are deleted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use controllers::Key;
use controllers::client::{self, DeleteOptions, Part};
use controllers::events::{Level, Regarding};
use controllers::informer::Raw;
use controllers::queue::{self, Outcome, Queue};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::addresses::Addresses;
use super::nodes::Simulated;
use super::status::{Play, play};
use super::{Parts, pods};

/// Pods that are worked on at a time.
const WORKERS: usize = 4;

struct Kubelet {
    parts: Parts,
    addresses: Arc<Mutex<Addresses>>,
}

fn lock(addresses: &Mutex<Addresses>) -> MutexGuard<'_, Addresses> {
    addresses.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs pods for ever.
pub(super) async fn run(parts: Parts) {
    let addresses = Arc::new(Mutex::new(Addresses::default()));
    let queue = Queue::default();
    let (known, keys) = (addresses.clone(), queue.clone());
    parts.pods.subscribe(move |change| {
        let address = change.new.as_ref().and_then(|raw| raw.value()["status"]["podIP"].as_str()?.parse().ok());
        match (&change.new, address) {
            (Some(_), Some(address)) => lock(&known).note(change.key(), address),
            (Some(_), None) => {}
            (None, _) => lock(&known).release(change.key()),
        }
        keys.add(change.key().clone());
    });
    // An address can be given away only when everybody who has one is known.
    parts.pods.synced().await;
    let kubelet = Arc::new(Kubelet { parts, addresses });
    queue::run(queue, WORKERS, move |key| {
        let kubelet = kubelet.clone();
        async move { kubelet.step(&key).await }
    })
    .await;
}

impl Kubelet {
    async fn step(&self, key: &Key) -> Outcome {
        let Some(raw) = self.parts.pods.get(&key.namespace, &key.name) else { return Outcome::Done };
        let pod = raw.value();
        let Some(node) = pod["spec"]["nodeName"].as_str().and_then(Simulated::named) else { return Outcome::Done };
        let result =
            if raw.is_deleting() { self.end(&raw, &pod).await } else { self.run_containers(&raw, &pod, node).await };
        match result {
            Ok(()) => Outcome::Done,
            Err(error) if client::is_not_found(&error) || client::is_conflict(&error) => Outcome::Done,
            Err(error) => {
                tracing::debug!(%error, pod = %key, "kubelet of the lab");
                Outcome::Retry
            }
        }
    }

    /// Containers of the lab end as soon as they are asked to; the pod then goes without waiting for its grace period.
    async fn end(&self, raw: &Raw, pod: &Value) -> Result<(), kube::Error> {
        let options = DeleteOptions { uid: Some(raw.uid().to_owned()), grace_period: Some(0), ..Default::default() };
        self.parts.objects.delete(&pods(), (raw.namespace(), raw.name()), &options).await?;
        let containers = pod["spec"]["containers"].as_array();
        for name in containers.into_iter().flatten().filter_map(|container| container["name"].as_str()) {
            self.record(raw, "Killing", format!("Stopping container {name}"));
        }
        Ok(())
    }

    async fn run_containers(&self, raw: &Raw, pod: &Value, node: Simulated) -> Result<(), kube::Error> {
        let address = if pod["spec"]["hostNetwork"] == true {
            Some(node.address())
        } else {
            lock(&self.addresses).of(raw.key(), node)
        };
        let Some(address) = address else {
            let message = "failed to allocate for range 0: no IP addresses available (simulated)";
            self.parts.recorder.record(
                &Regarding::raw(&pods(), raw),
                Level::Warning,
                "FailedCreatePodSandBox",
                message,
            );
            return Ok(());
        };
        let Some(Play { status, started }) = play(pod, node.address(), address, Timestamp::now()) else {
            return Ok(());
        };
        let patch = json!({"metadata": {"uid": raw.uid()}, "status": status});
        self.parts.objects.strategic(&pods(), (raw.namespace(), raw.name()), Part::Status, &patch).await?;
        for (_, image) in started {
            self.record(raw, "Pulled", format!("Container image \"{image}\" already present on machine (simulated)"));
            self.record(raw, "Created", "Container created".to_owned());
            self.record(raw, "Started", "Container started".to_owned());
        }
        Ok(())
    }

    fn record(&self, raw: &Raw, reason: &'static str, message: String) {
        self.parts.recorder.record(&Regarding::raw(&pods(), raw), Level::Normal, reason, message);
    }
}
