//! Reading and filling JSON objects where Go would read zero values.

use serde_json::{Map, Value};

/// What an absent field reads as.
pub(crate) static NULL: Value = Value::Null;

/// Text of a field; empty when absent.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or("")
}

/// Text of a pointer field; None when absent.
pub(crate) fn opt_text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

/// An integer field; None when absent.
pub(crate) fn int(value: &Value, field: &str) -> Option<i64> {
    value.get(field).and_then(Value::as_i64)
}

/// A boolean field; false when absent.
pub(crate) fn flag(value: &Value, field: &str) -> bool {
    opt_flag(value, field).unwrap_or(false)
}

/// A pointer to boolean; None when absent.
pub(crate) fn opt_flag(value: &Value, field: &str) -> Option<bool> {
    value.get(field).and_then(Value::as_bool)
}

/// Items of a list field; empty when absent.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Texts of a list field.
pub(crate) fn texts<'a>(value: &'a Value, field: &str) -> Vec<&'a str> {
    list(value, field).iter().filter_map(Value::as_str).collect()
}

/// Entries of a map field; empty when absent.
pub(crate) fn entries<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
    value.get(field).and_then(Value::as_object).into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// Number of keys of a map field or items of a list field.
pub(crate) fn size(value: &Value, field: &str) -> usize {
    match value.get(field) {
        Some(Value::Object(map)) => map.len(),
        Some(Value::Array(items)) => items.len(),
        _ => 0,
    }
}

/// A field; null when absent.
pub(crate) fn at<'a>(value: &'a Value, field: &str) -> &'a Value {
    value.get(field).unwrap_or(&NULL)
}

/// The value at a dotted path; null when absent.
pub(crate) fn dig<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, at)
}

/// A pointer field that is set.
pub(crate) fn set<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}

/// The object here, made when there is none.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// A field as an object, made when absent.
pub(crate) fn child<'a>(value: &'a mut Value, field: &str) -> &'a mut Value {
    let slot = object(value).entry(field).or_insert(Value::Null);
    object(slot);
    slot
}

/// Items of a list field, to change.
pub(crate) fn items_mut<'a>(value: &'a mut Value, field: &str) -> &'a mut [Value] {
    value.get_mut(field).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

/// Fills a field when it is absent or null.
pub(crate) fn fill(value: &mut Value, field: &str, default: impl Into<Value>) {
    let slot = object(value).entry(field).or_insert(Value::Null);
    if slot.is_null() {
        *slot = default.into();
    }
}

/// Fills a text field that is absent or empty.
pub(crate) fn fill_text(value: &mut Value, field: &str, default: &str) {
    if text(value, field).is_empty() {
        object(value).insert(field.to_owned(), default.into());
    }
}

/// Fills a number field that is absent or zero.
pub(crate) fn fill_zero(value: &mut Value, field: &str, default: i64) {
    if int(value, field).unwrap_or(0) == 0 {
        object(value).insert(field.to_owned(), default.into());
    }
}

/// Removes a field.
pub(crate) fn drop_field(value: &mut Value, field: &str) {
    if let Value::Object(map) = value {
        map.remove(field);
    }
}

/// Sets a field.
pub(crate) fn put(value: &mut Value, field: &str, new: impl Into<Value>) {
    object(value).insert(field.to_owned(), new.into());
}

/// Takes a field over from another object: its value, or its absence.
pub(crate) fn take_over(value: &mut Value, from: &Value, field: &str) {
    match from.get(field) {
        Some(old) => put(value, field, old.clone()),
        None => drop_field(value, field),
    }
}

/// Fields for which an empty object says something else than absence.
const SPEAKING_EMPTY: [&str; 8] = [
    "emptyDir",
    "podSelector",
    "namespaceSelector",
    "labelSelector",
    "objectSelector",
    "selector",
    "clientIP",
    "behavior",
];

/// Upstream's `Semantic.DeepEqual`: absent, null and empty lists and objects are one.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(key, value)| same_field(key, value, b.get(key).unwrap_or(&NULL)))
                && b.iter().all(|(key, value)| a.contains_key(key) || same_field(key, &NULL, value))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (a, b) => a == b || (empty(a) && empty(b)),
    }
}

fn same_field(key: &str, a: &Value, b: &Value) -> bool {
    if SPEAKING_EMPTY.contains(&key) && a.is_null() != b.is_null() {
        return false;
    }
    same(a, b)
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(empty),
        _ => false,
    }
}

/// Whether a field is the same in both objects.
pub(crate) fn same_at(a: &Value, b: &Value, field: &str) -> bool {
    same_field(field, at(a, field), at(b, field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn empty_and_absent_are_the_same_unless_they_speak() {
        assert!(same(&json!({"a": []}), &json!({})));
        assert!(same(&json!({"resources": {}}), &json!({"resources": null})));
        assert!(!same(&json!({"emptyDir": {}}), &json!({})));
        assert!(!same(&json!({"a": 0}), &json!({})));
        assert!(!same(&json!({"a": [1]}), &json!({"a": [1, 2]})));
    }
}
