//! OpenAPI documents in the protobuf of gnostic, which is what client-go asks for (`OpenAPISchema`).
//!
//! The JSON of a document is walked by a table of layouts, one per message. They are proto3: what is zero is not
//! written. Parts that no document of an API server has (links, callbacks, flows) have no layout and are left out.
//!
//! Upstream: `gnostic-models/openapiv2/OpenAPIv2.proto`, `openapiv3/OpenAPIv3.proto`.

mod v2;
mod v3;

use serde_json::{Map, Value};

use crate::write::{bytes, double, enclose, number};

/// Media type of version 2 documents.
pub const V2: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// Media type of version 3 documents.
pub const V3: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

/// An OpenAPI version 2 document.
pub fn v2(document: &Value) -> Vec<u8> {
    whole(&v2::DOCUMENT, document)
}

/// An OpenAPI version 3 document.
pub fn v3(document: &Value) -> Vec<u8> {
    whole(&v3::DOCUMENT, document)
}

fn whole(layout: &Layout, document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    layout.write(document, &mut out);
    out
}

/// A message whose fields are those of a JSON object.
struct Layout {
    fields: &'static [(&'static str, u32, Type)],
    /// Number of the field for everything that begins with `x-`; 0 when there is none.
    extensions: u32,
}

/// What a field holds.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Flag,
    Whole,
    Double,
    /// `{2: YAML}`
    Any,
    Texts,
    Anys,
    /// `{1: repeated text}`, of a list or of one text.
    WrappedTexts,
    /// `{N: repeated {1: key, 2: value}}` of an object.
    Named(u32, &'static Type),
    /// A message for each item.
    List(&'static Type),
    /// `{1: repeated}` of a list or of one item.
    Wrapped(&'static Type),
    Message(&'static Layout),
    /// `{1: the thing}`, or `{2: reference}` when it is one.
    OrReference(&'static Layout),
    /// `{N: message}`
    At(u32, &'static Type),
    /// `{1: schema}` or `{2: flag}`.
    OrFlag(&'static Type),
    /// A parameter of version 2, in the message of the place it is in.
    Parameter,
    /// A default of version 3: number, flag or text.
    Scalar,
}

static REFERENCE: Layout = Layout { fields: &[("$ref", 1, Type::Text)], extensions: 0 };

impl Layout {
    fn write(&self, value: &Value, out: &mut Vec<u8>) {
        let Value::Object(object) = value else { return };
        // Numbers are in order in every layout; extensions come last in all that have them.
        for (name, at, shape) in self.fields {
            if let Some(value) = object.get(*name) {
                shape.write(*at, value, out);
            }
        }
        if self.extensions != 0 {
            for (name, value) in object.iter().filter(|(name, _)| name.starts_with("x-")) {
                entry(name, self.extensions, &Type::Any, value, out);
            }
        }
    }
}

/// `{1: key, 2: value}` as field `at`.
fn entry(name: &str, at: u32, shape: &Type, value: &Value, out: &mut Vec<u8>) {
    let start = out.len();
    bytes(out, 1, name.as_bytes());
    shape.write(2, value, out);
    enclose(out, start, at);
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(list) => list.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

fn referring(object: &Map<String, Value>) -> bool {
    object.contains_key("$ref")
}

impl Type {
    /// Writes a value as field `at`; nothing when it is not of the type, or zero.
    fn write(&self, at: u32, value: &Value, out: &mut Vec<u8>) {
        match (self, value) {
            (Type::Text, Value::String(text)) if !text.is_empty() => bytes(out, at, text.as_bytes()),
            (Type::Flag, Value::Bool(true)) => number(out, at, 1),
            (Type::Whole, Value::Number(value)) => {
                if let Some(value) = value.as_i64().filter(|value| *value != 0) {
                    number(out, at, value);
                }
            }
            (Type::Double, Value::Number(value)) => {
                if let Some(value) = value.as_f64().filter(|value| *value != 0.0) {
                    double(out, at, value);
                }
            }
            (Type::Texts, Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).for_each(|text| bytes(out, at, text.as_bytes()));
            }
            (Type::Anys, Value::Array(list)) => list.iter().for_each(|item| Type::Any.write(at, item, out)),
            (Type::List(item), Value::Array(list)) => list.iter().for_each(|value| item.write(at, value, out)),
            (
                Type::Any | Type::WrappedTexts | Type::Wrapped(_) | Type::At(..) | Type::OrFlag(_) | Type::Scalar,
                value,
            ) => {
                let start = out.len();
                self.inner(value, out);
                enclose(out, start, at);
            }
            (Type::Named(..) | Type::Message(_) | Type::OrReference(_) | Type::Parameter, Value::Object(object)) => {
                let start = out.len();
                self.fields(value, object, out);
                enclose(out, start, at);
            }
            _ => {}
        }
    }

    /// The content of a message around a value of any kind.
    fn inner(&self, value: &Value, out: &mut Vec<u8>) {
        match (self, value) {
            // JSON is YAML.
            (Type::Any, value) => bytes(out, 2, format!("{value}\n").as_bytes()),
            (Type::WrappedTexts, value) => {
                each(value).filter_map(Value::as_str).for_each(|text| bytes(out, 1, text.as_bytes()));
            }
            (Type::Wrapped(item), value) => each(value).for_each(|value| item.write(1, value, out)),
            (Type::At(at, item), value) => item.write(*at, value, out),
            (Type::OrFlag(_), Value::Bool(flag)) => number(out, 2, i64::from(*flag)),
            (Type::OrFlag(schema), value) => schema.write(1, value, out),
            (Type::Scalar, Value::Number(value)) => double(out, 1, value.as_f64().unwrap_or_default()),
            (Type::Scalar, Value::Bool(flag)) => number(out, 2, i64::from(*flag)),
            (Type::Scalar, Value::String(text)) => bytes(out, 3, text.as_bytes()),
            _ => {}
        }
    }

    /// The content of a message around an object.
    fn fields(&self, value: &Value, object: &Map<String, Value>, out: &mut Vec<u8>) {
        match self {
            Type::Named(at, shape) => {
                object.iter().for_each(|(name, value)| entry(name, *at, shape, value, out));
            }
            Type::Message(layout) => layout.write(value, out),
            Type::OrReference(_) if referring(object) => Type::Message(&REFERENCE).write(2, value, out),
            Type::OrReference(layout) => Type::Message(layout).write(1, value, out),
            Type::Parameter if referring(object) => Type::Message(&REFERENCE).write(2, value, out),
            Type::Parameter => {
                let start = out.len();
                v2::parameter(value, out);
                enclose(out, start, 1);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
