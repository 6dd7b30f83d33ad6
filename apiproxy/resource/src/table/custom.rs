//! Cells of custom resources: the value at a column's JSON path, by the column's type.

use schema::{Column, jsonpath};
use serde_json::Value;

use super::{Print, since};

/// One cell; null when there is nothing at the path or it is of another type.
pub(super) fn cell(column: &Column, path: &str, print: &Print<'_>) -> Value {
    let Some(value) = jsonpath::first(path, print.obj).filter(|value| !value.is_null()) else { return Value::Null };
    match (column.type_.as_str(), value) {
        ("string", Value::String(text)) => text.clone().into(),
        ("string", value) => value.to_string().into(),
        ("integer", Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            #[expect(clippy::cast_possible_truncation, reason = "upstream cuts fractions off here")]
            (None, Some(float)) => (float as i64).into(),
            (None, None) => Value::Null,
        },
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(time)) => match time.parse::<jiff::Timestamp>() {
            Ok(_) => since(time, print.now).into(),
            Err(_) => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}
