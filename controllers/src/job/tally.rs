//! Counting pods that have ended, each exactly once: first into the status by uid, then their finalizer goes, then they
//! move from the list of uids into the counters. Pure.

use std::collections::BTreeSet;

use super::indexes::{Indexes, index_of};
use super::look::{Look, is_failed, is_tracked};
use super::policy::judge;
use super::view::{COMPLETE, FAILED, FAILURE_TARGET, SUCCESS_CRITERIA_MET, Status, ensure, new_condition};
use crate::object::Condition;
use crate::pod::Pod;

/// Most uids in a status (`MaxUncountedPods`).
const UNCOUNTED_MAX: usize = 500;

/// Whether the status has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    Needed,
    Unneeded,
}

impl Flush {
    pub(super) fn when(needed: bool) -> Self {
        if needed { Self::Needed } else { Self::Unneeded }
    }

    fn or(&mut self, needed: bool) {
        if needed {
            *self = Self::Needed;
        }
    }
}

/// A status on its way through the three phases.
pub(super) struct Tally<'a> {
    pub(super) status: Status,
    pub(super) flush: Flush,
    /// Pods whose finalizer goes once the status is written.
    pub(super) release: Vec<&'a Pod>,
    /// The terminal condition the Job is to have in the end.
    pub(super) finished: Option<Condition>,
    /// Uids of pods that still have the finalizer.
    held: BTreeSet<String>,
    /// The list of uids is full: the Job is looked at again before it can end.
    full: bool,
}

/// First phase (`trackJobStatusAndRemoveFinalizers`). `status` has the new numbers of pods; `finished` is the verdict.
pub(super) fn tally<'a>(look: &Look<'a>, status: Status, flush: Flush, finished: Option<Condition>) -> Tally<'a> {
    let mine = |pod: &&&Pod| is_tracked(pod) && !look.removed.contains(&pod.meta.uid);
    let held = look.pods.iter().filter(mine).map(|pod| pod.meta.uid.clone()).collect();
    let mut tally = Tally { status, flush, release: Vec::new(), finished, held, full: false };
    tally.settle();
    let mut indexes = 0;
    for pod in look.pods.iter().copied().filter(|pod| mine(&pod)) {
        if !tally.may_release(look, pod) {
            continue;
        }
        tally.release.push(pod);
        indexes += tally.enter(look, pod);
        let uncounted = &tally.status.uncounted_terminated_pods;
        if indexes + uncounted.succeeded.len() + uncounted.failed.len() >= UNCOUNTED_MAX {
            tally.full = true;
            break;
        }
    }
    if look.job.is_indexed() {
        tally.write_indexes(&look.succeeded_indexes, look.failed_indexes.as_ref());
    }
    tally.interim(look);
    tally
}

impl<'a> Tally<'a> {
    /// Whether a pod need not stay any longer (`canRemoveFinalizer`).
    fn may_release(&self, look: &Look<'a>, pod: &Pod) -> bool {
        if look.job.meta.deletion_timestamp.is_some() || self.finished.is_some() || pod.status.phase == "Succeeded" {
            return true;
        }
        let waits = index_of(pod).and_then(|index| look.waiting.get(&index));
        is_failed(pod, look.job) && waits.is_none_or(|waiting| waiting.meta.uid != pod.meta.uid)
    }

    /// Notes a pod that is released. Returns how many indexes are new with it: an index itself says that it is counted.
    fn enter(&mut self, look: &Look<'a>, pod: &Pod) -> usize {
        let (uid, index) = (&pod.meta.uid, look.valid_index(pod));
        let uncounted = &mut self.status.uncounted_terminated_pods;
        if uncounted.failed.contains(uid) {
            return 0;
        }
        if pod.status.phase == "Succeeded" {
            if look.job.is_indexed() {
                let new = index.is_some_and(|index| !look.counted_indexes.has(index));
                self.flush.or(new);
                return usize::from(new);
            }
            if !uncounted.succeeded.contains(uid) {
                uncounted.succeeded.push(uid.clone());
                self.flush = Flush::Needed;
            }
            return 0;
        }
        // When the Job fails, every pod that has not ended has failed too.
        let fails = self.finished.as_ref().is_some_and(|condition| condition.r#type != SUCCESS_CRITERIA_MET);
        if (is_failed(pod, look.job) || fails)
            && (!look.job.is_indexed() || index.is_some())
            && judge(look.job.spec.pod_failure_policy.as_ref(), pod).counts()
        {
            uncounted.failed.push(uid.clone());
            self.flush = Flush::Needed;
        }
        0
    }

    fn write_indexes(&mut self, succeeded: &Indexes, failed: Option<&Indexes>) {
        let (completed, failed) = (succeeded.to_string(), failed.map(ToString::to_string));
        self.flush.or(completed != self.status.completed_indexes || failed != self.status.failed_indexes);
        self.status.succeeded = succeeded.total();
        self.status.completed_indexes = completed;
        self.status.failed_indexes = failed;
    }

    /// Writes down why the Job ends before its pods are released; the terminal condition follows when they are counted.
    fn interim(&mut self, look: &Look<'_>) {
        let Some(verdict) = &self.finished else { return };
        let (interim, last) = match verdict.r#type.as_str() {
            FAILURE_TARGET => (FAILURE_TARGET, FAILED),
            SUCCESS_CRITERIA_MET => (SUCCESS_CRITERIA_MET, COMPLETE),
            _ => return,
        };
        if look.job.holds(interim).is_none() {
            self.status.conditions.push(verdict.clone());
            self.flush = Flush::Needed;
        }
        self.finished = Some(new_condition(last, "True", &verdict.reason, &verdict.message, look.now));
    }

    /// Third phase: pods without the finalizer move into the counters (`cleanUncountedPodsWithoutFinalizers`).
    fn settle(&mut self) {
        let mut moved = 0;
        let uncounted = &mut self.status.uncounted_terminated_pods;
        let lists =
            [(&mut uncounted.succeeded, &mut self.status.succeeded), (&mut uncounted.failed, &mut self.status.failed)];
        for (uids, counter) in lists {
            let before = uids.len();
            uids.retain(|uid| self.held.contains(uid));
            let gone = before - uids.len();
            *counter = counter.saturating_add(i32::try_from(gone).unwrap_or(i32::MAX));
            moved += gone;
        }
        self.flush.or(moved > 0);
    }

    /// The first status is written.
    pub(super) fn flushed(&mut self) {
        self.flush = Flush::Unneeded;
    }

    /// Second phase is over: these finalizers are gone.
    pub(super) fn released(&mut self, uids: &BTreeSet<String>) {
        self.held.retain(|uid| !uids.contains(uid));
        self.settle();
    }

    /// Gives the Job its terminal condition, once every pod is counted and gone (`enactJobFinished`). Returns whether
    /// it has one now.
    pub(super) fn finish(&mut self, terminating: i32) -> Option<Condition> {
        let uncounted = &self.status.uncounted_terminated_pods;
        let waits = self.full || terminating > 0 || !uncounted.succeeded.is_empty() || !uncounted.failed.is_empty();
        let finished = self.finished.clone().filter(|_| !waits)?;
        if finished.r#type == COMPLETE {
            self.status.completion_time = Some(finished.last_transition_time.clone());
        }
        ensure(&mut self.status.conditions, finished.clone());
        self.flush = Flush::Needed;
        Some(finished)
    }
}
