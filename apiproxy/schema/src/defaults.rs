//! Fills in the defaults of a schema, as `apiserver/schema/defaulting` of apiextensions-apiserver does.

use serde_json::Value;

use crate::Node;

/// Fills in defaults: of absent properties of objects that are there, and in the place of nulls that are not allowed.
/// An object that is absent gets no defaults unless it has one itself.
pub fn apply(node: Node<'_>, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(object) = node.object() {
                for (name, slot) in &object.properties {
                    let Some(default) = &slot.default else { continue };
                    if fields.get(name).is_none_or(|value| value.is_null() && !slot.nullable) {
                        fields.insert(name.clone(), default.clone());
                    }
                }
            }
            for (name, value) in fields.iter_mut() {
                let Some(child) = node.field(name) else { continue };
                fill(child, value);
            }
        }
        Value::Array(items) => {
            let Some(child) = node.items() else { return };
            for value in items {
                fill(child, value);
            }
        }
        _ => {}
    }
}

fn fill(node: Node<'_>, value: &mut Value) {
    let slot = node.slot();
    if value.is_null()
        && !slot.nullable
        && let Some(default) = &slot.default
    {
        *value = default.clone();
    }
    apply(node, value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crd::schema_of;

    #[test]
    fn defaults_fill_only_what_exists() {
        let schema = schema_of(&json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "a": {"type": "string", "default": "x"},
                "n": {"type": "string", "nullable": true, "default": "x"},
                "deep": {"type": "object", "properties": {"b": {"type": "integer", "default": 1}}},
                "made": {"type": "object", "default": {}, "properties": {"b": {"type": "integer", "default": 1}}},
                "list": {"type": "array", "items": {"type": "object", "properties": {"c": {"type": "boolean", "default": true}}}},
                "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"d": {"type": "integer", "default": 2}}}},
            }},
            "other": {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}},
        }}));
        let mut value = json!({"spec": {"n": null, "list": [{}, {"c": false}], "map": {"k": {}}, "a": null}});
        apply(schema.node(), &mut value);
        assert_eq!(
            value,
            json!({"spec": {"a": "x", "n": null, "made": {"b": 1}, "list": [{"c": true}, {"c": false}], "map": {"k": {"d": 2}}}})
        );
    }
}
