//! CronJobs: Jobs at times (upstream `pkg/controller/cronjob`).

mod plan;
mod schedule;
#[cfg(test)]
mod tests;
mod times;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{self, DeleteOptions, Part};
use crate::events::{Level, Recorder, Regarding};
use crate::informer::{Change, Informer, Raw};
use crate::job::Job;
use crate::key::{Key, plain};
use crate::kinds;
use crate::object::{controller_reference, timestamp};
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::step::{self, Controller, Error};
use crate::written::Written;

use plan::{CronJob, Plan, Reference, Start, Status, plan};

const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

#[derive(Clone)]
struct CronJobs {
    context: Context,
    recorder: Recorder,
    cron_jobs: Informer,
    jobs: Informer,
    written: Arc<Written>,
}

impl Controller for CronJobs {
    const NAME: &'static str = "cronjob-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.cron_jobs.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        if self.written.is_newer(raw.uid(), raw.resource_version()) {
            return Ok(Outcome::Done);
        }
        let mut cron = CronJob::view(&raw)?;
        let held = cron.status.clone();
        let jobs: Vec<Job> =
            self.jobs.by_owner(raw.uid()).iter().map(|job| Job::view(job)).collect::<Result<_, _>>()?;
        let step = Step { controller: self, regarding: Regarding::raw(&kinds::cron_jobs(), &raw), raw: &raw };
        step.miss(&mut cron.status, &jobs).await?;
        let plan = plan(&cron, &jobs, Timestamp::now());
        step.carry_out(&cron, plan, &held).await
    }
}

/// One step of one CronJob.
struct Step<'a> {
    controller: &'a CronJobs,
    raw: &'a Raw,
    regarding: Regarding,
}

impl Step<'_> {
    fn event(&self, level: Level, reason: &'static str, message: String) {
        self.controller.recorder.record(&self.regarding, level, reason, message);
    }

    /// Takes Jobs off the list that are gone, which a live read has to confirm: a new one may not be observed yet.
    async fn miss(&self, status: &mut Status, jobs: &[Job]) -> Result<(), Error> {
        let unseen = |active: &&Reference| !jobs.iter().any(|job| job.meta.uid == active.uid);
        let missing: Vec<Reference> = status.active.iter().filter(unseen).cloned().collect();
        for active in missing {
            let objects = &self.controller.context.objects;
            match objects.get(&kinds::jobs(), self.raw.namespace(), &active.name).await {
                Ok(_) => {}
                Err(error) if client::is_not_found(&error) => {
                    self.event(Level::Normal, "MissingJob", format!("Active job went missing: {}", active.name));
                    status.active.retain(|held| held.uid != active.uid);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn carry_out(&self, cron: &CronJob, plan: Plan, held: &Status) -> Result<Outcome, Error> {
        let Plan { history, notes, start, mut status, again } = plan;
        for (level, reason, message) in notes {
            self.event(level, reason, message);
        }
        for name in &history {
            // One that cannot be deleted now is tried again at the next look.
            let _ = self.delete(name).await;
        }
        let failure = match start {
            Some(start) => self.start(cron, &start, &mut status).await.err(),
            None => None,
        };
        if status != *held {
            self.report(&status).await?;
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(again.map_or(Outcome::Done, Outcome::After)),
        }
    }

    async fn delete(&self, name: &str) -> Result<(), Error> {
        let options = DeleteOptions { propagation: Some("Background"), ..DeleteOptions::default() };
        let objects = &self.controller.context.objects;
        match objects.delete(&kinds::jobs(), (self.raw.namespace(), name), &options).await {
            Ok(_) => {
                self.event(Level::Normal, "SuccessfulDelete", format!("Deleted job {name}"));
                Ok(())
            }
            Err(error) => {
                self.event(Level::Warning, "FailedDelete", format!("Deleted job: {}", client::message(&error)));
                Err(error.into())
            }
        }
    }

    async fn start(&self, cron: &CronJob, start: &Start, status: &mut Status) -> Result<(), Error> {
        if start.replaces {
            for active in status.active.clone() {
                self.delete(&active.name).await?;
                status.active.retain(|held| held.uid != active.uid);
            }
        }
        let (objects, kind) = (&self.controller.context.objects, kinds::jobs());
        let body = job(self.raw, cron, start.time);
        let made = match objects.create(&kind, self.raw.namespace(), &body).await {
            Ok(made) => {
                let name = made["metadata"]["name"].as_str().unwrap_or_default();
                self.event(Level::Normal, "SuccessfulCreate", format!("Created job {name}"));
                made
            }
            Err(error) if client::is_already_exists(&error) => {
                let name = cron.job_name(start.time);
                let there = objects.get(&kind, self.raw.namespace(), &name).await?;
                // Ours, made by a step whose status was not written; or somebody else's business.
                let owner = Raw::from_value(&there)?.controller().map(|owner| owner.uid.clone());
                if owner.as_deref() != Some(self.raw.uid()) {
                    return Ok(());
                }
                there
            }
            Err(error) => {
                if !client::is_namespace_terminating(&error) {
                    let message = format!("Error creating job: {}", client::message(&error));
                    self.event(Level::Warning, "FailedCreate", message);
                }
                return Err(error.into());
            }
        };
        status.active.push(reference(self.raw, &made));
        status.last_schedule_time = Some(timestamp(start.time));
        Ok(())
    }

    async fn report(&self, status: &Status) -> Result<(), Error> {
        let active = if status.active.is_empty() { Value::Null } else { json!(status.active) };
        let patch = json!({
            "metadata": {"uid": self.raw.uid(), "resourceVersion": self.raw.resource_version()},
            "status": {
                "active": active,
                "lastScheduleTime": status.last_schedule_time,
                "lastSuccessfulTime": status.last_successful_time,
            },
        });
        let (objects, key) = (&self.controller.context.objects, (self.raw.namespace(), self.raw.name()));
        let written = objects.merge(&kinds::cron_jobs(), key, Part::Status, &patch).await?;
        let version = written["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        self.controller.written.note(self.raw.uid(), version);
        Ok(())
    }
}

/// The Job of a time (`getJobFromTemplate2`).
fn job(owner: &Raw, cron: &CronJob, time: Timestamp) -> Value {
    let template = &cron.spec.job_template;
    let map = |field: &str| template["metadata"][field].as_object().cloned().unwrap_or_default();
    let mut annotations: Map<String, Value> = map("annotations");
    annotations.insert(SCHEDULED.to_owned(), json!(local(cron, time)));
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": cron.job_name(time),
            "labels": map("labels"),
            "annotations": annotations,
            "ownerReferences": [controller_reference(&kinds::cron_jobs(), owner.name(), owner.uid())],
        },
        "spec": template["spec"],
    })
}

/// A time as RFC 3339 in the zone of the CronJob.
fn local(cron: &CronJob, time: Timestamp) -> String {
    match cron.zone() {
        Some(zone) if zone != jiff::tz::TimeZone::UTC => {
            let zoned = time.to_zoned(zone);
            let offset = if zoned.offset().is_zero() { "Z".to_owned() } else { zoned.strftime("%:z").to_string() };
            format!("{}{offset}", zoned.strftime("%Y-%m-%dT%H:%M:%S"))
        }
        _ => timestamp(time),
    }
}

fn reference(owner: &Raw, job: &Value) -> Reference {
    let text = |field: &str| job["metadata"][field].as_str().unwrap_or_default().to_owned();
    Reference {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        name: text("name"),
        namespace: plain(owner.namespace()).to_owned(),
        resource_version: text("resourceVersion"),
        uid: text("uid"),
    }
}

/// Observes a CronJob. One whose times have changed waits for the next of them: what the new schedule missed before it
/// was written is no miss.
fn observe(queue: &Queue<Key>, change: &Change) {
    let views = (change.old.as_ref().and_then(|old| CronJob::view(old).ok()), change.new.as_ref());
    if let (Some(old), Some(new)) = views
        && let Ok(new) = CronJob::view(new)
        && (&old.spec.schedule, &old.spec.time_zone) != (&new.spec.schedule, &new.spec.time_zone)
        && let Some(wait) = new.wait(Timestamp::now())
    {
        return queue.add_after(change.key().clone(), wait);
    }
    queue.add(change.key().clone());
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let controller = CronJobs {
        context: context.clone(),
        recorder: context.recorder.component("cronjob-controller"),
        cron_jobs: context.cron_jobs(),
        jobs: context.jobs(),
        written: Arc::default(),
    };
    controller.cron_jobs.subscribe({
        let (queue, written) = (queue.clone(), controller.written.clone());
        move |change| {
            if change.new.is_none() {
                written.forget(change.latest().uid());
            }
            observe(&queue, change);
        }
    });
    controller.jobs.subscribe({
        let queue = queue.clone();
        move |change| {
            let owners = change.old.iter().chain(&change.new).filter_map(|job| {
                let owner = job.controller().filter(|owner| &*owner.kind == "CronJob")?;
                Some(Key::new(job.key().namespace.clone(), &*owner.name))
            });
            owners.for_each(|key| queue.add(key));
        }
    });
    let informers = vec![controller.cron_jobs.clone(), controller.jobs.clone()];
    step::work(controller, queue, informers, shutdown)
}
