//! Validation of what steers scheduling: affinity, tolerations, topology spread.

use std::collections::HashMap;

use schema::field::Error;
use serde_json::Value;

use crate::json::{at, int, list, opt_text, set, size, text, texts};
use crate::{Errors, Path, format, selector};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// `spec.affinity`.
pub(super) fn affinity(affinity: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(node) = set(affinity, "nodeAffinity") {
        let path = path.child("nodeAffinity");
        if let Some(required) = set(node, REQUIRED) {
            node_selector(required, &path.child(REQUIRED), errors);
        }
        for (index, term) in list(node, PREFERRED).iter().enumerate() {
            let path = path.item(PREFERRED, index);
            weight(term, &path, errors);
            node_term(at(term, "preference"), Values::Any, &path.child("preference"), errors);
        }
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = set(affinity, kind) else { continue };
        let path = path.child(kind);
        for (index, term) in list(pods, REQUIRED).iter().enumerate() {
            pod_term(term, &path.item(REQUIRED, index), errors);
        }
        for (index, term) in list(pods, PREFERRED).iter().enumerate() {
            let path = path.item(PREFERRED, index);
            weight(term, &path, errors);
            pod_term(at(term, "podAffinityTerm"), &path.child("podAffinityTerm"), errors);
        }
    }
}

fn weight(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    let weight = int(term, "weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.push(Error::invalid(path.child("weight"), weight, "must be in the range 1-100"));
    }
}

/// Whether values of a node selector must be label values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Labels,
    Any,
}

/// A node selector (`ValidateNodeSelector`).
pub(crate) fn node_selector(selector: &Value, path: &Path<'_>, errors: &mut Errors) {
    if size(selector, "nodeSelectorTerms") == 0 {
        errors.push(Error::required(path.child("nodeSelectorTerms"), "must have at least one node selector term"));
    }
    for (index, term) in list(selector, "nodeSelectorTerms").iter().enumerate() {
        node_term(term, Values::Labels, &path.item("nodeSelectorTerms", index), errors);
    }
}

fn node_term(term: &Value, values: Values, path: &Path<'_>, errors: &mut Errors) {
    for (index, rule) in list(term, "matchExpressions").iter().enumerate() {
        let path = path.item("matchExpressions", index);
        let (operator, count) = (text(rule, "operator"), size(rule, "values"));
        match operator {
            "In" | "NotIn" if count == 0 => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(Error::required(path.child("values"), detail));
            }
            "Exists" | "DoesNotExist" if count > 0 => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(Error::forbidden(path.child("values"), detail));
            }
            "Gt" | "Lt" if count != 1 => {
                let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                errors.push(Error::required(path.child("values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => (),
            _ => errors.push(Error::invalid(path.child("operator"), operator, "not a valid selector operator")),
        }
        let key = text(rule, "key");
        format::invalid_each(&path.child("key"), key, format::qualified_name(key), errors);
        if values == Values::Labels {
            for (index, value) in texts(rule, "values").into_iter().enumerate() {
                format::invalid_each(&path.item("values", index), value, format::label_value(value), errors);
            }
        }
    }
    for (index, rule) in list(term, "matchFields").iter().enumerate() {
        let path = path.item("matchFields", index);
        match text(rule, "operator") {
            "In" | "NotIn" => {
                if size(rule, "values") != 1 {
                    let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                    errors.push(Error::required(path.child("values"), detail));
                }
            }
            operator => {
                errors.push(Error::invalid(path.child("operator"), operator, "not a valid selector operator"));
            }
        }
        if text(rule, "key") == "metadata.name" {
            for (index, value) in texts(rule, "values").into_iter().enumerate() {
                format::invalid_each(&path.item("values", index), value, format::dns_subdomain(value), errors);
            }
        } else {
            errors.push(Error::invalid(path.child("key"), text(rule, "key"), "not a valid field selector key"));
        }
    }
}

fn pod_term(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    for field in ["labelSelector", "namespaceSelector"] {
        selector::validate(at(term, field), &path.child(field), errors);
    }
    for name in texts(term, "namespaces") {
        format::invalid_each(&path.child("namespace"), name, format::dns_label(name), errors);
    }
    label_keys(term, path, errors);
    let key = text(term, "topologyKey");
    if key.is_empty() {
        errors.push(Error::required(path.child("topologyKey"), "can not be empty"));
    }
    format::invalid_each(&path.child("topologyKey"), key, format::qualified_name(key), errors);
}

/// `matchLabelKeys` and `mismatchLabelKeys` against the selector they are merged into.
fn label_keys(term: &Value, path: &Path<'_>, errors: &mut Errors) {
    let selector = set(term, "labelSelector");
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let keys = texts(term, field);
        if !keys.is_empty() && selector.is_none() {
            let detail = "must not be specified when labelSelector is not set";
            errors.push(Error::forbidden(path.child(field), detail));
            continue;
        }
        for (index, key) in keys.into_iter().enumerate() {
            format::invalid_each(&path.item(field, index), key, format::qualified_name(key), errors);
        }
    }
    let keys = texts(term, "matchLabelKeys");
    if let Some(selector) = selector {
        // The server itself adds one expression for each key: only a second mention is the client's.
        let mut seen: Vec<&str> = crate::json::entries(selector, "matchLabels").map(|(key, _)| key).collect();
        for rule in list(selector, "matchExpressions") {
            let key = text(rule, "key");
            if let Some(index) = keys.iter().position(|other| *other == key).filter(|_| seen.contains(&key)) {
                let detail = "exists in both matchLabelKeys and labelSelector";
                errors.push(Error::invalid(path.index(index), key, detail));
            }
            seen.push(key);
        }
    }
    let others = texts(term, "mismatchLabelKeys");
    for (index, key) in keys.into_iter().enumerate().filter(|(_, key)| others.contains(key)) {
        let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
        errors.push(Error::invalid(path.item("matchLabelKeys", index), key, detail));
    }
}

/// `spec.topologySpreadConstraints`.
pub(super) fn topology_spread(constraints: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let pair = |constraint: &'_ Value| -> (String, String) {
        (text(constraint, "topologyKey").to_owned(), text(constraint, "whenUnsatisfiable").to_owned())
    };
    let last: HashMap<(String, String), usize> =
        constraints.iter().enumerate().map(|(index, constraint)| (pair(constraint), index)).collect();
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.item("topologySpreadConstraints", index);
        let positive = |field: &str, value: i64, errors: &mut Errors| {
            if value <= 0 {
                errors.push(Error::invalid(path.child(field), value, "must be greater than zero"));
            }
        };
        positive("maxSkew", int(constraint, "maxSkew").unwrap_or(0), errors);
        let (key, action) = (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
        if key.is_empty() {
            errors.push(Error::required(path.child("topologyKey"), "can not be empty"));
        }
        if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
            let allowed = ["DoNotSchedule", "ScheduleAnyway"];
            errors.push(Error::not_supported(path.child("whenUnsatisfiable"), action, &allowed));
        }
        if last.get(&pair(constraint)).is_some_and(|last| *last > index) {
            let pair = format!("{{{key}, {action}}}");
            errors.push(Error::duplicate(path.child("{topologyKey, whenUnsatisfiable}"), pair));
        }
        if let Some(domains) = int(constraint, "minDomains") {
            positive("minDomains", domains, errors);
            if action != "DoNotSchedule" {
                let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.push(Error::invalid(path.child("minDomains"), domains, detail));
            }
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            if let Some(policy) = opt_text(constraint, field).filter(|p| !matches!(*p, "Honor" | "Ignore")) {
                errors.push(Error::not_supported(path.child(field), policy, &["Honor", "Ignore"]));
            }
        }
        label_keys(constraint, &path, errors);
        selector::validate(at(constraint, "labelSelector"), &path.child("labelSelector"), errors);
    }
}

/// Tolerations, of pods and of runtime classes.
pub(crate) fn tolerations(tolerations: &[Value], path: &Path<'_>, errors: &mut Errors) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let path = path.index(index);
        let key = text(toleration, "key");
        let (operator, value, effect) =
            (text(toleration, "operator"), text(toleration, "value"), text(toleration, "effect"));
        if !key.is_empty() {
            format::invalid_each(&path.child("key"), key, format::qualified_name(key), errors);
        } else if operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(Error::invalid(path.child("operator"), operator, detail));
        }
        if int(toleration, "tolerationSeconds").is_some() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(Error::invalid(path.child("effect"), effect, detail));
        }
        match operator {
            "Equal" | "" => {
                let wrong = format::label_value(value);
                if !wrong.is_empty() {
                    errors.push(Error::invalid(path.child("operator"), value, wrong.join(";")));
                }
            }
            "Exists" if !value.is_empty() => {
                let detail = "value must be empty when `operator` is 'Exists'";
                errors.push(Error::invalid(path.child("operator"), value, detail));
            }
            "Exists" => (),
            "Lt" | "Gt" => {
                let allowed = ["Equal", "Exists", "Lt", "Gt"];
                errors.push(Error::not_supported(path.child("operator"), operator, &allowed));
            }
            _ => errors.push(Error::not_supported(path.child("operator"), operator, &["Equal", "Exists"])),
        }
        taint_effect(effect, &path.child("effect"), errors);
    }
}

/// The effect of a taint, when it says one.
pub(crate) fn taint_effect(effect: &str, path: &Path<'_>, errors: &mut Errors) {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if !effect.is_empty() && !EFFECTS.contains(&effect) {
        errors.push(Error::not_supported(path, effect, &EFFECTS));
    }
}
