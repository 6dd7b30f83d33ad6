//! HorizontalPodAutoscalers.

use schema::field::Error;
use serde_json::{Value, json};

use super::workload::{SPEC, not_negative};
use crate::json::{at, child, fill, int, list, opt_text, put, set, size, text};
use crate::strategy::{BASE, Status};
use crate::{Errors, Path, Scope, Strategy, format};

pub(super) static AUTOSCALER: Strategy = Strategy {
    group: "autoscaling",
    plural: "horizontalpodautoscalers",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"desiredReplicas":0,"currentMetrics":null}"#),
    default,
    validate: |obj, errors| validate(at(obj, "spec"), errors),
    validate_update: |new, _, errors| validate(at(new, "spec"), errors),
    validate_status: |new, _, errors| {
        for field in ["currentReplicas", "desiredReplicas"] {
            not_negative(at(new, "status"), field, &Path::root("status"), errors);
        }
    },
    ..BASE
};

fn default(version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill(spec, "minReplicas", 1);
    if version != "v2" {
        return;
    }
    if size(spec, "metrics") == 0 {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        put(spec, "metrics", json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
    }
    if set(spec, "behavior").is_some() {
        let behavior = child(spec, "behavior");
        let up = child(behavior, "scaleUp");
        fill(up, "stabilizationWindowSeconds", 0);
        rules(up, &[("Pods", 4), ("Percent", 100)]);
        rules(child(behavior, "scaleDown"), &[("Percent", 100)]);
    }
}

fn rules(rules: &mut Value, policies: &[(&str, i64)]) {
    fill(rules, "selectPolicy", "Max");
    if text(rules, "policies").is_empty() {
        let policies: Vec<Value> =
            policies.iter().map(|(kind, value)| json!({"type": kind, "value": value, "periodSeconds": 15})).collect();
        fill(rules, "policies", policies);
    }
}

/// What is wrong with the stored (v2) form.
fn validate(spec: &Value, errors: &mut Errors) {
    let (least, most) = (int(spec, "minReplicas"), int(spec, "maxReplicas").unwrap_or(0));
    if let Some(least) = least.filter(|least| *least < 1) {
        errors.push(Error::invalid(SPEC.child("minReplicas"), least, "must be greater than or equal to 1"));
    }
    let path = SPEC.child("maxReplicas");
    match most {
        0 => errors.push(Error::required(path, "must be set and greater than 0")),
        most if most < 0 => errors.push(Error::invalid(path, most, "must be greater than or equal to 1")),
        _ => (),
    }
    if least.is_some_and(|least| most < least) {
        errors.push(Error::invalid(path, most, "must be greater than or equal to `minReplicas`"));
    }
    target_reference(at(spec, "scaleTargetRef"), errors);
    for (index, one) in list(spec, "metrics").iter().enumerate() {
        metric(one, &SPEC.item("metrics", index), errors);
    }
    let path = SPEC.child("behavior");
    for direction in ["scaleUp", "scaleDown"] {
        if let Some(rules) = set(at(spec, "behavior"), direction) {
            scaling(rules, &path.child(direction), errors);
        }
    }
}

fn target_reference(reference: &Value, errors: &mut Errors) {
    let path = SPEC.child("scaleTargetRef");
    for field in ["kind", "name"] {
        match text(reference, field) {
            "" => errors.push(Error::required(path.child(field), "")),
            value => format::invalid_each(&path.child(field), value, format::path_segment(value, false), errors),
        }
    }
}

/// Type and field of each source of metrics.
const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

fn metric(metric: &Value, path: &Path<'_>, errors: &mut Errors) {
    let kind = text(metric, "type");
    if kind.is_empty() {
        errors.push(Error::required(path.child("type"), "must specify a metric source type"));
    }
    let Some((_, expected)) = SOURCES.iter().find(|(known, _)| *known == kind) else {
        errors.push(Error::not_supported(path.child("type"), kind, &SOURCES.map(|(kind, _)| kind)));
        return;
    };
    match set(metric, expected) {
        None => {
            let detail = "must populate information for the given metric source";
            errors.push(Error::required(path.child(expected), detail));
        }
        Some(source) => target(kind, source, &path.child(expected), errors),
    }
    for (_, field) in SOURCES.iter().filter(|(known, field)| *known != kind && set(metric, field).is_some()) {
        let detail = "must populate the given metric source only";
        errors.push(Error::forbidden(path.child(field), detail));
    }
}

fn target(kind: &str, source: &Value, path: &Path<'_>, errors: &mut Errors) {
    if matches!(kind, "Resource" | "ContainerResource") && text(source, "name").is_empty() {
        errors.push(Error::required(path.child("name"), "must specify a resource name"));
    }
    if kind == "ContainerResource" && text(source, "container").is_empty() {
        errors.push(Error::required(path.child("container"), "must specify a container"));
    }
    let target = at(source, "target");
    let path = path.child("target");
    const TYPES: [&str; 3] = ["AverageValue", "Utilization", "Value"];
    match text(target, "type") {
        "" => errors.push(Error::required(path.child("type"), "must specify a metric target type")),
        kind if !TYPES.contains(&kind) => {
            let detail = "must be either Utilization, Value, or AverageValue";
            errors.push(Error::invalid(path.child("type"), kind, detail));
        }
        _ => (),
    }
    if let Some(percent) = int(target, "averageUtilization").filter(|percent| *percent < 1) {
        errors.push(Error::invalid(path.child("averageUtilization"), percent, "must be greater than 0"));
    }
}

fn scaling(rules: &Value, path: &Path<'_>, errors: &mut Errors) {
    let window = path.child("stabilizationWindowSeconds");
    match int(rules, "stabilizationWindowSeconds") {
        Some(seconds) if seconds < 0 => {
            errors.push(Error::invalid(window, seconds, "must be greater than or equal to zero"));
        }
        Some(seconds) if seconds > 3600 => {
            errors.push(Error::invalid(window, seconds, "must be less than or equal to 3600"));
        }
        _ => (),
    }
    const CHOICES: [&str; 3] = ["Disabled", "Max", "Min"];
    if let Some(choice) = opt_text(rules, "selectPolicy").filter(|choice| !CHOICES.contains(choice)) {
        errors.push(Error::not_supported(path.child("selectPolicy"), choice, &CHOICES));
    }
    if size(rules, "policies") == 0 {
        errors.push(Error::required(path.child("policies"), "must specify at least one Policy"));
    }
    for (index, policy) in list(rules, "policies").iter().enumerate() {
        let path = path.item("policies", index);
        let kind = text(policy, "type");
        if !matches!(kind, "Pods" | "Percent") {
            errors.push(Error::not_supported(path.child("type"), kind, &["Percent", "Pods"]));
        }
        for field in ["value", "periodSeconds"] {
            if let Some(value) = int(policy, field).filter(|value| *value <= 0) {
                errors.push(Error::invalid(path.child(field), value, "must be greater than zero"));
            }
        }
        if let Some(seconds) = int(policy, "periodSeconds").filter(|seconds| *seconds > 1800) {
            errors.push(Error::invalid(path.child("periodSeconds"), seconds, "must be less than or equal to 1800"));
        }
    }
}
