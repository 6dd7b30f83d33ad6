//! Conversion between the version an object is stored in and the version it is served in.

use schema::Resource;
use serde_json::Value;

use crate::json::put;

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Turns an object of the resource's own group and version into the stored form.
pub fn to_storage(resource: &Resource, obj: &mut Value) {
    put(obj, "apiVersion", api_version(&resource.storage_group, &resource.storage_version));
}

/// Turns a stored object into the resource's own group and version.
pub fn from_storage(resource: &Resource, obj: &mut Value) {
    put(obj, "apiVersion", api_version(&resource.group, &resource.version));
}
