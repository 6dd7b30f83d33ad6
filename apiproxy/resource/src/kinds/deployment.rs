//! Deployments.

use schema::field::Error;
use serde_json::{Value, json};

use super::pod::defaults::template;
use super::workload::{
    self, SPEC, amount, at_most_all, available_are_ready, collisions_grow, int_or_percent, not_negative, replica_counts,
};
use crate::go::{self, Field};
use crate::json::{at, child, fill, fill_text, int, set, take_over, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Errors, Path, Scope, Strategy, meta};

pub(super) static DEPLOYMENT: Strategy = Strategy {
    group: "apps",
    plural: "deployments",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    generation: Generation::On(&["spec", "metadata.annotations"]),
    default,
    validate: |obj, errors| validate(at(obj, "spec"), errors),
    validate_update: |new, old, errors| {
        validate(at(new, "spec"), errors);
        meta::immutable(&SPEC, "selector", at(new, "spec"), at(old, "spec"), errors);
    },
    validate_status,
    warnings: workload::template_warnings,
    prepare_status: |new, old| take_over(child(new, "metadata"), at(old, "metadata"), "labels"),
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill(spec, "replicas", 1);
    let strategy = child(spec, "strategy");
    fill_text(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = child(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", json!("25%"));
        fill(rolling, "maxSurge", json!("25%"));
    }
    fill(spec, "revisionHistoryLimit", 10);
    fill(spec, "progressDeadlineSeconds", 600);
    template(spec);
}

/// Upstream's internal structs, as its errors show them.
const ROLLING: [Field; 2] = [Field::leaf("MaxUnavailable", "maxUnavailable"), Field::leaf("MaxSurge", "maxSurge")];
const STRATEGY: [Field; 2] =
    [Field::leaf("Type", "type"), Field { go: "RollingUpdate", json: "rollingUpdate", inner: &ROLLING }];

fn validate(spec: &Value, errors: &mut Errors) {
    not_negative(spec, "replicas", &SPEC, errors);
    workload::selector(spec, "deployment", &SPEC, errors);
    workload::replica_template(spec, &SPEC, errors);
    strategy(at(spec, "strategy"), &SPEC.child("strategy"), errors);
    for field in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        not_negative(spec, field, &SPEC, errors);
    }
    if let Some(deadline) = int(spec, "progressDeadlineSeconds")
        && deadline <= int(spec, "minReadySeconds").unwrap_or(0)
    {
        let detail = "must be greater than minReadySeconds";
        errors.push(Error::invalid(SPEC.child("progressDeadlineSeconds"), deadline, detail));
    }
}

fn strategy(strategy: &Value, path: &Path<'_>, errors: &mut Errors) {
    let here = path.child("rollingUpdate");
    match (text(strategy, "type"), set(strategy, "rollingUpdate")) {
        ("Recreate", Some(_)) => {
            errors.push(Error::forbidden(here, "may not be specified when strategy `type` is 'Recreate'"));
        }
        ("Recreate", None) => (),
        ("RollingUpdate", None) => {
            errors.push(Error::required(here, "this should be defaulted and never be nil"));
        }
        ("RollingUpdate", Some(rolling)) => {
            int_or_percent(rolling, "maxUnavailable", &here, errors);
            int_or_percent(rolling, "maxSurge", &here, errors);
            if amount(rolling, "maxUnavailable") == 0 && amount(rolling, "maxSurge") == 0 {
                let shown = at(rolling, "maxUnavailable").clone();
                let detail = "may not be 0 when `maxSurge` is 0";
                errors.push(Error::invalid(here.child("maxUnavailable"), shown, detail));
            }
            at_most_all(rolling, "maxUnavailable", &here, errors);
        }
        _ => {
            let shown = go::shown(strategy, &STRATEGY);
            errors.push(Error::not_supported(path, strategy.clone(), &["Recreate", "RollingUpdate"]).showing(shown));
        }
    }
}

fn validate_status(new: &Value, old: &Value, errors: &mut Errors) {
    let status = at(new, "status");
    let counts = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ];
    replica_counts(status, &counts, &["updatedReplicas", "readyReplicas", "availableReplicas"], errors);
    available_are_ready(status, "cannot be greater than readyReplicas", errors);
    collisions_grow(new, old, errors);
}
