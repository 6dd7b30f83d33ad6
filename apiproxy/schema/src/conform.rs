//! Makes an object of a built-in kind what a Go decode leaves of it: unknown fields dropped and reported, nulls absent,
//! types checked, leaves in canonical form, zero values as Go's encoder writes them ([`crate::normalise`]).
//!
//! Errors are those of `sigs.k8s.io/json`, word by word, as a client sees them after `cannot be handled as a …: `.

use serde_json::{Map, Value};

use crate::normalise::{normalise_object, zero};
use crate::scalar::{Precision, canonical_base64, canonical_time, format_duration, parse_duration};
use crate::{GoField, Node, ObjectType, Scalar, Slot, SlotKind, quantity};

/// A value that its field cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypeMismatch {
    /// JSON of the wrong type.
    #[error("json: cannot unmarshal {found} into Go {} of type {go_type}", place(.owner, .field))]
    Type {
        /// What was found: `string`, `number 3.5`, `bool`, `array`, `object`.
        found: String,
        /// Go struct with the field; empty at the root.
        owner: String,
        /// Path of field names, without indices and map keys.
        field: String,
        /// Go type of the place.
        go_type: String,
    },
    /// Text that a leaf type refuses (quantities, times, durations, base64).
    #[error("{0}")]
    Text(String),
}

fn place(owner: &str, field: &str) -> String {
    if owner.is_empty() && field.is_empty() { "value".to_owned() } else { format!("struct field {owner}.{field}") }
}

/// Checks and canonicalises an object of a built-in kind; returns the paths of the unknown fields it dropped
/// (`spec.template.spec.containers[0].foo`), in order of keys. Applying it to its own result changes nothing.
///
/// # Errors
/// The first value of a wrong type. Leaves whose text cannot be read come first, as upstream's decoder stops at them.
pub fn conform(node: Node<'_>, value: &mut Value) -> Result<Vec<String>, TypeMismatch> {
    let mut walk = Walk::default();
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    walk.value(node, value, &go_type(node.slot(), node))?;
    match walk.saved {
        Some(mismatch) => Err(mismatch),
        None => Ok(walk.unknown),
    }
}

#[derive(Default)]
struct Walk {
    unknown: Vec<String>,
    /// Path with indices and keys, for unknown fields.
    path: String,
    /// Path of field names, for errors.
    fields: Vec<String>,
    /// Structs entered, innermost last.
    owners: Vec<String>,
    /// The first value of a wrong type; reading goes on, as upstream.
    saved: Option<TypeMismatch>,
}

impl Walk {
    fn value(&mut self, node: Node<'_>, value: &mut Value, go: &str) -> Result<(), TypeMismatch> {
        match &node.slot().kind {
            SlotKind::Object(_) => {
                let Value::Object(fields) = value else { return self.mismatch(value, go) };
                let Some(object) = node.object() else { return Ok(()) };
                self.object(node, object, fields)
            }
            SlotKind::Map { values, .. } => {
                let Value::Object(fields) = value else { return self.mismatch(value, go) };
                self.map(node, values, fields, go)
            }
            SlotKind::List { items, .. } => {
                let Value::Array(list) = value else { return self.mismatch(value, go) };
                self.list(node, items, list, go)
            }
            SlotKind::Scalar(scalar) => self.scalar(*scalar, value, go),
            SlotKind::Any => Ok(()),
        }
    }

    fn object(
        &mut self,
        node: Node<'_>,
        object: &ObjectType,
        fields: &mut Map<String, Value>,
    ) -> Result<(), TypeMismatch> {
        let mark = self.path.len();
        self.owners.push(last_segment(&object.name).to_owned());
        let mut unknown = Vec::new();
        for (name, value) in fields.iter_mut() {
            let Some(child) = node.field(name) else {
                if !object.preserve_unknown {
                    unknown.push(name.clone());
                }
                continue;
            };
            if value.is_null() {
                continue;
            }
            let depth = self.fields.len();
            if let Some(field) = &child.slot().go {
                self.fields.extend(field.inlined.iter().map(|(_, name)| last_segment(name).to_owned()));
            }
            self.fields.push(name.clone());
            self.enter(name);
            let outcome = self.value(child, value, &go_type(child.slot(), child));
            self.path.truncate(mark);
            self.fields.truncate(depth);
            outcome?;
        }
        self.owners.pop();
        for name in unknown {
            fields.remove(&name);
            self.enter(&name);
            self.unknown.push(self.path.clone());
            self.path.truncate(mark);
        }
        fields.retain(|name, value| !value.is_null() || node.field(name).is_none());
        normalise_object(node, fields);
        Ok(())
    }

    fn map(
        &mut self,
        node: Node<'_>,
        values: &Slot,
        fields: &mut Map<String, Value>,
        go: &str,
    ) -> Result<(), TypeMismatch> {
        let mark = self.path.len();
        let go = element(go, values, node.field(""));
        for (key, value) in fields.iter_mut() {
            let Some(child) = node.field(key) else { continue };
            if value.is_null() {
                *value = zero(child);
                continue;
            }
            self.enter(key);
            let outcome = self.value(child, value, &go);
            self.path.truncate(mark);
            outcome?;
        }
        Ok(())
    }

    fn list(&mut self, node: Node<'_>, items: &Slot, list: &mut [Value], go: &str) -> Result<(), TypeMismatch> {
        let Some(child) = node.items() else { return Ok(()) };
        let mark = self.path.len();
        let go = element(go, items, Some(child));
        for (index, value) in list.iter_mut().enumerate() {
            if value.is_null() {
                *value = zero(child);
                continue;
            }
            self.path.push_str(&format!("[{index}]"));
            let outcome = self.value(child, value, &go);
            self.path.truncate(mark);
            outcome?;
        }
        Ok(())
    }

    fn scalar(&mut self, scalar: Scalar, value: &mut Value, go: &str) -> Result<(), TypeMismatch> {
        let text = |result: Result<String, String>| result.map(Value::String).map_err(TypeMismatch::Text);
        match (scalar, &*value) {
            (Scalar::String, Value::String(_)) | (Scalar::Bool, Value::Bool(_)) => {}
            (Scalar::Int32, Value::Number(number)) => {
                if number.as_i64().is_none_or(|number| i32::try_from(number).is_err()) {
                    return self.mismatch_number(value, go);
                }
            }
            (Scalar::Int64, Value::Number(number)) => {
                if number.as_i64().is_none() {
                    return self.mismatch_number(value, go);
                }
            }
            (Scalar::Double, Value::Number(_)) => whole_float(value),
            (Scalar::Bytes, Value::String(encoded)) => *value = text(canonical_base64(encoded))?,
            (Scalar::Quantity, given) => {
                let given = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
                *value = text(quantity::canonical(&given).map_err(|error| error.to_string()))?;
            }
            (Scalar::IntOrString, Value::String(_)) => {}
            (Scalar::IntOrString, Value::Number(number)) => {
                if number.as_i64().is_none_or(|number| i32::try_from(number).is_err()) {
                    return self.mismatch_number(value, "int32");
                }
            }
            (Scalar::IntOrString, _) => return self.mismatch(value, "int32"),
            (Scalar::Time | Scalar::MicroTime, Value::String(given)) => {
                let precision = if scalar == Scalar::Time { Precision::Seconds } else { Precision::Micros };
                let time = canonical_time(given, precision).map_err(TypeMismatch::Text)?;
                *value = time.map_or(Value::Null, Value::String);
            }
            (Scalar::Duration, Value::String(given)) => *value = text(parse_duration(given).map(format_duration))?,
            (Scalar::Time | Scalar::MicroTime | Scalar::Duration, _) => return self.mismatch(value, "string"),
            _ => return self.mismatch(value, go),
        }
        Ok(())
    }

    fn enter(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
    }

    fn mismatch(&mut self, value: &Value, go: &str) -> Result<(), TypeMismatch> {
        self.save(kind_of(value).to_owned(), go);
        Ok(())
    }

    fn mismatch_number(&mut self, value: &Value, go: &str) -> Result<(), TypeMismatch> {
        self.save(format!("number {value}"), go);
        Ok(())
    }

    fn save(&mut self, found: String, go: &str) {
        if self.saved.is_none() {
            self.saved = Some(TypeMismatch::Type {
                found,
                owner: self.owners.last().cloned().unwrap_or_default(),
                field: self.fields.join("."),
                go_type: go.to_owned(),
            });
        }
    }
}

/// A whole float is written without a fraction by Go.
pub(crate) fn whole_float(value: &mut Value) {
    if let Value::Number(number) = value
        && number.is_f64()
        && let Some(float) = number.as_f64()
        && float.fract() == 0.0
        && float.abs() < 9_007_199_254_740_992.0
    {
        #[allow(clippy::cast_possible_truncation)] // Whole, and below 2^53 by the check above.
        let whole = float as i64;
        *value = Value::from(whole);
    }
}

/// The name of a JSON type in Go's errors.
pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn last_segment(name: &str) -> &str {
    name.rsplit(['.', '/']).next().unwrap_or(name)
}

/// The Go type of a place, as the table has it or else as its kind suggests.
fn go_type(slot: &Slot, node: Node<'_>) -> String {
    match slot.go.as_deref() {
        Some(GoField { go_type, .. }) if !go_type.is_empty() => go_type.trim_start_matches('*').to_owned(),
        _ => guessed(&slot.kind, node.object()),
    }
}

fn guessed(kind: &SlotKind, object: Option<&ObjectType>) -> String {
    match kind {
        SlotKind::Object(_) => object.map_or_else(String::new, |object| {
            let mut segments = object.name.rsplit('.');
            match (segments.next(), segments.next()) {
                (Some(name), Some(package)) => format!("{package}.{name}"),
                (Some(name), None) => name.to_owned(),
                _ => String::new(),
            }
        }),
        SlotKind::Map { values, .. } => format!("map[string]{}", guessed(&values.kind, None)),
        SlotKind::List { items, .. } => format!("[]{}", guessed(&items.kind, None)),
        SlotKind::Scalar(scalar) => match scalar {
            Scalar::Bool => "bool",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::Double => "float64",
            Scalar::Bytes => "[]uint8",
            _ => "string",
        }
        .to_owned(),
        SlotKind::Any => "interface {}".to_owned(),
    }
}

/// The Go type of the elements of a list or map type.
fn element(go: &str, slot: &Slot, node: Option<Node<'_>>) -> String {
    if let Some(field) = &slot.go
        && !field.go_type.is_empty()
    {
        return field.go_type.trim_start_matches('*').to_owned();
    }
    let inner =
        go.strip_prefix("[]").or_else(|| go.strip_prefix("map[").and_then(|rest| Some(rest.split_once(']')?.1)));
    match inner {
        Some(inner) if !inner.is_empty() => inner.trim_start_matches('*').to_owned(),
        _ => guessed(&slot.kind, node.and_then(Node::object)),
    }
}

#[cfg(test)]
mod tests;
