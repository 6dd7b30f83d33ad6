//! The status of a Deployment: counts, availability and progress.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::view::{Deployment, Status};
use crate::object::{Condition, condition, parse_time, timestamp};
use crate::replica_set::Set;

const AVAILABLE: &str = "Available";
pub(super) const PROGRESSING: &str = "Progressing";
const REPLICA_FAILURE: &str = "ReplicaFailure";
const NEW_SET_AVAILABLE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";

/// The ReplicaSets of a Deployment, and which of them stands for the current template.
#[derive(Clone, Copy)]
pub(super) struct Sets<'a> {
    pub(super) all: &'a [Set],
    pub(super) new: Option<&'a Set>,
}

pub(super) fn new_condition(kind: &str, status: &str, reason: &str, message: String, now: Timestamp) -> Condition {
    let now = timestamp(now);
    Condition {
        r#type: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        last_update_time: now.clone(),
        last_transition_time: now,
        ..Condition::default()
    }
}

/// Sets a condition; nothing changes when status and reason are those already there, and the time of transition only
/// when the status changes.
pub(super) fn set_condition(conditions: &mut Vec<Condition>, mut new: Condition) {
    if let Some(held) = condition(conditions, &new.r#type) {
        if held.status == new.status && held.reason == new.reason {
            return;
        }
        if held.status == new.status {
            new.last_transition_time.clone_from(&held.last_transition_time);
        }
    }
    conditions.retain(|c| c.r#type != new.r#type);
    conditions.push(new);
}

/// Marks the beginning and the end of a pause, so that time spent paused does not count against the deadline.
pub(super) fn pause_condition(deployment: &Deployment, conditions: &mut Vec<Condition>, now: Timestamp) {
    let reason = condition(conditions, PROGRESSING).map(|c| c.reason.as_str());
    if deployment.progress_deadline_seconds.is_none() || reason == Some(TIMED_OUT) {
        return;
    }
    let paused = reason == Some(PAUSED);
    let new = match (deployment.paused, paused) {
        (true, false) => (PAUSED, "Deployment is paused"),
        (false, true) => ("DeploymentResumed", "Deployment is resumed"),
        _ => return,
    };
    set_condition(conditions, new_condition(PROGRESSING, "Unknown", new.0, new.1.to_owned(), now));
}

fn sum(sets: &[Set], count: impl Fn(&Set) -> i32) -> i32 {
    sets.iter().map(count).fold(0, i32::saturating_add)
}

/// Counts and availability (`calculateStatus`). `conditions` are those so far.
pub(super) fn counted(deployment: &Deployment, sets: Sets<'_>, conditions: &[Condition], now: Timestamp) -> Status {
    let available = sum(sets.all, |set| set.status.available_replicas);
    let mut status = Status {
        observed_generation: deployment.meta.generation,
        replicas: sum(sets.all, |set| set.status.replicas),
        updated_replicas: sets.new.map_or(0, |set| set.status.replicas),
        ready_replicas: sum(sets.all, |set| set.status.ready_replicas),
        available_replicas: available,
        unavailable_replicas: (sum(sets.all, |set| set.replicas) - available).max(0),
        terminating_replicas: terminating(sets.all),
        collision_count: deployment.status.collision_count,
        conditions: conditions.to_vec(),
    };
    let enough = available >= deployment.replicas - deployment.max_unavailable();
    let (value, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set_condition(&mut status.conditions, new_condition(AVAILABLE, value, reason, message.to_owned(), now));
    status
}

/// The sum of terminating pods; unknown as long as a set that was looked at does not tell.
fn terminating(sets: &[Set]) -> Option<i32> {
    sets.iter().try_fold(0_i32, |sum, set| match set.status.terminating_replicas {
        Some(count) => Some(sum.saturating_add(count)),
        None if set.status.observed_generation == 0 => Some(sum),
        None => None,
    })
}

/// Whether all pods are of the current template and available (`DeploymentComplete`).
pub(super) fn is_complete(deployment: &Deployment, status: &Status) -> bool {
    status.updated_replicas == deployment.replicas
        && status.replicas == deployment.replicas
        && status.available_replicas == deployment.replicas
        && status.observed_generation >= deployment.meta.generation
}

fn is_progressing(old: &Status, new: &Status) -> bool {
    new.updated_replicas > old.updated_replicas
        || new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
        || new.ready_replicas > old.ready_replicas
        || new.available_replicas > old.available_replicas
}

/// When the deadline of the present Progressing condition passes.
fn deadline(deployment: &Deployment, conditions: &[Condition]) -> Option<Timestamp> {
    let seconds = deployment.progress_deadline_seconds?;
    let since = parse_time(&condition(conditions, PROGRESSING)?.last_update_time)?;
    since.checked_add(SignedDuration::from_secs(seconds.into())).ok()
}

fn has_timed_out(deployment: &Deployment, conditions: &[Condition], now: Timestamp) -> bool {
    match condition(conditions, PROGRESSING).map(|c| c.reason.as_str()) {
        None | Some(NEW_SET_AVAILABLE) => false,
        Some(TIMED_OUT) => true,
        Some(_) => deadline(deployment, conditions).is_some_and(|deadline| deadline < now),
    }
}

/// Counts, availability, progress and failures during a rollout (`syncRolloutStatus`).
pub(super) fn rollout(deployment: &Deployment, sets: Sets<'_>, conditions: &[Condition], now: Timestamp) -> Status {
    let mut status = counted(deployment, sets, conditions, now);
    let held = condition(conditions, PROGRESSING).cloned();
    if deployment.progress_deadline_seconds.is_none() {
        status.conditions.retain(|c| c.r#type != PROGRESSING);
    } else if !(status.replicas == status.updated_replicas
        && held.as_ref().is_some_and(|c| c.reason == NEW_SET_AVAILABLE))
    {
        let subject = sets.new.map_or_else(
            || format!("Deployment {:?}", deployment.meta.name),
            |set| format!("ReplicaSet {:?}", set.meta.name),
        );
        if is_complete(deployment, &status) {
            let message = format!("{subject} has successfully progressed.");
            let done = new_condition(PROGRESSING, "True", NEW_SET_AVAILABLE, message, now);
            set_condition(&mut status.conditions, done);
        } else if is_progressing(&deployment.status, &status) {
            let message = format!("{subject} is progressing.");
            let mut moving = new_condition(PROGRESSING, "True", "ReplicaSetUpdated", message, now);
            // Every bit of progress renews the time of update, from which the deadline counts.
            if let Some(held) = held.filter(|held| held.status == "True") {
                moving.last_transition_time = held.last_transition_time;
            }
            status.conditions.retain(|c| c.r#type != PROGRESSING);
            status.conditions.push(moving);
        } else if has_timed_out(deployment, &status.conditions, now) {
            let message = format!("{subject} has timed out progressing.");
            set_condition(&mut status.conditions, new_condition(PROGRESSING, "False", TIMED_OUT, message, now));
        }
    }
    match replica_failure(sets) {
        Some(failure) => set_condition(&mut status.conditions, failure),
        None => status.conditions.retain(|c| c.r#type != REPLICA_FAILURE),
    }
    status
}

/// A failure of one of the sets, the current one first.
fn replica_failure(sets: Sets<'_>) -> Option<Condition> {
    let found =
        sets.new.into_iter().chain(sets.all).find_map(|set| condition(&set.status.conditions, REPLICA_FAILURE))?;
    Some(Condition { last_update_time: found.last_transition_time.clone(), ..found.clone() })
}

/// When to look again although nothing happens: just after the deadline (`requeueStuckDeployment`).
pub(super) fn next_check(deployment: &Deployment, status: &Status, now: Timestamp) -> Option<Duration> {
    let held = condition(&deployment.status.conditions, PROGRESSING)?;
    if is_complete(deployment, status) || held.reason == TIMED_OUT {
        return None;
    }
    let left = deadline(deployment, &deployment.status.conditions)?.duration_since(now);
    Some(Duration::try_from(left).unwrap_or_default() + Duration::from_secs(1))
}
