//! StatefulSets: pods with names, one after the other (upstream `pkg/controller/statefulset`).

mod claims;
mod plan;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::claim::Claimant;
use crate::client::{self, DeleteOptions, Objects, Part};
use crate::crew::pod_from;
use crate::events::{Level, Recorder, Regarding};
use crate::history::{self, History, Revision, turn};
use crate::informer::{Change, Informer, Raw};
use crate::key::Key;
use crate::kinds;
use crate::pod::Pod;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::step::{self, Controller, Error};
use crate::written::Written;

use plan::{Act, Observed, Which, plan};
use view::{INDEX_LABEL, NAME_LABEL, StatefulSet, Status, status_patch};

pub(crate) use view::REVISION_LABEL;

#[derive(Clone)]
struct StatefulSets {
    context: Context,
    recorder: Recorder,
    sets: Informer,
    pods: Informer,
    claims: Informer,
    revisions: Informer,
    written: Arc<Written>,
}

impl Controller for StatefulSets {
    const NAME: &'static str = "statefulset-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.sets.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        if self.written.is_newer(raw.uid(), raw.resource_version()) {
            return Ok(Outcome::Done);
        }
        let set = StatefulSet::view(&raw)?;
        let kind = kinds::stateful_sets();
        let history = History {
            objects: &self.context.objects,
            revisions: &self.revisions,
            kind: &kind,
            owner: &raw,
            selector: &set.spec.selector,
        };
        let mut revisions = history.claim().await?;
        let pods = self.pods_of(&raw, &set).await?;
        let collisions = set.status.collision_count.unwrap_or_default();
        let next = turn(&revisions, &set.spec.template);
        let (update, collisions) = history.take(next, (&set.spec.template, &set.meta.annotations), collisions).await?;
        if !revisions.iter().any(|revision| revision.name == update.name) {
            revisions.push(update.clone());
        }
        let current = revisions.iter().find(|revision| revision.name == set.status.current_revision);
        let current = current.unwrap_or(&update).clone();
        let step = Step { controller: self, raw: &raw, set: &set, current: &current, update: &update };
        let outcome = step.run(&pods, collisions).await;
        let used = pods.iter().filter_map(|pod| pod.raw.label(REVISION_LABEL));
        let in_use: BTreeSet<&str> = used.chain([current.name.as_str(), update.name.as_str()]).collect();
        history.forget(&history::surplus(&revisions, &in_use, set.history_limit())).await?;
        outcome
    }
}

impl StatefulSets {
    /// The pods of a set, after adopting and releasing.
    async fn pods_of(&self, raw: &Arc<Raw>, set: &StatefulSet) -> Result<Vec<Pod>, Error> {
        let owned = self.pods.by_owner(raw.uid());
        let space = self.pods.by_namespace(raw.namespace()).into_iter();
        let orphans = space.filter(|pod| pod.controller().is_none() && set.ordinal(pod.name()).is_some());
        let kind = kinds::stateful_sets();
        let claimant = Claimant::new(&kind, raw, &set.spec.selector);
        let candidates = owned.into_iter().chain(orphans).collect();
        let claimed = claimant.claim(&self.context.objects, &kinds::pods(), candidates).await?;
        Ok(claimed.into_iter().map(Pod::view).collect::<Result<_, _>>()?)
    }

    /// Observes a pod; returns the sets to look at.
    fn observe(&self, change: &Change) -> Vec<Key> {
        let owner = |pod: &Arc<Raw>| {
            let owner = pod.controller().filter(|owner| &*owner.kind == "StatefulSet")?;
            Some(Key::new(pod.key().namespace.clone(), &*owner.name))
        };
        let mut keys: Vec<Key> = change.old.iter().chain(&change.new).filter_map(owner).collect();
        keys.dedup();
        if let Some(new) = &change.new
            && new.controller().is_none()
            && !new.is_deleting()
            && change.became_free()
        {
            let sets = self.sets.by_namespace(new.namespace());
            let adopts = |set: &Arc<Raw>| {
                StatefulSet::view(set).is_ok_and(|set| {
                    let selector = &set.spec.selector;
                    set.ordinal(new.name()).is_some() && !selector.is_empty() && selector.matches(|key| new.label(key))
                })
            };
            keys.extend(sets.iter().filter(|set| adopts(set)).map(|set| set.key().clone()));
        }
        keys
    }
}

/// One step of one set.
struct Step<'a> {
    controller: &'a StatefulSets,
    raw: &'a Raw,
    set: &'a StatefulSet,
    current: &'a Revision,
    update: &'a Revision,
}

impl Step<'_> {
    fn objects(&self) -> &Objects {
        &self.controller.context.objects
    }

    /// Tells how something went, in upstream's words.
    fn tell(&self, reasons: [&'static str; 2], what: &str, failure: Option<&kube::Error>) {
        let regarding = Regarding::raw(&kinds::stateful_sets(), self.raw);
        let recorder = &self.controller.recorder;
        match failure {
            None => recorder.record(&regarding, Level::Normal, reasons[0], what),
            Some(error) => {
                let message = format!("{what} failed error: {}", client::message(error));
                recorder.record(&regarding, Level::Warning, reasons[1], message);
            }
        }
    }

    async fn run(&self, pods: &[Pod], collisions: i32) -> Result<Outcome, Error> {
        let now = Timestamp::now();
        let observed = Observed { set: self.set, pods, current: self.current, update: self.update, now };
        let mut plan = plan(&observed);
        plan.status.collision_count = Some(collisions);
        let mut failure = self.claims_follow(pods).await.err();
        for act in &plan.acts {
            if failure.is_some() {
                break;
            }
            failure = self.act(act, pods).await.err();
        }
        self.report(&plan.status).await?;
        if let Some(error) = failure {
            return Err(error);
        }
        Ok(self.next_check(&plan.status, pods, now).map_or(Outcome::Done, Outcome::After))
    }

    async fn act(&self, act: &Act, pods: &[Pod]) -> Result<(), Error> {
        let find = |name: &str| pods.iter().find(|pod| pod.meta.name == name);
        match act {
            Act::Create(ordinal, which) => self.create(*ordinal, *which).await,
            Act::Claims(name) => self.make_claims(name).await,
            Act::Label(name) => self.label(name).await,
            Act::Delete(name) => match find(name) {
                Some(pod) => self.delete(pod).await,
                None => Ok(()),
            },
        }
    }

    async fn create(&self, ordinal: i32, which: Which) -> Result<(), Error> {
        let name = self.set.pod_name(ordinal);
        for (claim, _) in self.set.claims(ordinal) {
            let held = self.controller.claims.get(self.raw.namespace(), &claim);
            if held.is_some_and(|claim| claims::is_stale(&owners_of(&claim), self.set, &name)) {
                // Its deletion brings the set back.
                return Ok(());
            }
        }
        self.make_claims(&name).await?;
        let revision = match which {
            Which::Current => self.current,
            Which::Update => self.update,
        };
        let body = pod(self.raw, self.set, revision, ordinal);
        let made = self.objects().create(&kinds::pods(), self.raw.namespace(), &body).await;
        if let Err(error) = &made
            && (client::is_already_exists(error) || client::is_namespace_terminating(error))
        {
            return made.map(|_| ()).map_err(Error::from);
        }
        let what = format!("Create Pod {name} in StatefulSet {}", self.set.meta.name);
        self.told(["SuccessfulCreate", "FailedCreate"], &what, "successful", made)
    }

    fn told(
        &self,
        reasons: [&'static str; 2],
        what: &str,
        success: &str,
        result: Result<Value, kube::Error>,
    ) -> Result<(), Error> {
        match result {
            Ok(_) => {
                self.tell(reasons, &format!("{what} {success}"), None);
                Ok(())
            }
            Err(error) => {
                self.tell(reasons, what, Some(&error));
                Err(error.into())
            }
        }
    }

    /// Creates the claims a pod lacks. Errors: also while one of them is being deleted.
    async fn make_claims(&self, pod: &str) -> Result<(), Error> {
        let Some(ordinal) = self.set.ordinal(pod) else { return Ok(()) };
        for (name, template) in self.set.claims(ordinal) {
            match self.controller.claims.get(self.raw.namespace(), &name) {
                Some(claim) if claim.is_deleting() => {
                    return Err(Error::Failed(format!("pvc {name} is being deleted")));
                }
                Some(_) => continue,
                None => {}
            }
            let mut body = self.set.claim(&name, template);
            if self.set.spec.persistent_volume_claim_retention_policy.deletes_with_set() {
                let owner =
                    crate::object::controller_reference(&kinds::stateful_sets(), self.raw.name(), self.raw.uid());
                body["metadata"]["ownerReferences"] = json!([owner]);
            }
            let kind = kinds::persistent_volume_claims();
            let made = self.objects().create(&kind, self.raw.namespace(), &body).await;
            if made.as_ref().is_err_and(client::is_already_exists) {
                continue;
            }
            let set = &self.set.meta.name;
            match made {
                Ok(_) => {
                    let what = format!("Create Claim {name} Pod {pod} in StatefulSet {set} success");
                    self.tell(["SuccessfulCreate", "FailedCreate"], &what, None);
                }
                Err(error) => {
                    let what = format!("Create Claim {name} for Pod {pod} in StatefulSet {set}");
                    self.tell(["SuccessfulCreate", "FailedCreate"], &what, Some(&error));
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Brings the owners of claims in line with the retention policy.
    async fn claims_follow(&self, pods: &[Pod]) -> Result<(), Error> {
        if self.raw.is_deleting() {
            return Ok(());
        }
        for pod in pods {
            let Some(ordinal) = self.set.ordinal(&pod.meta.name) else { continue };
            for (name, _) in self.set.claims(ordinal) {
                let Some(claim) = self.controller.claims.get(self.raw.namespace(), &name) else { continue };
                let Some(owners) = claims::owners(&owners_of(&claim), self.set, &pod.raw) else { continue };
                let owners = if owners.is_empty() { Value::Null } else { json!(owners) };
                let patch = json!({"metadata": {"uid": claim.uid(), "resourceVersion": claim.resource_version(),
                    "ownerReferences": owners}});
                let key = (self.raw.namespace(), name.as_str());
                self.objects().merge(&kinds::persistent_volume_claims(), key, Part::Object, &patch).await?;
            }
        }
        Ok(())
    }

    async fn label(&self, name: &str) -> Result<(), Error> {
        let Some(ordinal) = self.set.ordinal(name) else { return Ok(()) };
        let labels = json!({NAME_LABEL: name, INDEX_LABEL: ordinal.to_string()});
        let patch = json!({"metadata": {"labels": labels}});
        let written = self.objects().merge(&kinds::pods(), (self.raw.namespace(), name), Part::Object, &patch).await;
        let what = format!("Update Pod {name} in StatefulSet {}", self.set.meta.name);
        self.told(["SuccessfulUpdate", "FailedUpdate"], &what, "successful", written)
    }

    async fn delete(&self, pod: &Pod) -> Result<(), Error> {
        let options = DeleteOptions { uid: Some(pod.meta.uid.clone()), ..DeleteOptions::default() };
        let key = (pod.raw.namespace(), pod.raw.name());
        let deleted = self.objects().delete(&kinds::pods(), key, &options).await;
        if deleted.as_ref().is_err_and(|error| client::is_not_found(error) || client::is_conflict(error)) {
            // Gone, or another one by now: neither is what was meant.
            return Ok(());
        }
        let what = format!("Delete Pod {} in StatefulSet {}", pod.meta.name, self.set.meta.name);
        self.told(["SuccessfulDelete", "FailedDelete"], &what, "successful", deleted)
    }

    async fn report(&self, status: &Status) -> Result<(), Error> {
        let held = &self.set.status;
        // Zero collisions are written along, but not for their own sake.
        let same = Status { collision_count: held.collision_count, ..status.clone() } == *held;
        if same && status.collision_count.unwrap_or_default() == held.collision_count.unwrap_or_default() {
            return Ok(());
        }
        let key = (self.raw.namespace(), self.raw.name());
        let patch = status_patch(self.raw, status);
        let written = self.objects().merge(&kinds::stateful_sets(), key, Part::Status, &patch).await?;
        let version = written["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        self.controller.written.note(self.raw.uid(), version);
        Ok(())
    }

    /// When a ready pod becomes available by the passing of time alone.
    fn next_check(&self, status: &Status, pods: &[Pod], now: Timestamp) -> Option<Duration> {
        let seconds = self.set.spec.min_ready_seconds;
        if seconds <= 0 || status.ready_replicas == status.available_replicas {
            return None;
        }
        let waits = pods.iter().filter_map(|pod| pod.available_at(seconds)).filter(|at| *at > now);
        let soonest = waits.min().and_then(|at| Duration::try_from(at.duration_since(now)).ok());
        Some(soonest.unwrap_or(Duration::from_secs(seconds.unsigned_abs().into())))
    }
}

fn owners_of(object: &Raw) -> Vec<Value> {
    object.value()["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default()
}

/// The pod of an ordinal (`newStatefulSetPod`).
fn pod(owner: &Raw, set: &StatefulSet, revision: &Revision, ordinal: i32) -> Value {
    let mut pod = pod_from(&kinds::stateful_sets(), owner, &revision.template);
    let name = set.pod_name(ordinal);
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        metadata.remove("generateName");
    }
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["labels"][NAME_LABEL] = json!(name);
    pod["metadata"]["labels"][INDEX_LABEL] = json!(ordinal.to_string());
    pod["metadata"]["labels"][REVISION_LABEL] = json!(revision.name);
    pod["spec"]["hostname"] = json!(name);
    if !set.spec.service_name.is_empty() {
        pod["spec"]["subdomain"] = json!(set.spec.service_name);
    }
    let claims: Vec<(String, &Value)> = set.claims(ordinal).collect();
    if !claims.is_empty() {
        let of = |volume: &Value| claims.iter().any(|(_, template)| template["metadata"]["name"] == volume["name"]);
        let own = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default().into_iter();
        let made = claims.iter().map(|(name, template)| {
            json!({"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": name}})
        });
        let volumes: Vec<Value> = made.chain(own.filter(|volume| !of(volume))).collect();
        pod["spec"]["volumes"] = json!(volumes);
    }
    pod
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let controller = StatefulSets {
        context: context.clone(),
        recorder: context.recorder.component("statefulset-controller"),
        sets: context.stateful_sets(),
        pods: context.pods(),
        claims: context.persistent_volume_claims(),
        revisions: context.controller_revisions(),
        written: Arc::default(),
    };
    controller.sets.subscribe({
        let (queue, written) = (queue.clone(), controller.written.clone());
        move |change| {
            if change.new.is_none() {
                written.forget(change.latest().uid());
            }
            queue.add(change.key().clone());
        }
    });
    controller.pods.subscribe({
        let (queue, controller) = (queue.clone(), controller.clone());
        move |change| controller.observe(change).into_iter().for_each(|key| queue.add(key))
    });
    controller.claims.subscribe({
        let (queue, sets) = (queue.clone(), controller.sets.clone());
        move |change| {
            // A pod may wait for a claim to go.
            if change.new.is_none() {
                let all = sets.by_namespace(&change.key().namespace);
                let with_claims = |set: &&Arc<Raw>| set.json().contains("\"volumeClaimTemplates\"");
                all.iter().filter(with_claims).for_each(|set| queue.add(set.key().clone()));
            }
        }
    });
    let informers =
        vec![controller.sets.clone(), controller.pods.clone(), controller.claims.clone(), controller.revisions.clone()];
    step::work(controller, queue, informers, shutdown)
}
