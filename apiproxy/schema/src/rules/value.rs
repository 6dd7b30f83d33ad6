//! Values of custom resources as CEL sees them: fields under escaped names, numbers by their declared type, times and
//! durations parsed.

use std::collections::HashMap;

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp,
    CelUInt,
};
use cel::common::value::Val;
use serde_json::{Map, Value};

use crate::scalar::{decode_base64, parse_duration};
use crate::{Node, Scalar, SlotKind};

const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The name of a field in expressions; None when the field cannot be named.
pub(super) fn escape(name: &str) -> Option<String> {
    let nameable = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/'));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !nameable {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let escaped = name.replace("__", "\0");
    let escaped = escaped.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__");
    Some(escaped.replace('\0', "__underscores__"))
}

type Boxed<'v> = Box<dyn Val + 'v>;

/// Nodes of a value, which converting it costs.
pub(super) fn weight(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(weight).sum::<u64>(),
        Value::Object(fields) => 1 + fields.values().map(weight).sum::<u64>(),
        _ => 1,
    }
}

/// Converts a value that stands at a node. With `resource` the object is one whose `apiVersion`, `kind` and name are
/// visible.
pub(super) fn convert<'v>(node: Node<'v>, value: &'v Value, resource: bool) -> Boxed<'v> {
    let slot = node.slot();
    match (&slot.kind, value) {
        (_, Value::Null) => Box::new(CelNull),
        (SlotKind::Object(_), Value::Object(fields)) => {
            let resource = resource || slot.limits.as_ref().is_some_and(|limits| limits.embedded_resource);
            object(node, fields, resource)
        }
        (SlotKind::Map { .. }, Value::Object(fields)) => {
            let entries = fields.iter().filter_map(|(key, value)| {
                Some((CelMapKey::from(key.as_str()), convert(node.field(key)?, value, false)))
            });
            Box::new(CelMap::from(entries.collect::<HashMap<CelMapKey<'v>, Boxed<'v>>>()))
        }
        (SlotKind::List { .. }, Value::Array(items)) => match node.items() {
            Some(child) => {
                Box::new(CelList::from(items.iter().map(|item| convert(child, item, false)).collect::<Vec<_>>()))
            }
            None => plain(value),
        },
        (SlotKind::Scalar(Scalar::Double), Value::Number(number)) => {
            Box::new(CelDouble::from(number.as_f64().unwrap_or(0.0)))
        }
        (SlotKind::Scalar(Scalar::String), Value::String(text)) => {
            let format = slot.limits.as_ref().and_then(|limits| limits.format.as_deref());
            formatted(format.unwrap_or_default(), text).unwrap_or_else(|| plain(value))
        }
        (SlotKind::Scalar(Scalar::Time | Scalar::MicroTime), Value::String(text)) => {
            formatted("date-time", text).unwrap_or_else(|| plain(value))
        }
        _ => plain(value),
    }
}

fn object<'v>(node: Node<'v>, fields: &'v Map<String, Value>, resource: bool) -> Boxed<'v> {
    let mut entries: HashMap<CelMapKey<'v>, Boxed<'v>> = HashMap::new();
    for (name, value) in fields {
        let Some(child) = node.field(name) else { continue };
        let Some(escaped) = escape(name) else { continue };
        let converted = match value {
            // Of metadata only the names are visible.
            Value::Object(metadata) if resource && name == "metadata" => {
                let named = ["name", "generateName"]
                    .into_iter()
                    .filter_map(|name| Some((CelMapKey::from(name), plain(metadata.get(name)?))));
                Box::new(CelMap::from(named.collect::<HashMap<CelMapKey<'v>, Boxed<'v>>>()))
            }
            _ => convert(child, value, false),
        };
        entries.insert(CelMapKey::from(escaped), converted);
    }
    Box::new(CelMap::from(entries))
}

fn formatted<'v>(format: &str, text: &str) -> Option<Boxed<'v>> {
    match format {
        "date-time" => Some(Box::new(CelTimestamp::from(chrono::DateTime::parse_from_rfc3339(text).ok()?))),
        "date" => {
            let time = chrono::DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z")).ok()?;
            Some(Box::new(CelTimestamp::from(time)))
        }
        "duration" => {
            let nanos = parse_duration(text).ok()?;
            Some(Box::new(CelDuration::from(chrono::Duration::nanoseconds(nanos))))
        }
        "byte" => Some(Box::new(CelBytes::from(decode_base64(text).ok()?))),
        _ => None,
    }
}

/// Converts a value without a declared type.
fn plain(value: &Value) -> Boxed<'_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Box::new(CelInt::from(integer)),
            (None, Some(integer)) => Box::new(CelUInt::from(integer)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(0.0))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(plain).collect::<Vec<_>>())),
        Value::Object(fields) => {
            let entries = fields.iter().map(|(key, value)| (CelMapKey::from(key.as_str()), plain(value)));
            Box::new(CelMap::from(entries.collect::<HashMap<CelMapKey<'_>, Boxed<'_>>>()))
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_escaped() {
        for (name, want) in [
            ("a", Some("a")),
            ("namespace", Some("__namespace__")),
            ("a.b-c/d", Some("a__dot__b__dash__c__slash__d")),
            ("a__b", Some("a__underscores__b")),
            ("", None),
            ("9a", None),
            ("a b", None),
        ] {
            assert_eq!(super::escape(name).as_deref(), want, "{name}");
        }
    }
}
