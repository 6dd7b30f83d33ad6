//! create, get, update and delete of built-in and custom objects.

use http::Method;
use serde_json::{Value, json};

use crate::definitions::widgets;
use crate::world::World;

const DEFAULT: &str = "/api/v1/namespaces/default";

/// Collection, a body, a change by merge patch, where the change shows.
fn kinds() -> Vec<(&'static str, Value, Value, &'static str)> {
    let labelled = || json!({"metadata": {"labels": {"new": "label"}}});
    let shown = "/metadata/labels/new";
    let pod = json!({"containers": [{"name": "c", "image": "i:1"}]});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod});
    let selector = json!({"matchLabels": {"a": "b"}});
    vec![
        ("/api/v1/namespaces", json!({}), labelled(), shown),
        ("/api/v1/namespaces/default/configmaps", json!({"data": {"k": "v"}}), json!({"data": {"k": "w"}}), "/data/k"),
        ("/api/v1/namespaces/default/secrets", json!({"data": {"k": "dg=="}}), labelled(), shown),
        ("/api/v1/namespaces/default/serviceaccounts", json!({}), labelled(), shown),
        ("/api/v1/namespaces/default/pods", json!({"spec": pod}), labelled(), shown),
        ("/api/v1/namespaces/default/services", json!({"spec": {"ports": [{"port": 80}]}}), labelled(), shown),
        ("/api/v1/namespaces/default/endpoints", json!({"subsets": []}), labelled(), shown),
        ("/api/v1/nodes", json!({}), labelled(), shown),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({"spec": {"selector": selector, "template": template}}),
            json!({"spec": {"replicas": 3}}),
            "/spec/replicas",
        ),
        (
            "/apis/apps/v1/namespaces/default/statefulsets",
            json!({"spec": {"serviceName": "s", "selector": selector, "template": template}}),
            labelled(),
            shown,
        ),
        (
            "/apis/batch/v1/namespaces/default/jobs",
            json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": pod["containers"]}}}}),
            json!({"spec": {"suspend": true}}),
            "/spec/suspend",
        ),
        (
            "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
            json!({"spec": {"minAvailable": 1, "selector": selector}}),
            json!({"spec": {"minAvailable": 2}}),
            "/spec/minAvailable",
        ),
        ("/apis/coordination.k8s.io/v1/namespaces/default/leases", json!({"spec": {}}), labelled(), shown),
        ("/apis/storage.k8s.io/v1/storageclasses", json!({"provisioner": "p.example"}), labelled(), shown),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", json!({"rules": []}), labelled(), shown),
        (
            "/apis/example.test/v1/namespaces/default/widgets",
            json!({"apiVersion": "example.test/v1", "kind": "Widget", "spec": {"size": 1}}),
            json!({"spec": {"size": 2}}),
            "/spec/size",
        ),
    ]
}

#[tokio::test]
async fn every_kind_is_created_read_changed_and_deleted() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    for (collection, mut body, change, place) in kinds() {
        body["metadata"] = json!({"name": "one"});
        let path = format!("{collection}/one");
        assert_eq!(admin.get(&path).await.code, 404, "{path}");
        let created = admin.post(collection, body.clone()).await.expect(201);
        let metadata = &created.body["metadata"];
        assert!(metadata["uid"].is_string() && metadata["creationTimestamp"].is_string(), "{metadata}");
        let taken = admin.post(collection, body).await.expect(409);
        assert_eq!(taken.reason().0, "AlreadyExists", "{path}");
        let read = admin.get(&path).await.expect(200);
        assert_eq!(read.body, created.body, "{path}: what is read is what create answered");
        assert!(admin.get(collection).await.expect(200).names().contains(&"one".to_owned()), "{path}");
        let changed = admin.merge(&path, change).await.expect(200);
        assert!(changed.body.pointer(place).is_some_and(|value| !value.is_null()), "{path}: {}", changed.body);
        assert_ne!(changed.version(), created.version());
        let stale = admin.put(&path, created.body.clone()).await.expect(409);
        assert!(stale.reason().1.ends_with("please apply your changes to the latest version and try again"), "{path}");
        let put = admin.put(&path, changed.body.clone()).await.expect(200);
        assert_eq!(put.body, changed.body, "{path}: a replacement by itself changes nothing");
        let gone = admin.delete_with(&path, json!({"gracePeriodSeconds": 0})).await;
        assert_eq!(gone.code, 200, "{path}: {}", gone.body);
        admin.until_gone(&path).await;
    }
}

#[tokio::test]
async fn names_are_generated_and_judged() {
    let world = World::start().await;
    let admin = world.admin().await;
    let maps = format!("{DEFAULT}/configmaps");
    let mut names = std::collections::HashSet::new();
    for _ in 0..20 {
        let made = admin.post(&maps, json!({"metadata": {"generateName": "gen-"}})).await.expect(201);
        let name = made.body["metadata"]["name"].as_str().unwrap().to_owned();
        assert!(name.len() == "gen-".len() + 5 && name.starts_with("gen-"), "{name}");
        assert!(names.insert(name));
    }
    let long = "x".repeat(100);
    let made = admin.post(&maps, json!({"metadata": {"generateName": long}})).await.expect(201);
    assert_eq!(made.body["metadata"]["name"].as_str().unwrap().len(), 63);
    for (body, code, reason, message) in [
        (json!({"metadata": {}}), 422, "Invalid", "name or generateName is required"),
        (json!({"metadata": {"name": "X_y"}}), 422, "Invalid", "a lowercase RFC 1123 subdomain must consist of"),
        (json!({"metadata": {"name": "a", "namespace": "b"}}), 400, "BadRequest", "does not match the namespace sent"),
        (json!({"metadata": {"name": "a", "resourceVersion": "1"}}), 500, "", "resourceVersion should not be set"),
        (json!({"metadata": {"name": "a", "labels": {"a b": "c"}}}), 422, "Invalid", "metadata.labels"),
        (json!({"metadata": {"name": "a"}, "data": {"k": 1}}), 400, "BadRequest", "cannot unmarshal number"),
        (json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}}), 400, "BadRequest", "Pod"),
    ] {
        let refused = admin.post(&maps, body.clone()).await.expect(code);
        let (got, text) = refused.reason();
        assert!(reason.is_empty() || got == reason, "{body}: {got}");
        assert!(text.contains(message), "{body}: {text}");
    }
    let nowhere = admin.post("/api/v1/namespaces/nope/configmaps", json!({"metadata": {"name": "a"}})).await;
    assert_eq!(nowhere.expect(404).reason().1, "namespaces \"nope\" not found");
}

#[tokio::test]
async fn replacing_obeys_versions_and_identity() {
    let world = World::start().await;
    let admin = world.admin().await;
    let maps = format!("{DEFAULT}/configmaps");
    let made = admin.post(&maps, json!({"metadata": {"name": "a"}, "data": {"k": "1"}})).await.expect(201);
    let path = format!("{maps}/a");
    let (uid, version) = (made.body["metadata"]["uid"].clone(), made.version());
    for (metadata, code) in [
        (json!({"name": "a"}), 200),
        (json!({"name": "a", "resourceVersion": version}), 409),
        (json!({"name": "a", "resourceVersion": "x"}), 500),
        (json!({"name": "a", "uid": "00000000-0000-0000-0000-000000000000"}), 409),
        (json!({"name": "b"}), 400),
        (json!({}), 400),
        (json!({"name": "a", "namespace": "other"}), 400),
    ] {
        let reply = admin.put(&path, json!({"metadata": metadata, "data": {"k": "2"}})).await;
        assert_eq!(reply.code, code, "{metadata}: {}", reply.body);
    }
    let read = admin.get(&path).await.expect(200);
    assert_eq!(read.body["metadata"]["uid"], uid);
    let none = admin.put(&format!("{maps}/none"), json!({"metadata": {"name": "none"}})).await.expect(404);
    assert_eq!(none.reason().1, "configmaps \"none\" not found");
    // Leases are created by PUT, pods are not replaced without a version check either.
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    admin.put(lease, json!({"metadata": {"name": "l"}, "spec": {}})).await.expect(201);
}

#[tokio::test]
async fn two_writers_never_lose_a_change() {
    let world = World::start().await;
    let admin = world.admin().await;
    let path = format!("{DEFAULT}/configmaps/a");
    admin.post(&format!("{DEFAULT}/configmaps"), json!({"metadata": {"name": "a"}})).await.expect(201);
    // Of the attempts of one round one wins, so that eight need no more than a patch is given.
    let writers = (0..8).map(|at| {
        let (admin, path) = (admin.clone(), path.clone());
        async move { admin.merge(&path, json!({"data": {format!("k{at}"): "v"}})).await.code }
    });
    let codes = futures::future::join_all(writers).await;
    assert_eq!(codes, [200; 8], "patches without a version do not conflict");
    let read = admin.get(&path).await.expect(200);
    assert_eq!(read.body["data"].as_object().unwrap().len(), 8);
    let stale = json!({"metadata": {"resourceVersion": "1"}, "data": {"k": "v"}});
    admin.merge(&path, stale).await.expect(409);
}

#[tokio::test]
async fn services_get_addresses_and_keep_them() {
    let world = World::start().await;
    let admin = world.admin().await;
    let services = format!("{DEFAULT}/services");
    let ports = json!([{"port": 80}]);
    let made = admin.post(&services, json!({"metadata": {"name": "s"}, "spec": {"ports": ports}})).await.expect(201);
    let address = made.body["spec"]["clusterIP"].as_str().unwrap().to_owned();
    assert!(address.starts_with("10.96."), "{address}");
    let other = admin.post(&services, json!({"metadata": {"name": "t"}, "spec": {"ports": ports}})).await.expect(201);
    assert_ne!(other.body["spec"]["clusterIP"], address);
    let put = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 81}]}});
    let put = admin.put(&format!("{services}/s"), put).await.expect(200);
    assert_eq!(put.body["spec"]["clusterIP"], address);
    let moved = admin.merge(&format!("{services}/s"), json!({"spec": {"clusterIP": "10.96.9.9"}})).await;
    assert!(moved.expect(422).reason().1.contains("may not change once set"));
    let headless = json!({"metadata": {"name": "h"}, "spec": {"clusterIP": "None", "ports": ports}});
    assert_eq!(admin.post(&services, headless).await.expect(201).body["spec"]["clusterIPs"], json!(["None"]));
    let node = json!({"metadata": {"name": "n"}, "spec": {"type": "NodePort", "ports": ports}});
    let node = admin.post(&services, node).await.expect(201);
    assert!((30000..=32767).contains(&node.body["spec"]["ports"][0]["nodePort"].as_i64().unwrap()));
}

#[tokio::test]
async fn string_data_of_a_secret_becomes_data() {
    let world = World::start().await;
    let admin = world.admin().await;
    let secrets = format!("{DEFAULT}/secrets");
    let body = json!({"metadata": {"name": "s"}, "data": {"a": "YQ==", "b": "Yg=="}, "stringData": {"b": "c"}});
    let made = admin.post(&secrets, body).await.expect(201);
    assert_eq!(made.body["data"], json!({"a": "YQ==", "b": "Yw=="}));
    assert!(made.body["stringData"].is_null());
    let patched = admin.merge(&format!("{secrets}/s"), json!({"stringData": {"n": "n"}})).await.expect(200);
    assert_eq!(patched.body["data"]["n"], "bg==");
    assert!(patched.body["stringData"].is_null());
    let read = admin.get(&format!("{secrets}/s")).await.expect(200);
    assert!(!read.body.to_string().contains("stringData"), "{}", read.body);
}

#[tokio::test]
async fn forms_of_an_answer() {
    let world = World::start().await;
    let admin = world.admin().await;
    admin.post(&format!("{DEFAULT}/configmaps"), json!({"metadata": {"name": "a"}})).await.expect(201);
    for (accept, path, code, content_type, part) in [
        ("application/json", "configmaps/a", 200, "application/json", "\"ConfigMap\""),
        ("application/yaml", "configmaps/a", 200, "application/yaml", "kind: ConfigMap"),
        ("*/*", "configmaps/a", 200, "application/json", "\"ConfigMap\""),
        ("text/html", "configmaps/a", 406, "application/json", "NotAcceptable"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", "configmaps/a", 200, "application/json", "\"Table\""),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", "configmaps", 200, "application/json", "\"Table\""),
        (
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
            "configmaps",
            200,
            "application/json",
            "\"PartialObjectMetadataList\"",
        ),
        (
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            "configmaps/a",
            200,
            "application/json",
            "\"PartialObjectMetadata\"",
        ),
        ("application/json", "configmaps/none", 404, "application/json", "NotFound"),
    ] {
        let client = admin.with("accept", accept);
        let reply = client.get(&format!("{DEFAULT}/{path}")).await.expect(code);
        assert_eq!(reply.headers["content-type"], content_type, "{accept}");
        assert!(String::from_utf8_lossy(&reply.raw).contains(part), "{accept}: {:?}", reply.raw);
    }
    let yaml = "metadata: {name: other}\ndata: {k: v}\n";
    let made = admin.send(Method::POST, &format!("{DEFAULT}/configmaps"), "application/yaml", yaml).await;
    assert_eq!(made.expect(201).body["data"]["k"], "v");
    let plain = admin.send(Method::POST, &format!("{DEFAULT}/configmaps"), "text/plain", yaml).await.expect(415);
    assert_eq!(plain.reason().0, "UnsupportedMediaType");
}

#[tokio::test]
async fn large_answers_are_compressed_when_asked() {
    use std::io::Read as _;
    let world = World::start().await;
    let admin = world.admin().await;
    let body = json!({"metadata": {"name": "big"}, "data": {"k": "x".repeat(300_000)}});
    admin.post(&format!("{DEFAULT}/configmaps"), body).await.expect(201);
    let path = format!("{DEFAULT}/configmaps/big");
    let plain = admin.get(&path).await.expect(200);
    assert!(plain.headers.get("content-encoding").is_none());
    let zipped = admin.with("accept-encoding", "gzip").get(&path).await.expect(200);
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&zipped.raw[..]).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), plain.body);
}
