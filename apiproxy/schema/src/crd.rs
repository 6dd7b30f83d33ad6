//! CustomResourceDefinitions: defaults, validation, status, and compilation into [`Resource`]s.

mod check;
mod compile;
mod meta;
mod names;
mod schema_check;
mod structural;

pub use check::{validate_create, validate_update};
pub use compile::compile;
pub use names::{defaults, established, is_established, name_conflict};
pub use structural::schema_of;
pub(crate) use structural::{limits_of, part_of};

use serde_json::Value;

/// The text at a path of field names; empty when it is absent or no text.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// The value at a path of field names.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name)).filter(|value| !value.is_null())
}

/// The items of the list at a path; none when it is absent.
pub(crate) fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The strings of the list at a path.
pub(crate) fn strings(value: &Value, path: &[&str]) -> Vec<String> {
    list(value, path).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether the boolean at a path is true.
pub(crate) fn flag(value: &Value, path: &[&str]) -> bool {
    at(value, path).and_then(Value::as_bool).unwrap_or(false)
}
