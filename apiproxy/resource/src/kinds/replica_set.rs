//! ReplicaSets.

use serde_json::Value;

use super::pod::defaults::template;
use super::workload::{self, SPEC, available_are_ready, not_negative, replica_counts};
use crate::json::{at, child, dig, fill};
use crate::strategy::{BASE, Generation, Status};
use crate::{Errors, Scope, Strategy, meta};

pub(super) static REPLICA_SET: Strategy = Strategy {
    group: "apps",
    plural: "replicasets",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"replicas":0}"#),
    generation: Generation::On(&["spec"]),
    default,
    validate: |obj, errors| validate(at(obj, "spec"), errors),
    validate_update: |new, old, errors| {
        validate(at(new, "spec"), errors);
        meta::immutable(&SPEC, "selector", at(new, "spec"), at(old, "spec"), errors);
    },
    validate_status: |new, _, errors| status(at(new, "status"), errors),
    warnings: workload::template_warnings,
    fields: &[("status.replicas", |obj| dig(obj, "status.replicas").as_i64().unwrap_or(0).to_string())],
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill(spec, "replicas", 1);
    template(spec);
}

fn validate(spec: &Value, errors: &mut Errors) {
    not_negative(spec, "replicas", &SPEC, errors);
    not_negative(spec, "minReadySeconds", &SPEC, errors);
    // Upstream says "deployment" here too.
    workload::selector(spec, "deployment", &SPEC, errors);
    workload::replica_template(spec, &SPEC, errors);
}

/// Counts of a ReplicaSet's or ReplicationController's status.
pub(super) fn status(status: &Value, errors: &mut Errors) {
    let counts = [
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ];
    replica_counts(status, &counts, &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"], errors);
    available_are_ready(status, "cannot be greater than readyReplicas", errors);
}
