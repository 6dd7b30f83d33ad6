//! Validation of environment variables and of references to a pod's own fields.

use schema::field::Error;
use serde_json::Value;

use super::volumes::no_backsteps;
use crate::json::{at, list, set, text};
use crate::{Errors, Path, format};
use schema::quantity::Quantity;

const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Resources a `resourceFieldRef` may name, besides huge pages.
pub(super) const POD_RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const SOURCES: [&str; 5] = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];

/// `env` and `envFrom` of a container.
pub(super) fn validate(container: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (index, variable) in list(container, "env").iter().enumerate() {
        let path = path.item("env", index);
        match text(variable, "name") {
            "" => errors.push(Error::required(path.child("name"), "")),
            name => format::invalid_each(&path.child("name"), name, format::env_name(name), errors),
        }
        if let Some(from) = set(variable, "valueFrom") {
            value_from(from, text(variable, "value"), &path.child("valueFrom"), errors);
        }
    }
    let list_path = path.child("envFrom");
    for (index, source) in list(container, "envFrom").iter().enumerate() {
        let path = list_path.index(index);
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            format::invalid_each(&path.child("prefix"), prefix, format::env_name(prefix), errors);
        }
        let mut count = 0;
        for kind in ["configMapRef", "secretRef"] {
            let Some(reference) = set(source, kind) else { continue };
            count += 1;
            let path = path.child(kind);
            match text(reference, "name") {
                "" => errors.push(Error::required(path.child("name"), "")),
                name => {
                    let wrong = crate::NameRule::DnsSubdomain.check(name, true);
                    format::invalid_each(&path.child("name"), name, wrong, errors);
                }
            }
        }
        // Upstream reports these on the list, not on the item.
        match count {
            0 => errors.push(Error::invalid(list_path, "", "must specify one of: `configMapRef` or `secretRef`")),
            1 => (),
            _ => errors.push(Error::invalid(list_path, "", "may not have more than one field specified at a time")),
        }
    }
}

fn value_from(from: &Value, value: &str, path: &Path<'_>, errors: &mut Errors) {
    let mut count = 0;
    for kind in SOURCES {
        let Some(source) = set(from, kind) else { continue };
        count += 1;
        let path = path.child(kind);
        match kind {
            "fieldRef" => field_reference(source, &ENV_FIELDS, &path, errors),
            "resourceFieldRef" => resource_reference(source, &POD_RESOURCES, &path, errors),
            "fileKeyRef" => file_key(source, &path, errors),
            _ => {
                let name = text(source, "name");
                format::invalid_each(&path.child("name"), name, format::dns_subdomain(name), errors);
                match text(source, "key") {
                    "" => errors.push(Error::required(path.child("key"), "")),
                    key => format::invalid_each(&path.child("key"), key, format::config_key(key), errors),
                }
            }
        }
    }
    let detail = match count {
        0 => "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        _ if !value.is_empty() => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(Error::invalid(path, "", detail));
}

fn file_key(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    match text(source, "key") {
        "" => errors.push(Error::required(path.child("key"), "")),
        key => format::invalid_each(&path.child("key"), key, format::env_name(key), errors),
    }
    match text(source, "volumeName") {
        "" => errors.push(Error::required(path.child("volumeName"), "")),
        name => format::invalid_each(&path.child("volumeName"), name, format::dns_label(name), errors),
    }
    match text(source, "path") {
        "" => errors.push(Error::required(path.child("path"), "")),
        target => no_backsteps(target, &path.child("path"), errors),
    }
}

/// A field of the pod (`validateObjectFieldSelector`).
pub(super) fn field_reference(reference: &Value, allowed: &[&str], path: &Path<'_>, errors: &mut Errors) {
    for field in ["apiVersion", "fieldPath"] {
        if text(reference, field).is_empty() {
            errors.push(Error::required(path.child(field), ""));
            return;
        }
    }
    let (version, label) = (text(reference, "apiVersion"), text(reference, "fieldPath"));
    let subscripted =
        label.strip_suffix("']").and_then(|rest| rest.split_once("['")).filter(|(head, _)| !head.is_empty());
    let known = |label: &str| {
        matches!(label, "metadata.annotations" | "metadata.labels" | "metadata.name" | "metadata.namespace")
            || matches!(label, "metadata.uid" | "spec.nodeName" | "spec.restartPolicy" | "spec.serviceAccountName")
            || matches!(label, "spec.schedulerName" | "status.phase" | "status.hostIP" | "status.hostIPs")
            || matches!(label, "status.podIP" | "status.podIPs" | "spec.host")
    };
    let problem = match subscripted {
        _ if version != "v1" => Some(format!("unsupported pod version: {version}")),
        Some(("metadata.annotations" | "metadata.labels", _)) => None,
        Some(_) => Some(format!("field label does not support subscript: {label}")),
        None if known(label) => None,
        None => Some(format!("field label not supported: {label}")),
    };
    if let Some(problem) = problem {
        let detail = format!("error converting fieldPath: {problem}");
        errors.push(Error::invalid(path.child("fieldPath"), label, detail));
        return;
    }
    match subscripted {
        Some(("metadata.annotations", key)) => {
            let key = key.to_lowercase();
            format::invalid_each(path, &key, format::qualified_name(&key), errors);
        }
        Some((_, key)) => format::invalid_each(path, key, format::qualified_name(key), errors),
        None => {
            let label = if label == "spec.host" { "spec.nodeName" } else { label };
            if !allowed.contains(&label) {
                errors.push(Error::not_supported(path.child("fieldPath"), label, allowed));
            }
        }
    }
}

/// A resource of a container (`validateContainerResourceFieldSelector`).
pub(super) fn resource_reference(reference: &Value, allowed: &[&str], path: &Path<'_>, errors: &mut Errors) {
    let resource = text(reference, "resource");
    let huge = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if resource.is_empty() {
        errors.push(Error::required(path.child("resource"), ""));
    } else if !allowed.contains(&resource) && !huge {
        errors.push(Error::not_supported(path.child("resource"), resource, allowed));
    }
    divisor(resource, huge, at(reference, "divisor"), path, errors);
}

fn divisor(resource: &str, huge: bool, divisor: &Value, path: &Path<'_>, errors: &mut Errors) {
    const SIZES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    let Some(divisor) = Quantity::of(divisor).filter(|divisor| !divisor.is_zero()) else { return };
    let written = divisor.to_string();
    let what = match resource {
        "limits.cpu" | "requests.cpu" => {
            if !matches!(written.as_str(), "1m" | "1") {
                let detail = "only divisor's values 1m and 1 are supported with the cpu resource";
                errors.push(Error::invalid(path.child("divisor"), resource, detail));
            }
            return;
        }
        "limits.memory" | "requests.memory" => "memory",
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => "local ephemeral storage",
        _ if huge => "hugepages",
        _ => return,
    };
    if !SIZES.contains(&written.as_str()) {
        let detail = format!("only divisor's values {} are supported with the {what} resource", SIZES.join(", "));
        errors.push(Error::invalid(path.child("divisor"), resource, detail));
    }
}
