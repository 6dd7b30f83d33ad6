//! Pods that nobody will count any more, because their Job is finished or gone: the tracking finalizer is taken off.

use std::sync::Arc;

use super::view::{Job, TRACKING};
use crate::client::{self, Objects, Part};
use crate::informer::{Informer, Raw};
use crate::key::Key;
use crate::kinds;
use crate::queue::Outcome;
use crate::step::{Controller, Error};

#[derive(Clone)]
pub(super) struct Orphans {
    pub(super) objects: Objects,
    pub(super) jobs: Informer,
    pub(super) pods: Informer,
}

/// The Job a pod says it belongs to.
pub(super) fn job_of(jobs: &Informer, pod: &Raw) -> Option<Arc<Raw>> {
    let owner = pod.controller().filter(|owner| &*owner.kind == "Job")?;
    jobs.get(pod.namespace(), &owner.name).filter(|job| job.uid() == &*owner.uid)
}

/// Whether a pod has the finalizer.
pub(super) fn is_tracked(pod: &Raw) -> bool {
    // Most pods are not; the text tells without a parse.
    pod.json().contains(TRACKING)
        && pod.value()["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|one| one == TRACKING))
}

/// Takes the finalizer off one pod. Errors: as the API says, but that the pod is gone is none.
pub(super) async fn release(objects: &Objects, pod: &Raw) -> Result<(), kube::Error> {
    let metadata = serde_json::json!({"uid": pod.uid(), "$deleteFromPrimitiveList/finalizers": [TRACKING]});
    let patch = serde_json::json!({ "metadata": metadata });
    match objects.strategic(&kinds::pods(), (pod.namespace(), pod.name()), Part::Object, &patch).await {
        Err(error) if !client::is_not_found(&error) => Err(error),
        _ => Ok(()),
    }
}

impl Orphans {
    /// Whether no Job will count this pod.
    pub(super) fn is_orphan(&self, pod: &Raw) -> bool {
        if pod.controller().is_some_and(|owner| &*owner.kind != "Job" || &*owner.api_version != "batch/v1") {
            return false;
        }
        let job = job_of(&self.jobs, pod);
        job.is_none_or(|job| Job::view(&job).is_ok_and(|job| !job.is_managed_elsewhere() && job.finished().is_some()))
    }
}

impl Controller for Orphans {
    const NAME: &'static str = "job-orphans";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(pod) = self.pods.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        if is_tracked(&pod) && self.is_orphan(&pod) {
            release(&self.objects, &pod).await?;
        }
        Ok(Outcome::Done)
    }
}
