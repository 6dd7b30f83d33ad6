//! What a StatefulSet does next: pods by ordinal, one after the other or all at once. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::view::{REVISION_LABEL, StatefulSet, Status, knows_itself};
use crate::history::Revision;
use crate::pod::Pod;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Create the pod of an ordinal, of the old revision or of the new one.
    Create(i32, Which),
    /// Make sure that the claims of a pod that waits exist.
    Claims(String),
    /// Write its name and ordinal into a pod's labels.
    Label(String),
    /// Delete a pod.
    Delete(String),
}

/// Which of the two revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Current,
    Update,
}

/// What is known when a set is looked at.
pub(super) struct Observed<'a> {
    pub(super) set: &'a StatefulSet,
    pub(super) pods: &'a [Pod],
    pub(super) current: &'a Revision,
    pub(super) update: &'a Revision,
    pub(super) now: Timestamp,
}

/// What to do.
pub(super) struct Plan {
    /// In this order.
    pub(super) acts: Vec<Act>,
    pub(super) status: Status,
}

/// Decides (`updateStatefulSet`).
pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan { acts: Vec::new(), status: observed.status() };
    if observed.set.meta.deletion_timestamp.is_none() {
        observed.advance(&mut plan);
    }
    let (set, status) = (observed.set, &mut plan.status);
    let all = (set.replicas(), set.replicas(), set.replicas());
    if set.is_rolling() && (status.updated_replicas, status.ready_replicas, status.replicas) == all {
        status.current_replicas = status.updated_replicas;
        status.current_revision.clone_from(&status.update_revision);
    }
    plan
}

/// Whether the next pod may have its turn.
#[derive(PartialEq, Eq)]
enum Turn {
    Next,
    Wait,
}

impl Observed<'_> {
    fn status(&self) -> Status {
        let count = |fits: &dyn Fn(&Pod) -> bool| {
            i32::try_from(self.pods.iter().filter(|pod| fits(pod)).count()).unwrap_or(i32::MAX)
        };
        let of = |revision: &Revision| {
            count(&|pod| !pod.raw.is_deleting() && pod.raw.label(REVISION_LABEL) == Some(revision.name.as_str()))
        };
        let ready = |pod: &Pod| pod.status.phase == "Running" && pod.is_ready();
        Status {
            observed_generation: self.set.meta.generation,
            replicas: count(&|_| true),
            ready_replicas: count(&ready),
            available_replicas: count(&|pod| ready(pod) && self.is_available(pod)),
            current_replicas: of(self.current),
            updated_replicas: of(self.update),
            current_revision: self.current.name.clone(),
            update_revision: self.update.name.clone(),
            ..self.set.status.clone()
        }
    }

    fn is_available(&self, pod: &Pod) -> bool {
        pod.is_available(self.set.spec.min_ready_seconds, self.now)
    }

    fn is_unavailable(&self, pod: &Pod) -> bool {
        pod.raw.is_deleting() || !self.is_available(pod)
    }

    fn advance(&self, plan: &mut Plan) {
        let ordinals = self.set.ordinals();
        let mut replicas: BTreeMap<i32, &Pod> = BTreeMap::new();
        let mut condemned: BTreeMap<i32, &Pod> = BTreeMap::new();
        for pod in self.pods {
            let Some(ordinal) = self.set.ordinal(&pod.meta.name) else { continue };
            let place = if ordinals.contains(&ordinal) { &mut replicas } else { &mut condemned };
            place.insert(ordinal, pod);
        }
        let ordered = self.set.is_ordered();
        for ordinal in ordinals.clone() {
            let turn = self.replica(ordinal, replicas.get(&ordinal).copied(), &mut plan.acts);
            if ordered && turn == Turn::Wait {
                return;
            }
        }
        // From here on every pod there is to be is there, and in an ordered set available.
        let mut unavailable = ordinals.clone().filter(|at| replicas.get(at).is_none_or(|pod| self.is_unavailable(pod)));
        let spared = match unavailable.next() {
            Some(ordinal) => Some(ordinal),
            None => condemned.iter().find(|(_, pod)| self.is_unavailable(pod)).map(|(ordinal, _)| *ordinal),
        };
        for (ordinal, pod) in condemned.iter().rev() {
            if pod.raw.is_deleting() {
                if ordered {
                    return;
                }
                continue;
            }
            // A pod that cannot become ready must not keep others from going, least of all itself.
            if ordered && spared != Some(*ordinal) && self.is_unavailable(pod) {
                return;
            }
            plan.acts.push(Act::Delete(pod.meta.name.clone()));
            if ordered {
                return;
            }
        }
        if self.set.is_rolling() {
            self.roll(&replicas, plan);
        }
    }

    /// One pod there is to be (`processReplica`).
    fn replica(&self, ordinal: i32, pod: Option<&Pod>, acts: &mut Vec<Act>) -> Turn {
        let Some(pod) = pod else {
            let which = if self.set.keeps_old(ordinal) { Which::Current } else { Which::Update };
            acts.push(Act::Create(ordinal, which));
            return Turn::Wait;
        };
        if pod.is_terminal() {
            if !pod.raw.is_deleting() {
                acts.push(Act::Delete(pod.meta.name.clone()));
            }
            return Turn::Wait;
        }
        if pod.status.phase == "Pending" && !self.set.spec.volume_claim_templates.is_empty() {
            acts.push(Act::Claims(pod.meta.name.clone()));
        }
        if self.set.is_ordered() && (pod.status.phase != "Running" || self.is_unavailable(pod)) {
            return Turn::Wait;
        }
        if !knows_itself(pod) {
            acts.push(Act::Label(pod.meta.name.clone()));
        }
        Turn::Next
    }

    /// Deletes the last pod of an old revision, once those after it are available.
    fn roll(&self, replicas: &BTreeMap<i32, &Pod>, plan: &mut Plan) {
        let ordinals = self.set.ordinals();
        let first = ordinals.start.saturating_add(self.set.partition());
        for ordinal in (first.min(ordinals.end)..ordinals.end).rev() {
            let Some(pod) = replicas.get(&ordinal) else { return };
            if pod.raw.label(REVISION_LABEL) != Some(self.update.name.as_str()) && !pod.raw.is_deleting() {
                plan.acts.push(Act::Delete(pod.meta.name.clone()));
                plan.status.current_replicas = (plan.status.current_replicas - 1).max(0);
                return;
            }
            if self.is_unavailable(pod) {
                return;
            }
        }
    }
}
