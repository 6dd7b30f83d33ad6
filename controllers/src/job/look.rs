//! What the pods of a Job amount to, and what follows for them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::backoff::{Streak, finished_at};
use super::indexes::{Indexes, failures_before, index_of};
use super::policy::{Action, judge};
use super::view::{FAILED, FAILURE_TARGET, Job, SUCCESS_CRITERIA_MET, TRACKING, new_condition};
use crate::object::Condition;
use crate::pod::Pod;

/// Most pods created or deleted in one step (`MaxPodCreateDeletePerSync`).
const BURST: usize = 500;

/// Whether a pod waits to be counted.
pub(super) fn is_tracked(pod: &Pod) -> bool {
    pod.meta.finalizers.iter().any(|finalizer| finalizer == TRACKING)
}

/// Whether a pod has failed, or is as good as failed (`isPodFailed`).
pub(super) fn is_failed(pod: &Pod, job: &Job) -> bool {
    match pod.status.phase.as_str() {
        "Failed" => true,
        "Succeeded" => false,
        // A pod that goes without having ended never ends, if nobody is there to end it.
        _ => pod.raw.is_deleting() && !job.replaces_only_failed(),
    }
}

/// A Job and its pods.
pub(super) struct Look<'a> {
    pub(super) job: &'a Job,
    /// By completion index.
    pub(super) pods: Vec<&'a Pod>,
    pub(super) active: Vec<&'a Pod>,
    /// Uids of pods whose finalizer we have removed, although that is not observed yet.
    pub(super) removed: &'a BTreeSet<String>,
    pub(super) ready: i32,
    pub(super) terminating: i32,
    pub(super) succeeded: i32,
    pub(super) failed: i32,
    /// Indexed Jobs: what the status says, and with what the pods add.
    pub(super) counted_indexes: Indexes,
    pub(super) succeeded_indexes: Indexes,
    /// With a limit per index.
    pub(super) failed_indexes: Option<Indexes>,
    /// Failed pods that stay until their index has a new one, which inherits their count of failures.
    pub(super) waiting: BTreeMap<i32, &'a Pod>,
    pub(super) streak: Streak,
    /// When the Job started, if it has or does so now.
    pub(super) started: Option<String>,
    pub(super) now: Timestamp,
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl<'a> Look<'a> {
    pub(super) fn new(
        job: &'a Job,
        pods: &'a [Pod],
        removed: &'a BTreeSet<String>,
        streak: Streak,
        now: Timestamp,
    ) -> Self {
        let mut sorted: Vec<&Pod> = pods.iter().collect();
        if job.is_indexed() {
            sorted.sort_by_key(|pod| index_of(pod).unwrap_or(-1));
        }
        let active: Vec<&Pod> = sorted.iter().copied().filter(|pod| pod.is_active()).collect();
        let held = job.status.start_time.clone();
        let mut look = Self {
            job,
            removed,
            ready: count(active.iter().filter(|pod| pod.is_ready()).count()),
            terminating: count(sorted.iter().filter(|pod| pod.is_terminating()).count()),
            active,
            pods: sorted,
            succeeded: 0,
            failed: 0,
            counted_indexes: Indexes::default(),
            succeeded_indexes: Indexes::default(),
            failed_indexes: None,
            waiting: BTreeMap::new(),
            streak,
            started: held.or_else(|| (!job.spec.suspend).then(|| crate::object::timestamp(now))),
            now,
        };
        look.count();
        look
    }

    fn count(&mut self) {
        let uncounted = &self.job.status.uncounted_terminated_pods;
        let fresh = |known: &[String], ended: &dyn Fn(&Pod) -> bool| -> Vec<&'a Pod> {
            let new = |pod: &&&Pod| self.is_uncounted(pod) && !known.contains(&pod.meta.uid) && ended(pod);
            self.pods.iter().filter(new).copied().collect()
        };
        let succeeded = fresh(&uncounted.succeeded, &|pod| pod.status.phase == "Succeeded");
        let failed = fresh(&uncounted.failed, &|pod| is_failed(pod, self.job));
        let policy = self.job.spec.pod_failure_policy.as_ref();
        let counting = failed.iter().filter(|pod| judge(policy, pod).counts()).count();
        self.streak = self.streak.after(&succeeded, &failed);
        let status = &self.job.status;
        self.succeeded = status.succeeded.saturating_add(count(succeeded.len() + uncounted.succeeded.len()));
        self.failed = status.failed.saturating_add(count(counting + uncounted.failed.len()));
        if self.job.is_indexed() {
            self.count_indexes();
        }
    }

    /// Whether a pod is in no counter yet; in an indexed Job it also needs an index that counts.
    fn is_uncounted(&self, pod: &Pod) -> bool {
        is_tracked(pod)
            && !self.removed.contains(&pod.meta.uid)
            && (!self.job.is_indexed() || self.valid_index(pod).is_some())
    }

    /// The index of a pod, if it is one of the Job's.
    pub(super) fn valid_index(&self, pod: &Pod) -> Option<i32> {
        index_of(pod).filter(|index| *index < self.job.completions())
    }

    fn count_indexes(&mut self) {
        let (job, completions) = (self.job, self.job.completions());
        let of = |ended: &dyn Fn(&Pod) -> bool| -> Indexes {
            let new = self.pods.iter().filter(|pod| is_tracked(pod) && ended(pod));
            new.filter_map(|pod| self.valid_index(pod)).collect()
        };
        let counted = Indexes::parse(&job.status.completed_indexes, completions);
        let succeeded = counted.merged(&of(&|pod| pod.status.phase == "Succeeded"));
        if job.is_limited_per_index() {
            let held = job.status.failed_indexes.as_deref().unwrap_or_default();
            let failed = Indexes::parse(held, completions).merged(&of(&|pod| self.fails_index(pod)));
            self.failed_indexes = Some(failed);
        }
        self.counted_indexes = counted;
        self.succeeded = succeeded.total();
        self.succeeded_indexes = succeeded;
        if job.is_limited_per_index() {
            self.waiting = self.waiting_pods();
        }
    }

    /// Whether with this pod its index has failed for good.
    fn fails_index(&self, pod: &Pod) -> bool {
        if !is_failed(pod, self.job) {
            return false;
        }
        let verdict = judge(self.job.spec.pod_failure_policy.as_ref(), pod);
        let limit = self.job.spec.backoff_limit_per_index.unwrap_or(i32::MAX);
        verdict.action == Some(Action::FailIndex) || (verdict.counts() && failures_before(pod).0 >= limit)
    }

    /// `getPodsWithDelayedDeletionPerIndex`.
    fn waiting_pods(&self) -> BTreeMap<i32, &'a Pod> {
        let active: Indexes = self.active.iter().filter_map(|pod| index_of(pod)).collect();
        let over = |index: i32| {
            let failed = self.failed_indexes.as_ref().is_some_and(|failed| failed.has(index));
            self.succeeded_indexes.has(index) || failed || active.has(index)
        };
        let mut waiting: BTreeMap<i32, &Pod> = BTreeMap::new();
        let age = |pod: &Pod| {
            let (counted, ignored) = failures_before(pod);
            (counted.saturating_add(ignored), finished_at(pod))
        };
        for pod in self.pods.iter().copied().filter(|pod| self.is_uncounted(pod) && is_failed(pod, self.job)) {
            let Some(index) = self.valid_index(pod).filter(|index| !over(*index)) else { continue };
            let latest = waiting.entry(index).or_insert(pod);
            let ((held, held_end), (new, new_end)) = (age(latest), age(pod));
            if held <= new && held_end <= new_end {
                *latest = pod;
            }
        }
        waiting
    }

    /// The condition that ends the Job, if it is to end before it is complete. What was decided in an earlier step
    /// stays; failure comes before success.
    pub(super) fn verdict(&self) -> Option<Condition> {
        let job = self.job;
        if let Some(met) = job.holds(SUCCESS_CRITERIA_MET) {
            return Some(met.clone());
        }
        if let Some(target) = job.holds(FAILURE_TARGET) {
            return Some(new_condition(FAILED, "True", &target.reason, &target.message, self.now));
        }
        let fail = |reason: &str, message: &str| Some(new_condition(FAILURE_TARGET, "True", reason, message, self.now));
        let policy = job.spec.pod_failure_policy.as_ref();
        let mut failed = self.pods.iter().filter(|pod| policy.is_some() && is_failed(pod, job));
        if let Some(message) = failed.find_map(|pod| judge(policy, pod).fails_job) {
            return fail("PodFailurePolicy", &message);
        }
        if self.failed > job.backoff_limit() || self.restarts_too_often() {
            return fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }
        if self.deadline().is_some_and(|deadline| deadline <= self.now) {
            return fail("DeadlineExceeded", "Job was active longer than specified deadline");
        }
        if let Some(indexes) = &self.failed_indexes {
            let failed = indexes.total();
            if job.spec.max_failed_indexes.is_some_and(|most| failed > most) {
                let message = "Job has exceeded the specified maximal number of failed indexes";
                return fail("MaxFailedIndexesExceeded", message);
            }
            if failed > 0 && failed.saturating_add(self.succeeded) >= job.completions() {
                return fail("FailedIndexes", "Job has failed indexes");
            }
        }
        let met = job.spec.success_policy.as_ref()?.met(job.completions(), &self.succeeded_indexes)?;
        Some(new_condition(SUCCESS_CRITERIA_MET, "True", "SuccessPolicy", &met, self.now))
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.job.deadline(self.started.as_deref())
    }

    /// How long until the deadline.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let left = self.deadline()?.duration_since(self.now);
        Some(Duration::try_from(left).unwrap_or_default())
    }

    /// Whether containers that are restarted in place have been so too often (`pastBackoffLimitOnFailure`).
    fn restarts_too_often(&self) -> bool {
        if self.job.spec.template["spec"]["restartPolicy"] != "OnFailure" {
            return false;
        }
        let alive = self.pods.iter().filter(|pod| matches!(pod.status.phase.as_str(), "Running" | "Pending"));
        let statuses =
            alive.flat_map(|pod| pod.status.init_container_statuses.iter().chain(&pod.status.container_statuses));
        let restarts = statuses.map(|status| status.restart_count).fold(0_i32, i32::saturating_add);
        match self.job.backoff_limit() {
            0 => restarts > 0,
            limit => restarts >= limit,
        }
    }

    /// Whether what is wanted has succeeded and nothing runs any more.
    pub(super) fn is_complete(&self, active: i32) -> bool {
        active == 0
            && match self.job.spec.completions {
                None => self.succeeded > 0,
                Some(wanted) => self.succeeded >= wanted,
            }
    }

    /// What to do about the number of pods (`manageJob`).
    pub(super) fn next(&self) -> Next<'a> {
        let active = count(self.active.len());
        if self.job.spec.suspend {
            return Next::removing(self.surplus(self.active.len()));
        }
        let parallelism = self.job.parallelism();
        let wanted = match self.job.spec.completions {
            Some(completions) => completions.saturating_sub(self.succeeded).clamp(0, parallelism.max(0)),
            // Once one has succeeded, whatever runs may run to its end.
            None if self.succeeded > 0 => active,
            None => parallelism,
        };
        let mut surplus = self.surplus(usize::try_from(active - wanted).unwrap_or_default());
        if !surplus.is_empty() {
            surplus.truncate(BURST);
            return Next::Remove(surplus);
        }
        let terminating = if self.job.replaces_only_failed() { self.terminating } else { 0 };
        let missing = usize::try_from(wanted - terminating - active).unwrap_or_default();
        if missing == 0 { Next::Nothing } else { self.create(missing) }
    }

    fn create(&self, missing: usize) -> Next<'a> {
        if !self.job.is_limited_per_index() {
            let pause = self.streak.remaining(self.now);
            if !pause.is_zero() {
                return Next::Wait(pause);
            }
        }
        let missing = missing.min(BURST);
        if !self.job.is_indexed() {
            return Next::Create(vec![None; missing]);
        }
        let mut taken = self.succeeded_indexes.merged(&self.active.iter().filter_map(|pod| index_of(pod)).collect());
        if self.job.replaces_only_failed() {
            let going = self.pods.iter().filter(|pod| pod.is_terminating());
            taken = taken.merged(&going.filter_map(|pod| index_of(pod)).collect());
        }
        if let Some(failed) = &self.failed_indexes {
            taken = taken.merged(failed);
        }
        let indexes = taken.first_missing(missing, self.job.completions());
        let pause = |index: &i32| self.waiting.get(index).map_or(Duration::ZERO, |pod| self.pause_of(pod));
        let (now, later): (Vec<i32>, Vec<i32>) = indexes.into_iter().partition(|index| pause(index).is_zero());
        match later.iter().map(pause).min() {
            Some(pause) if now.is_empty() => Next::Wait(pause),
            _ if now.is_empty() => Next::Nothing,
            _ => Next::Create(now.into_iter().map(Some).collect()),
        }
    }

    /// How long the replacement of a failed pod has to wait still.
    fn pause_of(&self, pod: &Pod) -> Duration {
        let (counted, ignored) = failures_before(pod);
        let failures = u32::try_from(counted.saturating_add(ignored)).unwrap_or_default().saturating_add(1);
        Streak { failures, last: finished_at(pod) }.remaining(self.now)
    }

    /// Pods to remove: those of no index or of one that is taken, then the least advanced, `at_least` in all
    /// (`activePodsForRemoval`).
    fn surplus(&self, at_least: usize) -> Vec<&'a Pod> {
        let mut remove = Vec::new();
        let mut left = self.active.clone();
        left.sort_by_cached_key(|pod| advance(pod));
        if self.job.is_indexed() {
            // The most advanced pod of each index stays.
            let mut taken = BTreeSet::new();
            let mut stay: Vec<&Pod> = Vec::new();
            for pod in left.into_iter().rev() {
                match self.valid_index(pod) {
                    Some(index) if taken.insert(index) => stay.push(pod),
                    _ => remove.push(pod),
                }
            }
            stay.reverse();
            left = stay;
        }
        let more = at_least.saturating_sub(remove.len()).min(left.len());
        remove.extend_from_slice(&left[..more]);
        remove
    }
}

/// How far a pod has come (`controller.ActivePods`): unassigned, pending, not ready, recently ready, often restarted and
/// young pods come first.
fn advance(pod: &Pod) -> impl Ord + use<> {
    let age = |since: Option<Timestamp>| since.map_or(i64::MIN, |since| -since.as_second());
    let since = pod.ready_since().filter(|_| pod.is_ready());
    let (restarts, sidecar_restarts) = pod.restarts();
    let assigned = !pod.spec.node_name.is_empty();
    (assigned, pod.stage(), pod.is_ready(), age(since), -restarts, -sidecar_restarts, age(pod.created()))
}

/// What to do about the number of pods.
#[derive(Debug)]
pub(super) enum Next<'a> {
    Nothing,
    /// Look again after this time.
    Wait(Duration),
    /// Remove these, uncounted.
    Remove(Vec<&'a Pod>),
    /// Create pods, of these indexes in an indexed Job.
    Create(Vec<Option<i32>>),
}

impl<'a> Next<'a> {
    fn removing(pods: Vec<&'a Pod>) -> Self {
        if pods.is_empty() { Self::Nothing } else { Self::Remove(pods) }
    }
}
