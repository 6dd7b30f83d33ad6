//! Fields that are always there.
//!
//! Upstream compares Go structs. A field that is neither a pointer nor left out when empty is there even when nobody set
//! it: `resources: {}` of a container is owned by whoever created the container, and `spec` of a new object is not an
//! added field. These rules come from the Go tags in the schema; custom resources have no such fields.

use schema::{Node, Scalar, SlotKind};
use serde_json::{Map, Value, json};

/// Structs nest in Go as deep as their types; no real type comes near this.
const MAX_LEVELS: usize = 40;

/// The value with the fields Go would have.
pub(super) fn fill(node: Node<'_>, value: &Value) -> Value {
    fill_level(node, value, MAX_LEVELS)
}

fn fill_level(node: Node<'_>, value: &Value, levels: usize) -> Value {
    match value {
        Value::Object(fields) => {
            let mut filled: Map<String, Value> = fields
                .iter()
                .map(|(name, value)| {
                    let value = match node.field(name) {
                        Some(place) => fill_level(place, value, levels),
                        None => value.clone(),
                    };
                    (name.clone(), value)
                })
                .collect();
            let Some(levels) = levels.checked_sub(1) else { return Value::Object(filled) };
            for name in node.object().into_iter().flat_map(|object| object.properties.keys()) {
                let missing = filled.get(name).is_none_or(Value::is_null);
                if let Some(place) = node.field(name).filter(|_| missing)
                    && let Some(zero) = zero(place, levels)
                {
                    filled.insert(name.clone(), zero);
                }
            }
            Value::Object(filled)
        }
        Value::Array(items) => match node.items() {
            Some(place) => items.iter().map(|item| fill_level(place, item, levels)).collect(),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

/// What Go has where nothing was set; None when it has nothing.
fn zero(node: Node<'_>, levels: usize) -> Option<Value> {
    let go = node.slot().go.as_ref()?;
    let nullable = go.pointer || matches!(node.slot().kind, SlotKind::Map { .. } | SlotKind::List { .. });
    if nullable {
        return if go.omitempty { None } else { Some(Value::Null) };
    }
    if go.omitzero {
        return None;
    }
    match &node.slot().kind {
        // Empty structs are not left out, whatever the tag says.
        SlotKind::Object(_) => Some(fill_level(node, &json!({}), levels)),
        SlotKind::Any => Some(Value::Null),
        SlotKind::Scalar(Scalar::Time | Scalar::MicroTime) => Some(Value::Null),
        SlotKind::Scalar(Scalar::Quantity) => Some(json!("0")),
        SlotKind::Scalar(Scalar::Duration) => Some(json!("0s")),
        SlotKind::Scalar(Scalar::IntOrString) => Some(json!(0)),
        _ if go.omitempty => None,
        SlotKind::Scalar(Scalar::String) => Some(json!("")),
        SlotKind::Scalar(Scalar::Bool) => Some(json!(false)),
        SlotKind::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double) => Some(json!(0)),
        SlotKind::Scalar(Scalar::Bytes) | SlotKind::Map { .. } | SlotKind::List { .. } => Some(Value::Null),
    }
}

/// Takes the nulls away again that stand for fields of built-in kinds nobody set.
pub(super) fn drop_nulls(node: Node<'_>, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                let place = node.field(name);
                !(value.is_null() && place.is_some_and(|place| place.slot().go.is_some()))
            });
            for (name, value) in fields {
                if let Some(place) = node.field(name) {
                    drop_nulls(place, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(place) = node.items() {
                items.iter_mut().for_each(|item| drop_nulls(place, item));
            }
        }
        _ => {}
    }
}
