//! What a CronJob does next: which Jobs go, which one starts, what is told. Pure.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schedule::{Schedule, time_zone};
use super::times::{Missed, recent, until_next};
use crate::events::Level;
use crate::informer::Raw;
use crate::job::Job;
use crate::object::{Meta, nullable, parse_time, timestamp};

/// A CronJob as far as its controller reads it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct CronJob {
    #[serde(rename = "metadata")]
    pub(super) meta: Meta,
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) schedule: String,
    pub(super) time_zone: Option<String>,
    starting_deadline_seconds: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    concurrency_policy: Concurrency,
    #[serde(deserialize_with = "nullable")]
    suspend: bool,
    pub(super) job_template: Value,
    successful_jobs_history_limit: Option<i32>,
    failed_jobs_history_limit: Option<i32>,
}

/// What happens when the time comes while a Job still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Concurrency {
    #[default]
    Allow,
    Forbid,
    Replace,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    #[serde(deserialize_with = "nullable")]
    pub(super) active: Vec<Reference>,
    pub(super) last_schedule_time: Option<String>,
    pub(super) last_successful_time: Option<String>,
}

/// A running Job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Reference {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) resource_version: String,
    pub(super) uid: String,
}

impl CronJob {
    /// The view of a watched CronJob. Errors: wrong types.
    pub(super) fn view(raw: &Raw) -> Result<Self, serde_json::Error> {
        raw.view()
    }

    /// The name of the Job of a time: the same for the same time, so that it cannot start twice.
    pub(super) fn job_name(&self, time: Timestamp) -> String {
        format!("{}-{}", self.meta.name, time.as_second() / 60)
    }

    /// The zone the schedule is in, UTC without one; `None` when there is no such zone.
    pub(super) fn zone(&self) -> Option<TimeZone> {
        time_zone(self.spec.time_zone.as_deref().unwrap_or_default())
    }

    /// From when on times count.
    fn since(&self) -> Option<Timestamp> {
        let last = self.status.last_schedule_time.as_deref().and_then(parse_time);
        last.or_else(|| parse_time(&self.meta.creation_timestamp))
    }

    /// How long until the next time, if it can be told.
    pub(super) fn wait(&self, now: Timestamp) -> Option<Duration> {
        let schedule = Schedule::parse(&self.spec.schedule, self.zone()?).ok()?;
        until_next(&schedule, self.since()?, now)
    }
}

/// Something to tell.
pub(super) type Note = (Level, &'static str, String);

/// What to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Jobs to delete because there are too many of their kind, by name.
    pub(super) history: Vec<String>,
    pub(super) notes: Vec<Note>,
    pub(super) start: Option<Start>,
    pub(super) status: Status,
    /// When to look again although nothing happens.
    pub(super) again: Option<Duration>,
}

/// A Job to start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// The time it is of.
    pub(super) time: Timestamp,
    /// Whether the Jobs that still run are deleted first.
    pub(super) replaces: bool,
}

/// Decides. `jobs` are those the CronJob controls; references to others in its status are known to be right.
pub(super) fn plan(cron: &CronJob, jobs: &[Job], now: Timestamp) -> Plan {
    let mut plan = Plan { status: cron.status.clone(), ..Plan::default() };
    plan.history = too_many(jobs, "Complete", cron.spec.successful_jobs_history_limit);
    plan.history.extend(too_many(jobs, "Failed", cron.spec.failed_jobs_history_limit));
    follow(&mut plan, jobs);
    if cron.meta.deletion_timestamp.is_some() {
        return plan;
    }
    let Some(zone) = cron.zone() else {
        let name = cron.spec.time_zone.as_deref().unwrap_or_default();
        plan.notes.push((
            Level::Warning,
            "UnknownTimeZone",
            format!("invalid timeZone: {name:?}: unknown time zone {name}"),
        ));
        return plan;
    };
    if cron.spec.suspend {
        return plan;
    }
    let text = &cron.spec.schedule;
    if text.contains("TZ") {
        let message = format!(
            "CRON_TZ or TZ used in schedule {text:?} is not officially supported, see \
             https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
        );
        plan.notes.push((Level::Warning, "UnsupportedSchedule", message));
    }
    match Schedule::parse(text, zone) {
        Ok(schedule) => due(&mut plan, cron, &schedule, now),
        Err(wrong) => {
            let message = format!("unparseable schedule: {text:?} : {wrong}");
            plan.notes.push((Level::Warning, "UnparseableSchedule", message));
        }
    }
    plan
}

/// The oldest of the Jobs that ended this way, beyond the limit.
fn too_many(jobs: &[Job], condition: &str, limit: Option<i32>) -> Vec<String> {
    let Some(limit) = limit else { return Vec::new() };
    let mut ended: Vec<&Job> =
        jobs.iter().filter(|job| job.finished().is_some_and(|finished| finished.r#type == condition)).collect();
    // Those that never started last, as upstream.
    ended.sort_by_key(|job| {
        (Reverse(job.status.start_time.is_some()), job.status.start_time.clone(), job.meta.name.clone())
    });
    let surplus = ended.len().saturating_sub(usize::try_from(limit).unwrap_or_default());
    ended[..surplus].iter().map(|job| job.meta.name.clone()).collect()
}

/// Brings the list of running Jobs and the time of the last success up to date.
fn follow(plan: &mut Plan, jobs: &[Job]) {
    for job in jobs {
        let (uid, name) = (&job.meta.uid, &job.meta.name);
        let listed = plan.status.active.iter().any(|active| active.uid == *uid);
        let Some(finished) = job.finished() else {
            if !listed {
                let message = format!("Saw a job that the controller did not create or forgot: {name}");
                plan.notes.push((Level::Warning, "UnexpectedJob", message));
            }
            continue;
        };
        if listed {
            plan.status.active.retain(|active| active.uid != *uid);
            let message = format!("Saw completed job: {name}, condition: {}", finished.r#type);
            plan.notes.push((Level::Normal, "SawCompletedJob", message));
        }
        let time = |text: &Option<String>| text.as_deref().and_then(parse_time);
        if finished.r#type == "Complete" && time(&job.status.completion_time) > time(&plan.status.last_successful_time)
        {
            plan.status.last_successful_time.clone_from(&job.status.completion_time);
        }
    }
}

fn due(plan: &mut Plan, cron: &CronJob, schedule: &Schedule, now: Timestamp) {
    let Some(held) = cron.since() else { return };
    let deadline = cron.spec.starting_deadline_seconds;
    let earliest = deadline.and_then(|seconds| now.checked_sub(SignedDuration::from_secs(seconds)).ok());
    let found = match recent(schedule, earliest.map_or(held, |earliest| earliest.max(held)), now) {
        Ok(found) => found,
        Err(impossible) => {
            let message = format!("invalid schedule: {} : {impossible}", cron.spec.schedule);
            return plan.notes.push((Level::Warning, "InvalidSchedule", message));
        }
    };
    plan.again = until_next(schedule, held, now);
    let Some(time) = found.last else { return };
    if found.missed == Missed::Many {
        let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
        plan.notes.push((Level::Warning, "TooManyMissedTimes", message.to_owned()));
    }
    if earliest.is_some_and(|earliest| time < earliest) {
        let when = time.strftime("%a, %d %b %Y %H:%M:%S +0000");
        return plan.notes.push((
            Level::Warning,
            "MissSchedule",
            format!("Missed scheduled time to start a job: {when}"),
        ));
    }
    let name = cron.job_name(time);
    if plan.status.active.iter().any(|active| active.name == name)
        || cron.status.last_schedule_time.as_deref() == Some(timestamp(time).as_str())
    {
        return;
    }
    if cron.spec.concurrency_policy == Concurrency::Forbid && !plan.status.active.is_empty() {
        let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
        return plan.notes.push((Level::Normal, "JobAlreadyActive", message.to_owned()));
    }
    let replaces = cron.spec.concurrency_policy == Concurrency::Replace;
    plan.start = Some(Start { time, replaces });
}

#[cfg(test)]
mod tests;
