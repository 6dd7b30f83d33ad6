//! Printed rows: the cells `kubectl get` shows (`pkg/printers/internalversion/printers.go`).

mod age;

use jiff::Timestamp;
use schema::{Column, Resource};
use serde_json::Value;

pub use age::{human_duration, since};

use crate::json::{at, dig, text};

/// The cells of one row, one for each of the resource's columns. `now` is what ages are counted from.
pub fn row(resource: &Resource, obj: &Value, now: Timestamp) -> Vec<Value> {
    resource.columns.iter().map(|column| cell(column, obj, now)).collect()
}

/// A cell found by the column alone: a path for custom resources, else the name or age.
fn cell(column: &Column, obj: &Value, now: Timestamp) -> Value {
    match (&column.json_path, column.name.as_str()) {
        (Some(path), _) => custom_cell(column, dig(obj, path.trim_start_matches('.')), now),
        (None, "Name") => text(at(obj, "metadata"), "name").into(),
        (None, "Age") => age::age(obj, now).into(),
        (None, "Created At") => at(at(obj, "metadata"), "creationTimestamp").clone(),
        _ => Value::Null,
    }
}

fn custom_cell(column: &Column, value: &Value, now: Timestamp) -> Value {
    match column.type_.as_str() {
        "date" => value.as_str().map_or(Value::Null, |time| since(time, now).into()),
        _ => value.clone(),
    }
}
