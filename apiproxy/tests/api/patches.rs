//! JSON Patch, merge patch, strategic merge patch.

use http::Method;
use serde_json::{Value, json};

use crate::definitions::{WIDGETS, widget, widgets};
use crate::world::World;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn deployment() -> Value {
    json!({"metadata": {"name": "d"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
            {"name": "one", "image": "i:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "two", "image": "i:2"},
        ]}},
    }})
}

#[tokio::test]
async fn patch_types_change_what_they_say() {
    let world = World::start().await;
    let admin = world.admin().await;
    let path = format!("{MAPS}/a");
    let start = json!({"metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}});
    admin.post(MAPS, start).await.expect(201);
    for (kind, patch, want) in [
        ("merge-patch+json", json!({"data": {"x": null, "z": "3"}}), json!({"y": "2", "z": "3"})),
        (
            "json-patch+json",
            json!([{"op": "add", "path": "/data/x", "value": "1"}]),
            json!({"x": "1", "y": "2", "z": "3"}),
        ),
        (
            "json-patch+json",
            json!([{"op": "move", "from": "/data/x", "path": "/data/w"}]),
            json!({"w": "1", "y": "2", "z": "3"}),
        ),
        ("json-patch+json", json!([{"op": "remove", "path": "/data/w"}]), json!({"y": "2", "z": "3"})),
        ("strategic-merge-patch+json", json!({"data": {"y": null}}), json!({"z": "3"})),
        ("strategic-merge-patch+json", json!({"data": {"$patch": "replace", "q": "1"}}), json!({"q": "1"})),
        ("merge-patch+json", json!({}), json!({"q": "1"})),
    ] {
        let reply = admin.patch(kind, &path, patch.clone()).await.expect(200);
        assert_eq!(reply.body["data"], want, "{kind} {patch}");
    }
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    admin.post(deployments, deployment()).await.expect(201);
    let patch = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "one", "env": [{"name": "B", "$patch": "delete"}, {"name": "C", "value": "3"}]},
        {"name": "three", "image": "i:3"},
    ]}}}});
    let reply = admin.patch("strategic-merge-patch+json", &format!("{deployments}/d"), patch).await.expect(200);
    let containers = &reply.body["spec"]["template"]["spec"]["containers"];
    let names: Vec<&str> = containers.as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{names:?}");
    let one = containers.as_array().unwrap().iter().find(|c| c["name"] == "one").unwrap();
    assert_eq!(one["image"], "i:1");
    let mut env: Vec<&str> = one["env"].as_array().unwrap().iter().filter_map(|e| e["name"].as_str()).collect();
    env.sort_unstable();
    assert_eq!(env, ["A", "C"]);
    assert_eq!(reply.body["metadata"]["generation"], 2);
}

#[tokio::test]
async fn patches_that_cannot_be_are_refused() {
    let world = World::start().await;
    let admin = world.admin().await;
    widgets(&admin).await;
    admin.post(WIDGETS, widget("w", json!({}))).await.expect(201);
    admin.post(MAPS, json!({"metadata": {"name": "a"}, "data": {"x": "1"}})).await.expect(201);
    let map = format!("{MAPS}/a");
    let custom = format!("{WIDGETS}/w");
    let none = format!("{MAPS}/none");
    let add = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
    for (kind, path, patch, code) in [
        ("json-patch+json", &map, json!([{"op": "test", "path": "/data/x", "value": "2"}]), 422),
        ("json-patch+json", &map, json!([{"op": "remove", "path": "/data/none"}]), 422),
        ("json-patch+json", &map, json!([{"op": "odd", "path": "/data/x"}]), 422),
        ("json-patch+json", &map, json!({"a": 1}), 400),
        ("json-patch+json", &map, add("", json!(1)), 422),
        ("json-patch+json", &map, add("/metadata", json!("x")), 422),
        ("json-patch+json", &map, add("/kind", json!("Pod")), 400),
        ("json-patch+json", &map, add("/metadata/name", json!("other")), 400),
        ("merge-patch+json", &map, json!([1]), 400),
        ("merge-patch+json", &map, json!({"data": {"x": 1}}), 400),
        ("merge-patch+json", &map, json!({"metadata": {"resourceVersion": "1"}}), 409),
        ("merge-patch+json", &map, json!({"metadata": {"uid": "x"}}), 422),
        ("strategic-merge-patch+json", &map, json!({"data": {"$patch": "odd"}}), 500),
        ("strategic-merge-patch+json", &custom, json!({"spec": {"size": 1}}), 415),
        ("json", &map, json!({}), 415),
        ("merge-patch+json", &none, json!({}), 404),
        ("merge-patch+json", &custom, json!({"spec": {"size": "x"}}), 422),
        ("merge-patch+json", &custom, json!({"metadata": {"labels": "x"}}), 400),
    ] {
        let reply = admin.patch(kind, path, patch.clone()).await;
        let fits = reply.code == code || (code == 422 && reply.code == 400);
        assert!(fits, "{kind} {path} {patch}: {} {}", reply.code, reply.body);
        assert_eq!(reply.body["kind"], "Status");
    }
    let broken = admin.send(Method::PATCH, &map, "application/merge-patch+json", "{").await.expect(400);
    assert_eq!(broken.reason().0, "BadRequest");
    let forced = admin.merge(&format!("{map}?force=true"), json!({})).await.expect(422);
    assert!(forced.reason().1.contains("may not be specified for non-apply patch"));
    assert_eq!(admin.get(&map).await.body["data"], json!({"x": "1"}), "nothing of all that was stored");
}

#[tokio::test]
async fn system_fields_are_not_patched() {
    let world = World::start().await;
    let admin = world.admin().await;
    let made = admin.post(MAPS, json!({"metadata": {"name": "a"}})).await.expect(201);
    let patch = json!({"metadata": {
        "creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": "2001-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 3, "selfLink": "/x", "uid": null, "generateName": null,
    }});
    let reply = admin.merge(&format!("{MAPS}/a"), patch).await.expect(200);
    for key in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "uid"] {
        assert_eq!(reply.body["metadata"][key], made.body["metadata"][key], "{key}");
    }
}
