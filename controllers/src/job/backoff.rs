//! How long a Job waits before it replaces a failed pod: 10 s, doubling with every failure since the last success, up to
//! ten minutes.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::object::{condition, parse_time};
use crate::pod::{ContainerStatus, Pod};

/// First pause (`DefaultJobPodFailureBackOff`).
const FIRST: Duration = Duration::from_secs(10);
/// Longest pause (`MaxJobPodFailureBackOff`).
const LONGEST: Duration = Duration::from_secs(600);

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Streak {
    pub(super) failures: u32,
    pub(super) last: Option<Timestamp>,
}

impl Streak {
    /// The streak after more pods have ended (`newBackoffRecord`).
    pub(super) fn after(self, succeeded: &[&Pod], failed: &[&Pod]) -> Self {
        let ended = |pods: &[&Pod]| pods.iter().map(|pod| finished_at(pod)).max().flatten();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        if succeeded.is_empty() {
            if failed.is_empty() {
                return self;
            }
            return Self { failures: self.failures.saturating_add(count(failed.len())), last: ended(failed) };
        }
        let success = ended(succeeded);
        let later: Vec<&Pod> = failed.iter().copied().filter(|pod| finished_at(pod) > success).collect();
        Self { failures: count(later.len()), last: ended(&later) }
    }

    /// How long the next pod has to wait still.
    pub(super) fn remaining(self, now: Timestamp) -> Duration {
        let (Some(last), 1..) = (self.last, self.failures) else { return Duration::ZERO };
        let doubled = FIRST.saturating_mul(1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX));
        let waited = Duration::try_from(now.duration_since(last)).unwrap_or_default();
        doubled.min(LONGEST).saturating_sub(waited)
    }
}

/// When a pod ended: when its last container did, became unready, or was deleted (`getFinishedTime`).
pub(super) fn finished_at(pod: &Pod) -> Option<Timestamp> {
    let sidecar = |name: &str| {
        let always = |c: &crate::pod::Container| c.name == name && c.restart_policy.as_deref() == Some("Always");
        pod.spec.init_containers.iter().any(always)
    };
    let sidecars = pod.status.init_container_statuses.iter().filter(|status| sidecar(&status.name));
    let all: Vec<&ContainerStatus> = pod.status.container_statuses.iter().chain(sidecars).collect();
    let ends: Option<Vec<Timestamp>> =
        all.iter().map(|status| parse_time(&status.state.terminated.as_ref()?.finished_at)).collect();
    let last = ends.and_then(|ends| ends.into_iter().max());
    last.or_else(|| {
        let unready = condition(&pod.status.conditions, "Ready").filter(|c| c.status == "False")?;
        parse_time(&unready.last_transition_time)
    })
    .or_else(|| {
        let deleted = parse_time(pod.meta.deletion_timestamp.as_deref()?)?;
        let grace = pod.meta.deletion_grace_period_seconds.unwrap_or_default();
        deleted.checked_sub(SignedDuration::from_secs(grace)).ok()
    })
    .or_else(|| pod.created())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::informer::Raw;

    fn at(second: i64) -> Timestamp {
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }

    fn pod(second: i64) -> Pod {
        view(&json!({"status": {"containerStatuses": [ended("a", second - 5), ended("b", second)]}}))
    }

    fn ended(name: &str, second: i64) -> Value {
        json!({"name": name, "state": {"terminated": {"finishedAt": crate::object::timestamp(at(second))}}})
    }

    fn view(patch: &Value) -> Pod {
        let mut pod = json!({"metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"}});
        json_patch::merge(&mut pod, patch);
        Pod::view(Arc::new(Raw::from_value(&pod).unwrap())).unwrap()
    }

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        for (failures, want) in [(0, 0), (1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (8, 600), (99, 600)] {
            let streak = Streak { failures, last: Some(at(0)) };
            assert_eq!(streak.remaining(at(0)), Duration::from_secs(want), "{failures}");
        }
        let streak = Streak { failures: 1, last: Some(at(0)) };
        assert_eq!(streak.remaining(at(4)), Duration::from_secs(6));
        assert_eq!(streak.remaining(at(11)), Duration::ZERO);
        assert_eq!(streak.remaining(at(-5)), FIRST, "clocks differ");
    }

    #[test]
    fn successes_end_a_streak() {
        let held = Streak { failures: 2, last: Some(at(5)) };
        // (succeeded, failed) → streak
        type Case = (&'static [i64], &'static [i64], u32, Option<i64>);
        let cases: [Case; 6] = [
            (&[], &[], 2, Some(5)),
            (&[], &[30, 20], 4, Some(30)),
            (&[10], &[], 0, None),
            (&[10], &[9], 0, None),
            (&[10, 20], &[15, 25, 22], 2, Some(25)),
            (&[10], &[10], 0, None),
        ];
        for (succeeded, failed, failures, last) in cases {
            let pods = |seconds: &[i64]| seconds.iter().map(|second| pod(*second)).collect::<Vec<_>>();
            let (good, bad) = (pods(succeeded), pods(failed));
            let after = held.after(&good.iter().collect::<Vec<_>>(), &bad.iter().collect::<Vec<_>>());
            assert_eq!(after, Streak { failures, last: last.map(at) }, "{succeeded:?} {failed:?}");
        }
    }

    #[test]
    fn the_end_of_a_pod() {
        let running = json!({"name": "c", "state": {"running": {}}});
        let unready = json!([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:07Z"}]);
        let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:39Z", "deletionGracePeriodSeconds": 30});
        let cases = [
            (json!({"status": {"containerStatuses": [ended("a", 3), ended("b", 2)]}}), 3),
            (json!({"status": {"containerStatuses": [ended("a", 3), running], "conditions": unready}}), 7),
            (json!({"metadata": deleted, "status": {"containerStatuses": [running]}}), 9),
            (json!({}), 0),
            (
                json!({"spec": {"initContainers": [{"name": "s", "restartPolicy": "Always"}, {"name": "i"}]}, "status": {
                    "containerStatuses": [ended("a", 3)],
                    "initContainerStatuses": [ended("s", 4), ended("i", 9)]}}),
                4,
            ),
        ];
        for (patch, second) in cases {
            assert_eq!(finished_at(&view(&patch)), Some(at(second)), "{patch}");
        }
    }
}
