//! Subresources of built-in kinds.

use serde_json::{Value, json};

use crate::client::Client;
use crate::world::World;

const PODS: &str = "/api/v1/namespaces/default/pods";

async fn pod(admin: &Client, name: &str) -> Value {
    let spec = json!({"containers": [{"name": "c", "image": "i:1"}]});
    admin.post(PODS, json!({"metadata": {"name": name, "labels": {"a": "b"}}, "spec": spec})).await.expect(201).body
}

async fn running(admin: &Client, name: &str) {
    pod(admin, name).await;
    admin
        .post(&format!("{PODS}/{name}/binding"), json!({"metadata": {"name": name}, "target": {"name": "n"}}))
        .await
        .expect(201);
    admin
        .merge(
            &format!("{PODS}/{name}/status"),
            json!({"status": {
                "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            }}),
        )
        .await
        .expect(200);
}

#[tokio::test]
async fn pods_are_assigned_once() {
    let world = World::start().await;
    let admin = world.admin().await;
    pod(&admin, "a").await;
    let path = format!("{PODS}/a/binding");
    for (body, code) in [
        (json!({"target": {"name": "n"}}), 400),
        (json!({"metadata": {"name": "a"}, "target": {}}), 422),
        (json!({"metadata": {"name": "a"}, "target": {"kind": "Pod", "name": "n"}}), 422),
        (json!({"metadata": {"name": "b"}, "target": {"name": "n"}}), 400),
        (json!({"metadata": {"name": "a", "uid": "other"}, "target": {"name": "n"}}), 409),
        (json!({"metadata": {"name": "a", "annotations": {"k": "v"}}, "target": {"kind": "Node", "name": "n"}}), 201),
        (json!({"metadata": {"name": "a"}, "target": {"name": "m"}}), 409),
    ] {
        let reply = admin.post(&path, body.clone()).await;
        assert_eq!(reply.code, code, "{body}: {}", reply.body);
    }
    let read = admin.get(&format!("{PODS}/a")).await.expect(200).body;
    assert_eq!((&read["spec"]["nodeName"], &read["metadata"]["annotations"]["k"]), (&json!("n"), &json!("v")));
    let scheduled = read["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "PodScheduled");
    assert_eq!(scheduled.unwrap()["status"], "True");
    admin
        .post(&format!("{PODS}/none/binding"), json!({"metadata": {"name": "none"}, "target": {"name": "n"}}))
        .await
        .expect(404);
}

#[tokio::test]
async fn budgets_stand_against_evictions() {
    let world = World::start().await;
    let admin = world.admin().await;
    running(&admin, "a").await;
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget =
        json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}});
    let made = admin.post(budgets, budget).await.expect(201);
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}});
    let refused = admin.post(&format!("{PODS}/a/eviction"), eviction.clone()).await.expect(429);
    assert_eq!(refused.reason().0, "TooManyRequests");
    assert!(refused.reason().1.starts_with("Cannot evict pod as it would violate the pod's disruption budget."));
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "DisruptionBudget");
    let status = json!({"status": {
        "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2,
        "observedGeneration": made.body["metadata"]["generation"],
    }});
    admin.merge(&format!("{budgets}/b/status"), status).await.expect(200);
    admin.post(&format!("{PODS}/a/eviction"), eviction.clone()).await.expect(201);
    assert!(admin.get(&format!("{PODS}/a")).await.body["metadata"]["deletionTimestamp"].is_string());
    let used = admin.get(&format!("{budgets}/b")).await.expect(200);
    assert_eq!(used.body["status"]["disruptionsAllowed"], 0, "an eviction uses up what was allowed");
    assert!(used.body["status"]["disruptedPods"]["a"].is_string());
    running(&admin, "c").await;
    admin.post(&format!("{PODS}/c/eviction"), json!({"metadata": {"name": "c"}})).await.expect(429);
    let wrong = json!({"metadata": {"name": "other"}});
    admin.post(&format!("{PODS}/c/eviction"), wrong).await.expect(400);
    admin.post(&format!("{PODS}/none/eviction"), json!({"metadata": {"name": "none"}})).await.expect(404);
}

#[tokio::test]
async fn scale_is_the_same_number_elsewhere() {
    let world = World::start().await;
    let admin = world.admin().await;
    let collection = "/apis/apps/v1/namespaces/default/deployments";
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template});
    admin.post(collection, json!({"metadata": {"name": "d"}, "spec": spec})).await.expect(201);
    let path = format!("{collection}/d/scale");
    let scale = admin.get(&path).await.expect(200);
    assert_eq!((&scale.body["kind"], &scale.body["spec"]["replicas"]), (&json!("Scale"), &json!(2)));
    assert_eq!(scale.body["status"]["selector"], "a=b");
    let mut wanted = scale.body.clone();
    wanted["spec"]["replicas"] = json!(5);
    admin.put(&path, wanted.clone()).await.expect(200);
    let stale = admin.put(&path, wanted).await.expect(409);
    assert_eq!(stale.reason().0, "Conflict");
    for (body, code) in [
        (json!({"spec": {"replicas": -1}}), 422),
        (json!({"spec": {"replicas": "x"}}), 400),
        (json!({"spec": {"replicas": 7}}), 200),
    ] {
        let reply = admin.merge(&path, body.clone()).await;
        assert_eq!(reply.code, code, "{body}: {}", reply.body);
    }
    let read = admin.get(&format!("{collection}/d")).await.expect(200);
    assert_eq!((&read.body["spec"]["replicas"], &read.body["metadata"]["generation"]), (&json!(7), &json!(3)));
}

#[tokio::test]
async fn status_ephemeral_containers_logs_and_the_rest() {
    let world = World::start().await;
    let admin = world.admin().await;
    running(&admin, "a").await;
    let path = format!("{PODS}/a");
    let debug = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}]}});
    let kind = "strategic-merge-patch+json";
    let added = admin.patch(kind, &format!("{path}/ephemeralcontainers"), debug).await.expect(200);
    assert_eq!(added.body["spec"]["ephemeralContainers"][0]["name"], "debug");
    let bad = json!({"spec": {"ephemeralContainers": [{"name": "Bad Name", "image": "x"}]}});
    admin.patch(kind, &format!("{path}/ephemeralcontainers"), bad).await.expect(422);
    let main = json!({"spec": {"ephemeralContainers": [{"name": "more", "image": "x"}]}});
    admin.patch(kind, &path, main).await.expect(422);
    let log = admin.get(&format!("{path}/log?container=c")).await.expect(200);
    assert_eq!(&log.raw[..], b"\"a\" c\n");
    admin.get(&format!("{path}/log?container=none")).await.expect(400);
    admin.get(&format!("{PODS}/none/log")).await.expect(404);
    for (method, sub, code) in [("GET", "nope", 404), ("DELETE", "status", 405), ("POST", "status", 405)] {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let reply = admin.send(method, &format!("{path}/{sub}"), "application/json", "{}").await;
        assert_eq!(reply.code, code, "{sub}: {}", reply.body);
    }
    let status = admin.get(&format!("{path}/status")).await.expect(200);
    assert_eq!(status.body["status"]["phase"], "Running");
}

#[tokio::test]
async fn containers_are_resized_in_place() {
    let world = World::start().await;
    let admin = world.admin().await;
    let container = json!({"name": "c", "image": "i", "resources": {
        "requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"},
    }});
    admin.post(PODS, json!({"metadata": {"name": "a"}, "spec": {"containers": [container]}})).await.expect(201);
    let path = format!("{PODS}/a");
    let more = |cpu: &str| json!({"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": cpu}}}]}});
    let kind = "strategic-merge-patch+json";
    admin.patch(kind, &path, more("300m")).await.expect(422);
    let resized = admin.patch(kind, &format!("{path}/resize"), more("300m")).await.expect(200);
    assert_eq!(resized.body["spec"]["containers"][0]["resources"]["limits"]["cpu"], "300m");
    assert_eq!(resized.body["metadata"]["generation"], 2);
    let image = json!({"spec": {"containers": [{"name": "c", "image": "other"}]}});
    let same = admin.patch(kind, &format!("{path}/resize"), image).await.expect(200);
    assert_eq!(same.body["spec"]["containers"][0]["image"], "i", "only resources are resized");
    let less = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": null, "limits": null}}]}});
    admin.patch(kind, &format!("{path}/resize"), less).await.expect(422);
}

#[tokio::test]
async fn signing_requests_are_approved_apart() {
    let world = World::start().await;
    let admin = world.admin().await;
    let collection = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    let request = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, pem);
    let body = json!({"metadata": {"name": "r"}, "spec": {
        "request": request, "signerName": "example.test/signer", "usages": ["client auth"],
        "username": "somebody-else",
    }});
    let made = admin.post(collection, body).await.expect(201);
    assert_eq!(made.body["spec"]["username"], "admin", "who asks is who is logged in");
    let condition = json!({"type": "Approved", "status": "True", "reason": "Fine", "message": "ok"});
    let approve = json!({"status": {"conditions": [condition]}});
    let approved = admin.merge(&format!("{collection}/r/approval"), approve).await.expect(200);
    assert_eq!(approved.body["status"]["conditions"][0]["type"], "Approved");
    let bob = world.user("bob").await;
    let local = "/apis/rbac.authorization.k8s.io/v1";
    let rules = json!([{
        "verbs": ["update", "patch", "get"], "apiGroups": ["certificates.k8s.io"],
        "resources": ["certificatesigningrequests/approval"],
    }]);
    admin.post(&format!("{local}/clusterroles"), json!({"metadata": {"name": "a"}, "rules": rules})).await.expect(201);
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"});
    let subjects = json!([{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}]);
    let binding = json!({"metadata": {"name": "a"}, "roleRef": reference, "subjects": subjects});
    admin.post(&format!("{local}/clusterrolebindings"), binding).await.expect(201);
    let refused = bob.merge(&format!("{collection}/r/approval"), json!({"metadata": {"labels": {"a": "b"}}})).await;
    let words = "user not permitted to approve requests with signerName \"example.test/signer\"";
    assert!(refused.expect(403).reason().1.ends_with(words));
}
