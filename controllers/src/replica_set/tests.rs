//! Tests of the replica set controller: decisions as tables, then the whole loop over an in-memory API.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tenancy::{TenantId, fleet};

use super::*;
use crate::fake::Fake;
use crate::object::controller_reference;
use crate::run::Config;

const NOW: &str = "2026-01-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn set(replicas: i32, min_ready_seconds: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "n", "uid": "rs", "resourceVersion": "1", "generation": 2},
        "spec": {"replicas": replicas, "minReadySeconds": min_ready_seconds,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web", "tier": "front"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    })
}

fn view(value: &Value) -> Set {
    Set::view(Family::ReplicaSet, &Raw::from_value(value).unwrap()).unwrap()
}

/// A pod ready since `ready` seconds, or not at all.
fn pod(name: &str, node: &str, phase: &str, ready: Option<i64>, extra: &Value) -> Pod {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": "web", "tier": "front"},
            "creationTimestamp": "2026-01-01T11:00:00Z"},
        "spec": {"nodeName": node},
        "status": {"phase": phase, "conditions": []},
    });
    if let Some(seconds) = ready {
        let since = now() - jiff::SignedDuration::from_secs(seconds);
        pod["status"]["conditions"] =
            json!([{"type": "Ready", "status": "True", "lastTransitionTime": crate::object::timestamp(since)}]);
    }
    json_patch::merge(&mut pod, extra);
    Pod::view(Arc::new(Raw::from_value(&pod).unwrap())).unwrap()
}

#[test]
fn pods_go_in_upstreams_order() {
    let none = json!({});
    let cost = json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"}}});
    let young = json!({"metadata": {"creationTimestamp": "2026-01-01T11:59:50Z"}});
    let restarted = json!({"status": {"containerStatuses": [{"name": "c", "restartCount": 2}]}});
    let active = [
        pod("old", "a", "Running", Some(1800), &none),
        pod("young", "a", "Running", Some(1800), &young),
        pod("restarted", "a", "Running", Some(1800), &restarted),
        pod("fresh", "a", "Running", Some(5), &none),
        pod("crowded", "b", "Running", Some(1800), &none),
        pod("cheap", "a", "Running", Some(1800), &cost),
        pod("unready", "a", "Running", None, &none),
        pod("unknown", "a", "Unknown", None, &none),
        pod("pending", "a", "Pending", None, &none),
        pod("unassigned", "", "Pending", None, &none),
    ];
    let related: Vec<Pod> = (0..20).map(|n| pod(&format!("r{n}"), "b", "Running", Some(9), &none)).collect();
    let want = ["unassigned", "pending", "unknown", "unready", "cheap", "crowded", "fresh", "restarted", "young"];
    let Scale::Delete(names) = decide::scale(&view(&set(1, 0)), &active, &related, now()) else { panic!("deletes") };
    assert_eq!(names, want);
}

#[test]
fn creations_and_deletions_are_counted_and_bounded() {
    let active = [pod("a", "n", "Running", Some(1), &json!({}))];
    let cases = [
        (1, Scale::Keep),
        (3, Scale::Create(2)),
        (100_000, Scale::Create(500)),
        (0, Scale::Delete(vec!["a".into()])),
        (-1, Scale::Delete(vec!["a".into()])),
    ];
    for (replicas, want) in cases {
        assert_eq!(decide::scale(&view(&set(replicas, 0)), &active, &[], now()), want, "{replicas}");
    }
}

#[test]
fn status_counts_pods_and_keeps_the_failure() {
    let other_label = json!({"metadata": {"labels": {"tier": "back"}}});
    let active = [
        pod("a", "n", "Running", Some(60), &json!({})),
        pod("b", "n", "Running", Some(10), &other_label),
        pod("c", "n", "Pending", None, &json!({})),
    ];
    let mut value = set(5, 30);
    let failure = Failure("pods \"web-\" is forbidden: exceeded quota".into());
    let status = decide::status(Family::ReplicaSet, &view(&value), &active, 1, Some(&failure), now());
    let counts = (status.replicas, status.fully_labeled_replicas, status.ready_replicas, status.available_replicas);
    assert_eq!((counts, status.terminating_replicas, status.observed_generation), ((3, 2, 2, 1), Some(1), 2));
    assert_eq!((status.conditions[0].reason.as_str(), &status.conditions[0].message), ("FailedCreate", &failure.0));
    let next = decide::next_check(&view(&value), &status, &active, now());
    assert_eq!(next, Some(Duration::from_secs(20)));

    // A second failure does not touch the condition; success removes it.
    value["status"] = decide::status_patch(&view(&value), &status)["status"].clone();
    let again = Failure("other".into());
    assert_eq!(decide::status(Family::ReplicaSet, &view(&value), &active, 1, Some(&again), now()), status);
    let healed = decide::status(Family::ReplicaSet, &view(&value), &active, 0, None, now());
    assert!(healed.conditions.is_empty());
    assert_eq!(decide::status_patch(&view(&value), &healed)["status"]["conditions"], Value::Null);
    let controller = decide::status(Family::ReplicationController, &view(&value), &active, 1, None, now());
    assert_eq!(controller.terminating_replicas, None);
}

#[test]
fn replication_controllers_select_by_map() {
    let value = json!({"metadata": {"name": "a"}, "spec": {"selector": {"app": "web"}}});
    let set = Set::view(Family::ReplicationController, &Raw::from_value(&value).unwrap()).unwrap();
    assert!(set.selector.matches(|key| (key == "app").then_some("web")));
    assert_eq!(set.replicas, 1);
    let no_selector = json!({"metadata": {"name": "a"}, "spec": {}});
    assert!(Set::view(Family::ReplicationController, &Raw::from_value(&no_selector).unwrap()).is_ok());
}

#[test]
fn pods_are_named_after_their_set() {
    assert_eq!(crate::crew::generate_name("web"), "web-");
    assert_eq!(crate::crew::generate_name(&"a".repeat(253)), "a".repeat(253));
}

#[tokio::test(start_paused = true)]
async fn keeps_the_number_of_pods() {
    let fake = Fake::default();
    let namespace = fleet::join(TenantId::from_uid("1"), "n");
    let mut wanted = set(3, 0);
    wanted["metadata"]["namespace"] = json!(namespace);
    fake.put(&kinds::replica_sets(), wanted);
    // One orphan to adopt, one owned pod that is no longer selected.
    let template = json!({"kind": "Pod", "metadata": {"namespace": namespace, "labels": {"app": "web"}}, "spec": {}});
    let mut orphan = template.clone();
    orphan["metadata"]["name"] = json!("orphan");
    fake.put(&kinds::pods(), orphan);
    let mut stray = template.clone();
    stray["metadata"] = json!({"namespace": namespace, "name": "stray", "labels": {"app": "db"},
        "ownerReferences": [controller_reference(&kinds::replica_sets(), "web", "rs")]});
    fake.put(&kinds::pods(), stray);
    fake.refuse(Method::POST, &kinds::pods(), 403, "Forbidden");

    let shutdown = CancellationToken::new();
    let config = Config { fleet: fake.client(), which: [crate::run::Which::ReplicaSet].into() };
    let running = tokio::spawn(crate::run::run(config, shutdown.clone()));
    let status = |fake: &Fake| fake.get(&kinds::replica_sets(), &namespace, "web").unwrap()["status"].clone();
    fake.eventually("three pods", |fake| status(fake)["replicas"] == 3 && status(fake)["conditions"].is_null()).await;
    assert_eq!(fake.list(&kinds::pods()).len(), 4, "one stray, one adopted, two created");
    let stray = fake.get(&kinds::pods(), &namespace, "stray").unwrap();
    assert!(stray["metadata"]["ownerReferences"].is_null());
    let adopted = fake.get(&kinds::pods(), &namespace, "orphan").unwrap();
    assert_eq!(adopted["metadata"]["ownerReferences"][0]["uid"], "rs");

    let mut fewer = fake.get(&kinds::replica_sets(), &namespace, "web").unwrap();
    fewer["spec"]["replicas"] = json!(1);
    fewer["metadata"]["generation"] = json!(3);
    fake.put(&kinds::replica_sets(), fewer);
    fake.eventually("one pod", |fake| status(fake)["replicas"] == 1).await;
    assert_eq!(status(&fake)["observedGeneration"], 3);
    assert_eq!(fake.list(&kinds::pods()).len(), 2);
    let reasons = ["FailedCreate", "SuccessfulCreate", "SuccessfulDelete"];
    let seen = |fake: &Fake, reason: &str| fake.list(&kinds::events()).iter().any(|e| e["reason"] == reason);
    fake.eventually("all events", |fake| reasons.iter().all(|reason| seen(fake, reason))).await;
    shutdown.cancel();
    running.await.unwrap();
}
