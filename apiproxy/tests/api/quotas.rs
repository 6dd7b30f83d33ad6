//! ResourceQuotas: nothing is exceeded, whatever happens at the same time; what is given back counts again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;
use crate::world::World;

const NS: &str = "/api/v1/namespaces/default";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn pod(name: &str, resources: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}})
}

async fn quota(client: &Client, name: &str, spec: Value) {
    let body = json!({"metadata": {"name": name}, "spec": spec});
    client.post(&format!("{NS}/resourcequotas"), body).await.expect(201);
}

/// Waits until a quota says that this much is used.
async fn used(client: &Client, name: &str, used: Value) {
    let path = format!("{NS}/resourcequotas/{name}");
    client.until(&path, |reply| reply.body["status"]["used"] == used).await;
}

#[tokio::test]
async fn creates_at_the_same_time_never_exceed() {
    let world = World::start().await;
    let admin = world.admin().await;
    quota(&admin, "q", json!({"hard": {"pods": "7", "requests.cpu": "1"}})).await;
    let mut creating = tokio::task::JoinSet::new();
    for number in 0..40 {
        let client = admin.clone();
        creating.spawn(async move {
            let pod = pod(&format!("p{number}"), json!({"requests": {"cpu": "100m"}}));
            client.post(&format!("{NS}/pods"), pod).await
        });
    }
    let replies = creating.join_all().await;
    let made = replies.iter().filter(|reply| reply.code == 201).count();
    assert_eq!(made, 7);
    let refused: Vec<_> = replies.iter().filter(|reply| reply.code == 403).collect();
    assert_eq!(refused.len(), 33);
    for reply in refused {
        let message = reply.reason().1;
        assert!(message.ends_with("exceeded quota: q, requested: pods=1, used: pods=7, limited: pods=7"), "{message}");
    }
    let status = admin.get(&format!("{NS}/resourcequotas/q")).await.body["status"].clone();
    assert_eq!(status["used"], json!({"pods": "7", "requests.cpu": "700m"}));
    assert_eq!(status["hard"], json!({"pods": "7", "requests.cpu": "1"}));

    let names: Vec<String> = admin.get(&format!("{NS}/pods")).await.names();
    admin.delete(&format!("{NS}/pods/{}", names[0])).await.expect(200);
    used(&admin, "q", json!({"pods": "6", "requests.cpu": "600m"})).await;
    let phase = json!({"status": {"phase": "Succeeded"}});
    admin.merge(&format!("{NS}/pods/{}/status", names[1]), phase).await.expect(200);
    used(&admin, "q", json!({"pods": "5", "requests.cpu": "500m"})).await;
    for number in 0..2 {
        let pod = pod(&format!("again{number}"), json!({"requests": {"cpu": "100m"}}));
        admin.post(&format!("{NS}/pods"), pod).await.expect(201);
    }
    admin.post(&format!("{NS}/pods"), pod("over", json!({"requests": {"cpu": "1m"}}))).await.expect(403);
}

#[tokio::test]
async fn what_is_not_stored_is_not_charged() {
    let world = World::start().await;
    let admin = world.admin().await;
    quota(&admin, "q", json!({"hard": {"count/configmaps": "2", "configmaps": "5"}})).await;
    used(&admin, "q", json!({"count/configmaps": "0", "configmaps": "0"})).await;
    let maps = format!("{NS}/configmaps");
    for _ in 0..3 {
        admin.post(&format!("{maps}?dryRun=All"), json!({"metadata": {"name": "dry"}})).await.expect(201);
    }
    admin.post(&maps, json!({"metadata": {"name": "a"}})).await.expect(201);
    for _ in 0..3 {
        admin.post(&maps, json!({"metadata": {"name": "a"}})).await.expect(409);
    }
    admin.post(&maps, json!({"metadata": {"name": "b"}, "data": {"x": 1}})).await.expect(400);
    used(&admin, "q", json!({"count/configmaps": "1", "configmaps": "1"})).await;
    let named = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}});
    admin.apply(&format!("{maps}/b"), "m", named).await.expect(201);
    let refused = admin.post(&format!("{maps}?dryRun=All"), json!({"metadata": {"name": "c"}})).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "configmaps \"c\" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=2, \
         limited: count/configmaps=2"
    );
    let generated = admin.post(&maps, json!({"metadata": {"generateName": "g-"}})).await.expect(403);
    assert!(generated.body["details"]["name"].as_str().unwrap().starts_with("g-"));
    admin.merge(&format!("{maps}/a"), json!({"data": {"x": "y"}})).await.expect(200);
    admin.delete(&maps).await.expect(200);
    used(&admin, "q", json!({"count/configmaps": "0", "configmaps": "0"})).await;
}

#[tokio::test]
async fn every_kind_is_counted() {
    let world = World::start().await;
    let admin = world.admin().await;
    let definition = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    });
    admin.post(DEFINITIONS, definition).await.expect(201);
    let hard = json!({
        "count/widgets.example.com": "1", "count/deployments.apps": "1", "services": "2", "services.nodeports": "1",
        "services.loadbalancers": "0", "persistentvolumeclaims": "9", "requests.storage": "5Gi",
        "fast.storageclass.storage.k8s.io/requests.storage": "1Gi", "count/nothing.example.com": "1",
    });
    quota(&admin, "q", json!({"hard": hard})).await;
    let widgets = "/apis/example.com/v1/namespaces/default/widgets";
    let widget = |name: &str| json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}});
    admin.post(widgets, widget("a")).await.expect(201);
    admin.post(widgets, widget("b")).await.expect(403);
    let service = |name: &str, kind: &str| json!({"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}], "selector": {"a": "b"}}});
    let services = format!("{NS}/services");
    admin.post(&services, service("a", "NodePort")).await.expect(201);
    admin.post(&services, service("b", "NodePort")).await.expect(403);
    let refused = admin.post(&services, service("b", "LoadBalancer")).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "services \"b\" is forbidden: exceeded quota: q, requested: services.loadbalancers=1,services.nodeports=1, used: \
         services.loadbalancers=0,services.nodeports=1, limited: services.loadbalancers=0,services.nodeports=1"
    );
    admin.post(&services, service("b", "ClusterIP")).await.expect(201);
    let refused = admin.merge(&format!("{services}/b"), json!({"spec": {"type": "NodePort"}})).await.expect(403);
    assert!(
        refused.reason().1.contains("requested: services.nodeports=1, used: services.nodeports=1"),
        "{}",
        refused.body
    );
    let claim = |name: &str, size: &str| {
        json!({"metadata": {"name": name}, "spec": {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}}}})
    };
    let claims = format!("{NS}/persistentvolumeclaims");
    admin.post(&claims, claim("a", "600Mi")).await.expect(201);
    let refused = admin.post(&claims, claim("b", "600Mi")).await.expect(403);
    assert!(refused.reason().1.contains("requested: fast.storageclass.storage.k8s.io/requests.storage=600Mi"));
    let expected = json!({
        "count/widgets.example.com": "1", "count/deployments.apps": "0", "services": "2", "services.nodeports": "1",
        "services.loadbalancers": "0", "persistentvolumeclaims": "1", "requests.storage": "600Mi",
        "fast.storageclass.storage.k8s.io/requests.storage": "600Mi",
    });
    used(&admin, "q", expected).await;
    admin.merge(&format!("{services}/a"), json!({"spec": {"type": "ClusterIP"}})).await.expect(200);
    admin
        .until(&format!("{NS}/resourcequotas/q"), |reply| reply.body["status"]["used"]["services.nodeports"] == "0")
        .await;
}

#[tokio::test]
async fn scopes_and_demands() {
    let world = World::start().await;
    let admin = world.admin().await;
    let pods = format!("{NS}/pods");
    admin.post(&pods, pod("before", json!({}))).await.expect(201);
    quota(&admin, "best", json!({"hard": {"pods": "1"}, "scopes": ["BestEffort"]})).await;
    quota(&admin, "cpu", json!({"hard": {"requests.cpu": "1", "limits.memory": "1Gi"}, "scopes": ["NotBestEffort"]}))
        .await;
    let selector = json!({"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]});
    quota(&admin, "high", json!({"hard": {"pods": "0"}, "scopeSelector": selector})).await;
    let refused = admin.post(&pods, pod("second", json!({}))).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods \"second\" is forbidden: exceeded quota: best, requested: pods=1, used: pods=1, limited: pods=1"
    );
    let refused = admin.post(&pods, pod("half", json!({"requests": {"cpu": "100m"}}))).await.expect(403);
    assert_eq!(refused.reason().1, "pods \"half\" is forbidden: failed quota: cpu: must specify limits.memory for: c");
    let fits = json!({"requests": {"cpu": "600m"}, "limits": {"memory": "64Mi"}});
    admin.post(&pods, pod("fits", fits.clone())).await.expect(201);
    let refused = admin.post(&pods, pod("more", fits)).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods \"more\" is forbidden: exceeded quota: cpu, requested: requests.cpu=600m, used: requests.cpu=600m, limited: \
         requests.cpu=1"
    );
    let class = json!({"metadata": {"name": "high"}, "value": 5});
    admin.post("/apis/scheduling.k8s.io/v1/priorityclasses", class).await.expect(201);
    let mut high = pod("high", json!({"requests": {"cpu": "1m"}, "limits": {"memory": "1Mi"}}));
    high["spec"]["priorityClassName"] = json!("high");
    let refused = admin.post(&pods, high).await.expect(403);
    assert!(refused.reason().1.ends_with("exceeded quota: high, requested: pods=1, used: pods=0, limited: pods=0"));
    let grown = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}});
    let refused = admin.patch("strategic-merge-patch+json", &format!("{pods}/fits/resize"), grown).await.expect(403);
    assert!(refused.reason().1.contains("requested: requests.cpu=1400m, used: requests.cpu=600m"), "{}", refused.body);
    admin.merge(&format!("{NS}/resourcequotas/best"), json!({"spec": {"hard": {"pods": "2"}}})).await.expect(200);
    admin.post(&pods, pod("second", json!({}))).await.expect(201);
    used(&admin, "best", json!({"pods": "2"})).await;

    quota(&admin, "short", json!({"hard": {"pods": "0"}, "scopes": ["Terminating"]})).await;
    let deadline = json!({"spec": {"activeDeadlineSeconds": 50}});
    let refused = admin.merge(&format!("{pods}/before"), deadline).await.expect(403);
    assert_eq!(
        refused.reason().1,
        "pods \"before\" is forbidden: exceeded quota: short, requested: pods=1, used: pods=0, limited: pods=0"
    );
}

#[tokio::test]
async fn absurd_amounts_hide_nothing() {
    let world = World::start().await;
    let admin = world.admin().await;
    quota(&admin, "q", json!({"hard": {"requests.cpu": "2"}})).await;
    let container =
        |name: &str, cpu: &str| json!({"name": name, "image": "i", "resources": {"requests": {"cpu": cpu}}});
    for (name, cpus) in [("a", ["1e99", "1m"]), ("b", ["1m", "1e99"]), ("c", ["1e999999999", "1e-9"])] {
        let containers = json!([container("c", cpus[0]), container("d", cpus[1])]);
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": containers}});
        let refused = admin.post(&format!("{NS}/pods"), pod).await;
        assert!(matches!(refused.code, 403 | 422), "{}", refused.body);
    }
    used(&admin, "q", json!({"requests.cpu": "0"})).await;
}

/// Creates, deletions and a shrinking and growing quota at once; afterwards the status is what is there.
#[tokio::test]
async fn the_status_settles_on_what_is_there() {
    let world = World::start().await;
    let admin = world.admin().await;
    quota(&admin, "q", json!({"hard": {"configmaps": "10"}})).await;
    let maps = format!("{NS}/configmaps");
    let mut work = tokio::task::JoinSet::new();
    for worker in 0..6 {
        let (client, maps) = (admin.clone(), maps.clone());
        work.spawn(async move {
            for round in 0..10 {
                let name = format!("m{worker}-{round}");
                let made = client.post(&maps, json!({"metadata": {"name": name}})).await;
                assert!(matches!(made.code, 201 | 403), "{}", made.body);
                if made.code == 201 && round % 3 != 0 {
                    client.delete(&format!("{maps}/{name}")).await.expect(200);
                }
            }
        });
    }
    let (client, path) = (admin.clone(), maps.clone());
    work.spawn(async move {
        for _ in 0..30 {
            let there = client.get(&path).await.names().len();
            assert!(there <= 10, "{there} configmaps under a quota of 10");
        }
    });
    tokio::time::timeout(Duration::from_secs(60), work.join_all()).await.unwrap();
    let there = admin.get(&maps).await.names().len();
    used(&admin, "q", json!({"configmaps": there.to_string()})).await;
}
