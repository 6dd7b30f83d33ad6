//! What Go's encoder writes of a struct: which zero values vanish and which are always there.
//!
//! An object read from upstream has gone through `Pod{}` and back, so `replicas: null`, `command: []` and an absent
//! `resources` have all become what the struct tags say. Clients see those forms, and field management, patches and
//! comparisons work on them, so objects here take them too.

use serde_json::{Map, Value};

use crate::{GoField, ListType, Node, Scalar, Slot, SlotKind};

/// Applies the struct tags of all fields of one object, whose nulls are gone and whose own fields are normalised.
///
/// | Go field | zero value | absent |
/// |---|---|---|
/// | pointer | kept | absent; null without `omitempty` |
/// | `omitempty` scalar, list, map | removed | absent |
/// | scalar without `omitempty` | kept | zero value added |
/// | list, map without `omitempty` | null (nil and empty are the same on the wire) | null |
/// | `omitzero` struct | null removed | absent |
/// | any other struct, whatever its tag | kept | added: `{}` with its own always-written fields, null for times, `"0"` for quantities |
///
/// Fields without Go facts (custom resources) are left alone.
pub(crate) fn normalise_object(node: Node<'_>, fields: &mut Map<String, Value>) {
    let Some(object) = node.object() else { return };
    for (name, slot) in &object.properties {
        let Some(go) = slot.go.as_deref() else { continue };
        if go.pointer {
            if !go.omitempty {
                fields.entry(name.clone()).or_insert(Value::Null);
            }
            continue;
        }
        match fields.get_mut(name) {
            Some(value) => {
                if is_empty(slot, value) {
                    if go.omitempty {
                        fields.remove(name);
                    } else if matches!(slot.kind, SlotKind::List { .. } | SlotKind::Map { .. }) {
                        *value = Value::Null;
                    }
                }
            }
            None => {
                if let Some(child) = node.field(name)
                    && let Some(value) = always_written(child, go)
                {
                    fields.insert(name.clone(), value);
                }
            }
        }
    }
}

/// Whether `omitempty` drops the value. Structs never count as empty.
fn is_empty(slot: &Slot, value: &Value) -> bool {
    match (&slot.kind, value) {
        (SlotKind::List { .. }, Value::Array(items)) => items.is_empty(),
        (SlotKind::Map { .. }, Value::Object(fields)) => fields.is_empty(),
        (SlotKind::Scalar(Scalar::String | Scalar::Bytes), Value::String(text)) => text.is_empty(),
        (SlotKind::Scalar(Scalar::Bool), Value::Bool(value)) => !value,
        (SlotKind::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double), Value::Number(number)) => {
            number.as_f64() == Some(0.0)
        }
        _ => false,
    }
}

fn always_written(child: Node<'_>, go: &GoField) -> Option<Value> {
    let slot = child.slot();
    match &slot.kind {
        _ if go.omitzero => None,
        SlotKind::Object(_) => Some(zero(child)),
        SlotKind::Scalar(
            Scalar::Time | Scalar::MicroTime | Scalar::Duration | Scalar::Quantity | Scalar::IntOrString,
        ) => Some(zero(child)),
        _ if go.omitempty => None,
        SlotKind::List { .. } | SlotKind::Map { .. } | SlotKind::Any => Some(Value::Null),
        SlotKind::Scalar(_) => Some(zero(child)),
    }
}

/// The value of a Go variable nobody assigned, as written to JSON.
pub(crate) fn zero(node: Node<'_>) -> Value {
    match &node.slot().kind {
        SlotKind::Object(_) => {
            let mut fields = Map::new();
            normalise_object(node, &mut fields);
            Value::Object(fields)
        }
        SlotKind::Map { .. } => Value::Object(Map::new()),
        SlotKind::List { list: ListType::Atomic | ListType::Set | ListType::Map(_), .. } => Value::Array(Vec::new()),
        SlotKind::Scalar(scalar) => match scalar {
            Scalar::String | Scalar::Bytes => Value::from(""),
            Scalar::Bool => Value::from(false),
            Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString => Value::from(0),
            Scalar::Quantity => Value::from("0"),
            Scalar::Duration => Value::from("0s"),
            Scalar::Time | Scalar::MicroTime => Value::Null,
        },
        SlotKind::Any => Value::Null,
    }
}
