//! Pods of ReplicaSets and ReplicationControllers (upstream `pkg/controller/replicaset`).

mod decide;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use kube::core::ApiResource;
use tokio_util::sync::CancellationToken;

pub(crate) use decide::Set;
use decide::{Failure, Scale};

use crate::claim::Claimant;
use crate::client::{self, Part};
use crate::crew::{Crew, pod_from};
use crate::events::Recorder;
use crate::expectations::Expectations;
use crate::informer::{Change, Informer, Raw};
use crate::key::Key;
use crate::kinds;
use crate::pod::Pod;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::step::{self, Controller, Error};

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
        let claimant = Claimant::new(&self.kind, raw, &set.selector);
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

    fn crew<'a>(&'a self, raw: &'a Raw) -> Crew<'a> {
        Crew {
            objects: &self.context.objects,
            recorder: &self.recorder,
            expectations: &self.expectations,
            kind: &self.kind,
            owner: raw,
        }
    }

    async fn create(&self, raw: &Raw, set: &Set, count: usize) -> Option<Failure> {
        if set.template["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty) {
            return Some(Failure("unable to create pods, no labels".to_owned()));
        }
        let body = pod_from(&self.kind, raw, &set.template);
        let (_, failure) = self.crew(raw).create(count, |_| body.clone()).await;
        let error = failure.filter(|error| !client::is_namespace_terminating(error))?;
        Some(Failure(client::message(&error)))
    }

    async fn delete(&self, raw: &Raw, names: Vec<String>) -> Option<Failure> {
        let (_, failure) = self.crew(raw).delete(names).await;
        failure.map(|message| Failure(format!("unable to delete pods: {message}")))
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
            None if new.controller().is_none() && !new.is_deleting() && change.became_free() => {
                keys.extend(self.would_adopt(new));
            }
            None => {}
        }
        keys
    }
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
