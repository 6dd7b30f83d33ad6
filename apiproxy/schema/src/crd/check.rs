//! Validation of CustomResourceDefinitions (`apiextensions/validation`), with upstream's messages and paths.
//!
//! Upstream validates an internal form in which what all versions have in common stands once (`spec.validation`,
//! `spec.subresources`, …), and its paths show that.

use std::collections::BTreeSet;

use serde_json::Value;

use super::names::{self, is_established};
use super::{at, flag, list, schema_check, strings, text};
use crate::field::Error;
use crate::name;

const APPROVED: &str = "api-approved.kubernetes.io";
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
const MAX_SELECTABLE_FIELDS: usize = 8;

/// What is wrong with a new CustomResourceDefinition, after [`super::defaults`]; nothing when it is valid. General rules
/// of metadata are not repeated here, except those of the name.
pub fn validate_create(crd: &Value) -> Vec<Error> {
    let mut errors = Vec::new();
    let own = text(crd, &["metadata", "name"]);
    let mut wrong = name::subdomain(own);
    if own != format!("{}.{}", text(crd, &["spec", "names", "plural"]), text(crd, &["spec", "group"])) {
        wrong.push("must be spec.names.plural+\".\"+spec.group".to_owned());
    }
    errors.extend(wrong.into_iter().map(|detail| Error::invalid("metadata.name", own, detail)));
    spec(crd, &mut errors);
    status(crd, &mut errors);
    if let Some(error) = approval(crd) {
        errors.push(error);
    }
    preserve(crd, &mut errors);
    errors
}

/// What is wrong with an update of a CustomResourceDefinition.
pub fn validate_update(new: &Value, old: &Value) -> Vec<Error> {
    let mut errors = Vec::new();
    spec(new, &mut errors);
    let mut fixed = |path: &[&str], field: &str| {
        if text(new, path) != text(old, path) {
            errors.push(Error::invalid(field, text(new, path), "field is immutable"));
        }
    };
    if is_established(old) {
        fixed(&["spec", "scope"], "spec.scope");
        fixed(&["spec", "names", "kind"], "spec.names.kind");
    }
    fixed(&["spec", "group"], "spec.group");
    fixed(&["spec", "names", "plural"], "spec.names.plural");
    status(new, &mut errors);
    let (error, before) = (approval(new), approval(old));
    if let Some(error) = error.filter(|error| before.as_ref().map(|before| before.kind) != Some(error.kind)) {
        errors.push(error);
    }
    if !flag(old, &["spec", "preserveUnknownFields"]) {
        preserve(new, &mut errors);
    }
    errors
}

fn preserve(crd: &Value, errors: &mut Vec<Error>) {
    if flag(crd, &["spec", "preserveUnknownFields"]) {
        let detail =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(Error::invalid("spec.preserveUnknownFields", true, detail));
    }
}

/// Groups of the Kubernetes community need an approval.
fn approval(crd: &Value) -> Option<Error> {
    let group = text(crd, &["spec", "group"]);
    let protected = ["k8s.io", "kubernetes.io"]
        .into_iter()
        .any(|domain| group.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    let value = text(crd, &["metadata", "annotations", APPROVED]);
    let link = "see https://github.com/kubernetes/enhancements/pull/1111";
    let path = format!("metadata.annotations[{APPROVED}]");
    let needed = format!("protected groups must have approval annotation \"{APPROVED}\"");
    let url = value.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/') && !value.contains(char::is_whitespace)
    });
    match value {
        _ if !protected => None,
        "" => Some(Error::required(path, format!("{needed}, {link}"))),
        value if value.starts_with("unapproved") || url => None,
        value => {
            let detail = format!("{needed} with either a URL or a reason starting with \"unapproved\", {link}");
            Some(Error::invalid(path, value, detail))
        }
    }
}

fn status(crd: &Value, errors: &mut Vec<Error>) {
    if let Some(accepted) = at(crd, &["status", "acceptedNames"]) {
        errors.extend(names::check(accepted, "status.acceptedNames"));
    }
    let path = "status.storedVersions";
    let stored = strings(crd, &["status", "storedVersions"]);
    if stored.is_empty() {
        errors.push(Error::invalid(path, Value::Null, "must have at least one stored version"));
        return;
    }
    let mut left: Vec<(usize, &String)> = stored.iter().enumerate().collect();
    for version in list(crd, &["spec", "versions"]) {
        let name = text(version, &["name"]);
        let known = left.iter().any(|(_, stored)| *stored == name);
        if flag(version, &["storage"]) && !known {
            let detail = format!("must have the storage version {name}");
            errors.push(Error::invalid(path, Value::from(stored.clone()), detail));
        }
        left.retain(|(_, stored)| *stored != name);
    }
    for (index, version) in left {
        let detail = format!(
            "missing from spec.versions; {version} was previously a storage version, and must remain in spec.versions \
             until a storage migration ensures no data remains persisted in {version} and removes {version} from \
             status.storedVersions"
        );
        errors.push(Error::invalid(format!("{path}[{index}]"), version.as_str(), detail));
    }
}

/// What all versions have in common stands at the top of the internal form.
fn shared<'v>(versions: &'v [Value], field: &str) -> Option<&'v Value> {
    let first = at(versions.first()?, &[field])?;
    versions.iter().all(|version| at(version, &[field]) == Some(first)).then_some(first)
}

fn spec(crd: &Value, errors: &mut Vec<Error>) {
    group_and_scope(crd, errors);
    let versions = list(crd, &["spec", "versions"]);
    for (index, version) in versions.iter().enumerate() {
        if at(version, &["schema", "openAPIV3Schema"]).is_none() {
            errors.push(Error::required(format!("spec.versions[{index}].schema.openAPIV3Schema"), ""));
        }
    }
    for (index, version) in versions.iter().enumerate() {
        each_version(version, &format!("spec.versions[{index}]"), versions, errors);
    }
    let versions_error = |detail: &str| {
        let shown = at(crd, &["spec", "versions"]).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        Error::invalid("spec.versions", shown, detail)
    };
    let unique: BTreeSet<&str> = versions.iter().map(|version| text(version, &["name"])).collect();
    if unique.len() != versions.len() {
        errors.push(versions_error("must contain unique version names"));
    }
    if versions.iter().filter(|version| flag(version, &["storage"])).count() != 1 {
        errors.push(versions_error("must have exactly one version marked as storage version"));
    }
    if let Some(first) = versions.first() {
        let first = text(first, &["name"]);
        let wrong = name::label_1035(first);
        if !wrong.is_empty() {
            errors.push(Error::invalid("spec.version", first, wrong.join(",")));
        }
    }
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(crd, &["spec", "names", field]).is_empty() {
            errors.push(Error::required(format!("spec.names.{field}"), ""));
        }
    }
    if let Some(given) = at(crd, &["spec", "names"]) {
        errors.extend(names::check(given, "spec.names"));
    }
    let any_status = versions.iter().any(|version| at(version, &["subresources", "status"]).is_some());
    if let Some(schema) = shared(versions, "schema") {
        openapi(schema, any_status, "spec.validation", errors);
    }
    if let Some(given) = shared(versions, "subresources") {
        subresources(given, "spec.subresources", errors);
    }
    if let Some(given) = shared(versions, "additionalPrinterColumns") {
        columns(given, "spec.additionalPrinterColumns", errors);
    }
    if let Some(given) = shared(versions, "selectableFields") {
        let schema = shared(versions, "schema").and_then(|schema| at(schema, &["openAPIV3Schema"]));
        selectable(given, schema, "spec.selectableFields", errors);
    }
    conversion(crd, errors);
}

fn group_and_scope(crd: &Value, errors: &mut Vec<Error>) {
    let group = text(crd, &["spec", "group"]);
    let wrong = name::subdomain(group);
    if group.is_empty() {
        errors.push(Error::required("spec.group", ""));
    } else if !wrong.is_empty() {
        errors.push(Error::invalid("spec.group", group, wrong.join(",")));
    } else if !group.contains('.') {
        errors.push(Error::invalid("spec.group", group, "should be a domain with at least one dot"));
    }
    match text(crd, &["spec", "scope"]) {
        "" => errors.push(Error::required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        other => errors.push(Error::not_supported("spec.scope", other, &["Cluster", "Namespaced"])),
    }
}

fn each_version(version: &Value, path: &str, versions: &[Value], errors: &mut Vec<Error>) {
    let own = text(version, &["name"]);
    let wrong = name::label_1035(own);
    if !wrong.is_empty() {
        errors.push(Error::invalid(format!("{path}.name"), own, wrong.join(",")));
    }
    if let Some(warning) = at(version, &["deprecationWarning"]).and_then(Value::as_str) {
        let mut wrong = Vec::new();
        if !flag(version, &["deprecated"]) {
            wrong.push("can only be set for deprecated versions".to_owned());
        } else {
            if warning.len() > 256 {
                wrong.push("must be <= 256 characters long".to_owned());
            }
            if warning.is_empty() {
                wrong.push("must not be an empty string".to_owned());
            }
            if let Some((at, _)) = warning.char_indices().find(|(_, c)| c.is_control()) {
                wrong.push(format!(
                    "must only contain printable UTF-8 characters; non-printable character found at index {at}"
                ));
            }
        }
        let path = format!("{path}.deprecationWarning");
        errors.extend(wrong.into_iter().map(|detail| Error::invalid(path.clone(), warning, detail)));
    }
    let own = |field: &str| at(version, &[field]).filter(|_| shared(versions, field).is_none());
    if let Some(schema) = own("schema") {
        let status = at(version, &["subresources", "status"]).is_some();
        openapi(schema, status, &format!("{path}.schema"), errors);
    }
    if let Some(given) = own("subresources") {
        subresources(given, &format!("{path}.subresources"), errors);
    }
    if let Some(given) = own("additionalPrinterColumns") {
        columns(given, &format!("{path}.additionalPrinterColumns"), errors);
    }
    if let Some(given) = own("selectableFields") {
        let schema = at(version, &["schema", "openAPIV3Schema"]);
        selectable(given, schema, &format!("{path}.selectableFields"), errors);
    }
}

fn openapi(validation: &Value, status: bool, path: &str, errors: &mut Vec<Error>) {
    if let Some(schema) = at(validation, &["openAPIV3Schema"]) {
        errors.extend(schema_check::check(schema, status, &format!("{path}.openAPIV3Schema")));
    }
}

fn simple_path(given: &str, path: &str) -> Option<Error> {
    (!given.starts_with('.')).then(|| Error::invalid(path, given, "must be a simple json path starting with ."))
}

fn subresources(given: &Value, path: &str, errors: &mut Vec<Error>) {
    let Some(scale) = at(given, &["scale"]) else { return };
    let fields: [(&str, &[&str], &str); 3] = [
        ("specReplicasPath", &[".spec."], "should be a json path under .spec"),
        ("statusReplicasPath", &[".status."], "should be a json path under .status"),
        ("labelSelectorPath", &[".spec.", ".status."], "should be a json path under either .spec or .status"),
    ];
    for (field, under, detail) in fields {
        let given = text(scale, &[field]);
        let path = format!("{path}.scale.{field}");
        if given.is_empty() {
            if field != "labelSelectorPath" {
                errors.push(Error::required(path, ""));
            }
        } else if let Some(error) = simple_path(given, &path) {
            errors.push(error);
        } else if !under.iter().any(|prefix| given.starts_with(prefix)) {
            errors.push(Error::invalid(path, given, detail));
        }
    }
}

fn columns(given: &Value, path: &str, errors: &mut Vec<Error>) {
    for (index, column) in list(given, &[]).iter().enumerate() {
        let path = |field: &str| format!("{path}[{index}].{field}");
        if text(column, &["name"]).is_empty() {
            errors.push(Error::required(path("name"), ""));
        }
        let types = format!("must be one of {}", COLUMN_TYPES.join(","));
        match text(column, &["type"]) {
            "" => errors.push(Error::required(path("type"), types)),
            known if COLUMN_TYPES.contains(&known) => {}
            other => errors.push(Error::invalid(path("type"), other, types)),
        }
        let format = text(column, &["format"]);
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            errors.push(Error::invalid(path("format"), format, format!("must be one of {}", COLUMN_FORMATS.join(","))));
        }
        match text(column, &["jsonPath"]) {
            "" => errors.push(Error::required(path("JSONPath"), "")),
            given => errors.extend(simple_path(given, &path("JSONPath"))),
        }
    }
}

fn selectable(given: &Value, schema: Option<&Value>, path: &str, errors: &mut Vec<Error>) {
    let mut seen = BTreeSet::new();
    for (index, field) in list(given, &[]).iter().enumerate() {
        let path = format!("{path}[{index}].jsonPath");
        let given = text(field, &["jsonPath"]);
        if given.is_empty() {
            errors.push(Error::required(path, ""));
            continue;
        }
        let found = match given.strip_prefix('.') {
            None => {
                let token = given.split(['.', '[']).next().unwrap_or_default();
                Err(format!("expected [ or . but got: {token}"))
            }
            Some(names) => names
                .split('.')
                .try_fold(schema.unwrap_or(&Value::Null), |schema, name| at(schema, &["properties", name]))
                .ok_or_else(|| "does not refer to a valid field".to_owned()),
        };
        match found {
            Err(why) => {
                errors.push(Error::invalid(path, given, format!("is an invalid path: {why}")));
                continue;
            }
            Ok(schema) => {
                if given.starts_with(".metadata") {
                    errors.push(Error::invalid(path.clone(), given, "must not point to fields in metadata"));
                }
                if !matches!(text(schema, &["type"]), "string" | "boolean" | "integer") {
                    let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
                    errors.push(Error::invalid(path.clone(), given, detail));
                }
            }
        }
        if !seen.insert(given) {
            errors.push(Error::duplicate(path, given));
        }
    }
    if seen.len() > MAX_SELECTABLE_FIELDS {
        errors.push(Error::too_many(path, seen.len(), MAX_SELECTABLE_FIELDS));
    }
}

fn conversion(crd: &Value, errors: &mut Vec<Error>) {
    let Some(conversion) = at(crd, &["spec", "conversion"]) else { return };
    let strategy = text(conversion, &["strategy"]);
    match strategy {
        "" => errors.push(Error::required("spec.conversion.strategy", "")),
        "None" | "Webhook" => {}
        other => errors.push(Error::not_supported("spec.conversion.strategy", other, &["None", "Webhook"])),
    }
    let client = at(conversion, &["webhook", "clientConfig"]);
    let versions = strings(conversion, &["webhook", "conversionReviewVersions"]);
    let (client_path, versions_path) =
        ("spec.conversion.webhookClientConfig", "spec.conversion.conversionReviewVersions");
    if strategy != "Webhook" {
        let detail = "should not be set when strategy is not set to Webhook";
        errors.extend(client.map(|_| Error::forbidden(client_path, detail)));
        errors.extend((!versions.is_empty()).then(|| Error::forbidden(versions_path, detail)));
        return;
    }
    match client {
        None => errors.push(Error::required(client_path, "required when strategy is set to Webhook")),
        Some(client) => {
            if at(client, &["url"]).is_some() == at(client, &["service"]).is_some() {
                errors.push(Error::required(client_path, "exactly one of url or service is required"));
            }
        }
    }
    if versions.is_empty() {
        errors.push(Error::required(versions_path, ""));
    } else if !versions.iter().any(|version| matches!(version.as_str(), "v1" | "v1beta1")) {
        let detail = "must include at least one of v1, v1beta1";
        errors.push(Error::invalid(versions_path, Value::from(versions), detail));
    }
}

#[cfg(test)]
mod tests;
