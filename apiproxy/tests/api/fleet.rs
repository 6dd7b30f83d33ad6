//! The fleet view: the same API over all tenants.

use serde_json::{Value, json};
use tenancy::TenantId;

use crate::client::{Client, Credential};
use crate::definitions::widgets;
use crate::world::{FLEET_TOKEN, World};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const ROUTES: &str = "/apis/fleet.rowhouse.dev/v1alpha1/routes";

async fn fleet(world: &World) -> Client {
    world.fleet(Credential::Token(FLEET_TOKEN.to_owned())).await
}

fn maps(id: TenantId) -> String {
    format!("/api/v1/namespaces/{id}:default/configmaps")
}

#[tokio::test]
async fn all_tenants_are_listed_and_watched_at_once() {
    let world = World::start().await;
    let (acme, fleet) = (world.admin().await, fleet(&world).await);
    let beta = world.client(&world.beta, world.beta.certificate("admin", &["system:masters"])).await;
    acme.post(MAPS, json!({"metadata": {"name": "a"}})).await.expect(201);
    let mut watch = fleet.watch("/api/v1/configmaps?watch=1").await;
    beta.post(MAPS, json!({"metadata": {"name": "b"}})).await.expect(201);
    for (tenant, name) in [(&world.acme, "a"), (&world.beta, "b")] {
        let event = watch.next().await.unwrap();
        assert_eq!(event["object"]["metadata"]["namespace"], format!("{}:default", tenant.id));
        assert_eq!(event["object"]["metadata"]["name"], name);
    }
    let mut names = fleet.get("/api/v1/configmaps").await.expect(200).names();
    names.sort();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(fleet.get(&maps(world.acme.id)).await.expect(200).names(), ["a"]);
    let spaces = fleet.get("/api/v1/namespaces").await.expect(200).names();
    for tenant in [&world.acme, &world.beta] {
        assert!(spaces.contains(&format!("{}:default", tenant.id)), "{spaces:?}");
    }
    let acmes = format!("/api/v1/namespaces?tenant={}", world.acme.id);
    assert!(fleet.get(&acmes).await.expect(200).names().iter().all(|name| name.starts_with(world.acme.id.as_str())));
    let page = fleet.get("/api/v1/configmaps?limit=1").await.expect(200);
    let next = page.body["metadata"]["continue"].as_str().unwrap();
    let rest = fleet.get(&format!("/api/v1/configmaps?limit=1&continue={next}")).await.expect(200);
    assert_eq!((page.names().len(), rest.names().len()), (1, 1));
    assert_ne!(page.names(), rest.names());
    // Tenants see plain names.
    assert_eq!(acme.get(&format!("{MAPS}/a")).await.body["metadata"]["namespace"], "default");
}

#[tokio::test]
async fn what_every_tenant_starts_with_can_be_left_out() {
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let world = World::start().await;
    let (acme, fleet) = (world.admin().await, fleet(&world).await);
    let own = format!("{ROLES}?fieldSelector=fleet.own%3Dtrue");
    assert!(fleet.get(&own).await.expect(200).names().is_empty());
    let mut watch = fleet.watch(&format!("{own}&watch=1")).await;
    let labels = json!({"metadata": {"labels": {"touched": "yes"}}});
    acme.merge(&format!("{ROLES}/view"), labels).await.expect(200);
    let event = watch.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["metadata"]["labels"]["touched"]), (&json!("ADDED"), &json!("yes")));
    assert_eq!(fleet.get(&own).await.expect(200).names(), [format!("{}:view", world.acme.id)]);
    assert!(fleet.get(&format!("{ROLES}?tenant={}", world.acme.id)).await.expect(200).names().len() > 50);
    // Tenants have no such field.
    acme.get(&own).await.expect(400);
}

#[tokio::test]
async fn writes_go_to_the_tenant_they_name() {
    let world = World::start().await;
    let (acme, fleet) = (world.admin().await, fleet(&world).await);
    let id = world.acme.id;
    let namespace = format!("{id}:default");
    let body = json!({"metadata": {"name": "a", "namespace": namespace}, "data": {"k": "v"}});
    let made = fleet.post(&maps(id), body).await.expect(201);
    assert_eq!(made.body["metadata"]["namespace"], namespace.as_str());
    let seen = acme.get(&format!("{MAPS}/a")).await.expect(200);
    assert_eq!((&seen.body["metadata"]["namespace"], &seen.body["data"]["k"]), (&json!("default"), &json!("v")));
    let path = format!("{}/a", maps(id));
    let mut put = fleet.get(&path).await.expect(200).body;
    put["data"]["k"] = json!("w");
    fleet.put(&path, put).await.expect(200);
    fleet.merge(&path, json!({"data": {"m": "1"}})).await.expect(200);
    let applied = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": namespace}, "data": {"s": "1"}});
    fleet.apply(&path, "loop", applied).await.expect(200);
    let dry = fleet.merge(&format!("{path}?dryRun=All"), json!({"data": {"d": "1"}})).await.expect(200);
    assert_eq!(dry.body["metadata"]["namespace"], namespace.as_str());
    assert_eq!(acme.get(&format!("{MAPS}/a")).await.body["data"], json!({"k": "w", "m": "1", "s": "1"}));
    fleet.delete(&path).await.expect(200);
    acme.get(&format!("{MAPS}/a")).await.expect(404);
    // Cluster-scoped objects carry their tenant in the name.
    let node = fleet.post("/api/v1/nodes", json!({"metadata": {"name": format!("{id}:n")}})).await.expect(201);
    assert_eq!(node.body["metadata"]["name"], format!("{id}:n"));
    assert_eq!(acme.get("/api/v1/nodes/n").await.expect(200).body["metadata"]["name"], "n");
    let path = format!("/api/v1/nodes/{id}:n");
    fleet.merge(&path, json!({"metadata": {"labels": {"a": "b"}}})).await.expect(200);
    let status = json!({"status": {"phase": "Running"}});
    fleet.merge(&format!("{path}/status"), status).await.expect(200);
    assert_eq!(acme.get("/api/v1/nodes/n").await.body["metadata"]["labels"]["a"], "b");
    let applied = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("{id}:m")}});
    fleet.apply(&format!("/api/v1/nodes/{id}:m"), "loop", applied).await.expect(201);
    acme.get("/api/v1/nodes/m").await.expect(200);
    fleet.delete(&path).await.expect(200);
    acme.get("/api/v1/nodes/n").await.expect(404);
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let world = World::start().await;
    let fleet = fleet(&world).await;
    let acme = world.acme.id;
    let system = TenantId::SYSTEM;
    for path in [
        "/api/v1/namespaces/default/configmaps".to_owned(),
        format!("/api/v1/namespaces/{system}:default/configmaps"),
        format!("/api/v1/nodes/{system}:n"),
        "/api/v1/nodes/plain".to_owned(),
        "/api/v1/namespaces/x:default/configmaps".to_owned(),
    ] {
        let reply = fleet.get(&path).await;
        assert_eq!(reply.code, 400, "{path}: {}", reply.body);
    }
    for name in ["plain", &format!("{system}:n"), ":", "x:y"] {
        let reply = fleet.post("/api/v1/nodes", json!({"metadata": {"name": name}})).await;
        assert_eq!(reply.code, 400, "{name}: {}", reply.body);
    }
    fleet.post("/api/v1/configmaps", json!({"metadata": {"name": "x"}})).await.expect(405);
    fleet.delete("/api/v1/nodes").await.expect(400);
    // A body may not name another tenant than the path.
    let other = json!({"metadata": {"name": "a", "namespace": format!("{}:default", world.beta.id)}});
    let reply = fleet.post(&maps(acme), other).await;
    assert_eq!(reply.code, 400, "{}", reply.body);
    let other = json!({"metadata": {"name": format!("{}:n", world.beta.id)}});
    fleet.post("/api/v1/nodes", json!({"metadata": {"name": format!("{acme}:n")}})).await.expect(201);
    let reply = fleet.put(&format!("/api/v1/nodes/{acme}:n"), other).await;
    assert_eq!(reply.code, 400, "{}", reply.body);
    fleet.with("impersonate-user", "x").get("/api/v1/pods").await.expect(400);
}

#[tokio::test]
async fn custom_resources_are_reached_through_their_tenant() {
    let world = World::start().await;
    let (acme, fleet) = (world.admin().await, fleet(&world).await);
    widgets(&acme).await;
    let definitions = fleet.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").await.expect(200);
    assert_eq!(definitions.names(), [format!("{}:widgets.example.test", world.acme.id)]);
    let path = |id: TenantId| format!("/apis/example.test/v1/namespaces/{id}:default/widgets");
    fleet.get(&path(world.acme.id)).await.expect(200);
    assert_eq!(fleet.get(&path(world.beta.id)).await.code, 404);
}

#[tokio::test]
async fn routes_make_change_and_end_tenants() {
    let world = World::start().await;
    let fleet = fleet(&world).await;
    let id = TenantId::from_uid("gamma");
    let mut spec = serde_json::to_value(world.acme.spec()).unwrap();
    spec["tenant"] = json!("gamma");
    let route = |spec: &Value| json!({"apiVersion": "fleet.rowhouse.dev/v1alpha1", "kind": "Route", "metadata": {"name": id.as_str()}, "spec": spec});
    let mut watch =
        fleet.watch(&format!("{ROUTES}?watch=1&resourceVersion={}", fleet.get(ROUTES).await.version())).await;
    fleet.post(ROUTES, route(&spec)).await.expect(201);
    fleet.post(ROUTES, route(&spec)).await.expect(409);
    let front = world.front(world.acme.certificate("admin", &["system:masters"])).await;
    let spaces = front.get("/tenants/gamma/api/v1/namespaces").await.expect(200);
    assert_eq!(spaces.names(), ["default", "kube-node-lease", "kube-public", "kube-system"]);
    spec["tenant"] = json!("delta");
    spec["serviceIp"] = json!("10.0.0.1");
    fleet.put(&format!("{ROUTES}/{id}"), route(&spec)).await.expect(200);
    front.get("/tenants/gamma/api").await.expect(404);
    let service = front.get("/tenants/delta/api/v1/namespaces/default/services/kubernetes").await.expect(200);
    assert_eq!(service.body["spec"]["clusterIP"], "10.0.0.1");
    fleet.delete(&format!("{ROUTES}/{id}")).await.expect(200);
    front.get("/tenants/delta/api").await.expect(404);
    assert!(fleet.get(&format!("/api/v1/namespaces/{id}:default")).await.code == 404);
    assert!(!fleet.get("/api/v1/namespaces").await.names().iter().any(|name| name.starts_with(id.as_str())));
    // Its end is marked first, so that every replica stops serving it.
    let told = ["ADDED", "MODIFIED", "MODIFIED", "DELETED"].map(|kind| format!("{kind} {id}"));
    assert_eq!(watch.names(4).await, told);
    fleet.delete(&format!("{ROUTES}/{id}")).await.expect(404);
    for bad in [json!({}), json!({"tenant": "X Y"}), json!("x")] {
        fleet.post(ROUTES, route(&bad)).await.expect(400);
    }
    let mut reserved = route(&spec);
    reserved["metadata"]["name"] = json!(TenantId::SYSTEM.as_str());
    fleet.post(ROUTES, reserved).await.expect(400);
}
