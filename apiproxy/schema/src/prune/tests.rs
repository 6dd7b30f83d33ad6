//! Tests of pruning.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Schema;
use crate::crd::schema_of;

fn schema() -> Schema {
    schema_of(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "a": {"type": "string"},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                     "properties": {"shut": {"type": "object", "properties": {"k": {"type": "integer"}}}}},
            "any": {"x-kubernetes-preserve-unknown-fields": true},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"v": {"type": "number"}}}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"i": {"type": "integer"}}}},
            "template": {"type": "object", "x-kubernetes-embedded-resource": true,
                         "properties": {"spec": {"type": "object"}}},
            "none": {"type": "string"},
            "null": {"type": "string", "nullable": true},
        }},
    }}))
}

#[test]
fn unknown_fields_go_and_are_told() {
    let mut value = json!({
        "apiVersion": "v1", "kind": "X", "metadata": {"name": "n"}, "extra": 1,
        "spec": {
            "a": "x", "b": 1,
            "open": {"free": {"x": 1}, "shut": {"k": 1, "l": 2}},
            "any": {"x": [1, {"y": 2}]},
            "map": {"k": {"v": 3.0, "w": 2}},
            "list": [{"i": 1, "j": 2}],
            "template": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "m"}, "spec": {"gone": 1}, "other": 1},
        },
    });
    let unknown = prune(schema().node(), &mut value);
    assert_eq!(
        unknown,
        [
            "extra",
            "spec.b",
            "spec.list[0].j",
            "spec.map.k.w",
            "spec.open.shut.l",
            "spec.template.other",
            "spec.template.spec.gone"
        ]
    );
    assert_eq!(
        value,
        json!({
            "apiVersion": "v1", "kind": "X", "metadata": {"name": "n"},
            "spec": {
                "a": "x",
                "open": {"free": {"x": 1}, "shut": {"k": 1}},
                "any": {"x": [1, {"y": 2}]},
                "map": {"k": {"v": 3}},
                "list": [{"i": 1}],
                "template": {"apiVersion": "v1", "kind": "K", "metadata": {"name": "m"}, "spec": {}},
            },
        })
    );
}

#[test]
fn metadata_is_typed_here_and_in_embedded_resources() {
    let mut value = json!({
        "metadata": {"name": "n", "foo": 1, "labels": {}, "ownerReferences": [{"x": 1}]},
        "spec": {"template": {"metadata": {"bar": 1}}},
    });
    let unknown = metadata(schema().node(), &mut value).unwrap();
    assert_eq!(unknown, ["metadata.foo", "metadata.ownerReferences[0].x", "spec.template.metadata.bar"]);
    let mut value = json!({"metadata": {"labels": {"a": 5}}});
    assert_eq!(
        metadata(schema().node(), &mut value).unwrap_err().to_string(),
        "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"
    );
    let mut value = json!({"metadata": "x"});
    assert_eq!(
        metadata(schema().node(), &mut value).unwrap_err().to_string(),
        "json: cannot unmarshal string into Go value of type v1.ObjectMeta"
    );
}

#[test]
fn nulls_without_a_place_go() {
    let mut value = json!({"spec": {"none": null, "null": null, "any": null, "open": {"free": null}}});
    drop_nulls(schema().node(), &mut value);
    assert_eq!(value, json!({"spec": {"null": null, "open": {"free": null}}}));
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = "(metadata|spec|a|open|shut|k|any|map|list|i|template|labels|zz)";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn prune_is_idempotent_and_nothing_panics(mut value in any_json()) {
        let schema = schema();
        let _ = metadata(schema.node(), &mut value);
        prune(schema.node(), &mut value);
        let once = value.clone();
        prop_assert!(prune(schema.node(), &mut value).is_empty());
        prop_assert_eq!(&value, &once);
        crate::defaults::apply(schema.node(), &mut value);
        drop_nulls(schema.node(), &mut value);
    }
}
