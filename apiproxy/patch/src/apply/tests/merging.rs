//! What applying does to objects, and when it conflicts.

use serde_json::json;

use super::*;

#[track_caller]
fn conflicts(result: Result<Value, ApplyError>) -> Vec<(String, String)> {
    match result {
        Err(ApplyError::Conflict(conflicts)) => {
            conflicts.into_iter().map(|conflict| (conflict.message(), conflict.field)).collect()
        }
        other => panic!("no conflict: {other:?}"),
    }
}

#[test]
fn a_new_object_is_the_configuration() {
    let got = applied(None, json!({"image": "a", "set": ["x"]}), "one").unwrap();
    assert_eq!(got["spec"], json!({"image": "a", "set": ["x"]}));
    assert_eq!(
        got["metadata"]["managedFields"],
        json!([{
            "manager": "one", "operation": "Apply", "apiVersion": "example.com/v1", "time": NOW,
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:image": {}, "f:set": {"v:\"x\"": {}}}},
        }])
    );
}

#[test]
fn another_value_conflicts_unless_forced() {
    let live = applied(None, json!({"image": "a", "replicas": 1}), "one").unwrap();
    let change = json!({"image": "b", "replicas": 2});
    let error = applied(Some(&live), change.clone(), "two").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .spec.image\n- .spec.replicas"
    );
    assert_eq!(
        conflicts(Err(error)),
        [
            ("conflict with \"one\"".to_owned(), ".spec.image".to_owned()),
            ("conflict with \"one\"".to_owned(), ".spec.replicas".to_owned())
        ]
    );
    let got = forced(Some(&live), change, "two");
    assert_eq!(got["spec"], json!({"image": "b", "replicas": 2}));
    assert_eq!(owned(&got, "one"), Vec::<String>::new());
    assert_eq!(owned(&got, "two"), [".spec.image", ".spec.replicas"]);
}

#[test]
fn the_same_value_is_shared() {
    let live = applied(None, json!({"image": "a", "replicas": 1}), "one").unwrap();
    let live = applied(Some(&live), json!({"image": "a"}), "two").unwrap();
    assert_eq!(owned(&live, "one"), [".spec.image", ".spec.replicas"]);
    assert_eq!(owned(&live, "two"), [".spec.image"]);
    // A shared field stays when one owner lets go of it, and goes with the last.
    let live = applied(Some(&live), json!({"replicas": 1}), "one").unwrap();
    assert_eq!(live["spec"], json!({"image": "a", "replicas": 1}));
    let live = applied_with(
        Some(&live),
        &json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}),
        "two",
        false,
        NOW,
    )
    .unwrap();
    assert_eq!(live["spec"], json!({"replicas": 1}));
    assert_eq!(live["metadata"]["managedFields"].as_array().unwrap().len(), 1);
}

#[test]
fn updaters_conflict_with_their_version() {
    let mut live = config(json!({"image": "a", "containers": [{"name": "web", "image": "i"}]}));
    let schema = widget();
    track(schema.node(), None, &mut live, &manager("kubectl-create", Operation::Update), NOW, Reset::NOTHING);
    let change = json!({"containers": [{"name": "web", "image": "j"}]});
    let error = applied(Some(&live), change, "one").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"kubectl-create\" using example.com/v1: \
         .spec.containers[name=\"web\"].image"
    );
}

#[test]
fn lists_by_key_merge_in_the_configurations_order() {
    let live = applied(None, json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}), "one").unwrap();
    let live =
        applied(Some(&live), json!({"containers": [{"name": "c"}, {"name": "x"}, {"name": "a"}]}), "two").unwrap();
    let names: Vec<&str> =
        live["spec"]["containers"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["b", "c", "x", "a"]);
    let live = applied(Some(&live), json!({"containers": [{"name": "a"}]}), "one").unwrap();
    let names: Vec<&str> =
        live["spec"]["containers"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c", "x", "a"]);
}

#[test]
fn missing_keys_take_their_default() {
    let live = applied(None, json!({"ports": [{"port": 80}]}), "one").unwrap();
    assert_eq!(
        owned(&live, "one"),
        [".spec.ports[port=80,protocol=\"TCP\"]", ".spec.ports[port=80,protocol=\"TCP\"].port"]
    );
    let live =
        applied(Some(&live), json!({"ports": [{"port": 80, "protocol": "TCP", "name": "http"}]}), "two").unwrap();
    assert_eq!(live["spec"]["ports"], json!([{"port": 80, "protocol": "TCP", "name": "http"}]));
    let live = applied(Some(&live), json!({"ports": [{"port": 80, "protocol": "UDP"}]}), "three").unwrap();
    assert_eq!(live["spec"]["ports"].as_array().unwrap().len(), 2);
}

#[test]
fn sets_atomic_lists_and_atomic_maps() {
    let live = applied(None, json!({"set": ["a"], "args": ["a"], "selector": {"x": "1"}}), "one").unwrap();
    assert_eq!(owned(&live, "one"), [".spec.args", ".spec.selector", ".spec.set[=\"a\"]"]);
    let live = applied(Some(&live), json!({"set": ["b"]}), "two").unwrap();
    assert_eq!(live["spec"]["set"], json!(["a", "b"]));
    let both = json!({"args": ["a", "b"], "selector": {"y": "1"}});
    let fields: Vec<String> =
        conflicts(applied(Some(&live), both.clone(), "two")).into_iter().map(|(_, field)| field).collect();
    assert_eq!(fields, [".spec.args", ".spec.selector"]);
    let live = forced(Some(&live), both, "two");
    assert_eq!(live["spec"], json!({"set": ["a"], "args": ["a", "b"], "selector": {"y": "1"}}));
}

#[test]
fn unknown_structure_merges_maps_and_replaces_lists() {
    let live = applied(None, json!({"free": {"a": {"x": 1}, "l": [1]}}), "one").unwrap();
    let live = applied(Some(&live), json!({"free": {"a": {"y": 2}}}), "two").unwrap();
    assert_eq!(live["spec"]["free"], json!({"a": {"x": 1, "y": 2}, "l": [1]}));
    assert_eq!(owned(&live, "two"), [".spec.free", ".spec.free.a", ".spec.free.a.y"].map(str::to_owned)[1..]);
    let error = conflicts(applied(Some(&live), json!({"free": {"l": [2]}}), "two"));
    assert_eq!(error[0].1, ".spec.free.l");
    let live = forced(Some(&live), json!({"free": "text"}), "three");
    assert_eq!(live["spec"]["free"], "text");
}

#[test]
fn configurations_that_do_not_fit_are_refused() {
    let about = "failed to create typed patch object (n/w; example.com/v1, Kind=Widget): ";
    for (spec, text) in [
        (json!({"unknown": 1}), ".spec.unknown: field not declared in schema"),
        (json!({"replicas": "x"}), ".spec.replicas: expected numeric (int or float), got string"),
        (json!({"image": 1}), ".spec.image: expected string, got &value.valueUnstructured{Value:1}"),
        (json!({"set": ["a", "a"]}), ".spec.set: duplicate entries for key [=\"a\"]"),
        (
            json!({"containers": [{"image": "x"}]}),
            ".spec.containers: element 0: associative list with keys has an element that omits all key fields [\"name\"] \
             (and doesn't have default values for any key fields)",
        ),
        (json!({"containers": {}}), ".spec.containers: expected list, got &{map[]}"),
        (json!({"selector": "x"}), ".spec.selector: expected map, got &{x}"),
    ] {
        assert_eq!(applied(None, spec, "one"), Err(ApplyError::Internal(format!("{about}{text}"))));
    }
    let mut wrong = config(json!({}));
    wrong["apiVersion"] = json!("v2");
    assert_eq!(
        applied_with(None, &wrong, "one", false, NOW),
        Err(ApplyError::BadRequest("invalid object type: /v2, Kind=Widget".to_owned()))
    );
    let mut wrong = config(json!({}));
    wrong["metadata"]["managedFields"] = json!([]);
    assert_eq!(
        applied_with(None, &wrong, "one", false, NOW),
        Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()))
    );
}

#[test]
fn null_takes_a_field_over_and_out() {
    let live = applied(None, json!({"image": "a", "replicas": 1}), "one").unwrap();
    let got = applied(Some(&live), json!({"image": "a", "replicas": null}), "one").unwrap();
    assert_eq!(owned(&got, "one"), [".spec.image", ".spec.replicas"]);
    assert_eq!(got["spec"]["replicas"], Value::Null);
}

#[test]
fn an_object_without_owners_belongs_to_before_first_apply() {
    let mut live = config(json!({"image": "a"}));
    live["metadata"]["uid"] = json!("u");
    let got = applied(Some(&live), json!({"replicas": 1}), "one").unwrap();
    assert_eq!(owned(&got, "before-first-apply"), [".spec.image"]);
    let error = applied(Some(&live), json!({"image": "b"}), "one").unwrap_err().to_string();
    assert_eq!(
        error,
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using example.com/v1: .spec.image"
    );
}

#[test]
fn kubectl_takes_over_what_it_applied_from_the_client_side() {
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let last = config(json!({"image": "a", "replicas": 1}));
    let mut live = last.clone();
    live["metadata"]["annotations"] = json!({annotation: last.to_string()});
    let schema = widget();
    let client = manager("kubectl-client-side-apply", Operation::Update);
    track(schema.node(), None, &mut live, &client, NOW, Reset::NOTHING);

    let change = json!({"image": "b", "replicas": 1});
    assert_eq!(conflicts(applied(Some(&live), change.clone(), "other")).len(), 1);
    let got = applied(Some(&live), change.clone(), "kubectl").unwrap();
    assert_eq!(got["spec"], change);
    let refreshed: Value = serde_json::from_str(got["metadata"]["annotations"][annotation].as_str().unwrap()).unwrap();
    assert_eq!(refreshed, config(change.clone()));

    // Somebody else changed it since: that is a conflict again.
    let mut scaled = live.clone();
    scaled["spec"]["image"] = json!("c");
    track(schema.node(), Some(&live), &mut scaled, &manager("human", Operation::Update), NOW, Reset::NOTHING);
    assert_eq!(conflicts(applied(Some(&scaled), change, "kubectl"))[0].1, ".spec.image");
}

#[test]
fn fields_the_strategy_takes_back_are_not_owned() {
    let schema = widget();
    let mut with_status = config(json!({"image": "a"}));
    with_status["status"] = json!({"replicas": 1});
    let mine = manager("one", Operation::Apply);
    let got = apply(schema.node(), None, &with_status, &mine, false, NOW, Reset::Fields(&["status"])).unwrap();
    assert_eq!(owned(&got, "one"), [".spec.image"]);
    let status = Manager { subresource: "status".to_owned(), ..mine };
    let got = apply(schema.node(), None, &with_status, &status, false, NOW, Reset::AllBut(&["status"])).unwrap();
    assert_eq!(owned(&got, "one"), [".status.replicas"]);
    assert_eq!(got["metadata"]["managedFields"][0]["subresource"], "status");
}

#[test]
fn a_list_that_became_atomic_is_owned_as_a_whole() {
    let mut live = config(json!({"args": ["a"]}));
    live["metadata"]["managedFields"] = json!([{
        "manager": "one", "operation": "Apply", "apiVersion": "example.com/v1", "time": NOW, "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:args": {"v:\"a\"": {}}}},
    }]);
    assert_eq!(conflicts(applied(Some(&live), json!({"args": ["b"]}), "two"))[0].1, ".spec.args");
}
