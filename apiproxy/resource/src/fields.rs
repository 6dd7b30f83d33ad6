//! Values that field selectors compare.

use schema::Resource;
use serde_json::Value;

use crate::json::dig;

/// Selectable fields of any resource with their values ("" when absent), besides `metadata.name` and
/// `metadata.namespace`: upstream's own for built-in kinds, the declared paths for custom ones.
pub fn values(resource: &Resource, obj: &Value) -> Vec<(String, String)> {
    let special = crate::of(resource).fields(obj);
    let mut values: Vec<(String, String)> = special.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for field in &resource.selectable_fields {
        if !values.iter().any(|(name, _)| name == field) {
            values.push((field.clone(), shown(dig(obj, field))));
        }
    }
    values
}

/// A value as a field selector writes it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
