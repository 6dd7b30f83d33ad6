//! ResourceQuotas.

use schema::field::Error;
use serde_json::{Value, json};

use super::pod::amounts::{amount, resource_name};
use super::pod::defaults::resource_list;
use super::workload::SPEC;
use crate::json::{at, child, entries, list, set, size, text, texts};
use crate::strategy::{BASE, Status};
use crate::{Errors, Path, Scope, Strategy};
use schema::quantity::Quantity;

pub(super) static RESOURCE_QUOTA: Strategy = Strategy {
    plural: "resourcequotas",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    validate: |obj, errors| validate(at(obj, "spec"), errors),
    validate_update: |new, old, errors| {
        validate(at(new, "spec"), errors);
        let scopes = |obj: &Value| {
            let mut scopes: Vec<String> = texts(at(obj, "spec"), "scopes").into_iter().map(str::to_owned).collect();
            scopes.sort_unstable();
            scopes.dedup();
            scopes
        };
        if scopes(new) != scopes(old) {
            let shown = at(at(new, "spec"), "scopes").clone();
            errors.push(Error::invalid("spec.scopes", shown, "field is immutable"));
        }
    },
    validate_status: |new, _, errors| {
        let path = Path::root("status");
        for field in ["hard", "used"] {
            amounts(at(new, "status"), field, &path, errors);
        }
    },
    default: |_, obj| {
        resource_list(child(obj, "spec"), "hard");
        let status = child(obj, "status");
        resource_list(status, "hard");
        resource_list(status, "used");
    },
    ..BASE
};

/// Resources a quota can limit by a plain name.
const STANDARD: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

fn amounts(holder: &Value, field: &str, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child(field);
    for (name, value) in entries(holder, field) {
        let path = path.key(name);
        resource_name(name, &path, errors);
        let huge = name.starts_with("hugepages-") || name.starts_with("requests.hugepages-");
        if !name.contains('/') && !STANDARD.contains(&name) && !huge {
            errors.push(Error::invalid(path, name, "must be a standard resource for quota"));
        }
        if let Some(value) = Quantity::of(value) {
            amount(name, &value, &path, errors);
        }
    }
}

fn fits(scope: &str, resource: &str) -> bool {
    let compute = ["pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
    match scope {
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            compute.contains(&resource)
        }
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

fn validate(spec: &Value, errors: &mut Errors) {
    amounts(spec, "hard", &SPEC, errors);
    let path = SPEC.child("scopes");
    let scopes = texts(spec, "scopes");
    let hard: Vec<&str> = entries(spec, "hard").map(|(name, _)| name).filter(|name| STANDARD.contains(name)).collect();
    let mut say = |detail: &str| errors.push(Error::invalid(path, at(spec, "scopes").clone(), detail));
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            say("unsupported scope");
        }
        for _ in hard.iter().filter(|name| !fits(scope, name)) {
            say("unsupported scope applied to resource");
        }
    }
    for pair in [["BestEffort", "NotBestEffort"], ["NotTerminating", "Terminating"]] {
        if pair.iter().all(|scope| scopes.contains(scope)) {
            say("conflicting scopes");
        }
    }
    if set(spec, "scopeSelector").is_some() {
        selector(spec, &hard, errors);
    }
}

/// A scope selector, requirement by requirement.
fn selector(spec: &Value, hard: &[&str], errors: &mut Errors) {
    const EXISTS: &str = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
         ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or \
         ResourceQuotaScopeCrossNamespacePodAffinity";
    let path = SPEC.child("scopeSelector");
    let path = path.child("matchExpressions");
    let requirements = list(at(spec, "scopeSelector"), "matchExpressions");
    let mut found = Vec::new();
    for requirement in requirements {
        let (scope, operator) = (text(requirement, "scopeName"), text(requirement, "operator"));
        if !SCOPES.contains(&scope) {
            errors.push(Error::invalid(path.child("scopeName"), scope, "unsupported scope"));
        }
        for _ in hard.iter().filter(|name| !fits(scope, name)) {
            let detail = "unsupported scope applied to resource";
            errors.push(Error::invalid(path, internal(requirements), detail));
        }
        let takes_values = !matches!(
            scope,
            "BestEffort" | "NotBestEffort" | "Terminating" | "NotTerminating" | "CrossNamespacePodAffinity"
        );
        if !takes_values && operator != "Exists" {
            errors.push(Error::invalid(path.child("operator"), operator, EXISTS));
        }
        let values = at(requirement, "values");
        let empty = size(requirement, "values") == 0;
        match operator {
            "In" | "NotIn" if empty => {
                let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                errors.push(Error::required(path.child("values"), detail));
            }
            "Exists" | "DoesNotExist" if !empty => {
                let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                errors.push(Error::invalid(path.child("values"), values.clone(), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => (),
            _ => errors.push(Error::invalid(path.child("operator"), operator, "not a valid selector operator")),
        }
        found.push(scope);
    }
    for pair in [["BestEffort", "NotBestEffort"], ["NotTerminating", "Terminating"]] {
        if pair.iter().all(|scope| found.contains(scope)) {
            errors.push(Error::invalid(path, at(spec, "scopes").clone(), "conflicting scopes"));
        }
    }
}

/// A selector as upstream shows it: by the names of its Go fields.
fn internal(requirements: &[Value]) -> Value {
    let shown = requirements.iter().map(
        |one| json!({"ScopeName": at(one, "scopeName"), "Operator": at(one, "operator"), "Values": at(one, "values")}),
    );
    json!({"MatchExpressions": shown.collect::<Vec<_>>()})
}
