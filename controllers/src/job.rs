//! Jobs: pods that run to their end (upstream `pkg/controller/job`).
//!
//! ```text
//!   look ─► verdict ─┬─ ends ───► delete active pods ─┐
//!                    └─ goes on ► create or remove ───┴─► tally ─► status ─► finalizers ─► status
//! ```

mod backoff;
mod indexes;
mod look;
mod memory;
mod orphans;
mod policy;
mod tally;
mod template;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::claim::Claimant;
use crate::client::Part;
use crate::crew::{Crew, IN_FLIGHT};
use crate::events::{Level, Recorder, Regarding};
use crate::expectations::Expectations;
use crate::informer::{Change, Informer, Raw};
use crate::key::Key;
use crate::kinds;
use crate::object::{Condition, timestamp};
use crate::pod::Pod;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::step::{self, Controller, Error};

use look::{Look, Next};
use memory::Memory;
use orphans::{Orphans, is_tracked, job_of};
use tally::{Flush, tally};
use view::{COMPLETE, SUCCESS_CRITERIA_MET, SUSPENDED, Status, TRACKING, ensure, new_condition, status_patch};

pub(crate) use view::Job;

/// Changes of pods are looked at together (upstream waits for a second).
const BATCH: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Jobs {
    context: Context,
    recorder: Recorder,
    jobs: Informer,
    pods: Informer,
    expectations: Arc<Expectations>,
    memory: Arc<Memory>,
}

/// Numbers of pods, as they change during a step.
struct Counts {
    active: usize,
    ready: i32,
    terminating: i32,
}

impl Counts {
    /// Of these pods, so many are on their way out now.
    fn remove(&mut self, pods: &[&Pod], gone: usize) {
        self.active -= gone.min(self.active);
        self.terminating = self.terminating.saturating_add(int(gone));
        self.ready = (self.ready - int(pods.iter().filter(|pod| pod.is_ready()).count())).max(0);
    }
}

fn int(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn names(pods: &[&Pod]) -> Vec<String> {
    pods.iter().map(|pod| pod.meta.name.clone()).collect()
}

impl Controller for Jobs {
    const NAME: &'static str = "job-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.jobs.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        let job = Job::view(&raw)?;
        if job.is_managed_elsewhere() || job.finished().is_some() {
            self.memory.forget(raw.uid());
            return Ok(Outcome::Done);
        }
        if self.memory.written.is_newer(raw.uid(), raw.resource_version()) {
            return Ok(Outcome::Done);
        }
        let satisfied = self.expectations.satisfied(raw.uid());
        let pods = self.pods_of(&raw, &job).await?;
        let removed = self.memory.released(raw.uid());
        let streak = self.memory.streak(raw.uid());
        let look = Look::new(&job, &pods, &removed, streak, Timestamp::now());
        Step { controller: self, raw: &raw, look, satisfied }.run().await
    }
}

impl Jobs {
    /// The pods of a Job, after adopting and releasing.
    async fn pods_of(&self, raw: &Arc<Raw>, job: &Job) -> Result<Vec<Pod>, Error> {
        let owned = self.pods.by_owner(raw.uid());
        let orphans = self.pods.by_namespace(raw.namespace()).into_iter().filter(|pod| pod.controller().is_none());
        let kind = kinds::jobs();
        let claimant = Claimant { finalizer: Some(TRACKING), ..Claimant::new(&kind, raw, &job.spec.selector) };
        let candidates = owned.into_iter().chain(orphans).collect();
        let claimed = claimant.claim(&self.context.objects, &kinds::pods(), candidates).await?;
        Ok(claimed.into_iter().map(Pod::view).collect::<Result<_, _>>()?)
    }

    /// Removes the finalizer from pods. Returns the uids of those without it, and an error if there was one.
    async fn release(&self, job: &Raw, pods: &[&Pod]) -> (BTreeSet<String>, Option<kube::Error>) {
        self.memory.release(job.uid(), pods.iter().map(|pod| pod.meta.uid.clone()));
        let held: Vec<Arc<Raw>> = pods.iter().map(|pod| pod.raw.clone()).collect();
        let results: Vec<_> = stream::iter(held)
            .map(|pod| async move {
                let result = orphans::release(&self.context.objects, &pod).await;
                (pod, result)
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let (mut gone, mut failure) = (BTreeSet::new(), None);
        for (pod, result) in results {
            match result {
                Ok(()) => {
                    gone.insert(pod.uid().to_owned());
                }
                Err(error) => {
                    self.memory.settled(job.uid(), pod.uid());
                    failure = Some(error);
                }
            }
        }
        (gone, failure)
    }

    /// Observes a pod; returns the Jobs to look at.
    fn observe(&self, change: &Change) -> Vec<Key> {
        let mut keys = Vec::new();
        if let Some(old) = &change.old
            && let Some(job) = job_of(&self.jobs, old)
        {
            keys.push(job.key().clone());
            let released = change.new.as_ref().is_none_or(|new| !is_tracked(new));
            if released {
                self.memory.settled(job.uid(), old.uid());
            }
            if change.new.is_none() {
                self.expectations.deleted(job.uid(), old.name());
            }
        }
        let Some(new) = &change.new else { return keys };
        if let Some(job) = job_of(&self.jobs, new) {
            keys.push(job.key().clone());
            if new.is_deleting() {
                self.expectations.deleted(job.uid(), new.name());
            } else if change.old.is_none() {
                self.expectations.created(job.uid());
            }
        } else if new.controller().is_none() && !new.is_deleting() && change.became_free() {
            keys.extend(self.would_adopt(new));
        }
        keys
    }

    fn would_adopt(&self, pod: &Raw) -> Vec<Key> {
        let jobs = self.jobs.by_namespace(pod.namespace());
        let selects = |job: &Arc<Raw>| {
            let selector = Job::view(job).map(|job| job.spec.selector);
            selector.is_ok_and(|selector| !selector.is_empty() && selector.matches(|key| pod.label(key)))
        };
        jobs.iter().filter(|job| selects(job)).map(|job| job.key().clone()).collect()
    }
}

/// One step of one Job.
struct Step<'a> {
    controller: &'a Jobs,
    raw: &'a Raw,
    look: Look<'a>,
    /// Whether every pod we have created or deleted has been observed.
    satisfied: bool,
}

impl Step<'_> {
    fn event(&self, level: Level, reason: &'static str, message: &str) {
        self.controller.recorder.record(&Regarding::raw(&kinds::jobs(), self.raw), level, reason, message);
    }

    async fn run(&self) -> Result<Outcome, Error> {
        let (look, held) = (&self.look, &self.look.job.status);
        let mut status = Status { start_time: look.started.clone(), ..held.clone() };
        let mut counts = Counts { active: look.active.len(), ready: look.ready, terminating: look.terminating };
        let mut managed = Managed::default();
        let mut flush = false;
        let finished = if let Some(verdict) = look.verdict() {
            managed = self.end(&mut counts).await;
            // Before every pod is known to go, more of them may be about to be seen.
            Some(verdict).filter(|_| managed.failure.is_none() && self.satisfied)
        } else {
            let may_manage = self.satisfied && !self.raw.is_deleting();
            if may_manage {
                managed = self.manage(&mut counts).await;
            }
            if look.is_complete(int(counts.active)) {
                let message = "Reached expected number of succeeded pods";
                Some(new_condition(SUCCESS_CRITERIA_MET, "True", "CompletionsReached", message, look.now))
            } else {
                flush = may_manage && self.suspension(&mut status);
                None
            }
        };
        status.active = int(counts.active);
        status.ready = Some(counts.ready);
        status.terminating = Some(counts.terminating);
        flush |= (status.active, status.ready, status.terminating) != (held.active, held.ready, held.terminating);
        self.track(status, Flush::when(flush), finished, counts.terminating).await?;
        if let Some(error) = managed.failure {
            return Err(error);
        }
        let again = [managed.again, look.time_left()].into_iter().flatten().min();
        Ok(again.map_or(Outcome::Done, Outcome::After))
    }

    fn crew(&self) -> CrewOf<'_> {
        CrewOf { kind: kinds::jobs(), step: self }
    }

    /// Deletes every active pod; their finalizers stay, so that they are counted.
    async fn end(&self, counts: &mut Counts) -> Managed {
        let active = &self.look.active;
        if active.is_empty() {
            return Managed::default();
        }
        let (gone, failure) = self.crew().crew().delete(names(active)).await;
        counts.remove(active, gone.len());
        Managed { failure: failure.map(Error::Failed), again: None }
    }

    async fn manage(&self, counts: &mut Counts) -> Managed {
        match self.look.next() {
            Next::Nothing => Managed::default(),
            Next::Wait(pause) => Managed { again: Some(pause), failure: None },
            Next::Remove(pods) => {
                // They were too many; they do not count, neither for nor against.
                let (released, failure) = self.controller.release(self.raw, &pods).await;
                let free: Vec<&Pod> = pods.into_iter().filter(|pod| released.contains(&pod.meta.uid)).collect();
                let (gone, message) = self.crew().crew().delete(names(&free)).await;
                counts.remove(&free, gone.len());
                Managed { failure: failure.map(Error::Api).or(message.map(Error::Failed)), again: None }
            }
            Next::Create(indexes) => {
                let kind = kinds::jobs();
                let body = |at: usize| {
                    let index = indexes.get(at).copied().flatten();
                    template::pod(&kind, self.raw, &self.look, index)
                };
                let (created, failure) = self.crew().crew().create(indexes.len(), body).await;
                counts.active += created;
                Managed { failure: failure.map(Error::Api), again: None }
            }
        }
    }

    /// Says whether the Job is suspended. Returns whether that is new.
    fn suspension(&self, status: &mut Status) -> bool {
        let now = self.look.now;
        if self.look.job.spec.suspend {
            let new = new_condition(SUSPENDED, "True", "JobSuspended", "Job suspended", now);
            let changed = ensure(&mut status.conditions, new);
            if changed {
                self.event(Level::Normal, "Suspended", "Job suspended");
                status.start_time = None;
            }
            return changed;
        }
        let changed =
            ensure(&mut status.conditions, new_condition(SUSPENDED, "False", "JobResumed", "Job resumed", now));
        if changed {
            self.event(Level::Normal, "Resumed", "Job resumed");
            // The deadline is about time spent running.
            status.start_time = Some(timestamp(now));
        }
        changed
    }

    /// Counts pods that have ended and writes what came of it.
    async fn track(
        &self,
        status: Status,
        flush: Flush,
        finished: Option<Condition>,
        terminating: i32,
    ) -> Result<(), Error> {
        let (controller, uid) = (self.controller, self.raw.uid());
        let mut tally = tally(&self.look, status, flush, finished);
        let mut version = self.raw.resource_version().to_owned();
        if tally.flush == Flush::Needed {
            version = self.report(&version, &tally.status).await?;
            controller.memory.set_streak(uid, self.look.streak);
            tally.flushed();
        }
        if !tally.release.is_empty() {
            let (gone, failure) = controller.release(self.raw, &tally.release).await;
            tally.released(&gone);
            if let Some(error) = failure {
                if tally.flush == Flush::Needed {
                    self.report(&version, &tally.status).await?;
                }
                return Err(error.into());
            }
        }
        let finished = tally.finish(terminating);
        if tally.flush == Flush::Needed {
            self.report(&version, &tally.status).await?;
        }
        if let Some(finished) = finished {
            self.announce(&finished, &tally.status);
        }
        Ok(())
    }

    async fn report(&self, version: &str, status: &Status) -> Result<String, Error> {
        let patch = status_patch(self.raw.uid(), version, status);
        let key = (self.raw.namespace(), self.raw.name());
        let written = self.controller.context.objects.merge(&kinds::jobs(), key, Part::Status, &patch).await?;
        let version = written["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        self.controller.memory.written.note(self.raw.uid(), version);
        Ok(version.to_owned())
    }

    fn announce(&self, finished: &Condition, status: &Status) {
        if finished.r#type != COMPLETE {
            let reason = match finished.reason.as_str() {
                "BackoffLimitExceeded" => "BackoffLimitExceeded",
                "DeadlineExceeded" => "DeadlineExceeded",
                "PodFailurePolicy" => "PodFailurePolicy",
                "MaxFailedIndexesExceeded" => "MaxFailedIndexesExceeded",
                "FailedIndexes" => "FailedIndexes",
                _ => "Failed",
            };
            return self.event(Level::Warning, reason, &finished.message);
        }
        if self.look.job.spec.completions.is_some_and(|wanted| status.succeeded > wanted) {
            let message = "Too many succeeded pods running after completion count reached";
            self.event(Level::Warning, "TooManySucceededPods", message);
        }
        self.event(Level::Normal, "Completed", "Job completed");
    }
}

/// What came of a change of the number of pods.
#[derive(Default)]
struct Managed {
    again: Option<Duration>,
    failure: Option<Error>,
}

struct CrewOf<'a> {
    kind: kube::core::ApiResource,
    step: &'a Step<'a>,
}

impl CrewOf<'_> {
    fn crew(&self) -> Crew<'_> {
        let controller = self.step.controller;
        Crew {
            objects: &controller.context.objects,
            recorder: &controller.recorder,
            expectations: &controller.expectations,
            kind: &self.kind,
            owner: self.step.raw,
        }
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let (queue, orphan_queue): (Queue<Key>, Queue<Key>) = (Queue::new(step::LANE_LIMIT), Queue::new(step::LANE_LIMIT));
    let controller = Jobs {
        context: context.clone(),
        recorder: context.recorder.component("job-controller"),
        jobs: context.jobs(),
        pods: context.pods(),
        expectations: Arc::default(),
        memory: Arc::default(),
    };
    let (jobs, pods) = (controller.jobs.clone(), controller.pods.clone());
    let orphans = Orphans { objects: context.objects.clone(), jobs: jobs.clone(), pods: pods.clone() };
    jobs.subscribe({
        let (queue, orphan_queue, controller) = (queue.clone(), orphan_queue.clone(), controller.clone());
        move |change| {
            let job = change.latest();
            let gone = change.new.is_none();
            if gone {
                controller.expectations.forget(job.uid());
                controller.memory.forget(job.uid());
            }
            if gone || Job::view(job).is_ok_and(|job| job.finished().is_some()) {
                let left = controller.pods.by_owner(job.uid()).into_iter().filter(|pod| is_tracked(pod));
                left.for_each(|pod| orphan_queue.add(pod.key().clone()));
            }
            queue.add(change.key().clone());
        }
    });
    pods.subscribe({
        let (queue, orphan_queue, controller) = (queue.clone(), orphan_queue.clone(), controller.clone());
        let orphans = orphans.clone();
        move |change| {
            controller.observe(change).into_iter().for_each(|key| queue.add_after(key, BATCH));
            if let Some(pod) = change.new.as_ref().filter(|pod| is_tracked(pod) && orphans.is_orphan(pod)) {
                orphan_queue.add(pod.key().clone());
            }
        }
    });
    let informers = vec![jobs, pods];
    let counting = step::work(controller, queue, informers.clone(), shutdown.clone());
    let releasing = step::work(orphans, orphan_queue, informers, shutdown);
    async move {
        tokio::join!(counting, releasing);
    }
}
