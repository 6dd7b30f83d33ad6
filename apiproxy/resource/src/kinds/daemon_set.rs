//! DaemonSets.

use schema::field::Error;
use serde_json::Value;

use super::pod::defaults::template;
use super::pod::spec as pod_spec;
use super::workload::{self, SPEC, amount, at_most_all, collisions_grow, int_or_percent, not_negative};
use crate::go::{self, Field};
use crate::json::{at, child, dig, fill, fill_text, put, same, set, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Errors, Path, Scope, Strategy, meta, selector};

pub(super) static DAEMON_SET: Strategy = Strategy {
    group: "apps",
    plural: "daemonsets",
    scope: Scope::Namespaced,
    status: Status::Reset(
        r#"{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}"#,
    ),
    generation: Generation::On(&["spec"]),
    default,
    prepare_create: |obj| template_generation(obj, 1),
    prepare_update,
    validate: |obj, errors| validate(at(obj, "spec"), errors),
    validate_update: |new, old, errors| {
        meta::immutable(&SPEC, "selector", at(new, "spec"), at(old, "spec"), errors);
        validate(at(new, "spec"), errors);
    },
    validate_status,
    warnings: workload::template_warnings,
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    let strategy = child(spec, "updateStrategy");
    fill_text(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = child(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", 1);
        fill(rolling, "maxSurge", 0);
    }
    fill(spec, "revisionHistoryLimit", 10);
    template(spec);
}

/// Annotation that carries upstream's internal count of template changes.
const GENERATION: &str = "deprecated.daemonset.template.generation";

fn template_generation(obj: &mut Value, generation: i64) {
    put(child(child(obj, "metadata"), "annotations"), GENERATION, generation.to_string());
}

/// The count of template changes is the server's.
fn prepare_update(new: &mut Value, old: &Value) {
    let before = at(dig(old, "metadata.annotations"), GENERATION).as_str().and_then(|text| text.parse::<i64>().ok());
    let changed = !same(dig(new, "spec.template"), dig(old, "spec.template"));
    template_generation(new, before.unwrap_or(0).saturating_add(i64::from(changed)));
}

/// Upstream's internal structs, as its errors show them.
const ROLLING: [Field; 2] = [Field::leaf("MaxUnavailable", "maxUnavailable"), Field::leaf("MaxSurge", "maxSurge")];
const STRATEGY: [Field; 2] =
    [Field::leaf("Type", "type"), Field { go: "RollingUpdate", json: "rollingUpdate", inner: &ROLLING }];

fn validate(spec: &Value, errors: &mut Errors) {
    let chosen = at(spec, "selector");
    selector::validate(chosen, &SPEC.child("selector"), errors);
    let template = at(spec, "template");
    let path = SPEC.child("template");
    let labels = dig(template, "metadata.labels");
    if selector::is_valid(chosen) && (!chosen.is_object() || !selector::matches(chosen, labels)) {
        let detail = "`selector` does not match template `labels`";
        errors.push(Error::invalid(path.child("metadata.labels"), labels.clone(), detail));
    }
    if chosen.is_object() && selector::is_empty(chosen) {
        let detail = "empty selector is invalid for daemonset";
        errors.push(Error::invalid(SPEC.child("selector"), chosen.clone(), detail));
    }
    pod_spec::template(template, &path, errors);
    workload::runs_for_ever(template, "DaemonSet", &path, errors);
    not_negative(spec, "minReadySeconds", &SPEC, errors);
    strategy(at(spec, "updateStrategy"), &SPEC.child("updateStrategy"), errors);
    not_negative(spec, "revisionHistoryLimit", &SPEC, errors);
}

fn strategy(strategy: &Value, path: &Path<'_>, errors: &mut Errors) {
    let here = path.child("rollingUpdate");
    match (text(strategy, "type"), set(strategy, "rollingUpdate")) {
        ("OnDelete", _) => (),
        ("RollingUpdate", None) => errors.push(Error::required(here, "")),
        ("RollingUpdate", Some(rolling)) => {
            for field in ["maxUnavailable", "maxSurge"] {
                int_or_percent(rolling, field, &here, errors);
            }
            for field in ["maxUnavailable", "maxSurge"] {
                at_most_all(rolling, field, &here, errors);
            }
            match (amount(rolling, "maxUnavailable") != 0, amount(rolling, "maxSurge") != 0) {
                (true, true) => {
                    let detail = "may not be set when maxUnavailable is non-zero";
                    errors.push(Error::invalid(here.child("maxSurge"), at(rolling, "maxSurge").clone(), detail));
                }
                (false, false) => {
                    let detail = "cannot be 0 when maxSurge is 0";
                    errors.push(Error::required(here.child("maxUnavailable"), detail));
                }
                _ => (),
            }
        }
        _ => {
            let shown = go::shown(strategy, &STRATEGY);
            errors.push(Error::not_supported(path, strategy.clone(), &["RollingUpdate", "OnDelete"]).showing(shown));
        }
    }
}

fn validate_status(new: &Value, old: &Value, errors: &mut Errors) {
    let counts = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    for field in counts {
        not_negative(at(new, "status"), field, &Path::root("status"), errors);
    }
    collisions_grow(new, old, errors);
}
