//! Strategic merge patch over a small schema with every kind of list.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use schema::{Graph, ListType, ObjectType, PatchRule, Scalar, Schema, Slot, TypeIndex};
use serde_json::json;

use super::*;
use crate::json::tests::any_json;

fn list(items: Slot, merge: bool, key: Option<&str>) -> Slot {
    let kind = SlotKind::List { items: Box::new(items), list: ListType::Atomic };
    let patch = PatchRule { merge, merge_key: key.map(str::to_owned), ..PatchRule::default() };
    Slot { patch, ..Slot::of(kind) }
}

/// A recursive thing: `spec` and `items` (by name) are things, `atomic` a list of things, `set` merging scalars,
/// `labels` a map.
pub(crate) fn thing() -> Schema {
    let string = || Slot::of(SlotKind::Scalar(Scalar::String));
    let object = || Slot::of(SlotKind::Object(TypeIndex(0)));
    let properties = BTreeMap::from([
        ("name".to_owned(), string()),
        ("a".to_owned(), string()),
        ("b".to_owned(), object()),
        ("spec".to_owned(), object()),
        ("items".to_owned(), list(object(), true, Some("name"))),
        ("keyless".to_owned(), list(object(), true, None)),
        ("atomic".to_owned(), list(object(), false, None)),
        ("set".to_owned(), list(string(), true, None)),
        ("labels".to_owned(), Slot::of(SlotKind::Map { values: Box::new(string()), atomic: false })),
    ]);
    let types = vec![ObjectType { name: "io.example.v1.Thing".to_owned(), properties, ..ObjectType::default() }];
    Schema { graph: Arc::new(Graph { types }), root: Arc::new(object()) }
}

#[allow(clippy::needless_pass_by_value, reason = "cases read better with values")]
fn patched(doc: Value, patch: Value) -> Result<Value, PatchError> {
    let mut doc = doc;
    strategic(thing().node(), &mut doc, &patch).map(|()| doc)
}

#[track_caller]
fn check(cases: impl IntoIterator<Item = (Value, Value, Value)>) {
    for (doc, patch, want) in cases {
        assert_eq!(patched(doc.clone(), patch.clone()), Ok(want), "{doc} + {patch}");
    }
}

#[test]
fn objects_and_maps() {
    check([
        (
            json!({"a": "1", "spec": {"a": "x"}}),
            json!({"spec": {"name": "y"}}),
            json!({"a": "1", "spec": {"a": "x", "name": "y"}}),
        ),
        (json!({"a": "1"}), json!({"a": null}), json!({})),
        (json!({}), json!({"spec": {"a": null, "name": "x"}}), json!({"spec": {"name": "x"}})),
        (
            json!({"labels": {"x": "1", "y": "2"}}),
            json!({"labels": {"x": null, "z": "3"}}),
            json!({"labels": {"y": "2", "z": "3"}}),
        ),
        (
            json!({"spec": {"a": "x"}}),
            json!({"spec": {"$patch": "replace", "name": "y"}}),
            json!({"spec": {"name": "y"}}),
        ),
        (json!({"spec": {"a": "x"}}), json!({"spec": {"$patch": "delete"}}), json!({"spec": {}})),
        (json!({}), json!({"spec": {"$patch": "delete"}}), json!({})),
        (json!({"spec": {"a": "x"}}), json!({"spec": "text"}), json!({"spec": "text"})),
        (json!({"unknown": 1}), json!({"unknown": 2, "other": [1]}), json!({"unknown": 2, "other": [1]})),
        (
            json!({"spec": {"a": "x", "name": "old", "labels": {}}}),
            json!({"spec": {"$retainKeys": ["a", "name"], "name": "new"}}),
            json!({"spec": {"a": "x", "name": "new"}}),
        ),
    ]);
}

#[test]
fn lists_merge_by_key() {
    let one_two = json!({"items": [{"name": "1", "a": "x"}, {"name": "2", "a": "y"}]});
    check([
        (
            one_two.clone(),
            json!({"items": [{"name": "2", "a": "z"}]}),
            json!({"items": [{"name": "1", "a": "x"}, {"name": "2", "a": "z"}]}),
        ),
        (
            one_two.clone(),
            json!({"items": [{"name": "3"}]}),
            json!({"items": [{"name": "3"}, {"name": "1", "a": "x"}, {"name": "2", "a": "y"}]}),
        ),
        (
            one_two.clone(),
            json!({"items": [{"name": "1", "$patch": "delete"}]}),
            json!({"items": [{"name": "2", "a": "y"}]}),
        ),
        (one_two.clone(), json!({"items": [{"$patch": "replace"}, {"name": "9"}]}), json!({"items": [{"name": "9"}]})),
        (one_two.clone(), json!({"items": [{"$patch": "replace"}]}), json!({"items": []})),
        (
            one_two.clone(),
            json!({"items": [{"name": "2", "$patch": "replace", "b": {}}, {"name": "9"}]}),
            json!({"items": [{"name": "9"}]}),
        ),
        (one_two.clone(), json!({"items": null}), json!({})),
        (
            json!({}),
            json!({"items": [{"name": "1", "$patch": "delete"}, {"name": "2"}]}),
            json!({"items": [{"name": "2"}]}),
        ),
        (
            json!({"items": [{"name": "1", "items": [{"name": "in", "a": "x"}]}]}),
            json!({"items": [{"name": "1", "items": [{"name": "in", "a": null, "labels": {"k": "v"}}]}]}),
            json!({"items": [{"name": "1", "items": [{"name": "in", "labels": {"k": "v"}}]}]}),
        ),
        (json!({"atomic": [{"name": "1"}]}), json!({"atomic": [{"name": "2"}]}), json!({"atomic": [{"name": "2"}]})),
    ]);
}

#[test]
fn lists_of_scalars() {
    check([
        (json!({"set": ["a", "b"]}), json!({"set": ["c", "a"]}), json!({"set": ["c", "a", "b"]})),
        (json!({"set": ["a", "b"]}), json!({"$deleteFromPrimitiveList/set": ["a"]}), json!({"set": ["b"]})),
        (
            json!({"set": ["a", "b"]}),
            json!({"$deleteFromPrimitiveList/set": ["a"], "set": ["c"]}),
            json!({"set": ["c", "b"]}),
        ),
        (json!({}), json!({"$deleteFromPrimitiveList/set": ["a"]}), json!({})),
        (json!({"set": ["a"]}), json!({"$deleteFromPrimitiveList/set": null}), json!({})),
        (json!({"set": ["a", "b", "c"]}), json!({"$setElementOrder/set": ["c", "a"]}), json!({"set": ["b", "c", "a"]})),
    ]);
}

#[test]
fn element_order_is_kept() {
    let live = json!({"items": [{"name": "1"}, {"name": "2"}, {"name": "3"}]});
    check([
        (
            live.clone(),
            json!({"$setElementOrder/items": [{"name": "3"}, {"name": "1"}]}),
            json!({"items": [{"name": "2"}, {"name": "3"}, {"name": "1"}]}),
        ),
        (
            live.clone(),
            json!({"$setElementOrder/items": [{"name": "3"}, {"name": "2"}, {"name": "1"}, {"name": "4"}],
                   "items": [{"name": "4", "a": "new"}]}),
            json!({"items": [{"name": "3"}, {"name": "2"}, {"name": "1"}, {"name": "4", "a": "new"}]}),
        ),
        (
            json!({}),
            json!({"$setElementOrder/items": [{"name": "2"}, {"name": "1"}], "items": [{"name": "2"}, {"name": "1"}]}),
            json!({"items": [{"name": "2"}, {"name": "1"}]}),
        ),
        (
            live.clone(),
            json!({"$setElementOrder/items": [{"name": "3"}, {"name": "1"}],
                   "items": [{"name": "2", "$patch": "delete"}]}),
            json!({"items": [{"name": "3"}, {"name": "1"}]}),
        ),
        // What is added where something was deleted stands where the server had it.
        (
            live.clone(),
            json!({"$setElementOrder/items": [{"name": "4"}, {"name": "1"}],
                   "items": [{"name": "1", "$patch": "delete"}, {"name": "4"}]}),
            json!({"items": [{"name": "2"}, {"name": "3"}, {"name": "4"}]}),
        ),
        (json!({}), json!({"$setElementOrder/items": []}), json!({})),
    ]);
}

#[test]
fn refusals_have_upstreams_words() {
    let live = json!({"items": [{"name": "1"}], "set": ["a"], "spec": {"a": "x"}, "labels": {"m": {}}, "b": {"q": {}}});
    for (patch, code, text) in [
        (json!({"items": [{"a": "x"}]}), 500, "map: map[a:x] does not contain declared merge key: name"),
        (
            json!({"items": [{"$patch": "delete"}]}),
            500,
            "map: map[$patch:delete] does not contain declared merge key: name",
        ),
        (
            json!({"items": [{"name": "1", "$patch": "merge"}]}),
            500,
            "merging lists cannot yet be specified in the patch",
        ),
        (json!({"items": ["x"]}), 500, "list element types are not identical: [[map[name:1]] [x]]"),
        (json!({"items": [["x"]]}), 500, "list element types are not identical: [[map[name:1]] [[x]]]"),
        (json!({"set": [1]}), 500, "list element types are not identical: [[a] [1]]"),
        (json!({"spec": {"$patch": "fly"}}), 500, "unknown patch type: fly in map: map[$patch:fly]"),
        (json!({"spec": {"$retainKeys": "a"}}), 400, "invalid patch format of retainKeys"),
        (json!({"spec": {"$retainKeys": ["b"], "a": "y"}}), 400, "invalid patch format of retainKeys"),
        (json!({"$setElementOrder": []}), 400, "invalid patch format of setElementOrder list"),
        (json!({"$deleteFromPrimitiveList": []}), 400, "invalid patch format of primitive list"),
        (json!({"$setElementOrder/items": "x"}), 500, "expected a []interface {}, but received a string"),
        (
            json!({"$setElementOrder/items": [{"name": "1"}], "items": [{"name": "2"}]}),
            500,
            "The order in patch list:\n[map[name:2]]\n doesn't match $setElementOrder list:\n[map[name:1]]\n",
        ),
        (
            json!({"$setElementOrder/items": [{"name": "2"}], "items": [{"name": "2"}, {"$patch": "replace"}]}),
            500,
            "The order in patch list:\n[map[name:2] map[$patch:replace]]\n doesn't match $setElementOrder list:\n\
             [map[name:2]]\n",
        ),
        (json!({"b": {"q": {}}}), 500, "unable to find api field in struct Thing for the json field \"q\""),
        (json!({"labels": {"m": {}}}), 500, "merging an object in json but data type is not struct, instead is: map"),
        (json!([]), 400, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ] {
        let mut doc = live.clone();
        let error = strategic(thing().node(), &mut doc, &patch).unwrap_err();
        assert_eq!((error.code(), error.message().as_str()), (code, text), "{patch}");
        assert_eq!(doc, live);
    }
    let error = patched(json!({"set": [["a"]]}), json!({"set": []})).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (422, "lists of lists are not supported"));
    let error = patched(json!({"keyless": [{}]}), json!({"keyless": [{}]})).unwrap_err();
    assert_eq!(error.message(), "cannot merge lists without merge key for struct");
}

#[test]
fn a_large_list_merges_in_linear_time() {
    let items = |a: &str| Value::from((0..20_000).map(|n| json!({"name": n.to_string(), "a": a})).collect::<Vec<_>>());
    let got = patched(json!({"items": items("old")}), json!({"items": items("new")})).unwrap();
    assert_eq!(got, json!({"items": items("new")}));
}

proptest! {
    #[test]
    fn an_empty_patch_changes_nothing(doc in any_json()) {
        prop_assume!(doc.is_object());
        prop_assert_eq!(patched(doc.clone(), json!({})), Ok(doc));
    }

    #[test]
    fn arbitrary_patches_never_panic(doc in any_json(), patch in any_json()) {
        let _ = patched(doc, patch);
    }
}
