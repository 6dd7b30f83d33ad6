//! What follows from pods, one look at a time.

use std::collections::BTreeSet;

use super::*;
use crate::job::backoff::Streak;
use crate::job::look::{Look, Next};
use crate::job::tally::{Flush, tally};
use crate::job::view::{Status, new_condition};

/// What to do, in words.
fn next(job: &Job, pods: &[Pod]) -> String {
    let removed = BTreeSet::new();
    let look = Look::new(job, pods, &removed, Streak::default(), now());
    match look.next() {
        Next::Nothing => "nothing".to_owned(),
        Next::Wait(pause) => format!("wait {}", pause.as_secs()),
        Next::Remove(pods) => {
            let names: Vec<&str> = pods.iter().map(|pod| pod.meta.name.as_str()).collect();
            format!("remove {}", names.join(" "))
        }
        Next::Create(indexes) => {
            let text = |index: &Option<i32>| index.map_or("-".to_owned(), |index| index.to_string());
            format!("create {}", indexes.iter().map(text).collect::<Vec<_>>().join(" "))
        }
    }
}

fn deleting() -> Value {
    json!({"metadata": {"deletionTimestamp": ago(0), "deletionGracePeriodSeconds": 0}})
}

#[test]
fn pods_wanted_and_not() {
    let none = json!({});
    let long_ago = json!({"metadata": {"creationTimestamp": ago(700)}});
    let spec = |spec: Value| json!({ "spec": spec });
    let running = |name: &str| pod(name, "Running", &none);
    let cases = [
        (none.clone(), vec![], "create - -"),
        (none.clone(), vec![running("a")], "create -"),
        (none.clone(), vec![running("a"), running("b")], "nothing"),
        (none.clone(), vec![pod("a", "Succeeded", &none), pod("b", "Succeeded", &none)], "create -"),
        (json!({"status": {"succeeded": 2}}), vec![running("a")], "nothing"),
        (json!({"status": {"succeeded": 2}}), vec![], "create -"),
        (json!({"status": {"succeeded": 3}}), vec![], "nothing"),
        (spec(json!({"parallelism": 0})), vec![], "nothing"),
        (spec(json!({"parallelism": 1})), vec![running("a"), pod("b", "Pending", &none)], "remove b"),
        (spec(json!({"parallelism": 9})), vec![running("a")], "create - -"),
        // A work queue: as many as wanted, until the first success.
        (spec(json!({"completions": null})), vec![running("a")], "create -"),
        (spec(json!({"completions": null})), vec![running("a"), pod("b", "Succeeded", &none)], "nothing"),
        (spec(json!({"suspend": true})), vec![running("a"), running("b")], "remove a b"),
        (spec(json!({"suspend": true})), vec![], "nothing"),
        // Back-off: the pod failed when it was created, for want of better knowledge.
        (none.clone(), vec![pod("a", "Failed", &json!({"metadata": {"creationTimestamp": ago(4)}}))], "wait 6"),
        (none.clone(), vec![pod("a", "Failed", &long_ago)], "create - -"),
        // A pod that goes is replaced at once, or when it has failed.
        (none.clone(), vec![pod("a", "Running", &deleting())], "wait 10"),
        (spec(json!({"podReplacementPolicy": "Failed"})), vec![pod("a", "Running", &deleting())], "create -"),
    ];
    for (patch, pods, want) in cases {
        let names: Vec<_> = pods.iter().map(|pod| (&pod.meta.name, &pod.status.phase)).collect();
        assert_eq!(next(&job(&patch), &pods), want, "{patch} {names:?}");
    }
}

#[test]
fn indexes_wanted_and_not() {
    let spec = |patch: &Value| {
        let mut spec = json!({"spec": {"completionMode": "Indexed", "completions": 4, "parallelism": 3}});
        json_patch::merge(&mut spec, patch);
        job(&spec)
    };
    let limited = json!({"spec": {"backoffLimitPerIndex": 1}});
    let failed = |name: &str, index: &str, before: &str, second: i64| {
        pod(
            name,
            "Failed",
            &json!({"metadata": {"creationTimestamp": ago(second), "annotations": {
                super::super::indexes::INDEX: index, super::super::indexes::FAILURES: before}}}),
        )
    };
    let none = json!({});
    let cases = [
        (none.clone(), vec![], "create 0 1 2"),
        (none.clone(), vec![indexed("a", "Running", "0"), indexed("b", "Succeeded", "1")], "create 2 3"),
        (json!({"status": {"completedIndexes": "0,2-3", "succeeded": 3}}), vec![], "create 1"),
        (json!({"status": {"completedIndexes": "0-3", "succeeded": 4}}), vec![], "nothing"),
        // Doubles, strangers and indexes out of range go.
        (none.clone(), vec![indexed("a", "Running", "0"), indexed("b", "Pending", "0")], "remove b"),
        (none.clone(), vec![indexed("a", "Running", "4"), indexed("b", "Running", "x")], "remove a b"),
        // Each index backs off for itself.
        (limited.clone(), vec![failed("a", "1", "0", 4)], "create 0 2"),
        (
            json!({"spec": {"backoffLimitPerIndex": 9, "completions": 1, "parallelism": 1}}),
            vec![failed("a", "0", "1", 4)],
            "wait 16",
        ),
        (limited.clone(), vec![failed("a", "1", "0", 15)], "create 0 1 2"),
        (limited, vec![failed("a", "1", "1", 15)], "create 0 2 3"),
    ];
    for (patch, pods, want) in cases {
        let names: Vec<_> = pods.iter().map(|pod| (&pod.meta.name, &pod.meta.annotations)).collect();
        assert_eq!(next(&spec(&patch), &pods), want, "{patch} {names:?}");
    }
}

#[test]
fn verdicts() {
    let none = json!({});
    let failed = |count: usize| (0..count).map(|n| pod(&n.to_string(), "Failed", &none)).collect::<Vec<_>>();
    let restarted = |count: i64| {
        let status = json!({"containerStatuses": [{"name": "c", "restartCount": count}]});
        vec![pod("a", "Running", &json!({ "status": status }))]
    };
    let in_place = json!({"spec": {"backoffLimit": 2, "template": {"spec": {"restartPolicy": "OnFailure"}}}});
    let by_index = |patch: Value| {
        let mut spec = json!({"spec": {"completionMode": "Indexed", "completions": 3, "backoffLimitPerIndex": 0}});
        json_patch::merge(&mut spec, &patch);
        spec
    };
    let deadline = |since: i64| json!({"spec": {"activeDeadlineSeconds": 60}, "status": {"startTime": ago(since)}});
    let suspended = json!({"spec": {"activeDeadlineSeconds": 60, "suspend": true}, "status": {"startTime": ago(90)}});
    let ignore = json!({"rules": [{"action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]});
    let disrupted = json!({"status": {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}});
    let held = |kind: &str| json!({"status": {"conditions": [{"type": kind, "status": "True", "reason": "R"}]}});
    let ix = |name: &str, phase: &str, index: &str| indexed(name, phase, index);
    // (Job, pods) → type and reason
    let cases = [
        (json!({"spec": {"backoffLimit": 0}}), failed(1), Some("FailureTarget BackoffLimitExceeded")),
        (json!({"spec": {"backoffLimit": 2}}), failed(2), None),
        (json!({"spec": {"backoffLimit": 2}}), failed(3), Some("FailureTarget BackoffLimitExceeded")),
        (json!({"status": {"failed": 6}}), failed(1), Some("FailureTarget BackoffLimitExceeded")),
        (json!({"status": {"failed": 6}}), vec![], None),
        (json!({"spec": {"backoffLimit": 0, "podFailurePolicy": ignore}}), vec![pod("a", "Failed", &disrupted)], None),
        (in_place.clone(), restarted(1), None),
        (in_place.clone(), restarted(2), Some("FailureTarget BackoffLimitExceeded")),
        (deadline(59), vec![], None),
        (deadline(60), vec![], Some("FailureTarget DeadlineExceeded")),
        (suspended, vec![], None),
        (by_index(none.clone()), vec![ix("a", "Failed", "0")], None),
        (
            by_index(json!({"spec": {"maxFailedIndexes": 0}})),
            vec![ix("a", "Failed", "0")],
            Some("FailureTarget MaxFailedIndexesExceeded"),
        ),
        (
            by_index(none.clone()),
            vec![ix("a", "Failed", "0"), ix("b", "Succeeded", "1"), ix("c", "Succeeded", "2")],
            Some("FailureTarget FailedIndexes"),
        ),
        (
            by_index(json!({"spec": {"successPolicy": {"rules": [{"succeededIndexes": "1"}]}}})),
            vec![ix("b", "Succeeded", "1")],
            Some("SuccessCriteriaMet SuccessPolicy"),
        ),
        (held("SuccessCriteriaMet"), failed(9), Some("SuccessCriteriaMet R")),
        (held("FailureTarget"), vec![], Some("Failed R")),
    ];
    for (patch, pods, want) in cases {
        let (job, removed) = (job(&patch), BTreeSet::new());
        let look = Look::new(&job, &pods, &removed, Streak::default(), now());
        let got = look.verdict().map(|condition| format!("{} {}", condition.r#type, condition.reason));
        assert_eq!(got.as_deref(), want, "{patch}");
    }
}

fn uids(look: &Look<'_>, finished: Option<&str>) -> (Status, Vec<String>) {
    let finished = finished.map(|kind| new_condition(kind, "True", "R", "M", now()));
    let tally = tally(look, look.job.status.clone(), Flush::Unneeded, finished);
    let mut released: Vec<String> = tally.release.iter().map(|pod| pod.meta.uid.clone()).collect();
    released.sort();
    (tally.status, released)
}

#[test]
fn pods_are_counted_once() {
    let none = json!({});
    let untracked = json!({"metadata": {"finalizers": null}});
    let pods = [
        pod("good", "Succeeded", &none),
        pod("bad", "Failed", &none),
        pod("alive", "Running", &none),
        pod("old", "Succeeded", &untracked),
        pod("released", "Failed", &none),
    ];
    let removed: BTreeSet<String> = ["released".to_owned()].into();
    let held = job(&json!({"status": {"succeeded": 1, "failed": 1,
        "uncountedTerminatedPods": {"succeeded": ["old"], "failed": ["released"]}}}));
    let look = Look::new(&held, &pods, &removed, Streak::default(), now());
    assert_eq!((look.succeeded, look.failed), (3, 3), "counted, uncounted and new");
    let (status, released) = uids(&look, None);
    assert_eq!(released, ["bad", "good"]);
    let uncounted = &status.uncounted_terminated_pods;
    assert_eq!(
        (uncounted.succeeded.as_slice(), uncounted.failed.as_slice()),
        (&["good".to_owned()][..], &["bad".to_owned()][..])
    );
    assert_eq!((status.succeeded, status.failed), (2, 2), "those without finalizer are in the counters now");
    // When the Job fails everything is let go, and what has not ended has failed.
    let (status, released) = uids(&look, Some("FailureTarget"));
    assert_eq!(released, ["alive", "bad", "good"]);
    assert_eq!(status.uncounted_terminated_pods.failed, ["bad", "alive"]);
    assert_eq!(status.conditions[0].r#type, "FailureTarget");
    let (status, _) = uids(&look, Some("SuccessCriteriaMet"));
    assert_eq!(status.uncounted_terminated_pods.failed, ["bad"], "a success fails nobody");
}

#[test]
fn the_terminal_condition_waits_for_every_pod() {
    let (job, removed) = (job(&json!({"status": {"succeeded": 2}})), BTreeSet::new());
    let pods = [pod("good", "Succeeded", &json!({}))];
    let look = Look::new(&job, &pods, &removed, Streak::default(), now());
    let met = new_condition("SuccessCriteriaMet", "True", "CompletionsReached", "M", now());
    let mut tally = tally(&look, job.status.clone(), Flush::Unneeded, Some(met));
    assert!(tally.flush == Flush::Needed && tally.finish(0).is_none(), "the pod is not counted");
    tally.flushed();
    tally.released(&["good".to_owned()].into());
    assert_eq!((tally.status.succeeded, tally.flush), (3, Flush::Needed));
    assert!(tally.finish(1).is_none(), "a pod is still going");
    let finished = tally.finish(0).unwrap();
    assert_eq!((finished.r#type.as_str(), finished.reason.as_str()), ("Complete", "CompletionsReached"));
    assert_eq!(tally.status.completion_time, Some(timestamp(now())));
    let kinds: Vec<&str> = tally.status.conditions.iter().map(|c| c.r#type.as_str()).collect();
    assert_eq!(kinds, ["SuccessCriteriaMet", "Complete"]);
}

#[test]
fn replaced_indexes_inherit_their_failures() {
    let job = job(&json!({"spec": {"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 3}}));
    let annotations = json!({super::super::indexes::INDEX: "1", super::super::indexes::FAILURES: "1"});
    let pods = [pod("bad", "Failed", &json!({"metadata": {"annotations": annotations}}))];
    let removed = BTreeSet::new();
    let look = Look::new(&job, &pods, &removed, Streak::default(), now());
    let (_, released) = uids(&look, None);
    assert!(released.is_empty(), "it stays until it is replaced");
    let owner = Raw::from_value(&job_value(&json!({}))).unwrap();
    let made = super::super::template::pod(&crate::kinds::jobs(), &owner, &look, Some(1));
    let meta = &made["metadata"];
    assert_eq!(meta["annotations"][super::super::indexes::FAILURES], "2");
    assert_eq!(
        (&meta["labels"][super::super::indexes::INDEX], &meta["generateName"]),
        (&json!("1"), &json!("work-1-"))
    );
    assert_eq!((&made["spec"]["hostname"], &meta["finalizers"]), (&json!("work-1"), &json!([TRACKING])));
    assert_eq!(made["spec"]["containers"][0]["env"][0]["name"], "JOB_COMPLETION_INDEX");
}
