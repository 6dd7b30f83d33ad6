//! Messages into JSON objects, by the field numbers of the schema table.
//!
//! Go's inlined structs are messages of their own on the wire and flat in JSON. `GoField::inlined` says which messages
//! a property sits in; `level` says how many of them have been entered. A volume's `emptyDir` for example is field 2 of
//! the message in field 2 of `Volume`: `inlined = [(2, VolumeSource)]`, `proto = 2`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schema::{Node, ObjectType, Scalar, Slot, SlotKind};
use serde_json::{Map, Number, Value};

use crate::reader::{Reader, Wire, WireError, text};

/// Messages inside messages; far beyond the deepest real object.
const MAX_DEPTH: usize = 200;

/// Reads a whole object.
pub(crate) fn object(node: Node<'_>, message: &[u8]) -> Result<Map<String, Value>, WireError> {
    let mut map = Map::new();
    fields(node, &mut Vec::new(), message, &mut map, 0)?;
    Ok(map)
}

fn fields(
    node: Node<'_>,
    inlined: &mut Vec<u32>,
    message: &[u8],
    map: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError::Depth);
    }
    let Some(object) = node.object() else { return Ok(()) };
    let typed = has_type_meta(object);
    let mut reader = Reader::new(message);
    while let Some((number, wire)) = reader.field()? {
        let level = inlined.len();
        let within = |slot: &Slot| {
            slot.go.as_ref().is_some_and(|go| {
                go.inlined.len() >= level && go.inlined.iter().zip(inlined.iter()).all(|((a, _), b)| a == b)
            })
        };
        let here = |slot: &Slot| slot.go.as_ref().is_some_and(|go| go.inlined.len() == level && go.proto == number);
        let inner = |slot: &Slot| {
            slot.go.as_ref().is_some_and(|go| go.inlined.get(level).is_some_and(|(outer, _)| *outer == number))
        };
        let on_wire = |name: &str| !(typed && matches!(name, "apiVersion" | "kind"));
        let mut candidates = object.properties.iter().filter(|(name, slot)| on_wire(name) && within(slot));
        if let Some((name, _)) = candidates.clone().find(|(_, slot)| here(slot)) {
            if let Some(child) = node.field(name) {
                property(child, name, wire, map, depth)?;
            }
        } else if candidates.any(|(_, slot)| inner(slot))
            && let Wire::Bytes(bytes) = wire
        {
            inlined.push(number);
            fields(node, inlined, bytes, map, depth + 1)?;
            inlined.pop();
        }
    }
    Ok(())
}

/// Whether the type inlines `TypeMeta` (kind = 1, apiVersion = 2), which the envelope carries instead.
fn has_type_meta(object: &ObjectType) -> bool {
    let number = |name: &str| object.properties.get(name).and_then(|slot| slot.go.as_ref()).map(|go| go.proto);
    number("kind") == Some(1) && number("apiVersion") == Some(2)
}

/// Puts one wire value where it belongs; lists and maps arrive entry by entry.
fn property(
    node: Node<'_>,
    name: &str,
    wire: Wire<'_>,
    map: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), WireError> {
    match &node.slot().kind {
        SlotKind::List { .. } => {
            let Some(items) = node.items() else { return Ok(()) };
            let entry = map.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(list) = entry else { return Ok(()) };
            list_entry(items, wire, list, depth)
        }
        SlotKind::Map { .. } => {
            let Wire::Bytes(bytes) = wire else { return Err(WireError::Malformed) };
            let entry = map.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(entries) = entry else { return Ok(()) };
            map_entry(node, bytes, entries, depth)
        }
        _ => {
            let value = single(node, wire, depth)?;
            map.insert(name.to_owned(), value);
            Ok(())
        }
    }
}

fn list_entry(items: Node<'_>, wire: Wire<'_>, list: &mut Vec<Value>, depth: usize) -> Result<(), WireError> {
    let packable = matches!(items.slot().kind, SlotKind::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Bool));
    match wire {
        Wire::Bytes(bytes) if packable => {
            let mut reader = Reader::new(bytes);
            while !reader.is_empty() {
                let value = reader.varint()?;
                list.push(single(items, Wire::Varint(value), depth)?);
            }
        }
        wire => list.push(single(items, wire, depth)?),
    }
    Ok(())
}

fn map_entry(node: Node<'_>, bytes: &[u8], entries: &mut Map<String, Value>, depth: usize) -> Result<(), WireError> {
    let (mut key, mut value) = (String::new(), Wire::Bytes(&[]));
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, wire) => value = wire,
            _ => {}
        }
    }
    if let Some(values) = node.field(&key) {
        let value = single(values, value, depth)?;
        entries.insert(key, value);
    }
    Ok(())
}

/// One value that is not repeated. A list here is a wrapper message (`ExtraValue`, `Verbs`): `{1: repeated}`.
fn single(node: Node<'_>, wire: Wire<'_>, depth: usize) -> Result<Value, WireError> {
    match (&node.slot().kind, wire) {
        (SlotKind::Object(_), Wire::Bytes(bytes)) => {
            let mut map = Map::new();
            fields(node, &mut Vec::new(), bytes, &mut map, depth + 1)?;
            Ok(Value::Object(map))
        }
        (SlotKind::Any, Wire::Bytes(bytes)) => any(bytes),
        (SlotKind::Scalar(scalar), wire) => self::scalar(*scalar, wire),
        (SlotKind::List { .. }, Wire::Bytes(bytes)) => {
            let mut list = Vec::new();
            let mut reader = Reader::new(bytes);
            while let (Some((_, wire)), Some(items)) = (reader.field()?, node.items()) {
                list_entry(items, wire, &mut list, depth + 1)?;
            }
            Ok(Value::Array(list))
        }
        (SlotKind::Map { .. }, Wire::Bytes(bytes)) => {
            let mut entries = Map::new();
            map_entry(node, bytes, &mut entries, depth + 1)?;
            Ok(Value::Object(entries))
        }
        _ => Err(WireError::Malformed),
    }
}

/// `RawExtension`, `JSON`, `FieldsV1`: `{1: bytes of JSON}`.
fn any(bytes: &[u8]) -> Result<Value, WireError> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if let (1, Wire::Bytes(raw)) = (number, wire) {
            return serde_json::from_slice(raw).map_err(|error| WireError::Json(error.to_string()));
        }
    }
    Ok(Value::Null)
}

fn scalar(scalar: Scalar, wire: Wire<'_>) -> Result<Value, WireError> {
    Ok(match (scalar, wire) {
        (Scalar::String, Wire::Bytes(bytes)) => Value::from(text(bytes)?),
        (Scalar::Bytes, Wire::Bytes(bytes)) => Value::from(BASE64_STANDARD.encode(bytes)),
        (Scalar::Bool, Wire::Varint(value)) => Value::from(value != 0),
        // Negative numbers are sign-extended to 64 bits on the wire.
        (Scalar::Int32 | Scalar::Int64, Wire::Varint(value)) => Value::from(value.cast_signed()),
        (Scalar::Double, Wire::Fixed64(bits)) => {
            Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number)
        }
        (Scalar::Double, Wire::Fixed32(bits)) => {
            Number::from_f64(f64::from(f32::from_bits(bits))).map_or(Value::Null, Value::Number)
        }
        (Scalar::Quantity, Wire::Bytes(bytes)) => {
            let mut reader = Reader::new(bytes);
            let mut quantity = "0".to_owned();
            while let Some((number, wire)) = reader.field()? {
                if let (1, Wire::Bytes(bytes)) = (number, wire) {
                    quantity = text(bytes)?;
                }
            }
            Value::from(quantity)
        }
        (Scalar::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes)?,
        (Scalar::Time | Scalar::MicroTime, Wire::Bytes(bytes)) => time(bytes, scalar == Scalar::MicroTime)?,
        (Scalar::Duration, Wire::Bytes(bytes)) => {
            let nanos = numbers(bytes)?[0];
            Value::from(schema::scalar::format_duration(nanos))
        }
        _ => return Err(WireError::Malformed),
    })
}

/// Fields 1 and 2 of a message of two integers.
fn numbers(bytes: &[u8]) -> Result<[i64; 2], WireError> {
    let mut found = [0, 0];
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if let (1 | 2, Wire::Varint(value)) = (number, wire) {
            found[number as usize - 1] = value.cast_signed();
        }
    }
    Ok(found)
}

fn int_or_string(bytes: &[u8]) -> Result<Value, WireError> {
    let (mut is_text, mut number, mut string) = (false, 0, String::new());
    let mut reader = Reader::new(bytes);
    while let Some((field, wire)) = reader.field()? {
        match (field, wire) {
            (1, Wire::Varint(kind)) => is_text = kind == 1,
            (2, Wire::Varint(value)) => number = value.cast_signed(),
            (3, Wire::Bytes(bytes)) => string = text(bytes)?,
            _ => {}
        }
    }
    Ok(if is_text { Value::from(string) } else { Value::from(number) })
}

/// An empty message is null: the zero time.
fn time(bytes: &[u8], micro: bool) -> Result<Value, WireError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let [seconds, nanos] = numbers(bytes)?;
    let nanos = i32::try_from(nanos).map_err(|_| WireError::Malformed)?;
    let time = jiff::Timestamp::new(seconds, nanos).map_err(|_| WireError::Malformed)?;
    let format = if micro { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(Value::from(time.strftime(format).to_string()))
}
