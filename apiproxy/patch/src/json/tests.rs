//! JSON patch: each operation, its laxness, its limits.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Arbitrary JSON of a few levels, with names that meet.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                "a|b|c|name|labels|spec|items|\\$patch|\\$retainKeys|\\$setElementOrder/items|\\$deleteFromPrimitiveList/items",
                inner,
                0..4
            )
            .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[allow(clippy::needless_pass_by_value, reason = "cases read better with values")]
fn patched(doc: Value, patch: Value) -> Result<Value, PatchError> {
    let mut doc = doc;
    json_patch(&mut doc, &patch).map(|()| doc)
}

#[test]
fn operations_apply() {
    for (doc, patch, want) in [
        (json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": 2}]), json!({"a": 1, "b": 2})),
        (json!({"a": [1, 3]}), json!([{"op": "add", "path": "/a/1", "value": 2}]), json!({"a": [1, 2, 3]})),
        (json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": 2}]), json!({"a": [1, 2]})),
        (json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/-1", "value": 3}]), json!({"a": [1, 2, 3]})),
        (json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/-1"}]), json!({"a": [1]})),
        (json!({"a": [1, 2]}), json!([{"op": "replace", "path": "/a/-2", "value": 0}]), json!({"a": [0, 2]})),
        (json!({"a/b": {"c~d": 1}}), json!([{"op": "remove", "path": "/a~1b/c~0d"}]), json!({"a/b": {}})),
        (json!({"a": 1}), json!([{"op": "move", "from": "/a", "path": "/b"}]), json!({"b": 1})),
        (
            json!({"a": {"x": 1}}),
            json!([{"op": "copy", "from": "/a", "path": "/b"}]),
            json!({"a": {"x": 1}, "b": {"x": 1}}),
        ),
        (json!({}), json!([{"op": "replace", "path": "/a", "value": 1}]), json!({"a": 1})),
        (json!({}), json!([{"op": "copy", "from": "/a", "path": "/b"}]), json!({"b": null})),
        (json!({}), json!([{"op": "add", "path": "/a"}]), json!({"a": null})),
        (json!({"a": 1}), json!([{"op": "test", "path": "/a", "value": 1}]), json!({"a": 1})),
        (json!({}), json!([{"op": "test", "path": "/a", "value": null}]), json!({})),
        (json!({"a": 1}), json!([{"op": "replace", "path": "", "value": {"b": 1}}]), json!({"b": 1})),
        (json!({"a": 1}), json!(null), json!({"a": 1})),
        (json!({"": 1}), json!([{"op": "remove", "path": "/"}]), json!({})),
    ] {
        assert_eq!(patched(doc.clone(), patch.clone()), Ok(want), "{doc} + {patch}");
    }
}

#[test]
fn what_does_not_apply_is_unprocessable_and_changes_nothing() {
    let original = json!({"a": [1], "b": 1});
    for last in [
        json!({"op": "test", "path": "/b", "value": 2}),
        json!({"op": "remove", "path": "/missing"}),
        json!({"op": "remove", "path": "/a/1"}),
        json!({"op": "remove", "path": "/a/-2"}),
        json!({"op": "add", "path": "/a/3", "value": 1}),
        json!({"op": "add", "path": "/a/x", "value": 1}),
        json!({"op": "add", "path": "/x/y", "value": 1}),
        json!({"op": "add", "path": "/b/y", "value": 1}),
        json!({"op": "add", "path": "", "value": 1}),
        json!({"op": "replace", "path": "/a/1", "value": 1}),
        json!({"op": "replace", "path": "", "value": 1}),
        json!({"op": "move", "from": "/missing", "path": "/c"}),
        json!({"op": "move", "from": "/a", "path": "/a/0"}),
        json!({"op": "copy", "from": "/a/7", "path": "/c"}),
        json!({"op": "fly", "path": "/a"}),
        json!({"path": "/a"}),
        json!({"op": "add", "value": 1}),
    ] {
        let mut doc = original.clone();
        let error = json_patch(&mut doc, &json!([{"op": "add", "path": "/first", "value": 1}, last])).unwrap_err();
        assert_eq!((error.code(), error.reason()), (422, "Invalid"), "{last}");
        assert_eq!(error.message(), "the server rejected our request due to an error in our request");
        assert_eq!(doc, original);
    }
}

#[test]
fn what_is_no_patch_is_a_bad_request() {
    for (patch, text) in [
        (json!({}), "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (
            json!(["x"]),
            "error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp",
        ),
        (
            json!([{"op": 1}]),
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string",
        ),
    ] {
        let error = patched(json!({}), patch).unwrap_err();
        assert_eq!((error.code(), error.reason(), error.message().as_str()), (400, "BadRequest", text));
    }
    let unknown = json!([{"op": "test"}, {"op": "add", "extra": 1}]);
    assert_eq!(json_patch_unknown_fields(&unknown), ["json patch unknown field \"[1].extra\""]);
}

#[test]
fn operations_are_counted() {
    let operation = json!({"op": "test", "path": "/a", "value": null});
    assert!(patched(json!({}), Value::from(vec![operation.clone(); MAX_OPERATIONS])).is_ok());
    let error = patched(json!({}), Value::from(vec![operation; MAX_OPERATIONS + 1])).unwrap_err();
    assert_eq!((error.code(), error.reason()), (413, "RequestEntityTooLarge"));
    assert_eq!(
        error.message(),
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    );
}

#[test]
fn copies_cannot_grow_a_document_without_bound() {
    let bomb: Vec<Value> = (0..40).map(|n| json!({"op": "copy", "from": "/a", "path": format!("/a/{n}x")})).collect();
    assert_eq!(patched(json!({"a": {"b": "x"}}), Value::from(bomb)).unwrap_err().code(), 422);
}

#[test]
fn operations_cannot_nest_without_bound() {
    let mut operations = vec![json!({"op": "add", "path": "/a", "value": {}})];
    for depth in 1..2 * MAX_DEPTH {
        operations.push(json!({"op": "add", "path": "/a".repeat(depth + 1), "value": {}}));
    }
    assert_eq!(patched(json!({}), Value::from(operations)).unwrap_err().code(), 422);
    let spiral: Vec<Value> = (0..200).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/a"})).collect();
    assert!(patched(json!({"a": {}}), Value::from(spiral)).is_err());
}

#[test]
fn operations_cannot_work_without_bound() {
    let swap = [json!({"op": "remove", "path": "/a/0"}), json!({"op": "add", "path": "/a/0", "value": 1})];
    let patch: Vec<Value> = swap.iter().cloned().cycle().take(MAX_OPERATIONS).collect();
    let doc = json!({"a": vec![1; 20_000]});
    assert_eq!(patched(doc, Value::from(patch)).unwrap_err().code(), 422);
}

proptest! {
    #[test]
    fn arbitrary_patches_never_panic(doc in any_json(), patch in any_json()) {
        let _ = patched(doc, patch);
    }

    #[test]
    fn arbitrary_operations_change_all_or_nothing(
        doc in any_json(),
        operations in prop::collection::vec(
            ("add|remove|replace|move|copy|test", "(/(a|b|0|-1|-|items)){0,3}", "(/(a|b|0|items)){0,3}", any_json()), 0..5),
    ) {
        let patch: Vec<Value> = operations.into_iter()
            .map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}))
            .collect();
        let mut changed = doc.clone();
        if json_patch(&mut changed, &Value::from(patch)).is_err() {
            prop_assert_eq!(changed, doc);
        }
    }
}
