//! Validation of requests and limits (`validateResourceRequirements`).

use std::collections::{BTreeSet, HashSet};

use schema::field::Error;
use serde_json::Value;

use super::needs::aggregate;
use crate::json::{at, entries, list, set, text};
use crate::{Errors, Path, format};
use schema::quantity::Quantity;

const STANDARD: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];

/// Resources counted in whole things.
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

pub(crate) fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

pub(crate) fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && format::qualified_name(&format!("requests.{name}")).is_empty()
}

pub(crate) fn overcommits(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// The name of any resource (`validateResourceName`). Tells whether it was good.
pub(crate) fn resource_name(name: &str, path: &Path<'_>, errors: &mut Errors) -> bool {
    let wrong = format::qualified_name(name);
    if !wrong.is_empty() {
        format::invalid_each(path, name, wrong, errors);
        return false;
    }
    let huge = is_huge_page(name) || name.starts_with("requests.hugepages-");
    if !name.contains('/') && !STANDARD.contains(&name) && !huge {
        errors.push(Error::invalid(path, name, "must be a standard resource type or fully qualified"));
        return false;
    }
    true
}

pub(crate) fn container_resource(name: &str, path: &Path<'_>, errors: &mut Errors) {
    resource_name(name, path, errors);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge_page(name) {
            errors.push(Error::invalid(path, name, "must be a standard resource for containers"));
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.push(Error::invalid(path, name, "doesn't follow extended resource name standard"));
    }
}

fn pod_resource(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if resource_name(name, path, errors) && !matches!(name, "cpu" | "memory") && !is_huge_page(name) {
        errors.push(Error::not_supported(path, name, &["cpu", "hugepages-", "memory"]));
    }
}

/// An amount of a resource (`ValidateResourceQuantityValue`).
pub(crate) fn amount(name: &str, value: &Quantity, path: &Path<'_>, errors: &mut Errors) {
    if value.is_negative() {
        errors.push(Error::invalid(path, value.to_string(), "must be greater than or equal to 0"));
    }
    if (COUNTED.contains(&name) || is_extended(name))
        && value.milli_value().is_some_and(|thousandths| thousandths % 1000 != 0)
    {
        errors.push(Error::invalid(path, value.to_string(), "must be an integer"));
    }
}

fn huge_page(name: &str, value: &Quantity, path: &Path<'_>, errors: &mut Errors) {
    let Some(page) = name.strip_prefix("hugepages-").and_then(|page| page.parse::<Quantity>().ok()) else { return };
    let (Some(page), Some(bytes)) = (page.value(), value.value()) else { return };
    if page > 0 && (bytes < 0 || bytes % page != 0) {
        errors.push(Error::invalid(
            path,
            value.to_string(),
            format!("{value} is not positive integer multiple of {name}"),
        ));
    }
}

/// Requests, limits and claims of a container.
pub(super) fn container(resources: &Value, claims: &BTreeSet<&str>, path: &Path<'_>, errors: &mut Errors) {
    requirements(resources, container_resource, path, errors);
    claim_names(resources, claims, &path.child("claims"), errors);
}

fn requirements(resources: &Value, named: fn(&str, &Path<'_>, &mut Errors), path: &Path<'_>, errors: &mut Errors) {
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    let (mut compute, mut huge) = (false, false);
    for (list, list_path) in [("limits", &limits), ("requests", &requests)] {
        for (name, value) in entries(resources, list) {
            let Some(value) = Quantity::of(value) else { continue };
            let path = list_path.key(name);
            named(name, &path, errors);
            amount(name, &value, &path, errors);
            if list == "requests" {
                against_limit(resources, name, &value, (&requests, &limits), errors);
            }
            if is_huge_page(name) {
                huge = true;
                huge_page(name, &value, &path, errors);
            }
            compute |= matches!(name, "cpu" | "memory");
        }
    }
    if huge && !compute {
        errors.push(Error::forbidden(path, "HugePages require cpu or memory"));
    }
}

fn against_limit(
    resources: &Value,
    name: &str,
    value: &Quantity,
    (requests, limits): (&Path<'_>, &Path<'_>),
    errors: &mut Errors,
) {
    match Quantity::of(at(at(resources, "limits"), name)) {
        Some(limit) if *value != limit && !overcommits(name) => {
            let detail = format!("must be equal to {name} limit of {limit}");
            errors.push(Error::invalid(requests, value.to_string(), detail));
        }
        Some(limit) if *value > limit => {
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            errors.push(Error::invalid(requests, value.to_string(), detail));
        }
        None if !overcommits(name) => {
            errors.push(Error::required(limits, "Limit must be set for non overcommitable resources"));
        }
        _ => (),
    }
}

fn claim_names(resources: &Value, known: &BTreeSet<&str>, path: &Path<'_>, errors: &mut Errors) {
    let mut seen: HashSet<String> = HashSet::new();
    let mut with_request: HashSet<&str> = HashSet::new();
    for (index, claim) in list(resources, "claims").iter().enumerate() {
        let path = path.index(index);
        let (name, request) = (text(claim, "name"), text(claim, "request"));
        if name.is_empty() {
            errors.push(Error::required(path, ""));
            continue;
        }
        if seen.contains(name) {
            errors.push(Error::duplicate(path, name));
        } else {
            let mut key = name.to_owned();
            if !request.is_empty() {
                format::invalid_each(&path.child("request"), request, format::dns_label(request), errors);
                key = format!("{name}/{request}");
            }
            if seen.contains(&key) {
                errors.push(Error::duplicate(path, key.clone()));
            } else if request.is_empty() && with_request.contains(name) {
                errors.push(Error::duplicate(path, name));
            }
            if !request.is_empty() {
                with_request.insert(name);
            }
            seen.insert(key);
        }
        if !known.contains(name) {
            let names: Vec<&str> = known.iter().copied().collect();
            let mut error = Error::not_found(path, name);
            let which = if names.is_empty() { " which is empty".to_owned() } else { format!(": {}", names.join(", ")) };
            error.detail = format!("must be one of the names in pod.spec.resourceClaims{which}");
            errors.push(error);
        }
    }
}

/// A list of amounts that pods always use (a runtime class's overhead), checked as limits.
pub(crate) fn limits_only(amounts: &Value, path: &Path<'_>, errors: &mut Errors) {
    requirements(&serde_json::json!({"limits": amounts}), container_resource, path, errors);
}

/// `spec.overhead`.
pub(super) fn overhead(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(overhead) = set(spec, "overhead") {
        limits_only(overhead, &path.child("overhead"), errors);
    }
}

/// `spec.resources`: what the whole pod may use.
pub(super) fn pod_level(spec: &Value, claims: &BTreeSet<&str>, path: &Path<'_>, errors: &mut Errors) {
    let Some(resources) = set(spec, "resources") else { return };
    let path = path.child("resources");
    if text(at(spec, "os"), "name") == "windows" {
        errors.push(Error::forbidden(path, "may not be set for a windows pod"));
        return;
    }
    if set(resources, "claims").is_some() {
        let detail = "claims may not be set for Resources at pod-level";
        errors.push(Error::forbidden(path.child("claims"), detail));
    }
    requirements(resources, pod_resource, &path, errors);
    claim_names(resources, claims, &path.child("claims"), errors);
    let requests = path.child("requests");
    for (name, total) in aggregate(spec, "requests") {
        let own = Quantity::of(at(at(resources, "requests"), &name));
        if let Some(own) = own.filter(|own| total > *own) {
            let detail = format!("must be greater than or equal to aggregate container requests of {total}");
            errors.push(Error::invalid(requests.key(&name), own.to_string(), detail));
        }
    }
    let limits = path.child("limits");
    for (name, total) in aggregate(spec, "limits").into_iter().filter(|(name, _)| is_huge_page(name)) {
        let own = Quantity::of(at(at(resources, "limits"), &name));
        if let Some(own) = own.filter(|own| total > *own) {
            let detail = format!("must be greater than or equal to aggregate container limits of {total}");
            errors.push(Error::invalid(limits.key(&name), own.to_string(), detail));
        }
    }
    for (index, container) in list(spec, "containers").iter().enumerate() {
        let here = path.item("containers", index);
        for (name, limit) in entries(at(container, "resources"), "limits") {
            let pod = Quantity::of(at(at(resources, "limits"), name));
            let (Some(limit), Some(pod)) = (Quantity::of(limit), pod) else { continue };
            if limit > pod {
                let detail = format!("must be less than or equal to pod limits of {pod}");
                errors.push(Error::invalid(here.key(name).child("limits"), limit.to_string(), detail));
            }
        }
    }
}
