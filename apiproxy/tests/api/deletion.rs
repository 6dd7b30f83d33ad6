//! The end of objects: finalizers, grace, owners, collections, namespaces.

use serde_json::{Value, json};

use crate::client::Client;
use crate::definitions::{WIDGETS, widget, widgets};
use crate::world::World;

const NS: &str = "/api/v1/namespaces/default";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn map(admin: &Client, name: &str, metadata: Value) -> Value {
    let mut body = json!({"metadata": metadata});
    body["metadata"]["name"] = json!(name);
    admin.post(MAPS, body).await.expect(201).body
}

fn owned_by(owner: &Value, block: bool) -> Value {
    json!({"ownerReferences": [{
        "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": block,
    }]})
}

#[tokio::test]
async fn finalizers_hold_an_object() {
    let world = World::start().await;
    let admin = world.admin().await;
    map(&admin, "a", json!({"finalizers": ["x.test/one", "x.test/two"]})).await;
    let path = format!("{MAPS}/a");
    let marked = admin.delete(&path).await.expect(200);
    assert!(marked.body["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(marked.body["metadata"]["deletionGracePeriodSeconds"], 0);
    let again = admin.delete(&path).await.expect(200);
    assert_eq!(again.version(), marked.version(), "a second delete changes nothing");
    let added =
        admin.merge(&path, json!({"metadata": {"finalizers": ["x.test/one", "x.test/two", "x.test/three"]}})).await;
    assert_eq!(added.code, 422, "no finalizer is added to what is going away: {}", added.body);
    admin.merge(&path, json!({"data": {"still": "writable"}})).await.expect(200);
    admin.merge(&path, json!({"metadata": {"finalizers": ["x.test/two"]}})).await.expect(200);
    admin.get(&path).await.expect(200);
    let mut watch = admin.watch(&format!("{MAPS}?watch=1&resourceVersion={}", admin.get(MAPS).await.version())).await;
    admin.merge(&path, json!({"metadata": {"finalizers": null}})).await.expect(200);
    assert_eq!(watch.names(1).await, ["DELETED a"]);
    admin.get(&path).await.expect(404);
}

#[tokio::test]
async fn pods_get_their_grace() {
    let world = World::start().await;
    let admin = world.admin().await;
    let pod = |name: &str| json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let pods = format!("{NS}/pods");
    admin.post(&pods, pod("unassigned")).await.expect(201);
    admin.delete(&format!("{pods}/unassigned")).await.expect(200);
    admin.get(&format!("{pods}/unassigned")).await.expect(404);
    admin.post(&pods, pod("a")).await.expect(201);
    admin
        .post(&format!("{pods}/a/binding"), json!({"metadata": {"name": "a"}, "target": {"name": "n"}}))
        .await
        .expect(201);
    let marked = admin.delete(&format!("{pods}/a")).await.expect(200);
    assert_eq!(marked.body["metadata"]["deletionGracePeriodSeconds"], 30);
    let shorter = admin.delete_with(&format!("{pods}/a"), json!({"gracePeriodSeconds": 5})).await.expect(200);
    assert_eq!(shorter.body["metadata"]["deletionGracePeriodSeconds"], 5);
    let longer = admin.delete_with(&format!("{pods}/a"), json!({"gracePeriodSeconds": 50})).await.expect(200);
    assert_eq!(longer.body["metadata"]["deletionGracePeriodSeconds"], 5);
    admin.delete(&format!("{pods}/a?gracePeriodSeconds=0")).await.expect(200);
    admin.get(&format!("{pods}/a")).await.expect(404);
}

#[tokio::test]
async fn dependents_follow_wait_or_stay() {
    let world = World::start().await;
    let admin = world.admin().await;
    for (policy, code, stays) in [("Background", 200, false), ("Foreground", 200, false), ("Orphan", 200, true)] {
        let owner = map(&admin, "owner", json!({})).await;
        let child = map(&admin, "child", owned_by(&owner, true)).await;
        map(&admin, "grandchild", owned_by(&child, true)).await;
        let reply = admin.delete_with(&format!("{MAPS}/owner"), json!({"propagationPolicy": policy})).await;
        assert_eq!(reply.code, code, "{policy}: {}", reply.body);
        admin.until_gone(&format!("{MAPS}/owner")).await;
        let child = format!("{MAPS}/child");
        if stays {
            let kept = admin.until(&child, |r| r.body["metadata"]["ownerReferences"].is_null()).await.expect(200);
            assert!(kept.body["metadata"]["deletionTimestamp"].is_null());
            admin.get(&format!("{MAPS}/grandchild")).await.expect(200);
        } else {
            admin.until_gone(&child).await;
            admin.until_gone(&format!("{MAPS}/grandchild")).await;
        }
    }
}

#[tokio::test]
async fn a_foreground_owner_waits_for_those_that_block() {
    let world = World::start().await;
    let admin = world.admin().await;
    let owner = map(&admin, "owner", json!({})).await;
    let mut blocking = owned_by(&owner, true);
    blocking["finalizers"] = json!(["x.test/hold"]);
    map(&admin, "blocks", blocking).await;
    let waiting =
        admin.delete_with(&format!("{MAPS}/owner"), json!({"propagationPolicy": "Foreground"})).await.expect(200);
    assert_eq!(waiting.body["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    admin.until(&format!("{MAPS}/blocks"), |r| r.body["metadata"]["deletionTimestamp"].is_string()).await;
    admin.get(&format!("{MAPS}/owner")).await.expect(200);
    admin.merge(&format!("{MAPS}/blocks"), json!({"metadata": {"finalizers": null}})).await.expect(200);
    admin.until_gone(&format!("{MAPS}/owner")).await;
}

#[tokio::test]
async fn owners_that_never_were_lose_their_dependents() {
    let world = World::start().await;
    let admin = world.admin().await;
    let nobody = json!({"metadata": {"name": "nobody", "uid": "00000000-0000-0000-0000-000000000000"}});
    map(&admin, "orphaned", owned_by(&nobody, false)).await;
    admin.until_gone(&format!("{MAPS}/orphaned")).await;
    // One owner is there, one is not: the reference to the second goes, the object stays.
    let owner = map(&admin, "owner", json!({})).await;
    let mut both = owned_by(&owner, false);
    both["ownerReferences"].as_array_mut().unwrap().push(owned_by(&nobody, false)["ownerReferences"][0].clone());
    map(&admin, "kept", both).await;
    let count = |value: &Value| value["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
    admin.until(&format!("{MAPS}/kept"), |reply| count(&reply.body) == 1).await.expect(200);
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let world = World::start().await;
    let admin = world.admin().await;
    for (name, label) in [("a", "x"), ("b", "y"), ("c", "x")] {
        map(&admin, name, json!({"labels": {"l": label}})).await;
    }
    let reply = admin.delete(&format!("{MAPS}?labelSelector=l%3Dx")).await.expect(200);
    assert_eq!(reply.body["kind"], "ConfigMapList");
    assert_eq!(reply.names(), ["a", "c"]);
    assert_eq!(admin.get(MAPS).await.names(), ["b"]);
    admin.delete(&format!("{MAPS}?labelSelector=a+b")).await.expect(400);
    admin.delete(MAPS).await.expect(200);
    assert!(admin.get(MAPS).await.names().is_empty());
    admin.delete("/api/v1/configmaps").await.expect(405);
}

#[tokio::test]
async fn a_namespace_ends_with_everything_in_it() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    admin.post("/api/v1/namespaces", json!({"metadata": {"name": "short"}})).await.expect(201);
    let inside = |path: &str| path.replace("/default/", "/short/");
    admin.post(&inside(MAPS), json!({"metadata": {"name": "a"}})).await.expect(201);
    admin.post(&inside(WIDGETS), widget("free", json!({}))).await.expect(201);
    let mut held = widget("held", json!({}));
    held["metadata"]["finalizers"] = json!(["x.test/hold"]);
    admin.post(&inside(WIDGETS), held).await.expect(201);
    let path = "/api/v1/namespaces/short";
    let deleted = admin.delete(path).await.expect(200);
    assert_eq!(deleted.body["status"]["phase"], "Terminating");
    let refused = admin.post(&inside(MAPS), json!({"metadata": {"name": "late"}})).await.expect(403);
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    admin.until_gone(&inside(&format!("{WIDGETS}/free"))).await;
    admin.until_gone(&inside(&format!("{MAPS}/a"))).await;
    let condition = |value: &Value, kind: &str| {
        let conditions = value["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().find(|c| c["type"] == kind).map(|c| c["message"].as_str().unwrap_or_default().to_owned())
    };
    let waiting = admin
        .until(path, |reply| {
            condition(&reply.body, "NamespaceContentRemaining")
                .is_some_and(|text| text.ends_with("widgets.example.test has 1 resource instances"))
        })
        .await;
    let finalizers = condition(&waiting.body, "NamespaceFinalizersRemaining").unwrap();
    assert!(finalizers.ends_with("x.test/hold in 1 resource instances"), "{finalizers}");
    admin.merge(&inside(&format!("{WIDGETS}/held")), json!({"metadata": {"finalizers": null}})).await.expect(200);
    admin.until_gone(path).await;
    for name in ["default", "kube-system", "kube-public"] {
        let refused = admin.delete(&format!("/api/v1/namespaces/{name}")).await.expect(403);
        assert!(refused.reason().1.ends_with("this namespace may not be deleted"));
    }
}

#[tokio::test]
async fn a_namespace_of_its_own_finalizer_waits_for_it() {
    let world = World::start().await;
    let admin = world.admin().await;
    let body = json!({"metadata": {"name": "own"}, "spec": {"finalizers": ["x.test/mine", "kubernetes"]}});
    admin.post("/api/v1/namespaces", body).await.expect(201);
    let path = "/api/v1/namespaces/own";
    admin.delete(path).await.expect(200);
    let waiting = admin.until(path, |reply| reply.body["spec"]["finalizers"] == json!(["x.test/mine"])).await;
    let mut last = waiting.body.clone();
    last["spec"]["finalizers"] = json!([]);
    admin.put(&format!("{path}/finalize"), last).await.expect(200);
    admin.until_gone(path).await;
}
