//! Messages into JSON, by the field numbers of the schema table.
//!
//! Zero values of fields that are no pointers stay in: `schema::conform` leaves out what Go's encoder would.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Number, Value};

use crate::plan::{Member, MessageIndex, Plan, Plans, Shape};
use crate::reader::{Reader, Wire, WireError, text};

/// Messages inside messages; far beyond the deepest real object.
const MAX_DEPTH: usize = 200;

/// Reads a whole object.
pub(crate) fn object(index: MessageIndex, message: &[u8], depth: usize) -> Result<Map<String, Value>, WireError> {
    let mut map = Map::new();
    let plan = Plans::builtin().get(index);
    fields(plan, &plan.members, message, &mut map, depth)?;
    Ok(map)
}

fn fields(
    plan: &Plan,
    members: &[Member],
    message: &[u8],
    map: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), WireError> {
    if depth > MAX_DEPTH {
        return Err(WireError::Depth);
    }
    let mut reader = Reader::new(message);
    while let Some((number, wire)) = reader.field()? {
        match plan.numbered(members, number) {
            Some(Member::Field(at)) => {
                let field = &plan.fields[*at];
                property(&field.name, &field.shape, wire, map, depth)?;
            }
            Some(Member::Group(_, inner)) => {
                let Wire::Bytes(bytes) = wire else { return Err(WireError::Malformed) };
                fields(plan, inner, bytes, map, depth + 1)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Puts one wire value where it belongs; lists and maps arrive entry by entry.
fn property(
    name: &str,
    shape: &Shape,
    wire: Wire<'_>,
    map: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), WireError> {
    match shape {
        Shape::List(items) => {
            let entry = map.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            let Value::Array(list) = entry else { return Ok(()) };
            item(items, wire, list, depth)
        }
        Shape::Map(values) => {
            let Wire::Bytes(bytes) = wire else { return Err(WireError::Malformed) };
            let entry = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(entries) = entry else { return Ok(()) };
            map_entry(values, bytes, entries, depth)
        }
        shape => {
            let value = single(shape, wire, depth)?;
            map.insert(name.to_owned(), value);
            Ok(())
        }
    }
}

fn item(items: &Shape, wire: Wire<'_>, list: &mut Vec<Value>, depth: usize) -> Result<(), WireError> {
    match wire {
        // Packed, as other writers than Go may send it.
        Wire::Bytes(bytes) if matches!(items, Shape::Int | Shape::Bool) => {
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

fn map_entry(values: &Shape, bytes: &[u8], entries: &mut Map<String, Value>, depth: usize) -> Result<(), WireError> {
    let (mut key, mut value) = (String::new(), Wire::Bytes(&[]));
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, wire) => value = wire,
            _ => {}
        }
    }
    let value = single(values, value, depth)?;
    entries.insert(key, value);
    Ok(())
}

/// One value that is not repeated.
fn single(shape: &Shape, wire: Wire<'_>, depth: usize) -> Result<Value, WireError> {
    Ok(match (shape, wire) {
        (Shape::Text, Wire::Bytes(bytes)) => Value::from(text(bytes)?),
        (Shape::Bytes, Wire::Bytes(bytes)) => Value::from(BASE64_STANDARD.encode(bytes)),
        (Shape::Bool, Wire::Varint(value)) => Value::from(value != 0),
        // Negative numbers are sign-extended to 64 bits on the wire.
        (Shape::Int, Wire::Varint(value)) => Value::from(value.cast_signed()),
        (Shape::Double, Wire::Fixed64(bits)) => {
            Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number)
        }
        (Shape::Quantity, Wire::Bytes(bytes)) => Value::from(first_text(bytes)?.unwrap_or_else(|| "0".to_owned())),
        (Shape::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes)?,
        (Shape::Time, Wire::Bytes(bytes)) => time(bytes, false)?,
        (Shape::MicroTime, Wire::Bytes(bytes)) => time(bytes, true)?,
        (Shape::Duration, Wire::Bytes(bytes)) => Value::from(schema::scalar::format_duration(numbers(bytes)?[0])),
        (Shape::Json, Wire::Bytes(bytes)) => json(bytes, depth + 1)?,
        (Shape::SchemaOrList | Shape::SchemaOrBool | Shape::SchemaOrTexts, Wire::Bytes(bytes)) => {
            union(shape, bytes, depth + 1)?
        }
        (Shape::Message(index), Wire::Bytes(bytes)) => Value::Object(object(*index, bytes, depth + 1)?),
        (Shape::Wrapped(items) | Shape::List(items), Wire::Bytes(bytes)) => {
            let mut list = Vec::new();
            let mut reader = Reader::new(bytes);
            while let Some((_, wire)) = reader.field()? {
                item(items, wire, &mut list, depth + 1)?;
            }
            Value::Array(list)
        }
        _ => return Err(WireError::Malformed),
    })
}

/// `{1: bytes of JSON}`, or of a whole body.
fn json(bytes: &[u8], depth: usize) -> Result<Value, WireError> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Bytes(raw)) if raw.starts_with(&crate::MAGIC) => return crate::body(raw, None, depth),
            (1, Wire::Bytes(raw)) => {
                return serde_json::from_slice(raw).map_err(|error| WireError::Json(error.to_string()));
            }
            _ => {}
        }
    }
    Ok(Value::Null)
}

/// A schema, or what stands in its place.
fn union(shape: &Shape, bytes: &[u8], depth: usize) -> Result<Value, WireError> {
    let (index, schema) = Plans::builtin().json_schema().ok_or(WireError::Malformed)?;
    // Whoever conforms the object does not reach what is in here, nor does this reach what is in unions further in.
    let conformed = |mut value: Value| {
        let _ = schema::conform::conform(schema.node(), &mut value);
        value
    };
    let mut found = if matches!(shape, Shape::SchemaOrBool) { Value::Bool(false) } else { Value::Null };
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        match (shape, number, wire) {
            (Shape::SchemaOrBool, 1, Wire::Varint(allows)) => found = Value::Bool(allows != 0),
            (Shape::SchemaOrBool, 2, Wire::Bytes(bytes))
            | (Shape::SchemaOrList | Shape::SchemaOrTexts, 1, Wire::Bytes(bytes)) => {
                found = conformed(Value::Object(object(index, bytes, depth)?));
            }
            (Shape::SchemaOrList | Shape::SchemaOrTexts, 2, wire) => {
                let listed = if matches!(shape, Shape::SchemaOrList) { Shape::Message(index) } else { Shape::Text };
                let mut value = single(&listed, wire, depth)?;
                if value.is_object() {
                    value = conformed(value);
                }
                if !found.is_array() {
                    found = Value::Array(Vec::new());
                }
                if let Value::Array(list) = &mut found {
                    list.push(value);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn first_text(bytes: &[u8]) -> Result<Option<String>, WireError> {
    let mut found = None;
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.field()? {
        if let (1, Wire::Bytes(bytes)) = (number, wire) {
            found = Some(text(bytes)?);
        }
    }
    Ok(found)
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

/// An empty message is null: the zero time. Fractions of a second count for `MicroTime` alone.
fn time(bytes: &[u8], micro: bool) -> Result<Value, WireError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let [seconds, nanos] = numbers(bytes)?;
    let nanos = if micro { i32::try_from(nanos).map_err(|_| WireError::Malformed)? } else { 0 };
    let time = jiff::Timestamp::new(seconds, nanos).map_err(|_| WireError::Malformed)?;
    let format = if micro { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(Value::from(time.strftime(format).to_string()))
}
