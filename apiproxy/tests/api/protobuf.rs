//! Kubernetes protobuf, both ways. Bytes and messages quoted here are what kube-apiserver 1.36 answers.

use base64::Engine as _;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::definitions::{WIDGETS, widget, widgets};
use crate::world::World;

const PB: &str = "application/vnd.kubernetes.protobuf";
const PARTIAL: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const PARTIAL_LIST: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";

fn asking(client: &Client, accept: &str) -> Client {
    client.with("accept", accept)
}

/// Sends an object in protobuf.
async fn send(client: &Client, method: Method, path: &str, object: &Value) -> Reply {
    let text = |key: &str| object[key].as_str().unwrap();
    let kind = wire::Kind::find(text("apiVersion"), text("kind")).unwrap();
    client.send(method, path, PB, kind.encode_value(object).unwrap()).await
}

fn content_type(reply: &Reply) -> &str {
    reply.headers.get("content-type").map_or("", |value| value.to_str().unwrap())
}

#[track_caller]
fn in_protobuf(reply: Reply, code: u16) -> Value {
    assert_eq!(content_type(&reply), PB, "{:?}", reply.raw);
    reply.expect(code).body
}

#[tokio::test]
async fn objects_are_written_and_read() {
    let world = World::start().await;
    let admin = world.admin().await;
    let proto = asking(&admin, PB);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"b": "2", "a": "1"}},
        "spec": {"containers": [{
            "name": "c", "image": "i", "resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}},
            "ports": [{"containerPort": 80}], "env": [{"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "livenessProbe": {"httpGet": {"path": "/", "port": "web"}},
        }], "volumes": [{"name": "v", "emptyDir": {}}], "securityContext": {"runAsUser": 0}},
    });
    let created = in_protobuf(send(&proto, Method::POST, PODS, &pod).await, 201);
    assert_eq!(created, admin.get(&format!("{PODS}/p")).await.expect(200).body);
    let mut changed = in_protobuf(proto.get(&format!("{PODS}/p")).await, 200);
    assert_eq!(changed, created);
    assert_eq!(changed["spec"]["securityContext"]["runAsUser"], 0, "a pointer to zero is a value");
    changed["metadata"]["labels"]["c"] = json!("3");
    let updated = in_protobuf(send(&proto, Method::PUT, &format!("{PODS}/p"), &changed).await, 200);
    assert_eq!(updated["metadata"]["labels"], json!({"a": "1", "b": "2", "c": "3"}));
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "AP8="}});
    let secret = in_protobuf(send(&proto, Method::POST, secrets, &secret).await, 201);
    assert_eq!((&secret["data"]["k"], &secret["type"]), (&json!("AP8="), &json!("Opaque")));
    let patched = proto.merge(&format!("{secrets}/s"), json!({"data": {"j": "YQ=="}})).await;
    assert_eq!(in_protobuf(patched, 200)["data"], json!({"j": "YQ==", "k": "AP8="}));
    let dry = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dry"}});
    let dry = in_protobuf(send(&proto, Method::POST, &format!("{MAPS}?dryRun=All"), &dry).await, 201);
    assert_eq!((&dry["metadata"]["name"], dry["metadata"].get("resourceVersion")), (&json!("dry"), None));
    // Who does not say its kind means that of the path.
    let bare = b"k8s\0\x0a\x00\x12\x08\x0a\x06\x0a\x04bare".as_slice();
    assert_eq!(in_protobuf(proto.send(Method::POST, MAPS, PB, bare).await, 201)["metadata"]["name"], "bare");
}

#[tokio::test]
async fn bodies_that_are_no_messages_are_refused() {
    let world = World::start().await;
    let admin = world.admin().await;
    let prefix = "the object provided is unrecognized (must be of type Namespace): ";
    for (body, message) in [
        (&b"k8s\0junk"[..], "unexpected EOF (6b3873006a756e6b)"),
        (b"junk", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (6a756e6b)"),
        (b"k8s\0", "empty body (6b387300)"),
        (b"", "empty data (<empty>)"),
    ] {
        let reply = admin.send(Method::POST, "/api/v1/namespaces", PB, Bytes::from_static(body)).await.expect(400);
        assert_eq!(reply.reason(), ("BadRequest", format!("{prefix}{message}").as_str()));
    }
    widgets(&admin).await;
    admin.send(Method::POST, WIDGETS, PB, "k8s\0").await.expect(415);
    admin.send(Method::PATCH, &format!("{MAPS}/x"), PB, "k8s\0").await.expect(415);
}

#[tokio::test]
async fn lists_have_pages() {
    let world = World::start().await;
    let admin = world.admin().await;
    for name in ["a", "b", "c"] {
        admin.post(MAPS, json!({"metadata": {"name": name}, "data": {"k": name}})).await.expect(201);
    }
    let proto = asking(&admin, PB);
    let all = in_protobuf(proto.get(MAPS).await, 200);
    assert_eq!(all, admin.get(MAPS).await.expect(200).body);
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    let page = in_protobuf(proto.get(&format!("{MAPS}?limit=2")).await, 200);
    assert_eq!((&page["items"][1]["data"]["k"], &page["metadata"]["remainingItemCount"]), (&json!("b"), &json!(1)));
    let token = page["metadata"]["continue"].as_str().unwrap();
    let rest = in_protobuf(proto.get(&format!("{MAPS}?limit=2&continue={token}")).await, 200);
    assert_eq!(rest["items"][0]["data"]["k"], "c");
    let deleted = in_protobuf(proto.delete(MAPS).await, 200);
    assert_eq!((&deleted["kind"], deleted["items"].as_array().map(Vec::len)), (&json!("ConfigMapList"), Some(3)));
}

#[tokio::test]
async fn errors_are_negotiated_on_their_own() {
    let world = World::start().await;
    let admin = world.admin().await;
    let missing = asking(&admin, PB).get("/api/v1/namespaces/none").await;
    assert_eq!(
        &missing.raw[..],
        b"k8s\0\n\x0c\n\x02v1\x12\x06Status\x12U\n\x06\n\0\x12\0\x1a\0\x12\x07Failure\x1a\x1bnamespaces \"none\" not \
          found\"\x08NotFound*\x18\n\x04none\x12\0\x1a\nnamespaces(\x002\x000\x94\x03\x1a\0\"\0",
    );
    widgets(&admin).await;
    let path = format!("{WIDGETS}/none");
    let both = asking(&admin, &format!("{PB},application/json"));
    assert_eq!(in_protobuf(both.get(&path).await, 404)["reason"], "NotFound");
    let partial = asking(&admin, PARTIAL).get(&path).await.expect(404);
    assert_eq!(content_type(&partial), "application/json");
    assert!(partial.raw.starts_with(b"{\n  \""), "what has no other form is said in indented JSON");
    let stranger = world.user("nobody").await;
    assert_eq!(in_protobuf(asking(&stranger, PB).get("/api/v1/secrets").await, 403)["reason"], "Forbidden");
    assert_eq!(asking(&admin, PB).get("/apis/nope/v1/x").await.raw, "404 page not found\n");
}

#[tokio::test]
async fn what_cannot_be_made_is_not_acceptable() {
    const ALL: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    admin.post(WIDGETS, widget("w", json!({}))).await.expect(201);
    let table = format!("{PB};as=Table;g=meta.k8s.io;v=v1");
    let (space, widget) = ("/api/v1/namespaces/default", format!("{WIDGETS}/w"));
    let only = format!("only the following media types are accepted: {ALL}");
    let restful = format!("406: Not Acceptable\n\nAvailable representations: {ALL}");
    let streams = format!("{restful}, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch");
    let listed = "you requested PartialObjectMetadata, but the requested object is a list";
    let single = "you requested PartialObjectMetadataList, but the requested object is not a list";
    for (path, accept, message) in [
        (space, table.as_str(), only.clone()),
        ("/api/v1/namespaces/none", &table, only.clone()),
        (space, "text/html", restful),
        ("/api/v1/namespaces", "text/html", streams.clone()),
        ("/api/v1/namespaces?watch=1", "text/html", streams),
        (&widget, "text/html", only.clone()),
        (&widget, PB, only.clone()),
        (WIDGETS, PB, only.clone()),
        (WIDGETS, &table, only),
        ("/api/v1/namespaces", PARTIAL, format!("{listed} (*core.NamespaceList)")),
        ("/apis/rbac.authorization.k8s.io/v1/roles", PARTIAL, format!("{listed} (*rbac.RoleList)")),
        (WIDGETS, PARTIAL, format!("{listed} (*unstructured.UnstructuredList)")),
        (space, PARTIAL_LIST, format!("{single} (*core.Namespace)")),
    ] {
        let reply = asking(&admin, accept).get(path).await.expect(406);
        assert_eq!(reply.reason(), ("NotAcceptable", message.as_str()), "{path} {accept}");
    }
    let watch = asking(&admin, "application/yaml").get("/api/v1/namespaces?watch=1").await.expect(406);
    assert!(String::from_utf8_lossy(&watch.raw).contains("application/json;stream=watch,"));
    asking(&admin, PARTIAL_LIST).get(&widget).await.expect(500);
}

#[tokio::test]
async fn metadata_alone_is_shown_of_every_kind() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    admin.post(WIDGETS, widget("w", json!({"size": 1}))).await.expect(201);
    admin.post(MAPS, json!({"metadata": {"name": "m"}, "data": {"k": "v"}})).await.expect(201);
    for (list, name) in [(WIDGETS, "w"), (MAPS, "m")] {
        let path = format!("{list}/{name}");
        let whole = admin.get(&path).await.expect(200).body;
        let found = in_protobuf(asking(&admin, PARTIAL).get(&path).await, 200);
        let want = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": whole["metadata"],
        });
        assert_eq!(found, want);
        let all = in_protobuf(asking(&admin, PARTIAL_LIST).get(list).await, 200);
        assert_eq!(
            (&all["kind"], &all["items"][0]["metadata"]),
            (&json!("PartialObjectMetadataList"), &want["metadata"])
        );
        let beta = PARTIAL.replace("v=v1", "v=v1beta1");
        let beta = in_protobuf(asking(&admin, &beta).get(&path).await, 200);
        assert_eq!(beta["apiVersion"], "meta.k8s.io/v1beta1");
        let mut watch = asking(&admin, PARTIAL).watch(&format!("{list}?watch=1")).await;
        assert_eq!(watch.next_frame().await.unwrap(), ("ADDED".to_owned(), want));
    }
    let json = PARTIAL.replace(PB, "application/json");
    let created = asking(&admin, &json).post(MAPS, json!({"metadata": {"name": "n"}, "data": {"k": "v"}})).await;
    assert_eq!(created.expect(201).body["kind"], "PartialObjectMetadata");
    let review = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let reviewed = asking(&admin, &json).post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review).await;
    assert_eq!(reviewed.expect(201).body["kind"], "PartialObjectMetadata");
    let lists = asking(&admin, &PARTIAL_LIST.replace(PB, "application/json"));
    assert_eq!(lists.delete(MAPS).await.expect(200).names(), ["m", "n"]);
    assert_eq!(lists.delete(MAPS).await.expect(200).body["items"], Value::Null);
}

#[tokio::test]
async fn watches_are_framed() {
    let world = World::start().await;
    let admin = world.admin().await;
    let since = admin.post(MAPS, json!({"metadata": {"name": "a"}})).await.expect(201).version();
    let proto = asking(&admin, PB);
    let ask = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = proto.watch(&format!("{MAPS}?{ask}")).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(proto.watch(&format!("{MAPS}?watch=1&resourceVersion={since}")).await);
    }
    let (kind, object) = watch.next_frame().await.unwrap();
    assert_eq!((kind.as_str(), object), ("ADDED", admin.get(&format!("{MAPS}/a")).await.body));
    let (kind, mark) = watch.next_frame().await.unwrap();
    assert_eq!((kind.as_str(), &mark["kind"]), ("BOOKMARK", &json!("ConfigMap")));
    assert_eq!(mark["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    let changed = admin.merge(&format!("{MAPS}/a"), json!({"data": {"k": "v"}})).await.expect(200).body;
    admin.delete(&format!("{MAPS}/a")).await.expect(200);
    others.push(watch);
    for mut watch in others {
        assert_eq!(watch.next_frame().await.unwrap(), ("MODIFIED".to_owned(), changed.clone()));
        let (kind, gone) = watch.next_frame().await.unwrap();
        assert_eq!((kind.as_str(), &gone["data"]), ("DELETED", &json!({"k": "v"})));
        assert_ne!(gone["metadata"]["resourceVersion"], changed["metadata"]["resourceVersion"]);
    }
    let mut ending = proto.watch(&format!("{MAPS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=1")).await;
    assert_eq!(ending.next_frame().await.unwrap().0, "BOOKMARK");
    assert!(ending.next_frame().await.is_none());
}

#[tokio::test]
async fn what_leaves_a_selection_is_shown_as_it_was() {
    let world = World::start().await;
    let admin = world.admin().await;
    admin.post(MAPS, json!({"metadata": {"name": "a", "labels": {"in": "yes"}}})).await.expect(201);
    let mut watch = asking(&admin, PB).watch(&format!("{MAPS}?watch=1&labelSelector=in%3Dyes")).await;
    assert_eq!(watch.next_frame().await.unwrap().0, "ADDED");
    let left = admin.merge(&format!("{MAPS}/a"), json!({"metadata": {"labels": {"in": "no"}}})).await.version();
    let (kind, gone) = watch.next_frame().await.unwrap();
    assert_eq!((kind.as_str(), &gone["metadata"]["labels"]["in"]), ("DELETED", &json!("yes")));
    assert_eq!(gone["metadata"]["resourceVersion"], left.as_str());
}

#[tokio::test]
async fn a_watch_from_beyond_the_history_ends_with_an_error() {
    let world = World::with_short_history().await;
    let admin = world.admin().await;
    let old = admin.post(MAPS, json!({"metadata": {"name": "a"}})).await.expect(201).version();
    for at in 0..10 {
        admin.merge(&format!("{MAPS}/a"), json!({"data": {"k": at.to_string()}})).await.expect(200);
    }
    for accept in [PB, PARTIAL] {
        let mut watch = asking(&admin, accept).watch(&format!("{MAPS}?watch=1&resourceVersion={old}")).await;
        let (kind, status) = watch.next_frame().await.unwrap();
        assert_eq!((kind.as_str(), &status["kind"], &status["code"]), ("ERROR", &json!("Status"), &json!(410)));
        assert!(watch.next_frame().await.is_none());
    }
    let partial = asking(&admin, &PARTIAL.replace(PB, "application/json"));
    let event = partial.watch(&format!("{MAPS}?watch=1&resourceVersion={old}")).await.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["kind"]), (&json!("ERROR"), &json!("Status")));
}

#[tokio::test]
async fn subresources_and_reviews_speak_it_too() {
    let world = World::start().await;
    let admin = world.admin().await;
    let proto = asking(&admin, PB);
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": spec});
    let deployment = json!({"metadata": {"name": "d"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}});
    admin.post(deployments, deployment).await.expect(201);
    let mut scale = in_protobuf(proto.get(&format!("{deployments}/d/scale")).await, 200);
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(2)));
    scale["spec"]["replicas"] = json!(0);
    let scaled = in_protobuf(send(&proto, Method::PUT, &format!("{deployments}/d/scale"), &scale).await, 200);
    assert_eq!(scaled["spec"], json!({}));
    assert_eq!(admin.get(&format!("{deployments}/d")).await.body["spec"]["replicas"], 0);

    admin.post(PODS, json!({"metadata": {"name": "p"}, "spec": spec})).await.expect(201);
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"},
    });
    let bound = in_protobuf(send(&proto, Method::POST, &format!("{PODS}/p/binding"), &binding).await, 201);
    assert_eq!((&bound["kind"], &bound["status"]), (&json!("Status"), &json!("Success")));
    let mut pod = in_protobuf(proto.get(&format!("{PODS}/p")).await, 200);
    pod["status"] = json!({"phase": "Running", "startTime": "2026-01-02T03:04:05Z"});
    let pod = in_protobuf(send(&proto, Method::PUT, &format!("{PODS}/p/status"), &pod).await, 200);
    assert_eq!(pod["status"]["startTime"], "2026-01-02T03:04:05Z");
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"},
        "deleteOptions": {"gracePeriodSeconds": 0},
    });
    let evicted = in_protobuf(send(&proto, Method::POST, &format!("{PODS}/p/eviction"), &eviction).await, 201);
    assert_eq!(evicted["status"], "Success");
    admin.until_gone(&format!("{PODS}/p")).await;

    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": ["a"], "expirationSeconds": 3600},
    });
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let token = in_protobuf(send(&proto, Method::POST, path, &request).await, 201);
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": {"token": token["status"]["token"], "audiences": ["a"]},
    });
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let review = in_protobuf(send(&proto, Method::POST, path, &review).await, 201);
    assert_eq!(review["status"]["user"]["username"], "system:serviceaccount:default:default");
    assert!(review["status"]["user"]["extra"]["authentication.kubernetes.io/credential-id"].is_array());
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "u", "groups": ["g"], "extra": {"k": ["1", "2"]},
            "resourceAttributes": {"verb": "get", "resource": "pods"}},
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let review = in_protobuf(send(&proto, Method::POST, path, &review).await, 201);
    assert_eq!((&review["status"]["allowed"], &review["spec"]["extra"]["k"]), (&json!(false), &json!(["1", "2"])));
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    assert_eq!(in_protobuf(proto.post(path, json!({})).await, 201)["status"]["userInfo"]["username"], "admin");
}

#[tokio::test]
async fn deletions_take_options_and_answer() {
    let world = World::start().await;
    let admin = world.admin().await;
    let proto = asking(&admin, PB);
    admin.post(MAPS, json!({"metadata": {"name": "a", "finalizers": ["x/y"]}})).await.expect(201);
    let map = admin.post(MAPS, json!({"metadata": {"name": "b"}})).await.expect(201).body;
    let options = |uid: &str| json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}, "propagationPolicy": "Background"});
    let refused = send(&proto, Method::DELETE, &format!("{MAPS}/b"), &options("other")).await;
    assert_eq!(in_protobuf(refused, 409)["reason"], "Conflict");
    let uid = map["metadata"]["uid"].as_str().unwrap();
    let gone = in_protobuf(send(&proto, Method::DELETE, &format!("{MAPS}/b"), &options(uid)).await, 200);
    assert_eq!((&gone["status"], &gone["details"]["uid"]), (&json!("Success"), &json!(uid)));
    let pending = in_protobuf(proto.delete(&format!("{MAPS}/a")).await, 200);
    assert!(pending["metadata"]["deletionTimestamp"].is_string());
}

#[tokio::test]
async fn definitions_are_written_and_read() {
    let world = World::start().await;
    let admin = world.admin().await;
    let mut definition = crate::definitions::definition();
    let root = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    root["properties"]["more"] = json!({"type": "object", "additionalProperties": {"type": "array", "items": {
        "type": "string", "enum": ["a", "b"], "default": "a"}}});
    let proto = asking(&admin, PB);
    let made = in_protobuf(send(&proto, Method::POST, crate::definitions::DEFINITIONS, &definition).await, 201);
    let versions = &made["spec"]["versions"];
    assert_eq!(versions[0]["schema"], definition["spec"]["versions"][0]["schema"]);
    let path = format!("{}/widgets.example.test", crate::definitions::DEFINITIONS);
    let established = |reply: &Reply| reply.body["status"]["conditions"].as_array().is_some_and(|all| all.len() > 1);
    let json = admin.until(&path, established).await.body;
    assert_eq!(in_protobuf(proto.get(&path).await, 200), json);
}

#[tokio::test]
async fn discovery_has_protobuf_and_yaml() {
    let world = World::start().await;
    let admin = world.admin().await;
    for path in ["/api", "/apis", "/apis/apps", "/api/v1", "/apis/apps/v1"] {
        let json = admin.get(path).await.expect(200).body;
        let reply = asking(&admin, PB).get(path).await;
        assert_eq!(content_type(&reply), PB);
        let kind = wire::decode(&reply.raw, None).unwrap();
        assert_eq!((&kind["kind"], reply.code), (&json["kind"], 200), "{path}");
        assert_eq!(content_type(&asking(&admin, "application/yaml").get(path).await), "application/yaml");
    }
    let aggregated = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    for path in ["/api", "/apis"] {
        let json = asking(&admin, &format!("application/json{aggregated}")).get(path).await.expect(200).body;
        let reply = asking(&admin, &format!("{PB}{aggregated},application/json")).get(path).await;
        assert_eq!(content_type(&reply), format!("{PB}{aggregated}"));
        assert_eq!(reply.body["items"].as_array().unwrap().len(), json["items"].as_array().unwrap().len());
        let verbs = "/items/0/versions/0/resources/0/verbs";
        assert_eq!(reply.body.pointer(verbs), json.pointer(verbs));
    }
    let version = asking(&admin, PB).get("/version").await;
    let message = "406: Not Acceptable\n\nAvailable representations: application/json";
    assert_eq!(in_protobuf(version, 406)["message"], message);
    asking(&admin, "text/html").get("/api").await.expect(406);
    asking(&admin, PB).get("/").await.expect(200);
}

/// A pod of this server in the bytes that a kube-apiserver made of the same JSON.
#[tokio::test]
async fn bytes_are_those_of_kube_apiserver() {
    let world = World::start().await;
    let admin = world.admin().await;
    let dry = json!({"metadata": {"name": "x"}});
    let reply = asking(&admin, PB).post(&format!("{MAPS}?dryRun=All"), dry).await.expect(201);
    let uid = reply.body["metadata"]["uid"].as_str().unwrap().to_owned();
    let created = reply.body["metadata"]["creationTimestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let recorded = "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEkYKRAoBeBIAGgdkZWZhdWx0IgAqJDBmNjRiZDJkLTA1NzYtNDIxNS1hY2ZlLTNhYWE5\
         ZTc0ZTUxNjIAOABCCAiI2o7YBhAAGgAiAA==";
    let mut want = base64::prelude::BASE64_STANDARD.decode(recorded).unwrap();
    let old = b"0f64bd2d-0576-4215-acfe-3aaa9e74e516";
    let at = want.windows(old.len()).position(|window| window == old).unwrap();
    want[at..at + old.len()].copy_from_slice(uid.as_bytes());
    let mut seconds = u64::try_from(created.as_second()).unwrap();
    let at = want.windows(5).position(|window| window == b"\x88\xda\x8e\xd8\x06").unwrap();
    for place in &mut want[at..at + 5] {
        *place = u8::try_from(seconds & 0x7f).unwrap() | 0x80;
        seconds >>= 7;
    }
    want[at + 4] &= 0x7f;
    assert_eq!(reply.raw.escape_ascii().to_string(), want.escape_ascii().to_string());
}

#[tokio::test]
async fn openapi_has_a_protobuf_of_its_own() {
    let world = World::start().await;
    let admin = world.admin().await;
    for (path, version, head) in [
        ("/openapi/v2", "v2", &b"\n\x032.0\x12\x12\n\nKubernetes\x12\x041.36"[..]),
        ("/openapi/v3/apis/apps/v1", "v3", b"\n\x053.0.0\x12\x12\n\nKubernetes2\x041.36"),
    ] {
        let name = format!("application/com.github.proto-openapi.spec.{version}.v1.0+protobuf");
        let old = format!("application/com.github.proto-openapi.spec.{version}@v1.0+protobuf");
        let json = admin.get(path).await.expect(200);
        for accept in [&name, &old, &format!("text/html,{old},application/json")] {
            let reply = asking(&admin, accept).get(path).await.expect(200);
            assert_eq!(content_type(&reply), name, "{accept}");
            assert!(reply.raw.starts_with(head), "{}", reply.raw[..60].escape_ascii());
            assert_eq!(reply.headers.get("etag"), json.headers.get("etag"));
        }
        for accept in ["*/*", "application/*", "text/html,application/json;q=0.2"] {
            assert_eq!(content_type(&asking(&admin, accept).get(path).await.expect(200)), "application/json");
        }
        for accept in ["text/html", PB, "application/com.github.proto-openapi.spec.v4@v1.0+protobuf"] {
            assert!(asking(&admin, accept).get(path).await.expect(406).raw.is_empty());
        }
    }
    // The index is JSON whatever is asked for.
    asking(&admin, PB).get("/openapi/v3").await.expect(200);
}
