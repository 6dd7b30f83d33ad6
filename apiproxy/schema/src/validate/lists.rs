//! Sets and maps in list form hold no item twice (`apiserver/schema/listtype`).

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::field::Error;
use crate::{ListType, Node};

/// Errors of all lists at and below a node. A thing that is there three times is reported once.
pub(super) fn check(node: Node<'_>, value: &Value, path: &str) -> Vec<Error> {
    let mut errors = Vec::new();
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let Some(child) = node.field(name) else { continue };
                let path = match (path.is_empty(), node.object().is_some()) {
                    (true, _) => name.clone(),
                    (false, true) => format!("{path}.{name}"),
                    (false, false) => format!("{path}[{name}]"),
                };
                errors.extend(check(child, value, &path));
            }
        }
        Value::Array(items) => {
            match node.list_type() {
                Some(ListType::Set) => {
                    let twice = repeated(items.iter().cloned());
                    errors.extend(twice.into_iter().map(|(i, item)| Error::duplicate(format!("{path}[{i}]"), item)));
                }
                Some(ListType::Map(keys)) => errors.extend(map_errors(items, keys, path)),
                _ => {}
            }
            if let Some(child) = node.items() {
                for (index, item) in items.iter().enumerate() {
                    errors.extend(check(child, item, &format!("{path}[{index}]")));
                }
            }
        }
        _ => {}
    }
    errors
}

fn map_errors(items: &[Value], keys: &[String], path: &str) -> Vec<Error> {
    if let Some((index, item)) = items.iter().enumerate().find(|(_, item)| !item.is_null() && !item.is_object()) {
        let detail = "must be an object for an array of list-type map";
        return vec![Error::invalid(format!("{path}[{index}]"), item.clone(), detail)];
    }
    let key_of = |item: &Value| {
        let fields = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
        Value::Object(fields.collect::<Map<String, Value>>())
    };
    let twice = repeated(items.iter().map(key_of));
    twice.into_iter().map(|(index, key)| Error::duplicate(format!("{path}[{index}]"), key)).collect()
}

/// Where a value occurs for the second time.
fn repeated(values: impl Iterator<Item = Value>) -> Vec<(usize, Value)> {
    let mut seen: HashMap<Value, usize> = HashMap::new();
    let mut second = Vec::new();
    for (index, value) in values.enumerate() {
        let times = seen.entry(value.clone()).or_default();
        *times += 1;
        if *times == 2 {
            second.push((index, value));
        }
    }
    second
}
