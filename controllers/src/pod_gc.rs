//! Pods that nobody needs any more (upstream `pkg/controller/podgc`).
//!
//! | upstream's rule | here |
//! |---|---|
//! | finished pods beyond a number | the same, for each tenant |
//! | pods on nodes that are gone | none: nodes are shown while the tenant's pods run on them; what the host loses, the syncer deletes |
//! | terminating pods that never had a node | none: the syncer ends what has no host pod |
//! | marked failed before the end | pods that a finalizer keeps after the syncer has ended them are marked failed |
//!
//! The last rule is what Jobs wait for that replace only failed pods.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tenancy::TenantId;
use tokio_util::sync::CancellationToken;

use crate::client::{self, DeleteOptions, Part};
use crate::informer::{Change, Informer, Raw};
use crate::key::{Key, sibling};
use crate::kinds;
use crate::pod::Pod;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::step::{self, Controller, Error};

/// Finished pods a tenant may have (`--terminated-pod-gc-threshold`).
const THRESHOLD: usize = 12_500;
/// Pause before a pod is marked failed: its last status may be on its way.
const PATIENCE: Duration = Duration::from_secs(5);
/// Name of the key that stands for a tenant's finished pods.
const FINISHED: &str = "finished";

#[derive(Clone)]
struct Collector {
    context: Context,
    pods: Informer,
    threshold: usize,
}

/// Whether a pod has ended but cannot say so itself.
fn ended_silently(pod: &Pod) -> bool {
    pod.is_terminating() && pod.meta.deletion_grace_period_seconds == Some(0) && !pod.meta.finalizers.is_empty()
}

/// The surplus of finished pods: evicted ones first, then the oldest (`byEvictionAndCreationTimestamp`).
fn surplus(mut finished: Vec<Pod>, threshold: usize) -> Vec<Pod> {
    let count = finished.len().saturating_sub(threshold);
    let evicted = |pod: &Pod| pod.status.phase == "Failed" && pod.status.reason == "Evicted";
    finished.sort_by_cached_key(|pod| (!evicted(pod), pod.created(), pod.meta.name.clone()));
    finished.truncate(count);
    finished
}

impl Controller for Collector {
    const NAME: &'static str = "pod-garbage-collector";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        if key.namespace.is_empty() { self.trim(key).await } else { self.mark(key).await }
    }
}

impl Collector {
    async fn trim(&self, key: &Key) -> Result<Outcome, Error> {
        let all = key.tenant().map_or_else(|| self.pods.list(), |tenant| self.pods.by_tenant(tenant));
        let views = all.into_iter().filter_map(|pod| Pod::view(pod).ok());
        let finished = views.filter(|pod| pod.is_terminal() && !pod.raw.is_deleting()).collect();
        for pod in surplus(finished, self.threshold) {
            let options =
                DeleteOptions { uid: Some(pod.meta.uid.clone()), grace_period: Some(0), ..DeleteOptions::default() };
            let key = (pod.raw.namespace(), pod.raw.name());
            match self.context.objects.delete(&kinds::pods(), key, &options).await {
                Err(error) if !client::is_not_found(&error) && !client::is_conflict(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(Outcome::Done)
    }

    async fn mark(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.pods.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        let pod = Pod::view(raw)?;
        if !ended_silently(&pod) {
            return Ok(Outcome::Done);
        }
        let patch = json!({"metadata": {"uid": pod.meta.uid}, "status": {"phase": "Failed"}});
        match self.context.objects.merge(&kinds::pods(), (&key.namespace, &key.name), Part::Status, &patch).await {
            Err(error) if !client::is_not_found(&error) && !client::is_conflict(&error) => Err(error.into()),
            _ => Ok(Outcome::Done),
        }
    }
}

/// Counts finished pods by tenant.
#[derive(Default)]
struct Counts(Mutex<HashMap<Option<TenantId>, usize>>);

impl Counts {
    /// Takes in a change; gives the number of the tenant's finished pods when it has grown.
    fn follow(&self, change: &Change) -> Option<usize> {
        let finished = |raw: &Option<Arc<Raw>>| {
            raw.as_ref().is_some_and(|raw| Pod::view(raw.clone()).is_ok_and(|pod| pod.is_terminal()))
        };
        let (before, now) = (finished(&change.old), finished(&change.new));
        if before == now {
            return None;
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tenant = change.key().tenant();
        let count = counts.entry(tenant).or_default();
        if now {
            *count += 1;
            return Some(*count);
        }
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&tenant);
        }
        None
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    work(context, THRESHOLD, shutdown)
}

fn work(context: &Context, threshold: usize, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let pods = context.pods();
    pods.subscribe({
        let (queue, counts) = (queue.clone(), Counts::default());
        move |change| {
            if counts.follow(change).is_some_and(|count| count > threshold) {
                queue.add(Key::new("", sibling(&change.key().namespace, FINISHED)));
            }
            if let Some(new) = change.new.as_ref().filter(|new| new.is_deleting())
                && Pod::view(new.clone()).is_ok_and(|pod| ended_silently(&pod))
            {
                queue.add_after(change.key().clone(), PATIENCE);
            }
        }
    });
    step::work(Collector { context: context.clone(), pods: pods.clone(), threshold }, queue, vec![pods], shutdown)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::fake::Fake;

    fn pod(name: &str, patch: &Value) -> Value {
        let mut pod = json!({"metadata": {"name": name, "namespace": "n", "uid": name,
            "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Failed"}});
        json_patch::merge(&mut pod, patch);
        pod
    }

    fn view(pod: &Value) -> Pod {
        Pod::view(Arc::new(Raw::from_value(pod).unwrap())).unwrap()
    }

    #[test]
    fn evicted_and_old_pods_go_first() {
        let at = |second: &str| json!({"metadata": {"creationTimestamp": format!("2026-01-01T00:00:{second}Z")}});
        let evicted =
            json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:59Z"}, "status": {"reason": "Evicted"}});
        let pods = [pod("c", &at("20")), pod("b", &at("10")), pod("a", &at("20")), pod("e", &evicted)];
        for (threshold, want) in [(4, vec![]), (9, vec![]), (3, vec!["e"]), (1, vec!["e", "b", "a"])] {
            let names: Vec<String> =
                surplus(pods.iter().map(view).collect(), threshold).into_iter().map(|pod| pod.meta.name).collect();
            assert_eq!(names, want, "{threshold}");
        }
    }

    #[test]
    fn what_has_ended_silently() {
        let gone = |grace: i64, phase: &str, finalizers: &[&str]| {
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace,
                "finalizers": finalizers}, "status": {"phase": phase}})
        };
        let cases = [
            (gone(0, "Running", &["a/b"]), true),
            (gone(0, "Pending", &["a/b"]), true),
            (gone(30, "Running", &["a/b"]), false),
            (gone(0, "Succeeded", &["a/b"]), false),
            (gone(0, "Running", &[]), false),
            (json!({"metadata": {"finalizers": ["a/b"]}, "status": {"phase": "Running"}}), false),
        ];
        for (patch, want) in cases {
            assert_eq!(ended_silently(&view(&pod("a", &patch))), want, "{patch}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn surplus_goes_and_silent_ends_are_told() {
        let fake = Fake::default();
        for name in ["a", "b", "c"] {
            fake.put(&kinds::pods(), pod(name, &json!({})));
        }
        let silent = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0,
            "finalizers": ["a/b"]}, "status": {"phase": "Running"}});
        fake.put(&kinds::pods(), pod("silent", &silent));
        let stop = CancellationToken::new();
        let running = tokio::spawn(work(&Context::new(fake.client()), 2, stop.clone()));
        let get = |fake: &Fake, name: &str| fake.get(&kinds::pods(), "n", name);
        fake.eventually("one goes", |fake| get(fake, "a").is_none()).await;
        fake.eventually("the silent one failed", |fake| get(fake, "silent").unwrap()["status"]["phase"] == "Failed")
            .await;
        assert!(get(&fake, "b").is_some() && get(&fake, "c").is_some(), "what goes anyway is no surplus");
        stop.cancel();
        running.await.unwrap();
    }
}
