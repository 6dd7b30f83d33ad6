//! ReplicationControllers.

use schema::field::Error;
use serde_json::Value;

use super::pod::defaults::template;
use super::pod::spec as pod_spec;
use super::replica_set;
use super::workload::{self, SPEC, not_negative};
use crate::json::{at, child, dig, fill, int, put, set, size};
use crate::strategy::{BASE, Generation, Status};
use crate::{Errors, Scope, Strategy, selector};

pub(super) static REPLICATION_CONTROLLER: Strategy = Strategy {
    plural: "replicationcontrollers",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"replicas":0}"#),
    generation: Generation::On(&["spec"]),
    default,
    validate: |obj, errors| validate(at(obj, "spec"), errors),
    validate_update: |new, _, errors| validate(at(new, "spec"), errors),
    validate_status: |new, _, errors| replica_set::status(at(new, "status"), errors),
    warnings: workload::template_warnings,
    fields: &[("status.replicas", |obj| dig(obj, "status.replicas").as_i64().unwrap_or(0).to_string())],
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let labels = dig(obj, "spec.template.metadata.labels").clone();
    let spec = child(obj, "spec");
    fill(spec, "replicas", 1);
    template(spec);
    if labels.is_object() {
        if size(spec, "selector") == 0 {
            put(spec, "selector", labels.clone());
        }
        if size(at(obj, "metadata"), "labels") == 0 {
            put(child(obj, "metadata"), "labels", labels);
        }
    }
}

fn validate(spec: &Value, errors: &mut Errors) {
    not_negative(spec, "minReadySeconds", &SPEC, errors);
    if size(spec, "selector") == 0 {
        errors.push(Error::required(SPEC.child("selector"), ""));
    }
    match int(spec, "replicas") {
        None => errors.push(Error::required(SPEC.child("replicas"), "")),
        Some(_) => not_negative(spec, "replicas", &SPEC, errors),
    }
    let path = SPEC.child("template");
    let Some(template) = set(spec, "template") else {
        errors.push(Error::required(path, ""));
        return;
    };
    let labels = dig(template, "metadata.labels");
    if !selector::matches_map(at(spec, "selector"), labels) {
        let detail = "`selector` does not match template `labels`";
        errors.push(Error::invalid(path.child("metadata.labels"), labels.clone(), detail));
    }
    pod_spec::template(template, &path, errors);
    workload::runs_for_ever(template, "ReplicationController", &path, errors);
}
