//! Rules that kinds with a pod template have in common.

use schema::field::Error;
use serde_json::Value;

use super::pod::{spec, warnings};
use crate::json::{at, int, set, text};
use crate::{Errors, Path, format, go, selector};

/// Where `spec` starts.
pub(super) const SPEC: Path<'static> = Path::root("spec");

/// A number that may not be negative (`ValidateNonnegativeField`).
pub(super) fn not_negative(holder: &Value, field: &str, path: &Path<'_>, errors: &mut Errors) {
    if let Some(value) = int(holder, field).filter(|value| *value < 0) {
        errors.push(Error::invalid(path.child(field), value, "must be greater than or equal to 0"));
    }
}

/// The selector of a kind: there, well formed and not empty.
pub(super) fn selector(spec: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("selector");
    match set(spec, "selector") {
        None => errors.push(Error::required(path, "")),
        Some(selector) => {
            selector::validate(selector, &path, errors);
            if selector::is_empty(selector) {
                let detail = format!("empty selector is invalid for {kind}");
                errors.push(Error::invalid(path, selector.clone(), detail));
            }
        }
    }
}

/// The template's labels must match the selector; no selector matches nothing. False when the selector is not one,
/// which `detail` then says; upstream looks no further at the template.
pub(super) fn selected(spec: &Value, template: &Value, detail: &str, path: &Path<'_>, errors: &mut Errors) -> bool {
    let labels = at(at(template, "metadata"), "labels");
    let selector = at(spec, "selector");
    if !selector::is_valid(selector) {
        let shown = go::ordered(selector, &go::SELECTOR);
        errors.push(Error::invalid(SPEC.child("selector"), selector.clone(), detail).showing(shown));
        return false;
    }
    if selector.is_null() || !selector::matches(selector, labels) {
        let detail = "`selector` does not match template `labels`";
        errors.push(Error::invalid(path.child("metadata.labels"), labels.clone(), detail));
    }
    true
}

/// Pods of a template that run for ever; `kind` is the kind upstream names in its message.
pub(super) fn runs_for_ever(template: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let pod = at(template, "spec");
    let policy = text(pod, "restartPolicy");
    if policy != "Always" {
        errors.push(Error::not_supported(path.child("spec.restartPolicy"), policy, &["Always"]));
    }
    if int(pod, "activeDeadlineSeconds").is_some() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.push(Error::forbidden(path.child("spec.activeDeadlineSeconds"), detail));
    }
}

/// Template, selector and restart policy as Deployments and ReplicaSets want them.
pub(super) fn replica_template(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let template = at(spec, "template");
    let path = path.child("template");
    if selected(spec, template, "invalid label selector", &path, errors) {
        spec::template(template, &path, errors);
        runs_for_ever(template, "ReplicaSet", &path, errors);
    }
}

/// Counts in a status: not negative, and these not above `replicas`.
pub(super) fn replica_counts(status: &Value, counts: &[&str], bounded: &[&str], errors: &mut Errors) {
    let path = Path::root("status");
    for field in counts {
        not_negative(status, field, &path, errors);
    }
    let count = |field: &str| int(status, field).unwrap_or(0);
    for field in bounded.iter().filter(|field| count(field) > count("replicas")) {
        errors.push(Error::invalid(path.child(field), count(field), "cannot be greater than status.replicas"));
    }
}

/// `availableReplicas` may not exceed `readyReplicas`.
pub(super) fn available_are_ready(status: &Value, detail: &str, errors: &mut Errors) {
    let available = int(status, "availableReplicas").unwrap_or(0);
    if available > int(status, "readyReplicas").unwrap_or(0) {
        errors.push(Error::invalid("status.availableReplicas", available, detail));
    }
}

/// `collisionCount` only grows.
pub(super) fn collisions_grow(new: &Value, old: &Value, errors: &mut Errors) {
    let count = |obj: &Value| int(at(obj, "status"), "collisionCount");
    if let Some(before) = count(old) {
        let now = count(new).unwrap_or(0);
        if now < before {
            errors.push(Error::invalid("status.collisionCount", now, "cannot be decremented"));
        }
    }
}

/// An integer or a percentage, not negative (`ValidatePositiveIntOrPercent`).
pub(super) fn int_or_percent(holder: &Value, field: &str, path: &Path<'_>, errors: &mut Errors) {
    match at(holder, field) {
        Value::String(text) => {
            format::invalid_each(&path.child(field), text, format::percent(text), errors);
        }
        _ => not_negative(holder, field, path, errors),
    }
}

/// The percentage a field says, when it says one.
fn percentage(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    format::percent(text).is_empty().then(|| text.trim_end_matches('%').parse().unwrap_or(i64::MAX))
}

/// The number or percentage a field says.
pub(super) fn amount(holder: &Value, field: &str) -> i64 {
    let value = at(holder, field);
    percentage(value).or_else(|| value.as_i64()).unwrap_or(0)
}

/// Not more than 100%.
pub(super) fn at_most_all(holder: &Value, field: &str, path: &Path<'_>, errors: &mut Errors) {
    let value = at(holder, field);
    if percentage(value).is_some_and(|percent| percent > 100) {
        errors.push(Error::invalid(path.child(field), value.clone(), "must not be greater than 100%"));
    }
}

/// Warnings about the template in an object's spec.
pub(super) fn template_warnings(new: &Value, old: Option<&Value>, found: &mut Vec<String>) {
    let template = |obj: &Value| at(at(obj, "spec"), "template").clone();
    let before = old.map(template);
    warnings::template(&template(new), before.as_ref(), &SPEC.child("template"), found);
}
