//! An OpenAPI v3 schema of a CustomResourceDefinition to a [`Schema`].
//!
//! Only the structural part becomes types and slots. What stands under `allOf`, `anyOf`, `oneOf` and `not` constrains
//! values and is kept as written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{flag, list, meta, strings, text};
use crate::{Graph, Limits, ListType, ObjectType, Scalar, Schema, Slot, SlotKind, TypeIndex};

const JUNCTORS: [&str; 4] = ["allOf", "anyOf", "oneOf", "not"];

struct Builder {
    types: Vec<ObjectType>,
    meta: TypeIndex,
}

/// Compiles the schema of one version (`openAPIV3Schema`). `apiVersion`, `kind` and a typed `metadata` are added at the
/// root and in embedded resources. Whether the schema is structural is `validate_create`'s question; what is not
/// structural here ends up as a place where anything may stand.
pub fn schema_of(schema: &Value) -> Schema {
    let mut types = Vec::new();
    let meta = meta::object_meta(&mut types);
    let mut builder = Builder { types, meta };
    let mut root = builder.slot(schema, true);
    if !matches!(root.kind, SlotKind::Object(_)) {
        // No schema, or one that is not of an object: everything is kept.
        root = builder.slot(&serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}), true);
    }
    Schema { graph: Arc::new(Graph { types: builder.types }), root: Arc::new(root) }
}

/// Compiles a part of a schema on its own, such as that of a property.
pub(crate) fn part_of(schema: &Value) -> Schema {
    let mut types = Vec::new();
    let meta = meta::object_meta(&mut types);
    let mut builder = Builder { types, meta };
    let root = builder.slot(schema, false);
    Schema { graph: Arc::new(Graph { types: builder.types }), root: Arc::new(root) }
}

impl Builder {
    fn slot(&mut self, schema: &Value, resource: bool) -> Slot {
        let limits = limits_of(schema);
        let resource = resource || limits.embedded_resource;
        let kind = self.kind(schema, resource, limits.format.as_deref());
        Slot {
            default: schema.get("default").filter(|default| !default.is_null()).cloned(),
            nullable: flag(schema, &["nullable"]),
            allowed: list(schema, &["enum"]).to_vec(),
            limits: Some(Box::new(limits)),
            ..Slot::of(kind)
        }
    }

    fn kind(&mut self, schema: &Value, resource: bool, format: Option<&str>) -> SlotKind {
        if flag(schema, &["x-kubernetes-int-or-string"]) {
            return SlotKind::Scalar(Scalar::IntOrString);
        }
        match text(schema, &["type"]) {
            "object" => self.object(schema, resource),
            "array" => {
                let items = match schema.get("items") {
                    Some(items @ Value::Object(_)) => self.slot(items, false),
                    _ => anything(),
                };
                let list = match text(schema, &["x-kubernetes-list-type"]) {
                    "set" => ListType::Set,
                    "map" => ListType::Map(strings(schema, &["x-kubernetes-list-map-keys"])),
                    _ => ListType::Atomic,
                };
                SlotKind::List { items: Box::new(items), list }
            }
            "string" => SlotKind::Scalar(Scalar::String),
            "boolean" => SlotKind::Scalar(Scalar::Bool),
            "integer" if format == Some("int32") => SlotKind::Scalar(Scalar::Int32),
            "integer" => SlotKind::Scalar(Scalar::Int64),
            "number" => SlotKind::Scalar(Scalar::Double),
            _ => SlotKind::Any,
        }
    }

    fn object(&mut self, schema: &Value, resource: bool) -> SlotKind {
        let atomic = text(schema, &["x-kubernetes-map-type"]) == "atomic";
        let none = Map::new();
        let given = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        if given.is_empty() && !resource {
            let values = match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => Some(self.slot(values, false)),
                Some(Value::Bool(true)) => Some(anything()),
                _ => None,
            };
            if let Some(values) = values {
                return SlotKind::Map { values: Box::new(values), atomic };
            }
        }
        let mut properties: BTreeMap<String, Slot> =
            given.iter().map(|(name, schema)| (name.clone(), self.slot(schema, false))).collect();
        if resource {
            for name in ["apiVersion", "kind"] {
                properties.entry(name.to_owned()).or_insert_with(meta::type_meta);
            }
            let mut metadata = Slot::of(SlotKind::Object(self.meta));
            if let Some(restricted) = given.get("metadata") {
                // Names may be restricted further; those restrictions apply beside the type.
                let restricted = vec![("allOf".to_owned(), Value::Array(vec![restricted.clone()]))];
                metadata.limits = Some(Box::new(Limits { junctors: restricted, ..Limits::default() }));
            }
            properties.insert("metadata".to_owned(), metadata);
        }
        let index = TypeIndex(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        self.types.push(ObjectType {
            properties,
            required: strings(schema, &["required"]),
            atomic,
            preserve_unknown: flag(schema, &["x-kubernetes-preserve-unknown-fields"]),
            ..ObjectType::default()
        });
        SlotKind::Object(index)
    }
}

/// A place without a schema: null is a value there like any other.
fn anything() -> Slot {
    Slot { nullable: true, ..Slot::of(SlotKind::Any) }
}

/// The value validations of a schema, whether structural or below a junctor.
pub(crate) fn limits_of(schema: &Value) -> Limits {
    let string = |name: &str| schema.get(name).and_then(Value::as_str).filter(|s| !s.is_empty()).map(str::to_owned);
    let count = |name: &str| schema.get(name).and_then(Value::as_u64);
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    let junctor = |name: &str| match schema.get(name) {
        None | Some(Value::Null) => None,
        Some(value) => Some((name.to_owned(), value.clone())),
    };
    Limits {
        format: string("format"),
        pattern: string("pattern"),
        minimum: number("minimum").map(|bound| (bound, flag(schema, &["exclusiveMinimum"]))),
        maximum: number("maximum").map(|bound| (bound, flag(schema, &["exclusiveMaximum"]))),
        multiple_of: number("multipleOf"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        unique_items: flag(schema, &["uniqueItems"]),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
        junctors: JUNCTORS.into_iter().filter_map(junctor).collect(),
        embedded_resource: flag(schema, &["x-kubernetes-embedded-resource"]),
        rules: list(schema, &["x-kubernetes-validations"]).to_vec(),
    }
}
