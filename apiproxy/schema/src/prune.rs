//! Drops from a custom resource what its structural schema does not name, as `apiserver/schema/pruning`,
//! `objectmeta` and `defaulting` of apiextensions-apiserver do.
//!
//! Metadata is typed even there, in the object itself and in embedded resources: it is read as a Go struct first
//! ([`metadata`]), so wrong types in it are decoding errors and not validation errors.

use serde_json::{Map, Value};

use crate::conform::{TypeMismatch, conform, whole_float};
use crate::{Node, Slot, SlotKind};

const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Reads `metadata` of a custom resource and of resources embedded in it as typed; returns the paths of unknown fields
/// in it (`metadata.foo`). Runs before [`prune`].
///
/// # Errors
/// Metadata of a wrong type; the error's path starts below `metadata`, as upstream's.
pub fn metadata(node: Node<'_>, value: &mut Value) -> Result<Vec<String>, TypeMismatch> {
    let mut unknown = Vec::new();
    meta(node, value, true, &mut String::new(), &mut unknown)?;
    unknown.sort();
    Ok(unknown)
}

fn embedded(slot: &Slot) -> bool {
    slot.limits.as_ref().is_some_and(|limits| limits.embedded_resource)
}

fn meta(
    node: Node<'_>,
    value: &mut Value,
    root: bool,
    path: &mut String,
    unknown: &mut Vec<String>,
) -> Result<(), TypeMismatch> {
    let mark = path.len();
    let resource = root || embedded(node.slot());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                let Some(child) = node.field(name) else { continue };
                enter(path, name);
                if resource && matches!(name.as_str(), "apiVersion" | "kind") && !value.is_string() {
                    return Err(TypeMismatch::Text(format!("{path}: Invalid value: {value}: must be a string")));
                }
                if resource && name == "metadata" {
                    if !value.is_null() {
                        unknown.extend(conform(child, value)?.into_iter().map(|field| format!("{path}.{field}")));
                    }
                } else {
                    meta(child, value, false, path, unknown)?;
                }
                path.truncate(mark);
            }
            if resource && fields.get("metadata").is_some_and(Value::is_null) {
                fields.remove("metadata");
            }
        }
        Value::Array(items) => {
            let Some(child) = node.items() else { return Ok(()) };
            for (index, value) in items.iter_mut().enumerate() {
                path.push_str(&format!("[{index}]"));
                meta(child, value, false, path, unknown)?;
                path.truncate(mark);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Drops the fields of a custom resource that its schema does not name and returns their paths, sorted. Metadata is left
/// to [`metadata`]. Numbers take the form Go writes (`3.0` becomes `3`). Applying it to its own result changes nothing.
pub fn prune(node: Node<'_>, value: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    walk(Some(node), value, true, &mut String::new(), &mut unknown);
    unknown.sort();
    unknown
}

/// Like [`prune`], for a value that is not a whole resource, such as a default.
pub(crate) fn prune_part(node: Node<'_>, value: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    walk(Some(node), value, false, &mut String::new(), &mut unknown);
    unknown
}

/// Drops nulls that neither are allowed nor make place for a default. Runs after [`crate::defaults::apply`].
pub fn drop_nulls(node: Node<'_>, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                let Some(child) = node.field(name) else { return true };
                let slot = child.slot();
                if value.is_null() && !slot.nullable && slot.default.is_none() {
                    return false;
                }
                drop_nulls(child, value);
                true
            });
        }
        Value::Array(items) => {
            let Some(child) = node.items() else { return };
            for value in items {
                drop_nulls(child, value);
            }
        }
        _ => {}
    }
}

fn walk(node: Option<Node<'_>>, value: &mut Value, root: bool, path: &mut String, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => object(node, fields, root, path, unknown),
        Value::Array(items) => {
            let mark = path.len();
            let child = node.and_then(Node::items);
            for (index, value) in items.iter_mut().enumerate() {
                path.push_str(&format!("[{index}]"));
                walk(child, value, false, path, unknown);
                path.truncate(mark);
            }
        }
        number @ Value::Number(_) => whole_float(number),
        _ => {}
    }
}

fn object(
    node: Option<Node<'_>>,
    fields: &mut Map<String, Value>,
    root: bool,
    path: &mut String,
    unknown: &mut Vec<String>,
) {
    let mark = path.len();
    // Without a node nothing is known below, and everything survives: the place is `Any`.
    let keeps_all = node.is_none_or(|node| {
        matches!(node.slot().kind, SlotKind::Any) || node.object().is_some_and(|object| object.preserve_unknown)
    });
    let resource = root || node.is_some_and(|node| embedded(node.slot()));
    fields.retain(|name, value| {
        if resource && META_FIELDS.contains(&name.as_str()) {
            return true;
        }
        let child = node.and_then(|node| node.field(name));
        if child.is_none() && !keeps_all {
            // An object where the schema has a leaf or a list: upstream prunes all of it, validation then objects.
            enter(path, name);
            unknown.push(path.clone());
            path.truncate(mark);
            return false;
        }
        enter(path, name);
        walk(child, value, false, path, unknown);
        path.truncate(mark);
        true
    });
}

fn enter(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

#[cfg(test)]
mod tests;
