//! Conversion between the version an object is stored in and the version it is served in.

mod autoscaler;
mod event;

use schema::Resource;
use serde_json::{Map, Value};

use crate::json::put;

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Which of our own conversions a resource needs.
enum Kind {
    Event,
    Autoscaler,
    Same,
}

fn kind(resource: &Resource) -> Kind {
    let same = resource.group == resource.storage_group && resource.version == resource.storage_version;
    match resource.plural.as_str() {
        _ if resource.custom.is_some() || same => Kind::Same,
        "events" => Kind::Event,
        "horizontalpodautoscalers" => Kind::Autoscaler,
        _ => Kind::Same,
    }
}

/// Turns an object of the resource's own group and version into the stored form.
pub fn to_storage(resource: &Resource, obj: &mut Value) {
    match kind(resource) {
        // Whichever of the two forms is stored, the other is served.
        Kind::Event if resource.group.is_empty() => event::to_events(obj),
        Kind::Event => event::to_core(obj),
        Kind::Autoscaler if resource.version == "v1" => autoscaler::to_v2(obj),
        Kind::Autoscaler => autoscaler::to_v1(obj),
        Kind::Same => (),
    }
    put(obj, "apiVersion", api_version(&resource.storage_group, &resource.storage_version));
}

/// Turns a stored object into the resource's own group and version.
pub fn from_storage(resource: &Resource, obj: &mut Value) {
    match kind(resource) {
        Kind::Event if resource.group.is_empty() => event::to_core(obj),
        Kind::Event => event::to_events(obj),
        Kind::Autoscaler if resource.version == "v1" => autoscaler::to_v1(obj),
        Kind::Autoscaler => autoscaler::to_v2(obj),
        Kind::Same => (),
    }
    put(obj, "apiVersion", api_version(&resource.group, &resource.version));
}

/// Renames top-level fields, keeping the rest.
fn rename(obj: &mut Value, pairs: &[(&str, &str)]) {
    if let Value::Object(fields) = obj {
        let mut renamed = Map::with_capacity(fields.len());
        for (key, value) in std::mem::take(fields) {
            let new = pairs.iter().find(|(from, _)| *from == key).map(|(_, to)| (*to).to_owned());
            renamed.insert(new.unwrap_or(key), value);
        }
        *fields = renamed;
    }
}
