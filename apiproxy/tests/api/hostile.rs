//! Input that nobody means well with: answered with a Status, never with a panic, a hang or somebody else's data.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::definitions::{WIDGETS, widget, widgets};
use crate::world::World;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

#[tokio::test]
async fn bodies_that_are_no_objects() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep_map =
        format!("{{\"metadata\":{{\"name\":\"a\"}},\"x\":{}1{}}}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
        d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
        g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    for path in [MAPS, WIDGETS, "/api/v1/namespaces/default/pods", "/apis/apps/v1/namespaces/default/deployments"] {
        for (kind, body) in [
            ("application/json", String::new()),
            ("application/json", "{".to_owned()),
            ("application/json", "null".to_owned()),
            ("application/json", "[]".to_owned()),
            ("application/json", "5".to_owned()),
            ("application/json", "\"x\"".to_owned()),
            ("application/json", "{\"metadata\":null}".to_owned()),
            ("application/json", "{\"metadata\":[]}".to_owned()),
            ("application/json", "{\"metadata\":{\"name\":5}}".to_owned()),
            ("application/json", "{\"kind\":5,\"apiVersion\":{}}".to_owned()),
            ("application/json", "{\"metadata\":{\"name\":\"\\ud800\"}}".to_owned()),
            ("application/json", deep.clone()),
            ("application/json", deep_map.clone()),
            ("application/yaml", bomb.to_owned()),
            ("application/yaml", "- a\n- b\n".to_owned()),
            ("application/yaml", "!!binary x\n".to_owned()),
            ("application/vnd.kubernetes.protobuf", "k8s\0\u{1}\u{1}".to_owned()),
            ("application/vnd.kubernetes.protobuf", "nope".to_owned()),
        ] {
            let reply = admin.send(Method::POST, path, kind, body.clone()).await;
            let head: String = body.chars().take(60).collect();
            assert!((400..500).contains(&reply.code), "{path} {kind} {head}: {} {}", reply.code, reply.body);
            assert_eq!(reply.body["kind"], "Status", "{path} {kind} {head}");
        }
    }
    let invalid = Bytes::from_static(b"{\"metadata\":{\"name\":\"\xff\xfe\"}}");
    assert_eq!(admin.send(Method::POST, MAPS, "application/json", invalid).await.code / 100, 4);
}

/// Values of other shapes than an object of strings.
fn shapes() -> [Value; 4] {
    [json!("text"), json!(5), json!([1]), json!({"a": {"b": [null]}})]
}

/// Sends requests a few at a time; every one must be answered with an object, and none with a failure of the server
/// that is not in upstream's words.
async fn all_answered(client: &Client, requests: Vec<(Method, String, &'static str, Value)>) {
    let sent = requests.into_iter().map(|(method, path, kind, body)| async move {
        let reply = client.send(method.clone(), &path, kind, body.to_string()).await;
        let plain = reply.code == 500 && reply.body["reason"].is_null();
        assert!(reply.body.is_object(), "{method} {path} {kind} {body}: {} {:?}", reply.code, reply.raw);
        assert!(reply.code < 500 || plain, "{method} {path} {kind} {body}: {} {}", reply.code, reply.body);
    });
    stream::iter(sent).buffer_unordered(16).collect::<Vec<()>>().await;
}

#[tokio::test]
async fn fields_of_another_shape_are_answered() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    let pod_spec = json!({"containers": [{"name": "c", "image": "i"}], "volumes": [{"name": "v", "emptyDir": {}}]});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod_spec});
    let service = json!({"ports": [{"port": 80}], "clusterIP": "None"});
    let bodies = [
        (MAPS, json!({"metadata": {"name": "x"}})),
        (WIDGETS, widget("x", json!({"size": 1}))),
        ("/api/v1/namespaces/default/pods", json!({"metadata": {"name": "x"}, "spec": pod_spec})),
        ("/api/v1/namespaces/default/services", json!({"metadata": {"name": "x"}, "spec": service})),
        ("/api/v1/namespaces/default/secrets", json!({"metadata": {"name": "x"}})),
        ("/api/v1/namespaces", json!({"metadata": {"name": "x"}})),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({"metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}),
        ),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", json!({"metadata": {"name": "x"}, "rules": []})),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crate::definitions::definition()),
    ];
    let places = "/metadata /metadata/labels /metadata/annotations /metadata/finalizers /metadata/ownerReferences \
        /metadata/managedFields /metadata/namespace /metadata/generateName /metadata/uid /metadata/generation \
        /metadata/creationTimestamp /metadata/deletionTimestamp /spec /status /data /stringData /rules \
        /spec/containers /spec/volumes /spec/ports /spec/template /spec/template/spec /spec/selector /spec/names \
        /spec/versions /spec/conversion /spec/parts /status/conditions /spec/clusterIP /spec/clusterIPs \
        /aggregationRule /type /immutable";
    let mut requests = Vec::new();
    for (collection, body) in &bodies {
        for place in places.split_whitespace() {
            let Some((parent, key)) = place.rsplit_once('/') else { continue };
            for shape in shapes() {
                let mut odd = body.clone();
                let Some(Value::Object(map)) = odd.pointer_mut(parent) else { continue };
                map.insert(key.to_owned(), shape);
                requests.push((Method::POST, format!("{collection}?dryRun=All"), "application/json", odd));
            }
        }
    }
    assert!(requests.len() > 500, "{}", requests.len());
    all_answered(&admin, requests).await;
}

#[tokio::test]
async fn changes_of_another_shape_are_answered() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    admin.post(WIDGETS, widget("x", json!({"size": 1}))).await.expect(201);
    admin.post(MAPS, json!({"metadata": {"name": "x"}})).await.expect(201);
    admin.post(PODS, json!({"metadata": {"name": "x"}, "spec": spec})).await.expect(201);
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.test";
    let mut paths = vec![format!("{MAPS}/x"), definition.to_owned(), format!("{definition}/status")];
    paths.extend(["", "/status", "/scale"].map(|sub| format!("{WIDGETS}/x{sub}")));
    paths.extend(["", "/status", "/ephemeralcontainers", "/resize"].map(|sub| format!("{PODS}/x{sub}")));
    let places = "metadata spec status data kind apiVersion metadata/name metadata/namespace metadata/labels \
        metadata/annotations metadata/finalizers metadata/ownerReferences metadata/managedFields metadata/uid \
        metadata/resourceVersion spec/containers spec/size spec/parts spec/replicas spec/names spec/versions \
        status/conditions status/size";
    let mut requests = Vec::new();
    for path in &paths {
        let dry = format!("{path}?dryRun=All");
        for shape in shapes() {
            let mut bodies = vec![shape.clone()];
            for place in places.split_whitespace() {
                let (outer, inner) = place.split_once('/').unwrap_or((place, ""));
                bodies.push(if inner.is_empty() { json!({outer: shape}) } else { json!({outer: {inner: shape}}) });
                let patch = json!([{"op": "add", "path": format!("/{place}"), "value": shape}]);
                requests.push((Method::PATCH, dry.clone(), "application/json-patch+json", patch));
            }
            for body in bodies {
                for kind in ["merge-patch+json", "strategic-merge-patch+json"] {
                    requests.push((Method::PATCH, dry.clone(), kind, body.clone()));
                }
                let forced = format!("{dry}&fieldManager=m&force=true");
                requests.push((Method::PATCH, forced, "apply-patch+yaml", body.clone()));
                requests.push((Method::PUT, dry.clone(), "json", body));
            }
        }
    }
    let requests = requests.into_iter().map(|(method, path, kind, body)| {
        let kind = KINDS.iter().find(|full| full.strip_prefix("application/") == Some(kind)).copied().unwrap_or(kind);
        (method, path, kind, body)
    });
    all_answered(&admin, requests.collect()).await;
}

const KINDS: [&str; 4] = [
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/json",
];

#[tokio::test]
async fn subresource_bodies_of_another_shape_are_answered() {
    let world = World::start().await;
    let admin = world.admin().await;
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    admin.post(PODS, json!({"metadata": {"name": "x"}, "spec": spec})).await.expect(201);
    let posts = [
        "/api/v1/namespaces/default/pods/x/binding",
        "/api/v1/namespaces/default/pods/x/eviction",
        "/api/v1/namespaces/default/serviceaccounts/default/token",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    ];
    let keys = ["metadata", "spec", "status", "target", "deleteOptions", "kind"];
    let inner = "name annotations token audiences boundObjectRef expirationSeconds resourceAttributes \
        nonResourceAttributes user groups extra preconditions kind uid";
    let mut requests = Vec::new();
    for shape in shapes() {
        let mut bodies = vec![shape.clone()];
        bodies.extend(keys.map(|key| json!({key: shape})));
        for outer in ["metadata", "spec", "target", "deleteOptions"] {
            bodies.extend(inner.split_whitespace().map(|key| json!({outer: {key: shape}})));
        }
        for path in posts {
            let dry = format!("{path}?dryRun=All");
            requests.extend(bodies.iter().map(|body| (Method::POST, dry.clone(), "application/json", body.clone())));
        }
        for key in ["preconditions", "propagationPolicy", "orphanDependents", "gracePeriodSeconds", "dryRun"] {
            requests.push((Method::DELETE, format!("{MAPS}/none"), "application/json", json!({key: shape})));
        }
        requests.push((Method::DELETE, format!("{MAPS}/none"), "application/json", shape));
    }
    all_answered(&admin, requests).await;
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused() {
    let world = World::start().await;
    let admin = world.admin().await;
    let body = json!({"metadata": {"name": "big"}, "data": {"k": "x".repeat(3 << 20)}});
    let refused = admin.post(MAPS, body).await.expect(413);
    assert_eq!(refused.reason().0, "RequestEntityTooLarge");
    let nearly = json!({"metadata": {"name": "big"}, "data": {"k": "x".repeat(2 << 20)}});
    assert_eq!(admin.post(MAPS, nearly).await.code / 100, 4, "an object of two megabytes is not stored");
    admin.get(&format!("{MAPS}/big")).await.expect(404);
}

#[tokio::test]
async fn path_tricks_lead_nowhere() {
    let world = World::start().await;
    let admin = world.admin().await;
    admin.post(MAPS, json!({"metadata": {"name": "a"}})).await.expect(201);
    for path in [
        "/api/v1/namespaces/default/configmaps//a",
        "/api/v1/namespaces/default/configmaps/../configmaps/a",
        "/api/v1/namespaces/default/configmaps/%2e%2e/configmaps/a",
        "/api/v1/namespaces/default/configmaps/a%2f",
        "/api/v1/namespaces/default/configmaps/a%00",
        "/api/v1/namespaces/default%2fconfigmaps/a",
        "//api/v1/namespaces",
        "/api//v1/namespaces",
        "/api/v1/namespaces/%2e%2e/configmaps/a",
        "/api/v1/namespaces/%2e%2e/pods/x/proxy/",
        "/../beta/api/v1/namespaces",
        "/%2e%2e/beta/api/v1/namespaces",
        "/api/v1/namespaces/default/configmaps/%ff",
        "/api/v2/namespaces",
        "/apis/apps/v9/deployments",
        "/api/v1/namespaces/default/nodes",
        "/API/v1/namespaces",
    ] {
        let reply = admin.get(path).await;
        assert!(matches!(reply.code, 401 | 404), "{path}: {} {}", reply.code, reply.body);
    }
    for (method, path, code) in [
        ("OPTIONS", MAPS, 405),
        ("TRACE", MAPS, 405),
        ("PUT", MAPS, 405),
        ("PATCH", MAPS, 405),
        ("POST", "/api/v1/namespaces/default/configmaps/a", 405),
        ("POST", "/version", 405),
        ("DELETE", "/apis", 405),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let reply = admin.send(method.clone(), path, "application/json", "{}").await;
        assert_eq!(reply.code, code, "{method} {path}: {}", reply.body);
    }
}

#[tokio::test]
async fn floods_of_headers_and_slow_clients_take_only_their_own_connection() {
    let world = World::start().await;
    let admin = world.admin().await;
    // Connections that never say anything, or no TLS.
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(world.address()).await.unwrap());
    }
    let mut rude = TcpStream::connect(world.address()).await.unwrap();
    rude.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), rude.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "a client without TLS is cut off");
    admin.get("/version").await.expect(200);
    let mut flood = world.admin().await;
    for at in 0..60 {
        flood = flood.with(&format!("x-flood-{at}"), &"v".repeat(100));
    }
    assert!(flood.get("/version").await.code < 500);
    // A watcher that reads nothing does not hold up a writer.
    let _stalled = admin.open(Method::GET, &format!("{MAPS}?watch=1"), "", Bytes::new()).await;
    for at in 0..20 {
        let body = json!({"metadata": {"name": format!("m{at}")}, "data": {"k": "x".repeat(100_000)}});
        admin.post(MAPS, body).await.expect(201);
    }
    drop(silent);
}
