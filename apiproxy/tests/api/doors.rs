//! Two tenants and the ways in: what belongs to one never works at the other.

use serde_json::json;

use crate::client::{Client, Credential};
use crate::definitions::{DEFINITIONS, WIDGETS, definition, widgets};
use crate::world::{FLEET_TOKEN, Tenant, World};

const NS: &str = "/api/v1/namespaces/default";
const VERSION: &str = "/version";

async fn doors(world: &World, tenant: &Tenant, credential: &Credential) -> Vec<(&'static str, Client)> {
    vec![
        ("path", world.client(tenant, credential.clone()).await),
        ("name", world.by_name(tenant, credential.clone()).await),
        ("port", world.by_port(tenant, credential.clone()).await),
    ]
}

async fn token(client: &Client) -> String {
    client.post(&format!("{NS}/serviceaccounts"), json!({"metadata": {"name": "robot"}})).await;
    let reply = client.post(&format!("{NS}/serviceaccounts/robot/token"), json!({"spec": {}})).await.expect(201);
    reply.body["status"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn credentials_open_their_own_tenant_by_every_door_and_no_other() {
    let world = World::start().await;
    let (acme, beta) = (&world.acme, &world.beta);
    let admin = world.admin().await;
    let robot = Credential::Token(token(&admin).await);
    let certificate = acme.certificate("admin", &["system:masters"]);
    for credential in [&certificate, &robot] {
        for (door, client) in doors(&world, acme, credential).await {
            assert_eq!(client.get(VERSION).await.code, 200, "own door: {door}");
        }
        for (door, client) in doors(&world, beta, credential).await {
            for path in [VERSION, "/api", &format!("{NS}/secrets"), "/openapi/v3", "/livez"] {
                let reply = client.get(path).await;
                assert_eq!(reply.code, 401, "{door} {path}: {}", reply.body);
                assert_eq!(reply.reason().0, "Unauthorized");
            }
            let write = client.post(&format!("{NS}/configmaps"), json!({"metadata": {"name": "x"}})).await;
            assert_eq!(write.code, 401, "{door}");
        }
    }
    // The path decides against the server name, and the certificate is judged by where the path leads.
    let crossed = world.by_name(beta, certificate).await;
    assert_eq!(crossed.get("/tenants/acme/version").await.code, 200);
    assert_eq!(crossed.get(VERSION).await.code, 401);
    // A tenant's own port knows no other tenant, no fleet and no metrics.
    let port = world.by_port(acme, acme.certificate("admin", &["system:masters"])).await;
    for path in ["/tenants/beta/api/v1/nodes", "/fleet/api/v1/pods", "/tenants/acme/version"] {
        assert_eq!(port.get(path).await.code, 404, "{path}");
    }
}

#[tokio::test]
async fn no_verb_reaches_what_another_tenant_has() {
    let world = World::start().await;
    let acme = world.admin().await;
    let beta = world.client(&world.beta, world.beta.certificate("admin", &["system:masters"])).await;
    widgets(&acme).await;
    let maps = format!("{NS}/configmaps");
    let path = format!("{maps}/secret");
    let body = json!({"metadata": {"name": "secret"}, "data": {"whose": "acme"}});
    let made = acme.post(&maps, body.clone()).await.expect(201);
    let mut watch = beta.watch("/api/v1/configmaps?watch=1").await;
    for (what, reply) in [
        ("get", beta.get(&path).await),
        ("put", beta.put(&path, body.clone()).await),
        ("patch", beta.merge(&path, json!({"data": {"x": "y"}})).await),
        ("delete", beta.delete(&path).await),
        ("custom", beta.get(WIDGETS).await),
        ("definition", beta.get(&format!("{DEFINITIONS}/widgets.example.test")).await),
        ("discovery", beta.get("/apis/example.test/v1").await),
    ] {
        assert_eq!(reply.code, 404, "{what}: {}", reply.body);
    }
    assert!(beta.get(&maps).await.names().is_empty());
    assert!(beta.delete(&maps).await.expect(200).names().is_empty());
    let version = made.version();
    let exact = beta.get(&format!("{maps}?resourceVersion={version}&resourceVersionMatch=Exact")).await.expect(200);
    assert!(exact.names().is_empty());
    // The same names are free for the other tenant, and owners do not reach across.
    let reference =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "secret", "uid": made.body["metadata"]["uid"]}]);
    let own = json!({"metadata": {"name": "own", "ownerReferences": reference}});
    beta.post(&maps, own).await.expect(201);
    assert_eq!(watch.names(1).await, ["ADDED own"]);
    beta.until_gone(&format!("{maps}/own")).await;
    beta.post(DEFINITIONS, definition()).await.expect(201);
    let kept = acme.get(&path).await.expect(200);
    assert_eq!(kept.body, made.body);
    let page = acme.get(&format!("{maps}?limit=1")).await;
    assert_eq!(page.names(), ["secret"]);
}

#[tokio::test]
async fn a_page_of_one_tenant_is_no_page_of_another() {
    let world = World::start().await;
    let acme = world.admin().await;
    let beta = world.client(&world.beta, world.beta.certificate("admin", &["system:masters"])).await;
    let maps = format!("{NS}/configmaps");
    for name in ["a", "b", "c"] {
        acme.post(&maps, json!({"metadata": {"name": name}})).await.expect(201);
    }
    let page = acme.get(&format!("{maps}?limit=1")).await.expect(200);
    let next = page.body["metadata"]["continue"].as_str().unwrap();
    let theirs = beta.get(&format!("{maps}?limit=1&continue={next}")).await;
    assert!(theirs.names().is_empty(), "{}", theirs.body);
}

#[tokio::test]
async fn strangers_are_strangers() {
    let world = World::start().await;
    let stranger = Tenant::stranger();
    let forged = stranger.certificate("admin", &["system:masters"]);
    for (door, client) in doors(&world, &world.acme, &forged).await {
        assert_eq!(client.get(&format!("{NS}/pods")).await.code, 401, "{door}");
    }
    // A certificate for serving is none for clients.
    let nobody = world.client(&world.acme, Credential::None).await;
    assert_eq!(nobody.get(&format!("{NS}/pods")).await.code, 403);
    let anonymous = nobody.get(&format!("{NS}/pods")).await;
    assert!(anonymous.reason().1.contains("User \"system:anonymous\""), "{}", anonymous.body);
    let front = world.front(Credential::None).await;
    for (path, code) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 401),
        ("/api/v1/pods", 404),
        ("/tenants/none/api", 404),
        ("/tenants", 404),
        ("/tenants/", 404),
        ("/", 404),
        ("/fleet", 401),
        ("/fleet/api/v1/pods", 401),
    ] {
        assert_eq!(front.get(path).await.code, code, "{path}");
    }
    front.with_token(FLEET_TOKEN).get("/metrics").await.expect(200);
}

#[tokio::test]
async fn the_operators_token_opens_no_tenant_and_a_tenants_opens_no_fleet() {
    let world = World::start().await;
    let admin = world.admin().await;
    let robot = token(&admin).await;
    let nobody = world.client(&world.acme, Credential::None).await;
    nobody.with_token(FLEET_TOKEN).get(VERSION).await.expect(401);
    let fleet = world.fleet(Credential::None).await;
    let by_certificate = world.fleet(world.acme.certificate("admin", &["system:masters"])).await;
    for client in [fleet.clone(), fleet.with_token(&robot), fleet.with_token(""), by_certificate] {
        for path in ["/api/v1/pods", "/version", "/apis/fleet.rowhouse.dev/v1alpha1/routes"] {
            let reply = client.get(path).await;
            assert_eq!(reply.code, 401, "{path}: {}", reply.body);
        }
    }
    fleet.with_token(FLEET_TOKEN).get("/api/v1/pods").await.expect(200);
    // What the control plane keeps for itself is in no tenant.
    for path in ["/apis/fleet.rowhouse.dev/v1alpha1/routes", "/apis/fleet.rowhouse.dev/v1alpha1/authorities/front"] {
        let reply = admin.get(path).await;
        assert!(reply.code == 404 || reply.names().is_empty(), "{path}: {}", reply.body);
        assert!(!String::from_utf8_lossy(&reply.raw).contains("PRIVATE KEY"));
    }
}

#[tokio::test]
async fn the_fleet_has_a_door_of_its_own_and_then_no_other() {
    let world = World::start().await;
    let at_front = world.fleet(Credential::None).await;
    at_front.with_token(FLEET_TOKEN).get("/api/v1/pods").await.expect(200);
    let own = world.fleet_apart().await;
    own.with_token(FLEET_TOKEN).get("/fleet/api/v1/pods").await.expect(200);
    own.with_token(FLEET_TOKEN).get("/metrics").await.expect(200);
    own.get("/fleet/api/v1/pods").await.expect(401);
    own.get("/readyz").await.expect(200);
    // No tenant is behind it, by path or otherwise.
    for path in ["/tenants/acme/version", "/version", "/api/v1/pods"] {
        assert_eq!(own.with_token(FLEET_TOKEN).get(path).await.code, 404, "{path}");
    }
    at_front.with_token(FLEET_TOKEN).get("/api/v1/pods").await.expect(401);
    let front = world.front(Credential::Token(FLEET_TOKEN.to_owned())).await;
    front.get("/metrics").await.expect(401);
    world.server.leave();
    own.get("/readyz").await.expect(500);
    own.with_token(FLEET_TOKEN).get("/fleet/api/v1/pods").await.expect(200);
}

#[tokio::test]
async fn the_operators_token_is_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let open = || async {
        let config = apiproxy::Config {
            data_dir: Some(directory.path().to_owned()),
            etcd: None,
            services: apiproxy::admission::services::Allocator::Local(apiproxy::admission::services::LocalRange::new(
                [10, 96],
            )),
            host: None,
            fleet_token: String::new(),
            names: Vec::new(),
            tenant_listen: None,
            resolvers: Vec::new(),
        };
        let server = apiproxy::Server::start(config).await.unwrap();
        let token = server.fleet_token().to_owned();
        server.shutdown().await;
        token
    };
    let first = open().await;
    assert!(first.len() >= 43);
    assert_eq!(open().await, first);
}
