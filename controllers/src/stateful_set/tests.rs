//! Tests of StatefulSets: what comes next as tables, then the whole loop over an in-memory API.

use super::*;
use crate::fake::Fake;
use crate::history::tests::revision;
use crate::run::Config;

fn set_value(patch: &Value) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "web", "namespace": "n", "uid": "set", "resourceVersion": "1", "generation": 1},
        "spec": {"replicas": 3, "serviceName": "svc", "selector": {"matchLabels": {"app": "web"}},
            "podManagementPolicy": "OrderedReady",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "1"}]}}},
    });
    json_patch::merge(&mut set, patch);
    set
}

/// A pod in words: ordinal, revision, and `+` ready, `-` not ready, `~` pending, `x` on its way out, `!` failed.
fn pod_of(words: &str) -> Pod {
    let (name, state) = words.split_at(words.len() - 1);
    let (ordinal, revision) = name.split_at(name.len() - 1);
    let phase = match state {
        "~" => "Pending",
        "!" => "Failed",
        _ => "Running",
    };
    let ready = if matches!(state, "+" | "x") { "True" } else { "False" };
    let name = format!("web-{ordinal}");
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "n", "uid": name,
            "labels": {"app": "web", NAME_LABEL: name, REVISION_LABEL: revision}},
        "status": {"phase": phase, "conditions":
            [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    });
    if state == "x" {
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }
    Pod::view(Arc::new(Raw::from_value(&pod).unwrap())).unwrap()
}

fn acts(patch: &Value, pods: &str) -> (String, Status) {
    let set = StatefulSet::view(&Raw::from_value(&set_value(patch)).unwrap()).unwrap();
    let pods: Vec<Pod> = pods.split_whitespace().map(pod_of).collect();
    let (current, update) = (revision("a", 1, "1"), revision("b", 2, "2"));
    let now = "2026-01-01T00:00:10Z".parse().unwrap();
    let plan = plan(&Observed { set: &set, pods: &pods, current: &current, update: &update, now });
    let words = plan.acts.iter().map(|act| match act {
        Act::Create(ordinal, Which::Current) => format!("create {ordinal}a"),
        Act::Create(ordinal, Which::Update) => format!("create {ordinal}b"),
        Act::Claims(name) => format!("claims {name}"),
        Act::Label(name) => format!("label {name}"),
        Act::Delete(name) => format!("delete {name}"),
    });
    (words.collect::<Vec<_>>().join(", "), plan.status)
}

#[test]
fn one_after_the_other() {
    let none = json!({});
    let replicas = |count: i32| json!({"spec": {"replicas": count}});
    let partition = |at: i32| json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": at}}}});
    let slow = json!({"spec": {"minReadySeconds": 60}});
    let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}});
    let cases = [
        (none.clone(), "", "create 0b"),
        (none.clone(), "0b~", ""),
        (none.clone(), "0b-", ""),
        (none.clone(), "0b+", "create 1b"),
        (slow, "0b+", ""),
        (none.clone(), "0b+ 1b+ 2b+", ""),
        (none.clone(), "0b+ 2b+", "create 1b"),
        (none.clone(), "0b! 1b+ 2b+", "delete web-0"),
        (none.clone(), "0bx 1b+ 2b+", ""),
        // Down: the last first, and only while the others are well.
        (replicas(1), "0b+ 1b+ 2b+", "delete web-2"),
        (replicas(1), "0b+ 1b+ 2bx", ""),
        (replicas(1), "0b- 1b+ 2b+", ""),
        (replicas(1), "0b+ 1b- 2b+", "delete web-2"),
        (replicas(1), "0b+ 1b+ 2b-", "delete web-2"),
        (replicas(1), "0b+ 1b- 2b-", ""),
        (replicas(0), "", ""),
        // Updates: from the last one down.
        (none.clone(), "0a+ 1a+ 2a+", "delete web-2"),
        (none.clone(), "0a+ 1a+ 2b-", ""),
        (none.clone(), "0a+ 1a+ 2b+", "delete web-1"),
        (none.clone(), "0a+ 1a+", "create 2b"),
        (partition(2), "0a+ 1a+ 2b+", ""),
        (partition(2), "0a+", "create 1a"),
        (partition(9), "0a+ 1a+ 2a+", ""),
        (on_delete.clone(), "0a+ 1a+ 2a+", ""),
        (on_delete, "0a+ 1a+", "create 2b"),
        (json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), "0b+", ""),
        (json!({"spec": {"replicas": 2, "ordinals": {"start": 5}}}), "5b+", "create 6b"),
        (json!({"spec": {"replicas": 1, "ordinals": {"start": 1}}}), "0b+ 1b+", "delete web-0"),
    ];
    for (patch, pods, want) in cases {
        assert_eq!(acts(&patch, pods).0, want, "{patch} {pods}");
    }
}

#[test]
fn all_at_once() {
    let parallel = |patch: Value| {
        let mut base = json!({"spec": {"podManagementPolicy": "Parallel"}});
        json_patch::merge(&mut base, &patch);
        base
    };
    let cases = [
        (json!({}), "", "create 0b, create 1b, create 2b"),
        (json!({}), "0b- 1b!", "delete web-1, create 2b"),
        (json!({"spec": {"replicas": 0}}), "0b+ 1bx 2b-", "delete web-2, delete web-0"),
        (json!({}), "0a+ 1a+ 2a+", "delete web-2"),
        (
            json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}}),
            "",
            "create 0a, create 1b, create 2b",
        ),
    ];
    for (patch, pods, want) in cases {
        assert_eq!(acts(&parallel(patch.clone()), pods).0, want, "{patch} {pods}");
    }
}

#[test]
fn status_counts() {
    let (_, status) = acts(&json!({}), "0a+ 1b- 2bx");
    let counts = (status.replicas, status.ready_replicas, status.available_replicas);
    assert_eq!((counts, status.current_replicas, status.updated_replicas), ((3, 2, 2), 1, 1));
    assert_eq!((status.current_revision.as_str(), status.update_revision.as_str()), ("a", "b"));
    let (_, status) = acts(&json!({}), "0b+ 1b+ 2b+");
    assert_eq!((status.current_revision.as_str(), status.current_replicas), ("b", 3), "the update is complete");
    let (_, status) = acts(&json!({}), "0a+ 1a+ 2a+");
    assert_eq!(status.current_replicas, 2, "one is being replaced");
}

#[test]
fn names_are_read_strictly() {
    let set = StatefulSet::view(&Raw::from_value(&set_value(&json!({}))).unwrap()).unwrap();
    for (name, want) in [
        ("web-0", Some(0)),
        ("web-12", Some(12)),
        ("web-01", None),
        ("web-", None),
        ("web", None),
        ("web-a-1", None),
        ("web--1", None),
    ] {
        assert_eq!(set.ordinal(name), want, "{name}");
    }
}

#[test]
fn pods_have_names_and_claims() {
    let template = json!({"metadata": {"name": "data", "labels": {"l": "1"}}, "spec": {"x": 1}});
    let volumes = json!([{"name": "data", "emptyDir": {}}, {"name": "other", "emptyDir": {}}]);
    let raw = Raw::from_value(&set_value(&json!({"spec": {"volumeClaimTemplates": [template],
        "template": {"spec": {"volumes": volumes}}}})))
    .unwrap();
    let set = StatefulSet::view(&raw).unwrap();
    let mut revision = revision("r", 1, "1");
    revision.template = set.spec.template.clone();
    let made = pod(&raw, &set, &revision, 4);
    assert_eq!(made["metadata"]["name"], "web-4");
    assert!(made["metadata"]["generateName"].is_null());
    let labels = json!({"app": "web", NAME_LABEL: "web-4", INDEX_LABEL: "4", REVISION_LABEL: "r"});
    assert_eq!(made["metadata"]["labels"], labels);
    assert_eq!((&made["spec"]["hostname"], &made["spec"]["subdomain"]), (&json!("web-4"), &json!("svc")));
    let claim = json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-web-4"}});
    assert_eq!(made["spec"]["volumes"], json!([claim, {"name": "other", "emptyDir": {}}]));
    let claim = set.claim("data-web-4", &set.spec.volume_claim_templates[0]);
    assert_eq!(claim["metadata"], json!({"name": "data-web-4", "labels": {"app": "web", "l": "1"}}));
}

/// Makes every pod without a status run.
fn play(fake: &Fake) {
    for mut pod in fake.list(&kinds::pods()).into_iter().filter(|pod| pod["status"].is_null()) {
        pod["status"] = json!({"phase": "Running", "conditions":
            [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        fake.put(&kinds::pods(), pod);
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_comes_up_and_is_updated() {
    let fake = Fake::default();
    let claim = json!({"metadata": {"name": "data"}, "spec": {}});
    let spec = json!({"spec": {"replicas": 2, "revisionHistoryLimit": 0, "volumeClaimTemplates": [claim],
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}});
    fake.put(&kinds::stateful_sets(), set_value(&spec));
    let config = Config { fleet: fake.client(), which: [crate::run::Which::StatefulSet].into() };
    let stop = CancellationToken::new();
    let running = tokio::spawn(crate::run::run(config, stop.clone()));
    let status = |fake: &Fake| fake.get(&kinds::stateful_sets(), "n", "web").unwrap()["status"].clone();
    let images = |fake: &Fake| -> Vec<String> {
        fake.list(&kinds::pods()).iter().map(|pod| pod["spec"]["containers"][0]["image"].to_string()).collect()
    };
    for count in 1..=2 {
        fake.eventually("the next pod", |fake| {
            play(fake);
            fake.list(&kinds::pods()).len() == count
        })
        .await;
    }
    fake.eventually("both ready", |fake| status(fake)["readyReplicas"] == 2).await;
    let held = status(&fake);
    assert_eq!(held["currentRevision"], held["updateRevision"]);
    let claims = fake.list(&kinds::persistent_volume_claims());
    let names: Vec<&Value> = claims.iter().map(|claim| &claim["metadata"]["name"]).collect();
    assert_eq!(names, ["data-web-0", "data-web-1"]);
    assert!(claims.iter().all(|claim| claim["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet"));

    let mut set = fake.get(&kinds::stateful_sets(), "n", "web").unwrap();
    set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("2");
    fake.put(&kinds::stateful_sets(), set);
    fake.eventually("both new", |fake| {
        play(fake);
        images(fake) == ["\"2\"", "\"2\""]
    })
    .await;
    fake.eventually("the update is complete, the old revision forgotten", |fake| {
        play(fake);
        let held = status(fake);
        held["currentRevision"] != Value::Null
            && held["currentRevision"] == held["updateRevision"]
            && held["updatedReplicas"] == 2
            && fake.list(&kinds::controller_revisions()).len() == 1
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}
