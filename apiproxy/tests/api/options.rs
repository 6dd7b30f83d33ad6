//! Options of writes: dry run, field validation, managers, preconditions.

use serde_json::{Value, json};

use crate::definitions::{WIDGETS, widget, widgets};
use crate::world::World;

const NS: &str = "/api/v1/namespaces/default";

#[tokio::test]
async fn a_dry_run_stores_nothing_whatever_the_verb() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    let maps = format!("{NS}/configmaps");
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    admin.post(&maps, json!({"metadata": {"name": "there"}, "data": {"k": "v"}})).await.expect(201);
    admin.post(&format!("{NS}/pods"), pod.clone()).await.expect(201);
    admin.post(WIDGETS, widget("w", json!({"size": 1}))).await.expect(201);
    let before = admin.get(&format!("{maps}/there")).await.version();
    let dry = "dryRun=All";
    let made = admin.post(&format!("{maps}?{dry}"), json!({"metadata": {"name": "new"}})).await.expect(201);
    assert!(made.body["metadata"]["uid"].is_string() && made.body["metadata"]["resourceVersion"].is_null());
    let there = format!("{maps}/there?{dry}");
    let put = admin.put(&there, json!({"metadata": {"name": "there"}, "data": {"k": "w"}})).await.expect(200);
    assert_eq!(put.body["data"]["k"], "w");
    admin.merge(&there, json!({"data": {"k": "w"}})).await.expect(200);
    admin.patch("json-patch+json", &there, json!([{"op": "remove", "path": "/data/k"}])).await.expect(200);
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}, "data": {"k": "v"}});
    admin.apply(&format!("{maps}/new?{dry}"), "one", applied).await.expect(201);
    admin.delete(&there).await.expect(200);
    admin.delete_with(&format!("{maps}/there"), json!({"dryRun": ["All"]})).await.expect(200);
    admin.delete(&format!("{maps}?{dry}")).await.expect(200);
    admin.delete(&format!("/api/v1/namespaces/kube-public?{dry}")).await.expect(403);
    admin.post(&format!("{NS}/pods/p/eviction?{dry}"), json!({"metadata": {"name": "p"}})).await.expect(201);
    admin
        .post(&format!("{NS}/pods/p/binding?{dry}"), json!({"metadata": {"name": "p"}, "target": {"name": "n"}}))
        .await
        .expect(201);
    admin.merge(&format!("{NS}/pods/p/status?{dry}"), json!({"status": {"phase": "Failed"}})).await.expect(200);
    admin.merge(&format!("{WIDGETS}/w/scale?{dry}"), json!({"spec": {"replicas": 5}})).await.expect(200);
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    admin.post(&format!("{NS}/services?{dry}"), service).await.expect(201);
    assert_eq!(admin.get(&format!("{maps}/there")).await.version(), before);
    assert_eq!(admin.get(&maps).await.names(), ["there"]);
    let pod = admin.get(&format!("{NS}/pods/p")).await.body;
    assert!(pod["spec"]["nodeName"].is_null() && pod["status"]["phase"] == "Pending", "{pod}");
    assert!(pod["metadata"]["deletionTimestamp"].is_null());
    assert_eq!(admin.get(&format!("{WIDGETS}/w")).await.body["spec"]["size"], 1);
    assert_eq!(admin.get(&format!("{NS}/services/s")).await.code, 404);
    let odd = admin.post(&format!("{maps}?dryRun=Some"), json!({"metadata": {"name": "x"}})).await.expect(422);
    assert!(odd.reason().1.contains("Unsupported value"), "{}", odd.body);
}

#[tokio::test]
async fn unknown_fields_warn_fail_or_vanish() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    let pods = format!("{NS}/pods");
    let pod = |name: &str| {
        let container = json!({"name": "c", "image": "i", "odd": 1});
        json!({"metadata": {"name": name}, "spec": {"containers": [container], "bogus": 1}})
    };
    let warned = admin.post(&pods, pod("a")).await.expect(201);
    let warnings = warned.warnings().join("; ");
    for field in ["spec.bogus", "spec.containers[0].odd"] {
        assert!(warnings.contains(&format!("unknown field \\\"{field}\\\"")), "{field}: {warnings}");
    }
    assert!(warned.body["spec"]["bogus"].is_null());
    let silent = admin.post(&format!("{pods}?fieldValidation=Ignore"), pod("b")).await.expect(201);
    assert!(silent.warnings().is_empty());
    let strict = admin.post(&format!("{pods}?fieldValidation=Strict"), pod("c")).await.expect(400);
    assert!(strict.reason().1.contains("strict decoding error: unknown field \"spec."), "{}", strict.reason().1);
    let odd = admin.post(&format!("{pods}?fieldValidation=Odd"), pod("d")).await.expect(422);
    assert!(odd.reason().1.contains("fieldValidation"));
    let twice = "{\"metadata\":{\"name\":\"e\"},\"data\":{\"k\":\"1\",\"k\":\"2\"}}";
    let maps = format!("{NS}/configmaps");
    let doubled = admin.send(http::Method::POST, &maps, "application/json", twice).await.expect(201);
    assert!(doubled.warnings().iter().any(|text| text.contains("duplicate field")), "{:?}", doubled.warnings());
    let strict = format!("{maps}?fieldValidation=Strict");
    admin.send(http::Method::POST, &strict, "application/json", twice).await.expect(400);
    let strict = format!("{WIDGETS}?fieldValidation=Strict");
    admin.post(&strict, widget("w", json!({"bogus": 1}))).await.expect(400);
    admin.post(WIDGETS, widget("w", json!({}))).await.expect(201);
    let patched = admin.merge(&format!("{WIDGETS}/w?fieldValidation=Strict"), json!({"spec": {"bogus": 1}})).await;
    assert!(matches!(patched.code, 400 | 422), "{}", patched.body);
}

#[tokio::test]
async fn managers_are_named_by_option_or_agent() {
    let world = World::start().await;
    let admin = world.admin().await;
    let maps = format!("{NS}/configmaps");
    let manager = |body: &Value| body["metadata"]["managedFields"][0]["manager"].clone();
    let body = |name: &str| json!({"metadata": {"name": name}, "data": {"k": "v"}});
    let by_agent = admin.with("user-agent", "tool/1.2 (x)").post(&maps, body("a")).await.expect(201);
    assert_eq!(manager(&by_agent.body), "tool");
    let by_option = admin.post(&format!("{maps}?fieldManager=me"), body("b")).await.expect(201);
    assert_eq!(manager(&by_option.body), "me");
    let long = "m".repeat(129);
    let refused =
        admin.post(&format!("{maps}?fieldManager={long}"), json!({"metadata": {"name": "c"}})).await.expect(422);
    assert!(refused.reason().1.contains("fieldManager"), "{}", refused.body);
    admin.post(&format!("{maps}?fieldManager=%01"), json!({"metadata": {"name": "c"}})).await.expect(422);
}

#[tokio::test]
async fn preconditions_hold_or_nothing_happens() {
    let world = World::start().await;
    let admin = world.admin().await;
    let maps = format!("{NS}/configmaps");
    let made = admin.post(&maps, json!({"metadata": {"name": "a"}})).await.expect(201);
    let path = format!("{maps}/a");
    for preconditions in [json!({"uid": "other"}), json!({"resourceVersion": "1"})] {
        let refused = admin.delete_with(&path, json!({"preconditions": preconditions})).await.expect(409);
        assert!(refused.reason().1.contains("in the precondition"), "{}", refused.body);
    }
    let odd = admin.delete_with(&path, json!({"propagationPolicy": "Odd"})).await.expect(422);
    assert!(odd.reason().1.contains("propagationPolicy"));
    let both = json!({"propagationPolicy": "Orphan", "orphanDependents": true});
    admin.delete_with(&path, both).await.expect(422);
    admin.get(&path).await.expect(200);
    let right = json!({"preconditions": {"uid": made.body["metadata"]["uid"], "resourceVersion": made.version()}});
    admin.delete_with(&path, right).await.expect(200);
    admin.delete(&path).await.expect(404);
}
