//! Requests that cannot be: refused in upstream's words, and nothing has changed.
//!
//! `refused.json` holds our cases with what kube-apiserver 1.36 answered to each; a message ends there where it goes on
//! with something of that one run (uids, versions, its storage).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::world::World;

const CASES: &str = include_str!("refused.json");
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// What the recorded requests find: a ConfigMap `there`, and a cluster-scoped custom kind.
async fn furnish(admin: &Client) {
    admin.post(MAPS, json!({"metadata": {"name": "there"}, "data": {"a": "1"}})).await.expect(201);
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let names = json!({"plural": "lamps", "singular": "lamp", "kind": "Lamp", "listKind": "LampList"});
    let spec = json!({"group": "example.test", "scope": "Cluster", "names": names, "versions": [version]});
    let lamps = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "lamps.example.test"}, "spec": spec});
    admin.post(DEFINITIONS, lamps).await.expect(201);
}

async fn ask(admin: &Client, case: &Value) -> Reply {
    let text = |name: &str| case[name].as_str().unwrap_or_default();
    let mut client = admin.clone();
    for (field, header) in [("accept", "accept"), ("encoding", "content-encoding")] {
        if case[field].is_string() {
            client = client.with(header, text(field));
        }
    }
    let body = match case["base64"].as_str() {
        Some(packed) => Bytes::from(STANDARD.decode(packed).unwrap()),
        None => Bytes::from(text("body").to_owned()),
    };
    let method: Method = text("method").parse().unwrap();
    client.send(method, text("path"), text("type"), body).await
}

/// Everything of a tenant that a list shows, with versions.
async fn everything(admin: &Client) -> Vec<String> {
    let mut found = Vec::new();
    for path in ["/api/v1/namespaces", "/api/v1/configmaps", "/api/v1/secrets", "/api/v1/pods", DEFINITIONS] {
        let list = admin.get(path).await.expect(200);
        found.extend(list.body["items"].as_array().unwrap().iter().map(ToString::to_string));
    }
    found
}

#[tokio::test]
async fn what_is_refused_is_refused_as_upstream_and_changes_nothing() {
    let world = World::start().await;
    let admin = world.admin().await;
    furnish(&admin).await;
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() > 60);
    let before = everything(&admin).await;
    let mut wrong = Vec::new();
    for case in &cases {
        let reply = ask(&admin, case).await;
        let expected = (case["code"].as_u64().unwrap(), case["reason"].as_str().unwrap_or_default());
        let message = case["message"].as_str().unwrap_or_default();
        let (reason, said) = reply.reason();
        if (u64::from(reply.code), reason) != expected || !said.starts_with(message) {
            wrong.push(format!("{case}\n  is {} {reason} {said:?}", reply.code));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(everything(&admin).await, before);
}

/// CVE-2019-11247: rights in one namespace gave access to cluster-scoped custom resources by a namespaced path.
#[tokio::test]
async fn a_cluster_scoped_kind_has_no_path_in_a_namespace() {
    let world = World::start().await;
    let admin = world.admin().await;
    furnish(&admin).await;
    let lamp = json!({"apiVersion": "example.test/v1", "kind": "Lamp", "metadata": {"name": "x"}});
    admin.post("/apis/example.test/v1/lamps", lamp.clone()).await.expect(201);
    let lamps = "/apis/example.test/v1/namespaces/default/lamps";
    admin.post(lamps, lamp).await.expect(404);
    for path in [lamps.to_owned(), format!("{lamps}/x")] {
        admin.get(&path).await.expect(404);
        admin.delete(&path).await.expect(404);
    }
    admin.get("/apis/example.test/v1/lamps/x").await.expect(200);
}
