//! Types of expressions, and those that a schema declares.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::value::escape;
use crate::crd::{at, flag, text};

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// Known only when it runs.
    Dyn,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Null,
    Duration,
    Timestamp,
    /// A type as a value.
    Kind,
    /// Items, and how many there can be.
    List(Arc<Type>, Option<u64>),
    /// Keys, values, and how many there can be.
    Map(Arc<Type>, Arc<Type>, Option<u64>),
    /// Fields by escaped name.
    Object(Arc<BTreeMap<String, Type>>),
    Optional(Arc<Type>),
}

impl Type {
    pub(super) fn list(items: Type) -> Type {
        Type::List(Arc::new(items), None)
    }

    pub(super) fn numeric(&self) -> bool {
        matches!(self, Type::Int | Type::Uint | Type::Double)
    }

    /// Whether a value of one type can stand where the other is wanted.
    pub(super) fn fits(&self, wanted: &Type) -> bool {
        match (self, wanted) {
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            (Type::List(a, _), Type::List(b, _)) | (Type::Optional(a), Type::Optional(b)) => a.fits(b),
            (Type::Map(ak, av, _), Type::Map(bk, bv, _)) => ak.fits(bk) && av.fits(bv),
            (Type::Object(_), Type::Map(..)) | (Type::Map(..), Type::Object(_)) => true,
            (a, b) => a == b,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Type::Dyn => "dyn",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Null => "null",
            Type::Duration => "google.protobuf.Duration",
            Type::Timestamp => "google.protobuf.Timestamp",
            Type::Kind => "type",
            Type::Object(_) => "object",
            Type::List(items, _) => return write!(f, "list({items})"),
            Type::Map(keys, values, _) => return write!(f, "map({keys}, {values})"),
            Type::Optional(inner) => return write!(f, "optional_type({inner})"),
        };
        f.write_str(name)
    }
}

/// The type a schema declares; `resource` adds what is visible of every resource.
pub(super) fn declared(schema: &Value, resource: bool) -> Type {
    if flag(schema, &["x-kubernetes-int-or-string"]) {
        return Type::Dyn;
    }
    let resource = resource || flag(schema, &["x-kubernetes-embedded-resource"]);
    let count = |field: &str| schema.get(field).and_then(Value::as_u64);
    match text(schema, &["type"]) {
        "object" => {
            if let Some(values) = at(schema, &["additionalProperties"]).filter(|values| values.is_object()) {
                return Type::Map(Arc::new(Type::String), Arc::new(declared(values, false)), count("maxProperties"));
            }
            let properties = at(schema, &["properties"]).and_then(Value::as_object).into_iter().flatten();
            let mut fields: BTreeMap<String, Type> =
                properties.filter_map(|(name, schema)| Some((escape(name)?, declared(schema, false)))).collect();
            if resource {
                let names = ["name", "generateName"].map(|name| (name.to_owned(), Type::String));
                fields.insert("apiVersion".to_owned(), Type::String);
                fields.insert("kind".to_owned(), Type::String);
                fields.insert("metadata".to_owned(), Type::Object(Arc::new(names.into_iter().collect())));
            }
            Type::Object(Arc::new(fields))
        }
        "array" => {
            let items = at(schema, &["items"]).map_or(Type::Dyn, |items| declared(items, false));
            Type::List(Arc::new(items), count("maxItems"))
        }
        "string" => match text(schema, &["format"]) {
            "date" | "date-time" => Type::Timestamp,
            "duration" => Type::Duration,
            "byte" => Type::Bytes,
            _ => Type::String,
        },
        "boolean" => Type::Bool,
        "integer" => Type::Int,
        "number" => Type::Double,
        _ => Type::Dyn,
    }
}
