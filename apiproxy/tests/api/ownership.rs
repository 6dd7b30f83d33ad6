//! Server-side apply: who owns what, and what happens when two want the same.

use serde_json::{Value, json};

use crate::definitions::{WIDGETS, widget, widgets};
use crate::world::World;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[expect(clippy::needless_pass_by_value, reason = "callers pass literals")]
fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

fn owners(body: &Value) -> Vec<String> {
    let mut owners: Vec<String> = body["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| format!("{} {}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap()))
        .collect();
    owners.sort();
    owners
}

#[tokio::test]
async fn apply_creates_shares_conflicts_and_lets_go() {
    let world = World::start().await;
    let admin = world.admin().await;
    let path = format!("{MAPS}/a");
    admin.apply(&path, "one", map(json!({"x": "1", "y": "1"}))).await.expect(201);
    admin.apply(&path, "two", map(json!({"z": "2"}))).await.expect(200);
    let shared = admin.apply(&path, "two", map(json!({"z": "2", "x": "1"}))).await.expect(200);
    assert_eq!(owners(&shared.body), ["one Apply", "two Apply"]);
    let conflict = admin.apply(&path, "two", map(json!({"x": "other"}))).await.expect(409);
    assert_eq!(conflict.reason().0, "Conflict");
    assert_eq!(conflict.reason().1, "Apply failed with 1 conflict: conflict with \"one\": .data.x");
    let cause = &conflict.body["details"]["causes"][0];
    assert_eq!((&cause["reason"], &cause["field"]), (&json!("FieldManagerConflict"), &json!(".data.x")));
    let forced = admin.apply(&format!("{path}?force=true"), "two", map(json!({"x": "other"}))).await.expect(200);
    assert_eq!(forced.body["data"], json!({"x": "other", "y": "1"}), "z was two's alone and is gone");
    let less = admin.apply(&path, "one", map(json!({}))).await.expect(200);
    assert_eq!(less.body["data"], json!({"x": "other"}));
    // A plain update takes ownership of what it changes.
    let put = admin.with("user-agent", "editor/1.0").merge(&path, json!({"data": {"x": "third"}})).await.expect(200);
    assert!(owners(&put.body).contains(&"editor Update".to_owned()), "{:?}", owners(&put.body));
    let conflict = admin.apply(&path, "two", map(json!({"x": "other"}))).await.expect(409);
    assert!(
        conflict.reason().1.starts_with("Apply failed with 1 conflict: conflict with \"editor\""),
        "{:?}",
        conflict.reason()
    );
}

#[tokio::test]
async fn applying_the_same_again_changes_nothing() {
    let world = World::start().await;
    let admin = world.admin().await;
    let path = format!("{MAPS}/a");
    let first = admin.apply(&path, "one", map(json!({"x": "1"}))).await.expect(201);
    let again = admin.apply(&path, "one", map(json!({"x": "1"}))).await.expect(200);
    assert_eq!(again.body, first.body);
}

#[tokio::test]
async fn what_is_applied_looks_like_what_is_created() {
    let world = World::start().await;
    let admin = world.admin().await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let deployment = |name: &str| {
        let labels = json!({"matchLabels": {"app": "a"}});
        let spec = json!({"containers": [{"name": "c", "image": "c:1"}]});
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": spec});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"selector": labels, "template": template}})
    };
    let created = admin.post(deployments, deployment("created")).await.expect(201);
    let applied = admin.apply(&format!("{deployments}/applied"), "one", deployment("applied")).await.expect(201);
    assert_eq!(applied.body["spec"], created.body["spec"]);
    assert_eq!(applied.body["status"], created.body["status"]);
    let again = admin.apply(&format!("{deployments}/applied"), "one", deployment("applied")).await.expect(200);
    assert_eq!(again.body, applied.body);
}

#[tokio::test]
async fn lists_with_keys_are_merged_by_key() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    let path = format!("{WIDGETS}/w");
    let parts = |names: &[&str]| {
        let parts: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        widget("w", json!({"parts": parts}))
    };
    admin.apply(&path, "one", parts(&["a"])).await.expect(201);
    let both = admin.apply(&path, "two", parts(&["b"])).await.expect(200);
    assert_eq!(both.body["spec"]["parts"], json!([{"name": "a"}, {"name": "b"}]));
    let one = admin.apply(&path, "one", parts(&[])).await.expect(200);
    assert_eq!(one.body["spec"]["parts"], json!([{"name": "b"}]));
    let status =
        json!({"apiVersion": "example.test/v1", "kind": "Widget", "metadata": {"name": "w"}, "status": {"size": 1}});
    let applied = admin.apply(&format!("{path}/status"), "reporter", status).await.expect(200);
    assert_eq!(
        (&applied.body["status"], &applied.body["spec"]["parts"][0]),
        (&json!({"size": 1}), &json!({"name": "b"}))
    );
    let entry =
        applied.body["metadata"]["managedFields"].as_array().unwrap().iter().find(|e| e["manager"] == "reporter");
    assert_eq!(entry.unwrap()["subresource"], "status");
}

#[tokio::test]
async fn configurations_that_cannot_be_applied() {
    let world = World::start().await;
    let admin = world.admin().await;
    let path = format!("{MAPS}/a");
    let with = |pointer: &str, value: Value| {
        let mut body = map(json!({}));
        match pointer.rsplit_once('/') {
            Some((parent, key)) if !parent.is_empty() => body.pointer_mut(parent).unwrap()[key] = value,
            _ => body[&pointer[1..]] = value,
        }
        body
    };
    for (body, code) in [
        (with("/apiVersion", json!("v2")), 400),
        (with("/kind", json!("Pod")), 400),
        (with("/metadata/name", json!("b")), 400),
        (with("/metadata/namespace", json!("b")), 400),
        (with("/metadata/managedFields", json!([{"manager": "x"}])), 400),
        (with("/metadata/uid", json!("5")), 409),
        (with("/data", json!("x")), 400),
        (with("/metadata", json!("x")), 400),
        (with("/metadata/labels", json!("x")), 400),
        (json!([1]), 400),
        (json!("x"), 400),
    ] {
        let reply = admin.apply(&path, "one", body.clone()).await;
        assert_eq!(reply.code, code, "{body}: {}", reply.body);
    }
    let nameless = admin.patch("apply-patch+yaml", &path, map(json!({}))).await.expect(422);
    assert!(nameless.reason().1.contains("fieldManager: Required value: is required for apply patch"));
    let tabs =
        admin.send(http::Method::PATCH, &format!("{path}?fieldManager=x"), "application/apply-patch+yaml", "\t{").await;
    assert_eq!(tabs.code, 400);
    assert_eq!(admin.get(&path).await.code, 404);
    let status = admin.apply(
        "/api/v1/namespaces/default/pods/none/status",
        "one",
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "none"}, "status": {"phase": "Running"},
        }),
    );
    assert_eq!(status.await.code, 404, "status of nothing creates nothing");
}
