//! What a Deployment does next: which ReplicaSet to create, which to scale, which to forget. Pure.
//!
//! ```text
//!   claim ─► revision ─┬─ paused or scaled ─► in proportion ─┐
//!                      ├─ RollingUpdate ────► new up, old down ├─► status
//!                      └─ Recreate ─────────► old to zero, new ┘
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::annotations::{self, Annotations};
use super::status::{self, PROGRESSING, Sets};

use super::view::{Deployment, Status};
use crate::object::{Condition, condition, parse_time};
use crate::replica_set::Set;
use crate::template;

/// Changes to one ReplicaSet, written at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Write {
    pub(super) annotations: Annotations,
    pub(super) replicas: Option<Resize>,
    pub(super) min_ready_seconds: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resize {
    pub(super) from: i32,
    pub(super) to: i32,
}

/// What to write. `creates`, `writes` and `deletes` in this order, then the revision, then the status.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// A ReplicaSet to create, with name, labels, annotations, replicas and template filled in.
    pub(super) creates: Option<Set>,
    /// Changes by name of ReplicaSet.
    pub(super) writes: Vec<(String, Write)>,
    /// ReplicaSets to delete, by name.
    pub(super) deletes: Vec<String>,
    /// The revision the Deployment is at, when known.
    pub(super) revision: Option<String>,
    pub(super) status: Status,
    /// When to look again although nothing happens.
    pub(super) again: Option<Duration>,
}

/// What is known when a Deployment is looked at.
pub(super) struct Observed {
    pub(super) deployment: Deployment,
    /// The ReplicaSets that are ours.
    pub(super) sets: Vec<Set>,
    /// Uids of those with pods that have not finished.
    pub(super) busy: BTreeSet<String>,
    pub(super) now: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IfMissing {
    Create,
    Leave,
}

/// Decides.
pub(super) fn plan(observed: Observed) -> Plan {
    let Observed { deployment, mut sets, busy, now } = observed;
    sets.sort_by_cached_key(by_age);
    let wanted = template::normalised(&deployment.template);
    // The oldest, if several have the template.
    let new = sets.iter().position(|set| template::normalised(&set.template) == wanted);
    let conditions = deployment.status.conditions.clone();
    let mut rollout = Rollout {
        deployment: &deployment,
        sets,
        new,
        created: None,
        writes: BTreeMap::new(),
        deletes: Vec::new(),
        revision: None,
        conditions,
        now,
    };
    let status = rollout.advance(&busy);
    let again = if status == deployment.status { status::next_check(&deployment, &status, now) } else { None };
    let Rollout { sets, created, writes, deletes, revision, .. } = rollout;
    Plan {
        writes: writes.into_iter().map(|(at, write)| (sets[at].meta.name.clone(), write)).collect(),
        creates: created.map(|at| sets[at].clone()),
        deletes,
        revision,
        status,
        again,
    }
}

fn by_age(set: &Set) -> (Option<Timestamp>, String) {
    (parse_time(&set.meta.creation_timestamp), set.meta.name.clone())
}

struct Rollout<'a> {
    deployment: &'a Deployment,
    /// By age, oldest first. Planned changes are already in them.
    sets: Vec<Set>,
    new: Option<usize>,
    created: Option<usize>,
    writes: BTreeMap<usize, Write>,
    deletes: Vec<String>,
    revision: Option<String>,
    conditions: Vec<Condition>,
    now: Timestamp,
}

impl Rollout<'_> {
    fn advance(&mut self, busy: &BTreeSet<String>) -> Status {
        if self.deployment.meta.deletion_timestamp.is_some() {
            self.revise(IfMissing::Leave);
            return self.counted();
        }
        status::pause_condition(self.deployment, &mut self.conditions, self.now);
        if self.deployment.paused || self.is_scaled() {
            self.revise(IfMissing::Leave);
            self.in_proportion();
            if self.deployment.paused {
                self.forget_old();
            }
            return self.counted();
        }
        if self.deployment.is_rolling() {
            self.roll();
        } else {
            self.recreate(busy);
        }
        status::rollout(self.deployment, self.view(), &self.conditions, self.now)
    }

    fn view(&self) -> Sets<'_> {
        Sets { all: &self.sets, new: self.new.map(|at| &self.sets[at]) }
    }

    fn counted(&self) -> Status {
        status::counted(self.deployment, self.view(), &self.conditions, self.now)
    }

    /// All sets but the one of the current template, oldest first.
    fn old(&self) -> Vec<usize> {
        (0..self.sets.len()).filter(|at| Some(*at) != self.new).collect()
    }

    fn active(&self, among: Vec<usize>) -> Vec<usize> {
        among.into_iter().filter(|at| self.sets[*at].replicas > 0).collect()
    }

    fn total(&self) -> i32 {
        self.sets.iter().map(|set| set.replicas).fold(0, i32::saturating_add)
    }

    fn available(&self) -> i32 {
        self.sets.iter().map(|set| set.status.available_replicas).fold(0, i32::saturating_add)
    }

    /// Whether `spec.replicas` changed since the sets were scaled.
    fn is_scaled(&self) -> bool {
        self.sets.iter().filter(|set| set.replicas > 0).any(|set| {
            annotations::desired_replicas(&set.meta.annotations)
                .is_some_and(|desired| desired != self.deployment.replicas)
        })
    }

    /// Finds or makes the set of the current template and numbers it (`getNewReplicaSet`).
    fn revise(&mut self, if_missing: IfMissing) {
        let old = self.old().into_iter();
        let highest = old.filter_map(|at| annotations::revision(&self.sets[at].meta.annotations)).max().unwrap_or(0);
        let next = highest.max(0).saturating_add(1);
        match self.new {
            Some(at) => {
                let changes = annotations::for_new_set(self.deployment, &self.sets[at].meta.annotations, next);
                self.annotate(at, changes);
                if self.sets[at].min_ready_seconds != self.deployment.min_ready_seconds {
                    self.sets[at].min_ready_seconds = self.deployment.min_ready_seconds;
                    self.writes.entry(at).or_default().min_ready_seconds = Some(self.deployment.min_ready_seconds);
                }
                let set = &self.sets[at];
                self.revision = set.meta.annotations.get(annotations::REVISION).cloned();
                let message = format!("Found new replica set {:?}", set.meta.name);
                if condition(&self.conditions, PROGRESSING).is_none() {
                    self.progress("FoundNewReplicaSet", message);
                }
            }
            None if if_missing == IfMissing::Create => self.create(next),
            None => {}
        }
    }

    fn progress(&mut self, reason: &str, message: String) {
        if self.deployment.progress_deadline_seconds.is_some() {
            let condition = status::new_condition(PROGRESSING, "True", reason, message, self.now);
            status::set_condition(&mut self.conditions, condition);
        }
    }

    fn create(&mut self, revision: i64) {
        let deployment = self.deployment;
        let hash = template::hash(&deployment.template, deployment.status.collision_count);
        let mut set = Set::new(set_name(&deployment.meta.name, &hash));
        set.min_ready_seconds = deployment.min_ready_seconds;
        set.selector = deployment.selector.clone();
        set.selector.match_labels.insert(template::HASH_LABEL.to_owned(), hash.clone());
        set.template = deployment.template.clone();
        set.template["metadata"]["labels"][template::HASH_LABEL] = hash.into();
        set.meta.annotations = annotations::for_new_set(deployment, &Annotations::new(), revision);
        set.meta.annotations.extend(annotations::replicas(deployment));
        let name = set.meta.name.clone();
        self.sets.push(set);
        let at = self.sets.len() - 1;
        self.new = Some(at);
        self.sets[at].replicas = self.room(at);
        self.created = Some(at);
        self.revision = Some(revision.to_string());
        self.progress("NewReplicaSetCreated", format!("Created new replica set {name:?}"));
    }

    /// How many replicas the new set may have now (`NewRSNewReplicas`).
    fn room(&self, new: usize) -> i32 {
        let (wanted, held) = (self.deployment.replicas, self.sets[new].replicas);
        if !self.deployment.is_rolling() {
            return wanted;
        }
        let free = self.deployment.max_replicas().saturating_sub(self.total());
        if free <= 0 { held } else { held.saturating_add(free.min(wanted - held)) }
    }

    fn annotate(&mut self, at: usize, changes: Annotations) {
        if !changes.is_empty() {
            self.sets[at].meta.annotations.extend(changes.clone());
            self.writes.entry(at).or_default().annotations.extend(changes);
        }
    }

    /// Resizes a set and notes for which size of the Deployment that was.
    fn resize(&mut self, at: usize, to: i32) {
        let from = self.sets[at].replicas;
        if from == to {
            return;
        }
        self.annotate_replicas(at);
        self.sets[at].replicas = to;
        let write = self.writes.entry(at).or_default();
        let from = write.replicas.map_or(from, |earlier| earlier.from);
        write.replicas = Some(Resize { from, to });
    }

    fn annotate_replicas(&mut self, at: usize) {
        let wanted = annotations::replicas(self.deployment);
        self.annotate(at, annotations::difference(&self.sets[at].meta.annotations, wanted));
    }

    fn roll(&mut self) {
        self.revise(IfMissing::Create);
        let Some(new) = self.new else { return };
        let (held, wanted) = (self.sets[new].replicas, self.deployment.replicas);
        let to = if held > wanted { wanted } else { self.room(new) };
        if held != to {
            // One thing at a time: the next step sees what became of it.
            return self.resize(new, to);
        }
        if self.shrink_old(new) {
            return;
        }
        if status::is_complete(self.deployment, &self.deployment.status) {
            self.forget_old();
        }
    }

    /// Scales old sets down as far as availability allows: pods that do not work first, then the oldest
    /// (`reconcileOldReplicaSets`). Returns whether anything was scaled.
    fn shrink_old(&mut self, new: usize) -> bool {
        let old = self.active(self.old());
        let least = self.deployment.replicas - self.deployment.max_unavailable();
        let missing = self.sets[new].replicas - self.sets[new].status.available_replicas;
        let spare = self.total().saturating_sub(least).saturating_sub(missing);
        if old.is_empty() || spare <= 0 {
            return false;
        }
        let mut left = spare;
        for at in &old {
            let broken = (self.sets[*at].replicas - self.sets[*at].status.available_replicas).max(0).min(left);
            self.resize(*at, self.sets[*at].replicas - broken);
            left -= broken;
        }
        let mut surplus = self.available() - least;
        let mut shrunk = left < spare;
        for at in old {
            let down = self.sets[at].replicas.min(surplus);
            if down > 0 {
                self.resize(at, self.sets[at].replicas - down);
                surplus -= down;
                shrunk = true;
            }
        }
        shrunk
    }

    fn recreate(&mut self, busy: &BTreeSet<String>) {
        self.revise(IfMissing::Leave);
        let active = self.active(self.old());
        if !active.is_empty() {
            return active.into_iter().for_each(|at| self.resize(at, 0));
        }
        let counted = self.old().into_iter().any(|at| self.sets[at].status.replicas > 0);
        let new = self.new.map(|at| self.sets[at].meta.uid.as_str());
        if counted || busy.iter().any(|uid| Some(uid.as_str()) != new) {
            return;
        }
        if self.new.is_none() {
            self.revise(IfMissing::Create);
        }
        if let Some(new) = self.new {
            self.resize(new, self.deployment.replicas);
        }
        if status::is_complete(self.deployment, &self.deployment.status) {
            self.forget_old();
        }
    }

    /// Scales all sets with pods in proportion to their size (`scale`), so that a rollout that hangs does not decide
    /// where new pods go.
    fn in_proportion(&mut self) {
        let (old, wanted) = (self.old(), self.deployment.replicas);
        let active = self.active((0..self.sets.len()).collect());
        if let [] | [_] = active[..] {
            let newest_old = old.last().copied();
            if let Some(at) = active.first().copied().or(self.new).or(newest_old) {
                self.resize(at, wanted);
            }
            return;
        }
        if self.new.is_some_and(|at| self.is_saturated(&self.sets[at])) {
            return self.active(old).into_iter().for_each(|at| self.resize(at, 0));
        }
        if !self.deployment.is_rolling() {
            return;
        }
        let allowed = if wanted > 0 { self.deployment.max_replicas() } else { 0 };
        let to_add = allowed.saturating_sub(self.total());
        let mut active = active;
        // Stable, and the sets are by age: equals stay oldest first when shrinking.
        if to_add > 0 {
            active.reverse();
        }
        active.sort_by_key(|at| Reverse(self.sets[*at].replicas));
        let mut sizes = Vec::new();
        let mut added = 0;
        for at in active {
            let share = if to_add == 0 { 0 } else { self.share(&self.sets[at], to_add, to_add - added) };
            sizes.push((at, self.sets[at].replicas.saturating_add(share)));
            added += share;
        }
        if let Some((_, largest)) = sizes.first_mut() {
            *largest = largest.saturating_add(to_add - added).max(0);
        }
        for (at, size) in sizes {
            self.annotate_replicas(at);
            self.resize(at, size);
        }
    }

    fn is_saturated(&self, new: &Set) -> bool {
        let wanted = self.deployment.replicas;
        new.replicas == wanted
            && annotations::desired_replicas(&new.meta.annotations) == Some(wanted)
            && new.status.available_replicas == wanted
    }

    /// A set's share of `to_add` (which may be negative), of which `left` is not yet given away
    /// (`GetReplicaSetProportion`).
    fn share(&self, set: &Set, to_add: i32, left: i32) -> i32 {
        if left == 0 {
            return 0;
        }
        let fraction = self.fraction(set);
        if to_add > 0 { fraction.min(left) } else { fraction.max(left) }
    }

    fn fraction(&self, set: &Set) -> i32 {
        if self.deployment.replicas == 0 {
            return -set.replicas;
        }
        let before = annotations::max_replicas(&set.meta.annotations).filter(|max| *max != 0);
        let before = before.unwrap_or(self.deployment.status.replicas);
        if before == 0 {
            return 0;
        }
        let scaled = i64::from(set.replicas) * i64::from(self.deployment.max_replicas());
        // Half away from zero, as Go rounds; both numbers are positive here.
        let before = i64::from(before);
        let size = (2 * scaled + before) / (2 * before);
        i32::try_from(size).unwrap_or(i32::MAX).saturating_sub(set.replicas)
    }

    /// Deletes the oldest revisions without pods beyond the limit (`cleanupDeployment`).
    fn forget_old(&mut self) {
        let Some(limit) = self.deployment.revision_history_limit else { return };
        let mut alive: Vec<&Set> = self.old().into_iter().map(|at| &self.sets[at]).collect();
        alive.retain(|set| set.meta.deletion_timestamp.is_none());
        let excess = alive.len().saturating_sub(usize::try_from(limit).unwrap_or_default());
        alive.sort_by_key(|set| annotations::revision(&set.meta.annotations).unwrap_or_default());
        let idle = |set: &&Set| {
            set.replicas == 0 && set.status.replicas == 0 && set.meta.generation <= set.status.observed_generation
        };
        self.deletes = alive[..excess].iter().copied().filter(idle).map(|set| set.meta.name.clone()).collect();
    }
}

/// Name of the ReplicaSet of a template: the Deployment's, cut if need be, and the hash.
fn set_name(deployment: &str, hash: &str) -> String {
    const NAME_MAX: usize = 253;
    let cut = deployment.get(..NAME_MAX - 1 - hash.len()).unwrap_or(deployment);
    format!("{cut}-{hash}")
}
