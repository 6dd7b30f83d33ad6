//! Validation of the schema of a CustomResourceDefinition: what makes it structural, what upstream forbids, defaults.

use serde_json::{Map, Value};

use super::{at, flag, list, part_of, strings, text};
use crate::field::Error;
use crate::validate::{default_errors, go_regex};
use crate::{prune, rules};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];
/// What may stand at the root when the status subresource is on.
const ROOT_FIELDS: [&str; 22] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];
const ROOT_FIELDS_SHOWN: &str = "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum \
                                 MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items \
                                 Properties ExternalDocs Example XPreserveUnknownFields XValidations]";

/// Where a schema stands, which decides the words of some errors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Errors of a whole schema; `path` is that of the schema.
pub(super) fn check(schema: &Value, status: bool, path: &str) -> Vec<Error> {
    let mut errors = Vec::new();
    if status {
        root_of_status(schema, path, &mut errors);
    }
    if flag(schema, &["nullable"]) {
        errors.push(Error::forbidden(format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    let mut structural = Vec::new();
    invariants(schema, Level::Root, path, &mut structural);
    completeness(schema, schema, path, path, &mut structural);
    structural.sort_by_key(ToString::to_string);
    if structural.is_empty() {
        default_values(schema, path, &mut structural);
    }
    errors.extend(structural);
    forbidden(schema, path, None, true, &mut errors);
    errors.extend(rules::check_definition(schema, path, errors.is_empty()));
    errors
}

fn root_of_status(schema: &Value, path: &str, errors: &mut Vec<Error>) {
    let kind = text(schema, &["type"]);
    if !kind.is_empty() && kind != "object" {
        let detail =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.push(Error::invalid(format!("{path}.type"), kind, detail));
        return;
    }
    let zero = |value: &Value| matches!(value, Value::Null | Value::Bool(false)) || value.as_str() == Some("");
    let fields = schema.as_object().into_iter().flatten();
    if fields.filter(|(_, value)| !zero(value)).any(|(field, _)| !ROOT_FIELDS.contains(&field.as_str())) {
        let detail = format!(
            "only {ROOT_FIELDS_SHOWN} fields are allowed at the root of the schema if the status subresource is enabled"
        );
        errors.push(Error::invalid(path, schema.clone(), detail));
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    at(schema, &["properties"]).and_then(Value::as_object).into_iter().flatten()
}

fn schema_at<'a>(schema: &'a Value, field: &str) -> Option<&'a Value> {
    schema.get(field).filter(|schema| schema.is_object())
}

fn invariants(schema: &Value, level: Level, path: &str, errors: &mut Vec<Error>) {
    let kind = text(schema, &["type"]);
    let items = schema_at(schema, "items");
    if kind == "array" && items.is_none() && at(schema, &["items"]).is_none() {
        errors.push(Error::required(format!("{path}.items"), "must be specified"));
    }
    if let Some(items) = items {
        invariants(items, Level::Item, &format!("{path}.items"), errors);
    }
    for (name, property) in properties(schema) {
        invariants(property, Level::Field, &format!("{path}.properties[{name}]"), errors);
    }
    let additional = at(schema, &["additionalProperties"]);
    if additional.is_some() && level == Level::Root {
        errors.push(Error::forbidden(format!("{path}.additionalProperties"), "must not be used at the root"));
    }
    if let Some(values) = schema_at(schema, "additionalProperties") {
        invariants(values, Level::Field, &format!("{path}.additionalProperties"), errors);
    }
    let int_or_string = flag(schema, &["x-kubernetes-int-or-string"]);
    let preserve = flag(schema, &["x-kubernetes-preserve-unknown-fields"]);
    let embedded = flag(schema, &["x-kubernetes-embedded-resource"]);
    for (set, field) in
        [(preserve, "x-kubernetes-preserve-unknown-fields"), (embedded, "x-kubernetes-embedded-resource")]
    {
        if int_or_string && set {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.push(Error::invalid(format!("{path}.{field}"), true, detail));
        }
    }
    value_validation(schema, int_or_string, path, errors);
    type_rules(schema, level, path, errors);
    if embedded && additional.is_some() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(Error::forbidden(format!("{path}.additionalProperties"), detail));
    }
    if level == Level::Root || embedded {
        meta_rules(schema, level, path, errors);
    }
    if embedded && !preserve && properties(schema).next().is_none() {
        let detail =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(Error::required(format!("{path}.properties"), detail));
    }
}

fn type_rules(schema: &Value, level: Level, path: &str, errors: &mut Vec<Error>) {
    let kind = text(schema, &["type"]);
    let path = format!("{path}.type");
    let free = flag(schema, &["x-kubernetes-int-or-string"]) || flag(schema, &["x-kubernetes-preserve-unknown-fields"]);
    if flag(schema, &["x-kubernetes-embedded-resource"]) && kind != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(if kind.is_empty() {
            Error::required(path.clone(), detail)
        } else {
            Error::invalid(path.clone(), kind, detail)
        });
    } else if kind.is_empty() && !free {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(Error::required(path.clone(), detail));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.push(Error::invalid(path, kind, "must be object at the root"));
    }
}

fn meta_rules(schema: &Value, level: Level, path: &str, errors: &mut Vec<Error>) {
    for field in ["kind", "apiVersion"] {
        if let Some(property) = at(schema, &["properties", field])
            && text(property, &["type"]) != "string"
        {
            let path = format!("{path}.properties[{field}].type");
            errors.push(Error::invalid(path, text(property, &["type"]), "must be string"));
        }
    }
    let Some(metadata) = at(schema, &["properties", "metadata"]) else { return };
    let path = format!("{path}.properties[metadata]");
    if text(metadata, &["type"]) != "object" {
        errors.push(Error::invalid(format!("{path}.type"), text(metadata, &["type"]), "must be object"));
    }
    if level == Level::Root {
        let named = properties(metadata).all(|(name, _)| matches!(name.as_str(), "name" | "generateName"));
        let bare = metadata.as_object().is_some_and(|fields| {
            fields.keys().all(|field| matches!(field.as_str(), "type" | "properties" | "default"))
        });
        if !named || !bare {
            let detail =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            errors.push(Error::forbidden(path, detail));
        }
    }
}

/// The two junctors with which controller-gen spells int-or-string, which may name types.
fn spells_int_or_string(junctor: &[Value]) -> bool {
    let only = |schema: &Value, kind: &str| {
        schema.as_object().is_some_and(|fields| fields.len() == 1) && text(schema, &["type"]) == kind
    };
    matches!(junctor, [first, second] if only(first, "integer") && only(second, "string"))
}

fn value_validation(schema: &Value, int_or_string: bool, path: &str, errors: &mut Vec<Error>) {
    let any = list(schema, &["anyOf"]);
    if !(int_or_string && spells_int_or_string(any)) {
        for (index, part) in any.iter().enumerate() {
            nested(part, &format!("{path}.anyOf[{index}]"), false, errors);
        }
    }
    for (index, part) in list(schema, &["allOf"]).iter().enumerate() {
        let spelled = index == 0 && int_or_string && spells_int_or_string(list(part, &["anyOf"]));
        nested(part, &format!("{path}.allOf[{index}]"), spelled, errors);
    }
    for (index, part) in list(schema, &["oneOf"]).iter().enumerate() {
        nested(part, &format!("{path}.oneOf[{index}]"), false, errors);
    }
    if let Some(part) = schema_at(schema, "not") {
        nested(part, &format!("{path}.not"), false, errors);
    }
    let pattern = text(schema, &["pattern"]);
    if let Err(why) = go_regex(pattern) {
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        errors.push(Error::invalid(format!("{path}.pattern"), pattern, detail));
    }
}

/// A schema below a junctor constrains values and must not shape them.
fn nested(schema: &Value, path: &str, int_or_string: bool, errors: &mut Vec<Error>) {
    value_validation(schema, int_or_string, path, errors);
    if let Some(items) = schema_at(schema, "items") {
        nested(items, &format!("{path}.items"), false, errors);
    }
    for (name, property) in properties(schema) {
        nested(property, &format!("{path}.properties[{name}]"), false, errors);
        if name == "metadata" {
            let detail = "must not be specified in a nested context";
            errors.push(Error::forbidden(format!("{path}.properties[metadata]"), detail));
        }
    }
    let fields = [
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
        ("x-kubernetes-embedded-resource", "must be false to be structural"),
        ("x-kubernetes-int-or-string", "must be false to be structural"),
        ("x-kubernetes-list-map-keys", "must be empty to be structural"),
        ("x-kubernetes-list-type", "must be undefined to be structural"),
        ("x-kubernetes-map-type", "must be undefined to be structural"),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ];
    for (field, detail) in fields {
        let set = match at(schema, &[field]) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(_) => true,
        };
        if set {
            errors.push(Error::forbidden(format!("{path}.{field}"), detail));
        }
    }
}

/// Whatever a junctor constrains must be specified outside of it too.
fn completeness(values: &Value, schema: &Value, schema_path: &str, path: &str, errors: &mut Vec<Error>) {
    for junctor in ["allOf", "anyOf", "oneOf"] {
        for (index, part) in list(values, &[junctor]).iter().enumerate() {
            nested_completeness(part, schema, schema_path, &format!("{path}.{junctor}[{index}]"), errors);
        }
    }
    if let Some(part) = schema_at(values, "not") {
        nested_completeness(part, schema, schema_path, &format!("{path}.not"), errors);
    }
}

fn nested_completeness(values: &Value, schema: &Value, schema_path: &str, path: &str, errors: &mut Vec<Error>) {
    completeness(values, schema, schema_path, path, errors);
    let mut descend = |part: &Value, field: String, found: Option<&Value>| {
        let (schema_path, path) = (format!("{schema_path}.{field}"), format!("{path}.{field}"));
        match found {
            Some(found) => nested_completeness(part, found, &schema_path, &path, errors),
            None => errors.push(Error::required(schema_path, format!("because it is defined in {path}"))),
        }
    };
    if let Some(items) = schema_at(values, "items") {
        descend(items, "items".to_owned(), schema_at(schema, "items"));
    }
    for (name, property) in properties(values) {
        descend(property, format!("properties[{name}]"), at(schema, &["properties", name]));
    }
}

fn default_values(schema: &Value, path: &str, errors: &mut Vec<Error>) {
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        let part = part_of(schema);
        let path = format!("{path}.default");
        let mut pruned = default.clone();
        let unknown = prune::prune_part(part.node(), &mut pruned);
        if !unknown.is_empty() {
            errors.push(Error::invalid(path.clone(), default.clone(), "must not have unknown fields"));
        }
        for mut error in default_errors(&part, default) {
            if error.field == crate::validate::NO_FIELD {
                error.field.clone_from(&path);
            } else {
                error.field = format!("{path}.{}", error.field);
            }
            errors.push(error);
        }
    }
    if let Some(items) = schema_at(schema, "items") {
        default_values(items, &format!("{path}.items"), errors);
    }
    for (name, property) in properties(schema) {
        default_values(property, &format!("{path}.properties[{name}]"), errors);
    }
}

/// What no schema may have, structural or not. `defaults` says why defaults are forbidden, if they are.
fn forbidden(schema: &Value, path: &str, defaults: Option<&str>, root: bool, errors: &mut Vec<Error>) {
    let at_path = |field: &str| format!("{path}.{field}");
    let kind = text(schema, &["type"]);
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(Error::not_supported(at_path("type"), kind, &TYPES));
    }
    if at(schema, &["default"]).is_some()
        && let Some(reason) = defaults
    {
        errors.push(Error::forbidden(at_path("default"), format!("must not be set {reason}")));
    }
    for field in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if at(schema, &[field]).is_some() {
            errors.push(Error::forbidden(at_path(field), format!("{field} is not supported")));
        }
    }
    if kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.push(Error::forbidden(at_path("type"), detail));
    }
    if schema.get("items").is_some_and(Value::is_array) {
        errors.push(Error::forbidden(at_path("items"), "items must be a schema object and not an array"));
    }
    if flag(schema, &["uniqueItems"]) {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(Error::forbidden(at_path("uniqueItems"), detail));
    }
    let additional = at(schema, &["additionalProperties"]);
    if properties(schema).next().is_some() && additional.is_some_and(|additional| additional != &Value::Bool(true)) {
        let detail = "additionalProperties and properties are mutual exclusive";
        errors.push(Error::forbidden(at_path("additionalProperties"), detail));
    }
    if let Some(values) = schema_at(schema, "additionalProperties") {
        forbidden(values, &at_path("additionalProperties"), defaults, false, errors);
    }
    for (name, property) in properties(schema) {
        let reason = format!("in top-level {name}");
        let meta = root && META_FIELDS.contains(&name.as_str());
        let defaults = if meta { Some(reason.as_str()) } else { defaults };
        forbidden(property, &format!("{path}.properties[{name}]"), defaults, false, errors);
    }
    if let Some(part) = schema_at(schema, "not") {
        forbidden(part, &at_path("not"), defaults, false, errors);
    }
    for junctor in ["allOf", "oneOf", "anyOf"] {
        for (index, part) in list(schema, &[junctor]).iter().enumerate() {
            forbidden(part, &format!("{path}.{junctor}[{index}]"), defaults, false, errors);
        }
    }
    if let Some(items) = schema_at(schema, "items") {
        forbidden(items, &at_path("items"), defaults, false, errors);
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let path = at_path("x-kubernetes-preserve-unknown-fields");
        errors.push(Error::invalid(path, false, "must be true or undefined"));
    }
    list_and_map_types(schema, path, errors);
}

fn list_and_map_types(schema: &Value, path: &str, errors: &mut Vec<Error>) {
    let at_path = |field: &str| format!("{path}.{field}");
    let kind = text(schema, &["type"]);
    let (map_type, list_type) = (text(schema, &["x-kubernetes-map-type"]), text(schema, &["x-kubernetes-list-type"]));
    let wrong_type = |detail: &str| {
        if kind.is_empty() {
            Error::required(at_path("type"), detail)
        } else {
            Error::invalid(at_path("type"), kind, detail)
        }
    };
    if !map_type.is_empty() && kind != "object" {
        errors.push(wrong_type("must be object if x-kubernetes-map-type is specified"));
    }
    if !map_type.is_empty() && !matches!(map_type, "atomic" | "granular") {
        errors.push(Error::not_supported(at_path("x-kubernetes-map-type"), map_type, &["atomic", "granular"]));
    }
    let items = schema_at(schema, "items");
    if !list_type.is_empty() && kind != "array" {
        errors.push(wrong_type("must be array if x-kubernetes-list-type is specified"));
    } else if let (Some(items), "set") = (items, list_type) {
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let inner = text(items, &["x-kubernetes-list-type"]);
        match text(items, &["type"]) {
            "array" if !inner.is_empty() && inner != "atomic" => {
                errors.push(Error::invalid(at_path("items.x-kubernetes-list-type"), inner, detail));
            }
            "object" if text(items, &["x-kubernetes-map-type"]) != "atomic" => {
                errors.push(Error::invalid(at_path("items.x-kubernetes-map-type"), Value::Null, detail));
            }
            _ => {}
        }
    }
    if !list_type.is_empty() && !matches!(list_type, "atomic" | "set" | "map") {
        errors.push(Error::not_supported(at_path("x-kubernetes-list-type"), list_type, &["atomic", "set", "map"]));
    }
    let keys = strings(schema, &["x-kubernetes-list-map-keys"]);
    let must_be_map = "must be map if x-kubernetes-list-map-keys is non-empty";
    match list_type {
        "" if !keys.is_empty() => errors.push(Error::required(at_path("x-kubernetes-list-type"), must_be_map)),
        "map" => map_keys(schema, items, &keys, path, errors),
        other if !keys.is_empty() => {
            errors.push(Error::invalid(at_path("x-kubernetes-list-type"), other, must_be_map));
        }
        _ => {}
    }
    if matches!(list_type, "set" | "map") && items.is_some_and(|items| flag(items, &["nullable"])) {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(Error::forbidden(at_path("items.nullable"), detail));
    }
    if let ("map", Some(items)) = (list_type, items) {
        key_values(items, &keys, path, errors);
    }
}

fn map_keys(schema: &Value, items: Option<&Value>, keys: &[String], path: &str, errors: &mut Vec<Error>) {
    let keys_path = format!("{path}.x-kubernetes-list-map-keys");
    if keys.is_empty() {
        errors.push(Error::required(keys_path.clone(), "must not be empty if x-kubernetes-list-type is map"));
    }
    let Some(items) = items else {
        if at(schema, &["items"]).is_none() {
            let detail = "must have a schema if x-kubernetes-list-type is map";
            errors.push(Error::required(format!("{path}.items"), detail));
        }
        return;
    };
    let kind = text(items, &["type"]);
    if kind != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(Error::invalid(format!("{path}.items.type"), kind, detail));
        return;
    }
    let shown = Value::from(keys.to_vec());
    for (index, key) in keys.iter().enumerate() {
        match at(items, &["properties", key]) {
            None => {
                let detail = "entries must all be names of item properties";
                errors.push(Error::invalid(keys_path.clone(), shown.clone(), detail));
            }
            Some(property) if matches!(text(property, &["type"]), "array" | "object") => {
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                errors.push(Error::invalid(format!("{path}.items.properties[{key}].type"), kind, detail));
            }
            Some(_) => {}
        }
        if keys[..index].contains(key) {
            errors.push(Error::invalid(keys_path.clone(), shown.clone(), "must not contain duplicate entries"));
        }
    }
}

fn key_values(items: &Value, keys: &[String], path: &str, errors: &mut Vec<Error>) {
    let none = Map::new();
    let fields = at(items, &["properties"]).and_then(Value::as_object).unwrap_or(&none);
    let required = strings(items, &["required"]);
    for key in keys {
        let Some(property) = fields.get(key) else { continue };
        let path = format!("{path}.items.properties[{key}]");
        if !required.contains(key) && at(property, &["default"]).is_none() {
            let detail =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(Error::required(format!("{path}.default"), detail));
        }
        if flag(property, &["nullable"]) {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(Error::forbidden(format!("{path}.nullable"), detail));
        }
    }
}
