//! Namespaces.

use serde_json::{Value, json};

use schema::field::Error;

use crate::json::{at, child, fill_text, object, put, take_over, text, texts};
use crate::strategy::{BASE, Status};
use crate::{Errors, NameRule, Path, Scope, Strategy, format};

pub(super) static NAMESPACE: Strategy = Strategy {
    plural: "namespaces",
    scope: Scope::Cluster,
    name_rule: NameRule::DnsLabel,
    status: Status::Reset(r#"{"phase":"Active"}"#),
    default,
    prepare_create,
    prepare_update: |new, old| take_over(child(new, "spec"), at(old, "spec"), "finalizers"),
    validate: |obj, errors| {
        for name in texts(at(obj, "spec"), "finalizers") {
            finalizer(name, &Path::root("spec.finalizers"), errors);
        }
    },
    validate_status,
    fields: &[("status.phase", |namespace| text(at(namespace, "status"), "phase").to_owned())],
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let name = text(at(obj, "metadata"), "name").to_owned();
    if !name.is_empty() {
        put(child(child(obj, "metadata"), "labels"), "kubernetes.io/metadata.name", name);
    }
    fill_text(child(obj, "status"), "phase", "Active");
}

fn prepare_create(obj: &mut Value) {
    let finalizers = object(child(obj, "spec")).entry("finalizers").or_insert(Value::Null);
    match finalizers {
        Value::Array(names) => {
            if !names.contains(&json!("kubernetes")) {
                names.push(json!("kubernetes"));
            }
        }
        finalizers => *finalizers = json!(["kubernetes"]),
    }
    default("v1", obj);
}

/// The name of a finalizer of `spec.finalizers`.
pub(super) fn finalizer(name: &str, path: &Path<'_>, errors: &mut Errors) {
    format::invalid_each(path, name, format::qualified_name(name), errors);
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        let detail = "name is neither a standard finalizer name nor is it fully qualified";
        errors.push(Error::invalid(path, name, detail));
    }
}

fn validate_status(new: &Value, _old: &Value, errors: &mut Errors) {
    let phase = text(at(new, "status"), "phase");
    let deleted = !at(at(new, "metadata"), "deletionTimestamp").is_null();
    let detail = match (deleted, phase) {
        (false, "Active") | (true, "Terminating") => return,
        (false, _) => "may only be 'Active' if `deletionTimestamp` is empty",
        (true, _) => "may only be 'Terminating' if `deletionTimestamp` is not empty",
    };
    errors.push(Error::invalid("status.Phase", phase, detail));
}

/// Prepares a write to the `finalize` subresource: the status stays.
pub(crate) fn prepare_finalize(new: &mut Value, old: &Value) {
    take_over(new, old, "status");
}

/// What is wrong with a write to the `finalize` subresource.
pub(crate) fn validate_finalize(new: &Value, old: &Value) -> Errors {
    let mut errors = crate::meta::validate_update(new, old);
    let path = Path::root("spec");
    for (index, name) in texts(at(new, "spec"), "finalizers").into_iter().enumerate() {
        finalizer(name, &path.item("finalizers", index), &mut errors);
    }
    errors
}
