//! OpenAPI documents of resources, built-in and custom alike: v3 (one document per group version) and v2 (one of all).
//!
//! ```text
//!   Resource { schema } ──► definitions  Node graph → named JSON schemas  ─┐
//!            { verbs, … } ─► paths        verbs → operations               ─┴─► v3 | v2
//! ```
//!
//! What kubectl reads of them: kinds through the `x-kubernetes-group-version-kind` of operations and definitions
//! (`explain`), the `fieldValidation` parameter of a kind's PATCH (server-side validation), patch strategies and keys.
//! Built-in kinds have no descriptions: they are upstream's prose; those of custom resources are added by [`describe`].
//! Upstream's deprecated `/watch/` paths are left out.

mod definitions;
mod operations;
mod paths;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::Resource;
use definitions::Definitions;

/// Which OpenAPI a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Swagger 2.0: no defaults, no `oneOf`.
    V2,
    /// OpenAPI 3.0.
    V3,
}

/// The key of a group version in the v3 index, which is also its path below `/openapi/v3/`: `api/v1`, `apis/apps/v1`.
pub fn v3_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// The document at `/openapi/v3`: for each document its path ([`v3_path`]) and a hash of its bytes, with which clients
/// cache it for ever.
pub fn v3_index<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let paths: serde_json::Map<String, Value> = documents
        .into_iter()
        .map(|(path, hash)| (path.to_owned(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")})))
        .collect();
    json!({ "paths": paths })
}

/// The v3 document of one group version, given its resources.
pub fn v3(resources: &[Arc<Resource>]) -> Value {
    let (paths, definitions) = build(resources, Form::V3);
    json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": paths,
        "components": {
            "schemas": definitions.into_schemas(),
            "securitySchemes": {"BearerToken": bearer()},
        },
    })
}

/// The v2 document of all resources given.
pub fn v2(resources: &[Arc<Resource>]) -> Value {
    let (paths, definitions) = build(resources, Form::V2);
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": paths,
        "definitions": definitions.into_schemas(),
        "securityDefinitions": {"BearerToken": bearer()},
        "security": [{"BearerToken": []}],
    })
}

/// Puts the descriptions of a custom resource into a document (v2 or v3) that has it. They are not part of the graph, so
/// that idle definitions do not hold them in memory: `written` is the `openAPIV3Schema` of the version in its
/// CustomResourceDefinition. Nothing happens when the document lacks the resource.
pub fn describe(document: &mut Value, resource: &Resource, written: &Value) {
    let name = definitions::custom_name(resource, &resource.kind);
    for schemas in ["/components/schemas", "/definitions"] {
        if let Some(schema) = document.pointer_mut(schemas).and_then(|schemas| schemas.get_mut(&name)) {
            overlay(schema, written);
        }
    }
}

/// Puts the descriptions of another v3 document (of a cluster that has them) into this one, type by type of the same name.
pub fn describe_alike(document: &mut Value, other: &Value) {
    let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") else { return };
    for (name, schema) in schemas {
        if let Some(written) = other["components"]["schemas"].get(name) {
            overlay(schema, written);
        }
    }
}

/// Copies descriptions to where the schema has the place too.
fn overlay(schema: &mut Value, written: &Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(text) = written.get("description").filter(|text| text.is_string()) {
        // Beside a reference v3 ignores them, so the reference becomes a part; v2 readers know no parts.
        let is_v3 = |reference: &Value| reference.as_str().is_some_and(|text| text.starts_with("#/components/"));
        if let Some(reference) = schema.get("$ref").filter(|reference| is_v3(reference)).cloned() {
            schema.remove("$ref");
            schema.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
        }
        schema.insert("description".to_owned(), text.clone());
    }
    for inner in ["items", "additionalProperties"] {
        if let (Some(schema), Some(written)) = (schema.get_mut(inner), written.get(inner)) {
            overlay(schema, written);
        }
    }
    if let (Some(Value::Object(places)), Some(written)) = (schema.get_mut("properties"), written.get("properties")) {
        for (name, place) in places {
            if let Some(written) = written.get(name) {
                overlay(place, written);
            }
        }
    }
}

fn build(resources: &[Arc<Resource>], form: Form) -> (Value, Definitions) {
    let mut definitions = Definitions::new(form);
    let mut paths = serde_json::Map::new();
    definitions.machinery("WatchEvent");
    for resource in resources {
        for path in paths::of_resource(resource, &mut definitions) {
            paths.insert(path.path.clone(), path.render(form));
        }
    }
    for path in paths::of_group_versions(resources, &mut definitions) {
        paths.insert(path.path.clone(), path.render(form));
    }
    (Value::Object(paths), definitions)
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": "1.36"})
}

fn bearer() -> Value {
    json!({"type": "apiKey", "name": "authorization", "in": "header"})
}
