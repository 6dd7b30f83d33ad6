//! A Job as far as its controller reads it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::policy::{FailurePolicy, SuccessPolicy};
use crate::informer::Raw;
use crate::object::{Condition, Meta, condition, nullable, parse_time, timestamp, unless_zero};
use crate::selector::LabelSelector;

/// The finalizer by which a pod stays until it has been counted.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// The value of `spec.managedBy` that means this controller.
const CONTROLLER: &str = "kubernetes.io/job-controller";

pub(super) const COMPLETE: &str = "Complete";
pub(super) const FAILED: &str = "Failed";
pub(super) const FAILURE_TARGET: &str = "FailureTarget";
pub(super) const SUCCESS_CRITERIA_MET: &str = "SuccessCriteriaMet";
pub(super) const SUSPENDED: &str = "Suspended";

/// A Job.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Job {
    #[serde(rename = "metadata")]
    pub(crate) meta: Meta,
    pub(crate) spec: Spec,
    #[serde(default)]
    pub(crate) status: Status,
}

/// How completions are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Mode {
    /// Any pod that succeeds.
    #[default]
    NonIndexed,
    /// One pod for each index.
    Indexed,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec {
    parallelism: Option<i32>,
    pub(super) completions: Option<i32>,
    pub(super) active_deadline_seconds: Option<i64>,
    backoff_limit: Option<i32>,
    pub(super) backoff_limit_per_index: Option<i32>,
    pub(super) max_failed_indexes: Option<i32>,
    pub(super) pod_failure_policy: Option<FailurePolicy>,
    pub(super) success_policy: Option<SuccessPolicy>,
    #[serde(deserialize_with = "nullable")]
    pub(super) selector: LabelSelector,
    #[serde(deserialize_with = "nullable")]
    completion_mode: Mode,
    #[serde(deserialize_with = "nullable")]
    pub(super) suspend: bool,
    pod_replacement_policy: Option<String>,
    managed_by: Option<String>,
    pub(crate) ttl_seconds_after_finished: Option<i64>,
    pub(super) template: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    #[serde(deserialize_with = "nullable")]
    pub(crate) conditions: Vec<Condition>,
    pub(crate) start_time: Option<String>,
    pub(crate) completion_time: Option<String>,
    pub(super) active: i32,
    pub(super) ready: Option<i32>,
    pub(super) terminating: Option<i32>,
    pub(super) succeeded: i32,
    pub(super) failed: i32,
    #[serde(deserialize_with = "nullable")]
    pub(super) completed_indexes: String,
    pub(super) failed_indexes: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) uncounted_terminated_pods: Uncounted,
}

/// Uids of pods that have ended and whose finalizer is not known to be gone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Uncounted {
    #[serde(deserialize_with = "nullable")]
    pub(super) succeeded: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) failed: Vec<String>,
}

impl Job {
    /// The view of a watched Job. Errors: wrong types, an unknown completion mode.
    pub(crate) fn view(raw: &Raw) -> Result<Self, serde_json::Error> {
        raw.view()
    }

    pub(super) fn parallelism(&self) -> i32 {
        self.spec.parallelism.unwrap_or(1)
    }

    pub(super) fn backoff_limit(&self) -> i32 {
        self.spec.backoff_limit.unwrap_or(6)
    }

    /// Completions of an indexed Job, which always has them.
    pub(super) fn completions(&self) -> i32 {
        self.spec.completions.unwrap_or_default()
    }

    pub(super) fn is_indexed(&self) -> bool {
        self.spec.completion_mode == Mode::Indexed
    }

    /// Whether failures are limited for each index on its own.
    pub(super) fn is_limited_per_index(&self) -> bool {
        self.is_indexed() && self.spec.backoff_limit_per_index.is_some()
    }

    /// Whether a pod is replaced only when it has failed for good, not already when it is on its way out.
    pub(super) fn replaces_only_failed(&self) -> bool {
        self.spec.pod_replacement_policy.as_deref() == Some("Failed") || self.spec.pod_failure_policy.is_some()
    }

    /// Whether another controller looks after it.
    pub(super) fn is_managed_elsewhere(&self) -> bool {
        self.spec.managed_by.as_deref().is_some_and(|name| name != CONTROLLER)
    }

    /// The terminal condition, once there is one.
    pub(crate) fn finished(&self) -> Option<&Condition> {
        self.status.conditions.iter().find(|c| c.status == "True" && matches!(c.r#type.as_str(), COMPLETE | FAILED))
    }

    /// A condition that is true.
    pub(super) fn holds(&self, kind: &str) -> Option<&Condition> {
        condition(&self.status.conditions, kind).filter(|c| c.status == "True")
    }

    /// When the deadline passes; `None` without one, and while the Job is suspended or not started.
    pub(super) fn deadline(&self, started: Option<&str>) -> Option<Timestamp> {
        let seconds = self.spec.active_deadline_seconds.filter(|_| !self.spec.suspend)?;
        parse_time(started?)?.checked_add(SignedDuration::from_secs(seconds)).ok()
    }

    /// When a finished Job with a time to live is to be deleted.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        let seconds = self.spec.ttl_seconds_after_finished?;
        let finished = parse_time(&self.finished()?.last_transition_time)?;
        finished.checked_add(SignedDuration::from_secs(seconds)).ok()
    }
}

/// A condition of a Job: probed and changed now.
pub(super) fn new_condition(kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> Condition {
    let now = timestamp(now);
    Condition {
        r#type: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_probe_time: now.clone(),
        last_transition_time: now,
        ..Condition::default()
    }
}

/// Sets a condition; a false one only where there is one already. Returns whether anything changed
/// (`ensureJobConditionStatus`).
pub(super) fn ensure(conditions: &mut Vec<Condition>, new: Condition) -> bool {
    let fact = |c: &Condition| (c.status.clone(), c.reason.clone(), c.message.clone());
    match conditions.iter_mut().find(|held| held.r#type == new.r#type) {
        Some(held) if fact(held) == fact(&new) => false,
        Some(held) => {
            *held = new;
            true
        }
        None if new.status == "False" => false,
        None => {
            conditions.push(new);
            true
        }
    }
}

/// The merge patch that writes a status; only onto the version it was computed from.
pub(super) fn status_patch(uid: &str, resource_version: &str, status: &Status) -> Value {
    let conditions = if status.conditions.is_empty() { Value::Null } else { json!(status.conditions) };
    let list = |uids: &[String]| if uids.is_empty() { Value::Null } else { json!(uids) };
    let uncounted = &status.uncounted_terminated_pods;
    let indexes = &status.completed_indexes;
    json!({
        "metadata": {"uid": uid, "resourceVersion": resource_version},
        "status": {
            "conditions": conditions,
            "startTime": status.start_time,
            "completionTime": status.completion_time,
            "active": unless_zero(status.active.into()),
            // Pointers in Go: zero is written.
            "ready": status.ready,
            "terminating": status.terminating,
            "succeeded": unless_zero(status.succeeded.into()),
            "failed": unless_zero(status.failed.into()),
            "completedIndexes": if indexes.is_empty() { Value::Null } else { json!(indexes) },
            "failedIndexes": status.failed_indexes,
            "uncountedTerminatedPods":
                {"succeeded": list(&uncounted.succeeded), "failed": list(&uncounted.failed)},
        },
    })
}
