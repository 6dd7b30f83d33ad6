//! Ownership after creates, updates and patches.

use serde_json::json;

use super::*;

fn tracked(old: Option<&Value>, new: &Value, name: &str, now: &str) -> Value {
    let mut new = new.clone();
    let schema = widget();
    track(schema.node(), old, &mut new, &manager(name, Operation::Update), now, Reset::NOTHING);
    if new["metadata"]["uid"].is_null() {
        new["metadata"]["uid"] = json!("u");
    }
    new
}

fn created(spec: Value, name: &str) -> Value {
    tracked(None, &config(spec), name, NOW)
}

fn edited(old: &Value, pointer: &str, value: Value) -> Value {
    let mut new = old.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    new.pointer_mut(parent).unwrap()[name] = value;
    new
}

fn entry<'v>(object: &'v Value, name: &str) -> &'v Value {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    entries.iter().find(|entry| entry["manager"] == name).unwrap()
}

#[test]
fn a_creator_owns_everything_but_identity() {
    let mut new = config(json!({"containers": [{"name": "web", "image": "i"}], "args": ["a"], "selector": {"a": "b"}}));
    new["metadata"]["labels"] = json!({"app": "web"});
    let got = tracked(None, &new, "kubectl-create", NOW);
    assert_eq!(
        got["metadata"]["managedFields"],
        json!([{
            "manager": "kubectl-create", "operation": "Update", "apiVersion": "example.com/v1", "time": NOW,
            "fieldsType": "FieldsV1", "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {"f:args": {}, "f:selector": {}, "f:containers": {".": {}, "k:{\"name\":\"web\"}": {
                    ".": {}, "f:name": {}, "f:image": {}, "f:resources": {}}}},
            },
        }])
    );
}

#[test]
fn changed_fields_change_hands() {
    let old = created(json!({"image": "a", "replicas": 1, "paused": true}), "one");
    let mut new = edited(&old, "/spec/image", json!("b"));
    new["spec"].as_object_mut().unwrap().remove("paused");
    let got = tracked(Some(&old), &new, "two", LATER);
    assert_eq!(owned(&got, "one"), [".spec.replicas"]);
    assert_eq!(owned(&got, "two"), [".spec.image"]);
    assert_eq!(entry(&got, "one")["time"], NOW);
    assert_eq!(entry(&got, "two")["time"], LATER);
}

#[test]
fn an_update_without_change_is_no_change() {
    let old = created(json!({"image": "a"}), "one");
    assert_eq!(tracked(Some(&old), &old, "one", LATER), old);
    assert_eq!(tracked(Some(&old), &old, "two", LATER), old);
    let gone = edited(&old, "/spec", json!({}));
    let got = tracked(Some(&old), &gone, "two", LATER);
    assert_eq!(got["metadata"].get("managedFields"), None);
}

#[test]
fn what_clients_send_counts() {
    let old = created(json!({"image": "a"}), "one");
    let with = |entries: Value| edited(&edited(&old, "/metadata/managedFields", entries), "/spec/image", json!("b"));
    // None, null and what cannot be read: the stored entries stay.
    for entries in [
        Value::Null,
        json!([{"manager": "x"}]),
        json!([{"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"x": 1}}]),
        json!("text"),
    ] {
        let got = tracked(Some(&old), &with(entries), "two", LATER);
        assert_eq!(owned(&got, "two"), [".spec.image"]);
        assert_eq!(got["metadata"]["managedFields"].as_array().unwrap().len(), 1, "{got}");
    }
    // Resets: the object is not tracked any more.
    for entries in [json!([]), json!([{}])] {
        let got = tracked(Some(&old), &with(entries), "two", LATER);
        assert_eq!(got["metadata"].get("managedFields"), None);
        assert_eq!(
            tracked(Some(&got), &edited(&got, "/spec/image", json!("c")), "two", LATER)["metadata"]
                .get("managedFields"),
            None
        );
    }
    // Entries that can be read are taken as sent.
    let sent = json!([{"manager": "x", "operation": "Apply", "apiVersion": "example.com/v1", "time": NOW, "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    let got = tracked(Some(&old), &with(sent), "two", LATER);
    assert_eq!((owned(&got, "one"), owned(&got, "x")), (vec![], vec![".spec.replicas".to_owned()]));
    // Through a subresource nothing can be sent.
    let schema = widget();
    let mut new = edited(&with(json!([])), "/status", json!({"replicas": 1}));
    let status = Manager { subresource: "status".to_owned(), ..manager("kubelet", Operation::Update) };
    track(schema.node(), Some(&old), &mut new, &status, LATER, Reset::AllBut(&["status"]));
    assert_eq!(owned(&new, "one"), [".spec.image"]);
    assert_eq!(owned(&new, "kubelet"), [".status", ".status.replicas"]);
}

#[test]
fn at_most_ten_updaters_are_remembered() {
    let mut object = created(json!({"set": ["start"]}), "creator");
    for n in 0..20 {
        let mut new = object.clone();
        new["spec"]["set"].as_array_mut().unwrap().push(json!(n.to_string()));
        object = tracked(Some(&object), &new, &format!("m{n}"), &format!("2026-02-01T00:00:{n:02}Z"));
        assert!(object["metadata"]["managedFields"].as_array().unwrap().len() <= 10);
    }
    let ancient = owned(&object, "ancient-changes");
    assert_eq!(ancient.len(), 13, "{ancient:?}");
    assert_eq!(entry(&object, "ancient-changes")["time"], "2026-02-01T00:00:10Z");
    assert_eq!(owned(&object, "m19"), [".spec.set[=\"19\"]"]);
}

#[test]
fn appliers_come_first_then_the_oldest() {
    let object = created(json!({"image": "a"}), "z");
    let object = tracked(Some(&object), &edited(&object, "/spec/replicas", json!(1)), "a", LATER);
    let object = applied_with(Some(&object), &config(json!({"paused": true})), "m", false, LATER).unwrap();
    let names: Vec<&str> = object["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["manager"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["m", "z", "a"]);
}

#[test]
fn repeated_items_are_owned_together() {
    let object = created(json!({"containers": [{"name": "a", "image": "1"}, {"name": "a", "image": "2"}]}), "one");
    assert_eq!(owned(&object, "one"), [".spec.containers", ".spec.containers[name=\"a\"]"]);
    let same = tracked(Some(&object), &object, "two", LATER);
    assert_eq!(same, object);
    let single = edited(&object, "/spec/containers", json!([{"name": "a", "image": "1"}]));
    let got = tracked(Some(&object), &single, "two", LATER);
    assert!(owned(&got, "two").contains(&".spec.containers[name=\"a\"].image".to_owned()));
}

#[test]
fn times_alone_are_no_change() {
    let old = created(json!({"image": "a"}), "one");
    let mut new = old.clone();
    new["metadata"]["managedFields"][0]["time"] = json!(LATER);
    let mut kept = new.clone();
    keep_times(&old, &mut kept);
    assert_eq!(kept, old);
    let mut changed = edited(&new, "/spec/image", json!("b"));
    let before = changed.clone();
    keep_times(&old, &mut changed);
    assert_eq!(changed, before);
}
