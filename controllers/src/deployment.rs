//! Deployments: one ReplicaSet per revision, replaced little by little (upstream `pkg/controller/deployment`).

mod annotations;
mod rollout;
mod status;
#[cfg(test)]
mod tests;
mod view;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::claim::Claimant;
use crate::client::{self, DeleteOptions, Part};
use crate::events::{Level, Recorder, Regarding};
use crate::informer::{Change, Informer, Raw};
use crate::key::Key;
use crate::kinds;
use crate::object::controller_reference;
use crate::pod::Pod;
use crate::queue::{Outcome, Queue};
use crate::replica_set::{Family, Set};
use crate::run::Context;
use crate::step::{self, Controller, Error};

use crate::template;
use rollout::{Observed, Plan, Resize, Write};
use status::PROGRESSING;
use view::{Deployment, Status, Strategy};

#[derive(Clone)]
struct Deployments {
    context: Context,
    recorder: Recorder,
    deployments: Informer,
    sets: Informer,
    pods: Informer,
}

impl Controller for Deployments {
    const NAME: &'static str = "deployment-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.deployments.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        let deployment = Deployment::view(&raw)?;
        if deployment.selector.is_empty() {
            return self.selects_all(&raw, &deployment).await;
        }
        let mut sets = Vec::new();
        for set in self.claim(&raw, &deployment).await? {
            sets.push(Set::view(Family::ReplicaSet, &set)?);
        }
        let busy = sets.iter().map(|set| set.meta.uid.clone()).filter(|uid| self.has_pods(uid)).collect();
        let versions = sets.iter().map(|set| (set.meta.name.clone(), set.meta.clone())).collect();
        let held = deployment.status.clone();
        let plan = rollout::plan(Observed { deployment, sets, busy, now: Timestamp::now() });
        let again = plan.again;
        let step =
            Step { controller: self, regarding: Regarding::raw(&kinds::deployments(), &raw), raw: &raw, versions };
        step.carry_out(plan, &held).await?;
        Ok(again.map_or(Outcome::Done, Outcome::After))
    }
}

impl Deployments {
    async fn selects_all(&self, raw: &Raw, deployment: &Deployment) -> Result<Outcome, Error> {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        let regarding = Regarding::raw(&kinds::deployments(), raw);
        self.recorder.record(&regarding, Level::Warning, "SelectingAll", message);
        if deployment.status.observed_generation < deployment.meta.generation {
            let patch = json!({"status": {"observedGeneration": deployment.meta.generation}});
            let key = (raw.namespace(), raw.name());
            self.context.objects.merge(&kinds::deployments(), key, Part::Status, &patch).await?;
        }
        Ok(Outcome::Done)
    }

    /// The ReplicaSets that are the Deployment's, after adopting and releasing.
    async fn claim(&self, raw: &Arc<Raw>, deployment: &Deployment) -> Result<Vec<Arc<Raw>>, Error> {
        let owned = self.sets.by_owner(raw.uid());
        let orphans = self.sets.by_namespace(raw.namespace()).into_iter().filter(|set| set.controller().is_none());
        let kind = kinds::deployments();
        let claimant = Claimant::new(&kind, raw, &deployment.selector);
        let candidates = owned.into_iter().chain(orphans).collect();
        claimant.claim(&self.context.objects, &kinds::replica_sets(), candidates).await
    }

    fn has_pods(&self, set: &str) -> bool {
        self.pods.by_owner(set).into_iter().any(|pod| Pod::view(pod).is_ok_and(|pod| !pod.is_terminal()))
    }

    /// Observes a ReplicaSet; returns the Deployments to look at.
    fn observe_set(&self, change: &Change) -> Vec<Key> {
        let owner = |set: &Arc<Raw>| {
            let owner = set.controller().filter(|owner| &*owner.kind == "Deployment")?;
            Some(Key::new(set.key().namespace.clone(), &*owner.name))
        };
        let mut keys: Vec<Key> = change.old.iter().chain(&change.new).filter_map(owner).collect();
        keys.dedup();
        if let Some(new) = &change.new
            && new.controller().is_none()
            && !new.is_deleting()
        {
            let unchanged =
                change.old.as_ref().is_some_and(|old| old.controller().is_none() && old.labels().eq(new.labels()));
            if !unchanged {
                keys.extend(self.would_adopt(new));
            }
        }
        keys
    }

    fn would_adopt(&self, set: &Raw) -> Vec<Key> {
        let deployments = self.deployments.by_namespace(set.namespace());
        let selects = |raw: &Arc<Raw>| {
            Deployment::view(raw).is_ok_and(|d| !d.selector.is_empty() && d.selector.matches(|key| set.label(key)))
        };
        deployments.iter().filter(|raw| selects(raw)).map(|raw| raw.key().clone()).collect()
    }

    /// Observes a pod: when the last one is gone, a Recreate Deployment goes on.
    fn observe_pod(&self, change: &Change) -> Option<Key> {
        if change.new.is_some() {
            return None;
        }
        let pod = change.old.as_ref()?;
        let owner = pod.controller().filter(|owner| &*owner.kind == "ReplicaSet")?;
        let set = self.sets.get(pod.namespace(), &owner.name)?;
        let owner = set.controller().filter(|owner| &*owner.kind == "Deployment")?;
        let raw = self.deployments.get(pod.namespace(), &owner.name)?;
        let waits = Deployment::view(&raw).is_ok_and(|deployment| deployment.strategy == Strategy::Recreate);
        waits.then(|| raw.key().clone())
    }
}

/// One step of one Deployment.
struct Step<'a> {
    controller: &'a Deployments,
    raw: &'a Raw,
    regarding: Regarding,
    versions: std::collections::BTreeMap<String, crate::object::Meta>,
}

impl Step<'_> {
    fn key(&self) -> (&str, &str) {
        (self.raw.namespace(), self.raw.name())
    }

    fn event(&self, level: Level, reason: &'static str, message: String) {
        self.controller.recorder.record(&self.regarding, level, reason, message);
    }

    async fn carry_out(&self, plan: Plan, held: &Status) -> Result<(), Error> {
        if let Some(set) = &plan.creates {
            self.create(set, &plan.status, held).await?;
        }
        for (name, write) in &plan.writes {
            self.write(name, write).await?;
        }
        for name in &plan.deletes {
            let uid = self.versions.get(name).map(|meta| meta.uid.clone());
            let options = DeleteOptions { uid, ..DeleteOptions::default() };
            let objects = &self.controller.context.objects;
            match objects.delete(&kinds::replica_sets(), (self.raw.namespace(), name), &options).await {
                Err(error) if !client::is_not_found(&error) => return Err(error.into()),
                _ => {}
            }
        }
        let revision = plan.revision.filter(|revision| self.revision() != *revision);
        if plan.status == *held && revision.is_none() {
            return Ok(());
        }
        let written = self.report(&plan.status, revision.as_deref()).await?;
        if let Some(revision) = revision
            && written["metadata"]["annotations"][annotations::REVISION] != revision.as_str()
        {
            self.revise(&revision, &written).await?;
        }
        Ok(())
    }

    /// The revision the Deployment says it is at.
    fn revision(&self) -> String {
        let held = self.raw.value();
        held["metadata"]["annotations"][annotations::REVISION].as_str().unwrap_or_default().to_owned()
    }

    /// Writes the status and with it, as upstream does, the revision: written to the Deployment itself it would count
    /// as a new generation.
    async fn report(&self, status: &Status, revision: Option<&str>) -> Result<Value, kube::Error> {
        let mut patch = view::status_patch(self.raw.uid(), self.raw.resource_version(), status);
        if let Some(revision) = revision {
            patch["metadata"]["annotations"][annotations::REVISION] = json!(revision);
        }
        let objects = &self.controller.context.objects;
        objects.merge(&kinds::deployments(), self.key(), Part::Status, &patch).await
    }

    /// Writes the revision to an API whose status takes no annotations.
    async fn revise(&self, revision: &str, written: &Value) -> Result<(), kube::Error> {
        let patch = json!({"metadata": {"uid": self.raw.uid(), "resourceVersion": written["metadata"]["resourceVersion"],
            "annotations": {annotations::REVISION: revision}}});
        let objects = &self.controller.context.objects;
        objects.merge(&kinds::deployments(), self.key(), Part::Object, &patch).await.map(|_| ())
    }

    async fn write(&self, name: &str, write: &Write) -> Result<(), Error> {
        let Some(meta) = self.versions.get(name) else { return Ok(()) };
        let mut patch = json!({"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}});
        if !write.annotations.is_empty() {
            patch["metadata"]["annotations"] = json!(write.annotations);
        }
        if let Some(resize) = write.replicas {
            patch["spec"]["replicas"] = json!(resize.to);
        }
        if let Some(seconds) = write.min_ready_seconds {
            patch["spec"]["minReadySeconds"] = json!(seconds);
        }
        let objects = &self.controller.context.objects;
        objects.merge(&kinds::replica_sets(), (self.raw.namespace(), name), Part::Object, &patch).await?;
        if let Some(Resize { from, to }) = write.replicas {
            let direction = if from < to { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {name} from {from} to {to}");
            self.event(Level::Normal, "ScalingReplicaSet", message);
        }
        Ok(())
    }

    async fn create(&self, set: &Set, planned: &Status, held: &Status) -> Result<(), Error> {
        let (name, objects) = (&set.meta.name, &self.controller.context.objects);
        let kind = kinds::replica_sets();
        let error = match objects.create(&kind, self.raw.namespace(), &self.body(set)).await {
            Ok(_) => {
                if set.replicas > 0 {
                    let message = format!("Scaled up replica set {name} from 0 to {}", set.replicas);
                    self.event(Level::Normal, "ScalingReplicaSet", message);
                }
                return Ok(());
            }
            Err(error) => error,
        };
        if client::is_already_exists(&error) {
            let present = Raw::from_value(&objects.get(&kind, self.raw.namespace(), name).await?)?;
            let ours = present.controller().is_some_and(|owner| *owner.uid == *self.raw.uid());
            let template = Set::view(Family::ReplicaSet, &present)?.template;
            if ours && template::normalised(&template) == template::normalised(&set.template) {
                // Made in an earlier step whose result has not been observed yet.
                return Err(Error::Stale(format!("ReplicaSet {name} is not observed yet")));
            }
            let collisions = held.collision_count.unwrap_or_default().saturating_add(1);
            let status = Status { collision_count: Some(collisions), ..held.clone() };
            self.report(&status, None).await?;
            return Err(Error::Stale(format!("ReplicaSet {name} belongs to another template")));
        }
        if !client::is_namespace_terminating(&error) {
            let message = format!("Failed to create new replica set {name:?}: {}", client::message(&error));
            let mut status = Status { conditions: held.conditions.clone(), ..held.clone() };
            if planned.conditions.iter().any(|c| c.r#type == PROGRESSING) {
                let failed = status::new_condition(
                    PROGRESSING,
                    "False",
                    "ReplicaSetCreateError",
                    message.clone(),
                    Timestamp::now(),
                );
                status::set_condition(&mut status.conditions, failed);
            }
            if status != *held {
                // The creation's error matters more than this one's.
                let _ = self.report(&status, None).await;
            }
            self.event(Level::Warning, "ReplicaSetCreateError", message);
        }
        Err(error.into())
    }

    fn body(&self, set: &Set) -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": set.meta.name,
                "labels": set.template["metadata"]["labels"],
                "annotations": set.meta.annotations,
                "ownerReferences": [controller_reference(&kinds::deployments(), self.raw.name(), self.raw.uid())],
            },
            "spec": {
                "replicas": set.replicas,
                "minReadySeconds": set.min_ready_seconds,
                "selector": set.selector,
                "template": set.template,
            },
        })
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let controller = Deployments {
        context: context.clone(),
        recorder: context.recorder.component("deployment-controller"),
        deployments: context.deployments(),
        sets: context.replica_sets(),
        pods: context.pods(),
    };
    controller.deployments.subscribe({
        let queue = queue.clone();
        move |change| queue.add(change.key().clone())
    });
    controller.sets.subscribe({
        let (queue, controller) = (queue.clone(), controller.clone());
        move |change| controller.observe_set(change).into_iter().for_each(|key| queue.add(key))
    });
    controller.pods.subscribe({
        let (queue, controller) = (queue.clone(), controller.clone());
        move |change| controller.observe_pod(change).into_iter().for_each(|key| queue.add(key))
    });
    let informers = vec![controller.deployments.clone(), controller.sets.clone(), controller.pods.clone()];
    step::work(controller, queue, informers, shutdown)
}
