//! Custom resources, from definition to the end of both.

use serde_json::{Value, json};

use crate::client::Client;
use crate::world::World;

pub(crate) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub(crate) const WIDGETS: &str = "/apis/example.test/v1/namespaces/default/widgets";

/// A definition of widgets: two versions, status and scale, a default, a rule of its own, a column.
pub(crate) fn definition() -> Value {
    let size = json!({"type": "integer", "minimum": 0, "maximum": 100});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "size": size, "mode": {"type": "string", "default": "plain", "enum": ["plain", "fancy"]},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {
                    "name": {"type": "string"}, "count": {"type": "integer"},
                }}},
        }},
        "status": {"type": "object", "properties": {"size": {"type": "integer"}, "selector": {"type": "string"}}},
    }}});
    let subresources = json!({"status": {}, "scale": {
        "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector",
    }});
    let columns = json!([{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]);
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage, "schema": schema, "subresources": subresources,
            "additionalPrinterColumns": columns,
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.test"},
        "spec": {
            "group": "example.test", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList",
                "shortNames": ["wd"], "categories": ["all"]},
            "versions": [version("v1", true), version("v1beta1", false)],
        },
    })
}

/// Defines widgets; they are served when this returns.
pub(crate) async fn widgets(admin: &Client) {
    admin.post(DEFINITIONS, definition()).await.expect(201);
    admin.until(WIDGETS, |reply| reply.code == 200).await;
}

/// A widget.
#[expect(clippy::needless_pass_by_value, reason = "callers pass literals")]
pub(crate) fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.test/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test]
async fn a_definition_is_established_served_and_discovered() {
    let world = World::start().await;
    let admin = world.admin().await;
    assert_eq!(admin.get(WIDGETS).await.code, 404);
    let made = admin.post(DEFINITIONS, definition()).await.expect(201);
    let path = format!("{DEFINITIONS}/widgets.example.test");
    let established = |value: &Value| {
        let conditions = value["status"]["conditions"].as_array().cloned().unwrap_or_default();
        ["NamesAccepted", "Established"]
            .iter()
            .all(|kind| conditions.iter().any(|c| c["type"] == **kind && c["status"] == "True"))
    };
    let served = admin.until(&path, |reply| established(&reply.body)).await;
    assert_eq!(served.body["status"]["acceptedNames"], made.body["spec"]["names"]);
    assert_eq!(served.body["status"]["storedVersions"], json!(["v1"]));
    admin.get(WIDGETS).await.expect(200);
    let found = admin.get("/apis/example.test/v1").await.expect(200);
    let names: Vec<&str> =
        found.body["resources"].as_array().unwrap().iter().filter_map(|r| r["name"].as_str()).collect();
    assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
    let group = admin.get("/apis/example.test").await.expect(200);
    assert_eq!(group.body["preferredVersion"]["version"], "v1");
    let groups = admin.get("/apis").await.expect(200);
    assert!(groups.body["groups"].as_array().unwrap().iter().any(|group| group["name"] == "example.test"));
}

#[tokio::test]
async fn objects_are_pruned_defaulted_and_judged_by_their_schema() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    let made = admin.post(WIDGETS, widget("a", json!({"size": 1, "bogus": 1, "free": {"x": [1]}}))).await.expect(201);
    assert_eq!(made.body["spec"], json!({"size": 1, "mode": "plain", "free": {"x": [1]}}));
    assert!(
        made.warnings().iter().any(|text| text.contains("unknown field \\\"spec.bogus\\\"")),
        "{:?}",
        made.warnings()
    );
    assert_eq!(made.body["metadata"]["generation"], 1);
    for (spec, part) in [
        (json!({"size": 101}), "spec.size in body should be less than or equal to 100"),
        (json!({"size": "x"}), "must be of type integer"),
        (json!({"mode": "odd"}), "Unsupported value: \"odd\""),
        (json!({"parts": [{"count": 1}]}), "spec.parts[0].name: Required value"),
        (json!({"parts": [{"name": "a"}, {"name": "a"}]}), "Duplicate value"),
    ] {
        let refused = admin.post(WIDGETS, widget("bad", spec.clone())).await.expect(422);
        assert!(refused.reason().1.contains(part), "{spec}: {}", refused.reason().1);
    }
    let nameless = admin.post(WIDGETS, json!({"metadata": {"name": "x"}})).await.expect(400);
    assert!(nameless.reason().1.contains("Object 'Kind' is missing"));
}

#[tokio::test]
async fn versions_show_the_same_object() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    admin.post(WIDGETS, widget("a", json!({"size": 1}))).await.expect(201);
    let other = WIDGETS.replace("/v1/", "/v1beta1/");
    let read = admin.get(&format!("{other}/a")).await.expect(200);
    assert_eq!(read.body["apiVersion"], "example.test/v1beta1");
    let changed = admin.merge(&format!("{other}/a"), json!({"spec": {"size": 5}})).await.expect(200);
    assert_eq!(changed.body["apiVersion"], "example.test/v1beta1");
    let read = admin.get(&format!("{WIDGETS}/a")).await.expect(200);
    assert_eq!((&read.body["apiVersion"], &read.body["spec"]["size"]), (&json!("example.test/v1"), &json!(5)));
    let list = admin.get(&other).await.expect(200);
    assert_eq!(list.body["apiVersion"], "example.test/v1beta1");
    assert_eq!(list.body["items"][0]["apiVersion"], "example.test/v1beta1");
    let mut watch = admin.watch(&format!("{other}?watch=1&resourceVersion=0")).await;
    assert_eq!(watch.next().await.unwrap()["object"]["apiVersion"], "example.test/v1beta1");
    // A version that is no longer served is gone; the other one stays.
    let path = format!("{DEFINITIONS}/widgets.example.test");
    let change = json!([{"op": "replace", "path": "/spec/versions/1/served", "value": false}]);
    admin.patch("json-patch+json", &path, change).await.expect(200);
    admin.until_gone(&format!("{other}/a")).await;
    admin.get(&format!("{WIDGETS}/a")).await.expect(200);
}

#[tokio::test]
async fn status_and_scale_are_apart_from_the_rest() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    let mut body = widget("a", json!({"size": 1}));
    body["status"] = json!({"size": 9});
    let made = admin.post(WIDGETS, body).await.expect(201);
    assert!(made.body["status"].is_null(), "status is not set on create");
    let path = format!("{WIDGETS}/a");
    let change = json!({"spec": {"size": 7}, "status": {"size": 3, "selector": "a=b"}});
    let status = admin.merge(&format!("{path}/status"), change.clone()).await.expect(200);
    assert_eq!((&status.body["spec"]["size"], &status.body["status"]["size"]), (&json!(1), &json!(3)));
    assert_eq!(status.body["metadata"]["generation"], 1);
    let main = admin.merge(&path, json!({"spec": {"size": 7}, "status": {"size": 4}})).await.expect(200);
    assert_eq!((&main.body["spec"]["size"], &main.body["status"]["size"]), (&json!(7), &json!(3)));
    assert_eq!(main.body["metadata"]["generation"], 2);
    let scale = admin.get(&format!("{path}/scale")).await.expect(200);
    assert_eq!(scale.body["kind"], "Scale");
    assert_eq!(scale.body["spec"]["replicas"], 7);
    assert_eq!(scale.body["status"], json!({"replicas": 3, "selector": "a=b"}));
    let scaled = admin.merge(&format!("{path}/scale"), json!({"spec": {"replicas": 9}})).await.expect(200);
    assert_eq!(scaled.body["spec"]["replicas"], 9);
    assert_eq!(admin.get(&path).await.body["spec"]["size"], 9);
    let beyond = admin.merge(&format!("{path}/scale"), json!({"spec": {"replicas": 900}})).await;
    assert_eq!(beyond.code, 422, "the schema of the resource holds for its scale: {}", beyond.body);
}

#[tokio::test]
async fn a_definition_takes_its_objects_with_it() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    admin.post(WIDGETS, widget("plain", json!({}))).await.expect(201);
    let mut held = widget("held", json!({}));
    held["metadata"]["finalizers"] = json!(["example.test/hold"]);
    admin.post(WIDGETS, held).await.expect(201);
    let path = format!("{DEFINITIONS}/widgets.example.test");
    admin.delete(&path).await.expect(200);
    let waiting = admin.get(&path).await.expect(200);
    assert!(waiting.body["metadata"]["deletionTimestamp"].is_string());
    let held = admin.until(&format!("{WIDGETS}/held"), |r| r.body["metadata"]["deletionTimestamp"].is_string()).await;
    admin.until_gone(&format!("{WIDGETS}/plain")).await;
    let name = held.body["metadata"]["name"].as_str().unwrap();
    admin.merge(&format!("{WIDGETS}/{name}"), json!({"metadata": {"finalizers": null}})).await.expect(200);
    admin.until_gone(&path).await;
    admin.until_gone(WIDGETS).await;
    // Nothing of the old ones is left when the same definition comes again.
    admin.post(DEFINITIONS, definition()).await.expect(201);
    let list = admin.until(WIDGETS, |reply| reply.code == 200).await;
    assert!(list.names().is_empty(), "{:?}", list.names());
}

#[tokio::test]
async fn bad_definitions_are_refused_and_taken_names_are_reported() {
    let world = World::start().await;
    let admin = world.admin().await;
    let with = |path: &str, value: Value| {
        let mut definition = definition();
        *definition.pointer_mut(path).unwrap() = value;
        definition
    };
    for (bad, part) in [
        (with("/metadata/name", json!("other.example.test")), "must be spec.names.plural+\".\"+spec.group"),
        (with("/spec/scope", json!("Galaxy")), "spec.scope: Unsupported value"),
        (with("/spec/versions/1/storage", json!(true)), "must have exactly one version marked as storage version"),
        (with("/spec/versions/0/schema", json!({})), "spec.versions[0].schema.openAPIV3Schema: Required value"),
        (with("/spec/versions", json!([])), "spec.versions"),
    ] {
        let refused = admin.post(DEFINITIONS, bad).await.expect(422);
        assert!(refused.reason().1.contains(part), "{part}: {}", refused.reason().1);
    }
    widgets(&admin).await;
    let mut rival = definition();
    rival["metadata"]["name"] = json!("gadgets.example.test");
    rival["spec"]["names"] = json!({"plural": "gadgets", "singular": "gadget", "kind": "Widget", "listKind": "GList"});
    let made = admin.post(DEFINITIONS, rival).await.expect(201);
    let conditions = made.body["status"]["conditions"].as_array().unwrap();
    let accepted = conditions.iter().find(|c| c["type"] == "NamesAccepted").unwrap();
    assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("KindConflict")));
    assert_eq!(admin.get("/apis/example.test/v1/namespaces/default/gadgets").await.code, 404);
}
