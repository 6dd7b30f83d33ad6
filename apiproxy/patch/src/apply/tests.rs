//! Apply and tracking over small schemas.

mod laws;
mod merging;
mod tracking;

use std::collections::BTreeMap;
use std::sync::Arc;

use schema::{GoField, Graph, ListType, ObjectType, Scalar, Schema, Slot, SlotKind, TypeIndex};
use serde_json::{Value, json};

use super::*;

pub(super) const NOW: &str = "2026-01-02T03:04:05Z";
pub(super) const LATER: &str = "2026-01-02T03:05:00Z";

pub(super) fn list(items: Slot, list: ListType) -> Slot {
    Slot::of(SlotKind::List { items: Box::new(items), list })
}

pub(super) fn scalar(scalar: Scalar) -> Slot {
    Slot::of(SlotKind::Scalar(scalar))
}

fn map(values: Slot, atomic: bool) -> Slot {
    Slot::of(SlotKind::Map { values: Box::new(values), atomic })
}

fn object<const N: usize>(properties: [(&str, Slot); N]) -> ObjectType {
    let properties = properties.into_iter().map(|(name, slot)| (name.to_owned(), slot));
    ObjectType { properties: properties.collect::<BTreeMap<_, _>>(), ..ObjectType::default() }
}

fn at(index: u32) -> Slot {
    Slot::of(SlotKind::Object(TypeIndex(index)))
}

/// A kind with one field of each sort.
pub(super) fn widget() -> Schema {
    let text = || scalar(Scalar::String);
    let port_default = Slot { default: Some(json!("TCP")), ..text() };
    let go = |slot: Slot| Slot { go: Some(Box::new(GoField::default())), ..slot };
    let types = vec![
        object([("apiVersion", text()), ("kind", text()), ("metadata", at(1)), ("spec", go(at(2))), ("status", at(2))]),
        object([
            ("name", text()),
            ("namespace", text()),
            ("uid", text()),
            ("labels", map(text(), false)),
            ("annotations", map(text(), false)),
            ("finalizers", list(text(), ListType::Set)),
            ("resourceVersion", text()),
            ("managedFields", list(Slot::of(SlotKind::Any), ListType::Atomic)),
        ]),
        object([
            ("replicas", scalar(Scalar::Int32)),
            ("image", text()),
            ("selector", map(text(), true)),
            ("args", list(text(), ListType::Atomic)),
            ("set", list(text(), ListType::Set)),
            ("ports", list(at(3), ListType::Map(vec!["port".to_owned(), "protocol".to_owned()]))),
            ("containers", list(at(4), ListType::Map(vec!["name".to_owned()]))),
            ("free", Slot::of(SlotKind::Any)),
            ("paused", scalar(Scalar::Bool)),
        ]),
        object([("port", scalar(Scalar::Int32)), ("protocol", port_default), ("name", text())]),
        object([
            ("name", text()),
            ("image", text()),
            ("resources", go(at(5))),
            ("env", list(at(4), ListType::Map(vec!["name".to_owned()]))),
        ]),
        object([("limits", map(scalar(Scalar::Quantity), false))]),
    ];
    Schema { graph: Arc::new(Graph { types }), root: Arc::new(at(0)) }
}

pub(super) fn manager(name: &str, operation: Operation) -> Manager {
    Manager { name: name.to_owned(), operation, api_version: "example.com/v1".to_owned(), subresource: String::new() }
}

/// A configuration with a spec.
#[allow(clippy::needless_pass_by_value, reason = "cases read better with values")]
pub(super) fn config(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "n"}, "spec": spec})
}

pub(super) fn applied(live: Option<&Value>, spec: Value, name: &str) -> Result<Value, ApplyError> {
    applied_with(live, &config(spec), name, false, NOW)
}

pub(super) fn forced(live: Option<&Value>, spec: Value, name: &str) -> Value {
    applied_with(live, &config(spec), name, true, NOW).unwrap()
}

pub(super) fn applied_with(
    live: Option<&Value>,
    config: &Value,
    name: &str,
    force: bool,
    now: &str,
) -> Result<Value, ApplyError> {
    let schema = widget();
    apply(schema.node(), live, config, &manager(name, Operation::Apply), force, now, Reset::NOTHING)
}

/// The fields a manager owns, one path a line of fieldsV1; empty when it owns nothing.
pub(super) fn owned(object: &Value, name: &str) -> Vec<String> {
    let managed = Managed::decode(managed_fields(object)).unwrap();
    let mut paths = Vec::new();
    for (id, owned) in &managed.managers {
        if id.shown().starts_with(&format!("{name:?}")) {
            paths.extend(owned.set.paths().iter().map(|path| path::text(path)));
        }
    }
    paths.sort();
    paths
}
