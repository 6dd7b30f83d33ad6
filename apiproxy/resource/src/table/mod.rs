//! Printed rows: the cells `kubectl get` shows (`pkg/printers/internalversion/printers.go`).

mod age;
mod cluster;
mod configuration;
mod custom;
mod event;
mod network;
mod pod;
mod scaling;
mod storage;
mod workload;

use jiff::Timestamp;
use schema::{Column, Resource};
use serde_json::Value;

pub use age::{human_duration, since};

use crate::json::{at, text};

/// The cells of one row, one for each of the resource's columns, the wide ones included. `now` is what ages are counted
/// from. The object is of the resource's own group and version.
pub fn row(resource: &Resource, obj: &Value, now: Timestamp) -> Vec<Value> {
    let print = Print { obj, now };
    if resource.custom.is_none()
        && let Some(mut cells) = built_in(resource, &print)
    {
        cells.resize(resource.columns.len(), Value::Null);
        return cells;
    }
    resource.columns.iter().map(|column| cell(column, &print)).collect()
}

fn built_in(resource: &Resource, print: &Print<'_>) -> Option<Vec<Value>> {
    match resource.group.as_str() {
        "" | "events.k8s.io" => core(resource.plural.as_str(), print),
        "apps" | "batch" => workload::row(&resource.plural, print),
        "autoscaling" | "policy" => scaling::row(&resource.plural, print),
        "networking.k8s.io" | "discovery.k8s.io" => network::row(&resource.plural, print),
        "storage.k8s.io" | "resource.k8s.io" => storage::row(&resource.plural, print),
        _ => cluster::row(&resource.plural, print),
    }
}

fn core(plural: &str, print: &Print<'_>) -> Option<Vec<Value>> {
    match plural {
        "pods" => Some(pod::row(print)),
        "events" => Some(event::row(print)),
        "services" | "endpoints" => network::row(plural, print),
        "persistentvolumes" | "persistentvolumeclaims" => storage::row(plural, print),
        "replicationcontrollers" | "podtemplates" => workload::row(plural, print),
        _ => configuration::row(plural, print),
    }
}

/// What a row is made from.
struct Print<'a> {
    obj: &'a Value,
    now: Timestamp,
}

impl Print<'_> {
    fn name(&self) -> Value {
        text(at(self.obj, "metadata"), "name").into()
    }

    fn age(&self) -> Value {
        since(text(at(self.obj, "metadata"), "creationTimestamp"), self.now).into()
    }

    fn spec(&self) -> &Value {
        at(self.obj, "spec")
    }

    fn status(&self) -> &Value {
        at(self.obj, "status")
    }

    fn deleted(&self) -> bool {
        !at(at(self.obj, "metadata"), "deletionTimestamp").is_null()
    }
}

/// A cell found by the column alone: a path for custom resources, else the name or age.
fn cell(column: &Column, print: &Print<'_>) -> Value {
    match (&column.json_path, column.name.as_str()) {
        (Some(path), _) => custom::cell(column, path, print),
        (None, "Name") => print.name(),
        (None, "Age") => print.age(),
        (None, "Created At") => at(at(print.obj, "metadata"), "creationTimestamp").clone(),
        _ => Value::Null,
    }
}

/// Text, or a word for its absence.
fn or(text: &str, absent: &str) -> Value {
    if text.is_empty() { absent.into() } else { text.into() }
}

/// At most `max` items, and how many more there are.
fn some_of(items: &[String], max: usize, separator: &str) -> String {
    let shown = items.iter().take(max).cloned().collect::<Vec<_>>().join(separator);
    if items.len() > max { format!("{shown} + {} more...", items.len() - max) } else { shown }
}
