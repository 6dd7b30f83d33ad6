//! Pods of ReplicaSets and ReplicationControllers (upstream `pkg/controller/replicaset`).

mod decide;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::core::ApiResource;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use decide::Set;
use decide::{Failure, Scale};

use crate::claim::Claimant;
use crate::client::{self, DeleteOptions, Part};
use crate::events::{Level, Recorder, Regarding};
use crate::expectations::Expectations;
use crate::informer::{Change, Informer, Raw};
use crate::key::Key;
use crate::kinds;
use crate::object::controller_reference;
use crate::pod::Pod;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::step::{self, Controller, Error};

/// Writes of one step in flight at a time.
const IN_FLIGHT: usize = 16;

/// Which of the two kinds; they differ in the shape of the selector and in a status field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// apps/v1 ReplicaSet.
    ReplicaSet,
    /// v1 ReplicationController.
    ReplicationController,
}

impl Family {
    fn kind(self) -> ApiResource {
        match self {
            Self::ReplicaSet => kinds::replica_sets(),
            Self::ReplicationController => kinds::replication_controllers(),
        }
    }

    fn component(self) -> &'static str {
        match self {
            Self::ReplicaSet => "replicaset-controller",
            Self::ReplicationController => "replication-controller",
        }
    }
}

#[derive(Clone)]
struct Sets {
    family: Family,
    kind: Arc<ApiResource>,
    context: Context,
    recorder: Recorder,
    sets: Informer,
    pods: Informer,
    expectations: Arc<Expectations>,
}

impl Controller for Sets {
    const NAME: &'static str = "replicaset-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.sets.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        let set = Set::view(self.family, &raw)?;
        let may_scale = self.expectations.satisfied(raw.uid()) && !raw.is_deleting();
        let (active, terminating) = self.pods_of(&raw, &set).await?;
        let failure = if may_scale { self.scale(&raw, &set, &active).await } else { None };
        let now = Timestamp::now();
        let status = decide::status(self.family, &set, &active, terminating, failure.as_ref(), now);
        if status != set.status {
            let patch = decide::status_patch(&set, &status);
            self.context.objects.merge(&self.kind, (raw.namespace(), raw.name()), Part::Status, &patch).await?;
        }
        if let Some(Failure(message)) = failure {
            return Err(Error::Failed(message));
        }
        Ok(decide::next_check(&set, &status, &active, now).map_or(Outcome::Done, Outcome::After))
    }
}

impl Sets {
    /// The active pods of a set, after adopting and releasing, and the number of those on their way out.
    async fn pods_of(&self, raw: &Arc<Raw>, set: &Set) -> Result<(Vec<Pod>, usize), Error> {
        let owned = self.pods.by_owner(raw.uid());
        let orphans = self.pods.by_namespace(raw.namespace()).into_iter().filter(|pod| pod.controller().is_none());
        let mut candidates = Vec::new();
        let mut terminating = 0;
        for pod in owned.into_iter().chain(orphans) {
            let view = Pod::view(pod.clone())?;
            if view.is_active() {
                candidates.push(pod);
            } else if view.is_terminating() && pod.controller().is_some() {
                terminating += usize::from(set.selector.matches(|key| pod.label(key)));
            }
        }
        let claimant = Claimant { kind: &self.kind, owner: raw, selector: &set.selector };
        let claimed = claimant.claim(&self.context.objects, &kinds::pods(), candidates).await?;
        let active = claimed.into_iter().map(Pod::view).collect::<Result<_, _>>()?;
        Ok((active, terminating))
    }

    /// Creates or deletes pods. Returns what went wrong.
    async fn scale(&self, raw: &Raw, set: &Set, active: &[Pod]) -> Option<Failure> {
        match decide::scale(set, active, &self.related(raw), Timestamp::now()) {
            Scale::Keep => None,
            Scale::Create(count) => self.create(raw, set, count).await,
            Scale::Delete(names) => self.delete(raw, names).await,
        }
    }

    /// The pods of all sets with the same controller, for ranking.
    fn related(&self, raw: &Raw) -> Vec<Pod> {
        let Some(owner) = raw.controller() else { return Vec::new() };
        let sets = self.sets.by_owner(&owner.uid);
        let pods = sets.iter().flat_map(|set| self.pods.by_owner(set.uid()));
        pods.filter_map(|pod| Pod::view(pod).ok()).collect()
    }

    async fn create(&self, raw: &Raw, set: &Set, count: usize) -> Option<Failure> {
        let regarding = Regarding::raw(&self.kind, raw);
        let body = pod_from(&self.kind, raw, &set.template);
        if set.template["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty) {
            return Some(Failure("unable to create pods, no labels".to_owned()));
        }
        self.expectations.expect_creations(raw.uid(), count);
        let kind = kinds::pods();
        let (mut created, mut batch, mut failure) = (0, 1, None);
        // Slow start: batches double while they succeed, so that a set that may not create pods asks once, not
        // five hundred times.
        while created < count && failure.is_none() {
            batch = batch.min(count - created);
            let results: Vec<_> = stream::iter(0..batch)
                .map(|_| self.context.objects.create(&kind, raw.namespace(), &body))
                .buffer_unordered(IN_FLIGHT)
                .collect()
                .await;
            for result in results {
                match result {
                    Ok(pod) => {
                        created += 1;
                        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                        let message = format!("Created pod: {name}");
                        self.recorder.record(&regarding, Level::Normal, "SuccessfulCreate", message);
                    }
                    Err(error) => failure = Some(error),
                }
            }
            batch *= 2;
        }
        // What was not created will not be observed.
        (created..count).for_each(|_| self.expectations.created(raw.uid()));
        let error = failure.filter(|error| !client::is_namespace_terminating(error))?;
        let message = client::message(&error);
        self.recorder.record(&regarding, Level::Warning, "FailedCreate", format!("Error creating: {message}"));
        Some(Failure(message))
    }

    async fn delete(&self, raw: &Raw, names: Vec<String>) -> Option<Failure> {
        let regarding = Regarding::raw(&self.kind, raw);
        self.expectations.expect_deletions(raw.uid(), names.iter().cloned());
        let (kind, options) = (kinds::pods(), DeleteOptions::default());
        let (kind, options, objects) = (&kind, &options, &self.context.objects);
        let results: Vec<_> = stream::iter(names)
            .map(|name| async move {
                let result = objects.delete(kind, (raw.namespace(), &name), options).await;
                (name, result)
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let mut failure = None;
        for (name, result) in results {
            let Err(error) = result else {
                self.recorder.record(&regarding, Level::Normal, "SuccessfulDelete", format!("Deleted pod: {name}"));
                continue;
            };
            self.expectations.deleted(raw.uid(), &name);
            if !client::is_not_found(&error) {
                let message = client::message(&error);
                self.recorder.record(&regarding, Level::Warning, "FailedDelete", format!("Error deleting: {message}"));
                failure = Some(Failure(format!("unable to delete pods: {message}")));
            }
        }
        failure
    }

    /// The sets that might adopt an orphan.
    fn would_adopt(&self, pod: &Raw) -> Vec<Key> {
        let sets = self.sets.by_namespace(pod.namespace());
        let selects = |set: &Arc<Raw>| {
            Set::view(self.family, set).is_ok_and(|s| !s.selector.is_empty() && s.selector.matches(|k| pod.label(k)))
        };
        sets.iter().filter(|set| selects(set)).map(|set| set.key().clone()).collect()
    }

    /// Observes a pod; returns the sets to look at.
    fn observe(&self, change: &Change) -> Vec<Key> {
        let owner = |pod: &Raw| pod.controller().filter(|c| *c.kind == *self.kind.kind).cloned();
        let key = |pod: &Raw, owner: &str| Key::new(pod.key().namespace.clone(), owner);
        let mut keys = Vec::new();
        if let Some((old, owner)) = change.old.as_ref().and_then(|old| Some((old, owner(old)?))) {
            keys.push(key(old, &owner.name));
            if change.new.is_none() {
                self.expectations.deleted(&owner.uid, old.name());
            }
        }
        let Some(new) = &change.new else { return keys };
        match owner(new) {
            Some(owner) => {
                keys.push(key(new, &owner.name));
                if new.is_deleting() {
                    self.expectations.deleted(&owner.uid, new.name());
                } else if change.old.is_none() {
                    self.expectations.created(&owner.uid);
                }
            }
            None if new.controller().is_none() && !new.is_deleting() && became_free(change) => {
                keys.extend(self.would_adopt(new));
            }
            None => {}
        }
        keys
    }
}

/// Whether an orphan is new, or has changed in a way that makes it interesting to adopters.
fn became_free(change: &Change) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else { return true };
    old.controller().is_some() || !old.labels().eq(new.labels())
}

/// A pod from a template (`GetPodFromTemplate`).
fn pod_from(kind: &ApiResource, owner: &Raw, template: &Value) -> Value {
    let mut metadata = json!({
        "generateName": generate_name(owner.name()),
        "ownerReferences": [controller_reference(kind, owner.name(), owner.uid())],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if !template["metadata"][field].is_null() {
            metadata[field] = template["metadata"][field].clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// Prefix of pod names: with a dash, unless that makes it too long for a name.
pub(crate) fn generate_name(owner: &str) -> String {
    const NAME_MAX: usize = 253;
    if owner.len() < NAME_MAX { format!("{owner}-") } else { owner.to_owned() }
}

/// Runs the controller for one of the two kinds.
pub(crate) fn run(
    family: Family,
    context: &Context,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let sets = match family {
        Family::ReplicaSet => context.replica_sets(),
        Family::ReplicationController => context.replication_controllers(),
    };
    let controller = Sets {
        family,
        kind: Arc::new(family.kind()),
        context: context.clone(),
        recorder: context.recorder.component(family.component()),
        sets: sets.clone(),
        pods: context.pods(),
        expectations: Arc::default(),
    };
    sets.subscribe({
        let (queue, expectations) = (queue.clone(), controller.expectations.clone());
        move |change| {
            if change.new.is_none() {
                expectations.forget(change.latest().uid());
            }
            queue.add(change.key().clone());
        }
    });
    controller.pods.subscribe({
        let (queue, controller) = (queue.clone(), controller.clone());
        move |change| controller.observe(change).into_iter().for_each(|key| queue.add(key))
    });
    let informers = vec![sets, controller.pods.clone()];
    step::work(controller, queue, informers, shutdown)
}
