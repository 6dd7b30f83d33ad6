//! Tests of disruption budgets: counts as tables, then the loop over an in-memory API.

use super::*;
use crate::fake::Fake;
use crate::run::{Config, Which};

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn budget_value(spec: &Value, disrupted: &Value) -> Value {
    let mut spec = spec.clone();
    spec["selector"] = json!({"matchLabels": {"app": "web"}});
    json!({"metadata": {"name": "b", "namespace": "n", "uid": "b", "resourceVersion": "1", "generation": 2},
        "spec": spec, "status": {"disruptedPods": disrupted}})
}

/// A pod in words: its name and `+` ready, `-` not ready, `x` on its way out.
fn pod_value(words: &str) -> Value {
    let (name, state) = words.split_at(words.len() - 1);
    let ready = if state == "-" { "False" } else { "True" };
    let mut pod = json!({"metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": "web"}},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}});
    if state == "x" {
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T11:00:00Z");
    }
    pod
}

fn pod(words: &str) -> Pod {
    Pod::view(Arc::new(Raw::from_value(&pod_value(words)).unwrap())).unwrap()
}

#[test]
fn how_many_are_expected() {
    let known = |sum: i32| Scale::Known { sum, unmanaged: false };
    let unknown = || Scale::Unknown { pod: "p".to_owned() };
    let cases = [
        (json!({"minAvailable": 2}), known(9), Ok((3, 2))),
        (json!({"minAvailable": 2}), unknown(), Ok((3, 2))),
        (json!({"minAvailable": "50%"}), known(5), Ok((5, 3))),
        (json!({"minAvailable": "50%"}), unknown(), Err("found no controllers for pod \"p\"".to_owned())),
        (json!({"maxUnavailable": 1}), known(5), Ok((5, 4))),
        (json!({"maxUnavailable": "50%"}), known(5), Ok((5, 2))),
        (json!({"maxUnavailable": 9}), known(5), Ok((5, 0))),
        (json!({"maxUnavailable": 1}), unknown(), Err("found no controllers for pod \"p\"".to_owned())),
        (json!({}), known(5), Ok((0, 0))),
    ];
    for (spec, scale, want) in cases {
        let spec: Spec = serde_json::from_value(spec).unwrap();
        assert_eq!(expected(&spec, 3, &scale), want, "{spec:?} {scale:?}");
    }
}

#[test]
fn how_many_may_go() {
    let none = json!({});
    let fresh = json!({"a": "2026-01-01T11:59:00Z", "gone": "2026-01-01T11:59:00Z"});
    let old = json!({"a": "2026-01-01T11:57:00Z"});
    // (pods, disrupted, expected, desired) → healthy, allowed, disrupted, late, seconds
    let cases = [
        ("a+ b+ c+", &none, (3, 2), 3, 1, 0, 0, None),
        ("a+ b+ c-", &none, (3, 2), 2, 0, 0, 0, None),
        ("a+ b+ cx", &none, (3, 2), 2, 0, 0, 0, None),
        ("a+ b+ c+", &none, (3, 5), 3, 0, 0, 0, None),
        ("a+ b+", &none, (0, 0), 2, 0, 0, 0, None),
        ("a+ b+ c+", &fresh, (3, 1), 2, 1, 1, 0, Some(61)),
        ("ax b+ c+", &fresh, (3, 1), 2, 1, 0, 0, None),
        ("a+ b+ c+", &old, (3, 1), 3, 2, 0, 1, None),
    ];
    for (pods, disrupted, expected, healthy, allowed, held, late, again) in cases {
        let raw = Raw::from_value(&budget_value(&json!({}), disrupted)).unwrap();
        let budget: Budget = raw.view().unwrap();
        let pods: Vec<Pod> = pods.split(' ').map(pod).collect();
        let verdict = judge(&budget, &pods, expected, now());
        let status = &verdict.status;
        assert_eq!((status.current_healthy, status.disruptions_allowed), (healthy, allowed), "{pods:?}");
        assert_eq!((status.disrupted_pods.len(), verdict.late.len()), (held, late), "{pods:?}");
        assert_eq!(verdict.again, again.map(Duration::from_secs), "{pods:?}");
        let condition = &status.conditions[0];
        let want = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), want);
        assert_eq!((condition.observed_generation, status.observed_generation), (2, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn budgets_follow_their_pods() {
    let fake = Fake::default();
    let owned = |mut pod: Value, kind: &str| {
        pod["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": "rs", "controller": true}]);
        pod
    };
    let owners =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d", "controller": true}]);
    let deployment = json!({"metadata": {"name": "web", "namespace": "n", "uid": "d"}, "spec": {"replicas": 3}});
    let set =
        json!({"metadata": {"name": "web", "namespace": "n", "uid": "rs", "ownerReferences": owners}, "spec": {}});
    fake.put(&kinds::deployments(), deployment);
    fake.put(&kinds::replica_sets(), set);
    for pod in ["a+", "b+", "c-"] {
        fake.put(&kinds::pods(), owned(pod_value(pod), "ReplicaSet"));
    }
    fake.put(&kinds::disruption_budgets(), budget_value(&json!({"maxUnavailable": 2}), &Value::Null));
    let config = Config { fleet: fake.client(), which: [Which::Disruption].into() };
    let stop = CancellationToken::new();
    let running = tokio::spawn(crate::run::run(config, stop.clone()));
    let status = |fake: &Fake| fake.get(&kinds::disruption_budgets(), "n", "b").unwrap()["status"].clone();
    fake.eventually("one may go", |fake| {
        let status = status(fake);
        (&status["disruptionsAllowed"], &status["expectedPods"], &status["desiredHealthy"])
            == (&json!(1), &json!(3), &json!(1))
    })
    .await;
    fake.put(&kinds::pods(), owned(pod_value("c+"), "ReplicaSet"));
    fake.eventually("two may go", |fake| status(fake)["disruptionsAllowed"] == 2).await;
    fake.put(&kinds::pods(), owned(pod_value("d+"), "Job"));
    fake.eventually("nobody may go", |fake| {
        let status = status(fake);
        status["disruptionsAllowed"] == 0 && status["conditions"][0]["reason"] == "SyncFailed"
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}
