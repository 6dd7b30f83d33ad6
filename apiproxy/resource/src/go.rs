//! Values as upstream's errors show its internal structs: Go field names, in the order of the fields, null when unset.

use serde_json::Value;

use crate::json::at;

/// A field of a Go struct.
pub(crate) struct Field {
    /// Name in Go.
    pub(crate) go: &'static str,
    /// Name in JSON.
    pub(crate) json: &'static str,
    /// Fields of the struct it points to; empty for other types.
    pub(crate) inner: &'static [Field],
}

impl Field {
    /// A field that is no struct.
    pub(crate) const fn leaf(go: &'static str, json: &'static str) -> Field {
        Field { go, json, inner: &[] }
    }
}

/// Fields of a label selector in Go's order, for [`ordered`].
pub(crate) const SELECTOR: [&str; 2] = ["matchLabels", "matchExpressions"];

/// A struct with its fields.
pub(crate) fn shown(value: &Value, fields: &[Field]) -> String {
    let written: Vec<String> = fields
        .iter()
        .map(|field| {
            let value = at(value, field.json);
            let text =
                if field.inner.is_empty() || value.is_null() { value.to_string() } else { shown(value, field.inner) };
            format!("\"{}\":{text}", field.go)
        })
        .collect();
    format!("{{{}}}", written.join(","))
}

/// An object of a versioned type: JSON names, but in the order of the Go fields; unset ones left out.
pub(crate) fn ordered(value: &Value, fields: &[&str]) -> String {
    let written: Vec<String> =
        fields.iter().filter_map(|field| value.get(field).map(|value| format!("\"{field}\":{value}"))).collect();
    format!("{{{}}}", written.join(","))
}
