//! PersistentVolumeClaims.

use schema::field::Error;
use serde_json::{Value, json};

use super::pod::amounts::amount;
use super::pod::defaults::{claim_spec, resource_list};
use super::pod::diff;
use crate::json::{at, child, dig, fill_text, opt_text, put, same, same_at, set, size, take_over, text, texts};
use crate::strategy::{BASE, Status};
use crate::{Errors, Path, Scope, Strategy, format, selector};
use schema::quantity::Quantity;

pub(super) static CLAIM: Strategy = Strategy {
    plural: "persistentvolumeclaims",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"phase":"Pending"}"#),
    default,
    prepare_create: data_sources,
    prepare_update: |new, _| data_sources(new),
    validate: |obj, errors| spec(at(obj, "spec"), &Path::root("spec"), errors),
    validate_update: update,
    ..BASE
};

/// Defaults of a claim, also of the claim templates of StatefulSets.
pub(super) fn default(_version: &str, obj: &mut Value) {
    claim_spec(child(obj, "spec"));
    let status = child(obj, "status");
    fill_text(status, "phase", "Pending");
    resource_list(status, "capacity");
    resource_list(status, "allocatedResources");
}

/// `dataSource` and `dataSourceRef` say the same for objects of the claim's namespace (`NormalizeDataSources`).
fn data_sources(obj: &mut Value) {
    let spec = child(obj, "spec");
    match (set(spec, "dataSource").cloned(), set(spec, "dataSourceRef").cloned()) {
        (Some(source), None) => put(spec, "dataSourceRef", source),
        (None, Some(reference)) if text(&reference, "namespace").is_empty() => {
            let mut source = json!({"kind": at(&reference, "kind"), "name": at(&reference, "name")});
            if let Some(group) = set(&reference, "apiGroup") {
                put(&mut source, "apiGroup", group.clone());
            }
            put(spec, "dataSource", source);
        }
        _ => (),
    }
}

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// Access modes, of claims and of volumes.
pub(super) fn access_modes(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let modes = texts(spec, "accessModes");
    for mode in modes.iter().filter(|mode| !ACCESS_MODES.contains(mode)) {
        errors.push(Error::not_supported(path.child("accessModes"), *mode, &ACCESS_MODES));
    }
    let known = modes.iter().filter(|mode| ACCESS_MODES.contains(mode));
    if modes.contains(&"ReadWriteOncePod") && known.into_iter().any(|mode| *mode != "ReadWriteOncePod") {
        let detail = "may not use ReadWriteOncePod with other access modes";
        errors.push(Error::forbidden(path.child("accessModes"), detail));
    }
}

/// What is wrong with a claim's spec (`ValidatePersistentVolumeClaimSpec`).
pub(super) fn spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    if size(spec, "accessModes") == 0 {
        errors.push(Error::required(path.child("accessModes"), "at least 1 access mode is required"));
    }
    selector::validate(at(spec, "selector"), &path.child("selector"), errors);
    access_modes(spec, path, errors);
    let resources = path.child("resources");
    let storage = resources.key("storage");
    match Quantity::of(dig(spec, "resources.requests.storage")) {
        None => errors.push(Error::required(storage, "")),
        Some(value) if value <= Quantity::ZERO => {
            errors.push(Error::invalid(storage, value.to_string(), "must be greater than zero"));
        }
        Some(value) => amount("storage", &value, &storage, errors),
    }
    for field in ["storageClassName", "volumeAttributesClassName"] {
        let name = text(spec, field);
        if !name.is_empty() {
            format::invalid_each(&path.child(field), name, format::dns_subdomain(name), errors);
        }
    }
    if let Some(mode) = opt_text(spec, "volumeMode").filter(|mode| !matches!(*mode, "Block" | "Filesystem")) {
        errors.push(Error::not_supported(path.child("volumeMode"), mode, &["Block", "Filesystem"]));
    }
    for field in ["dataSource", "dataSourceRef"] {
        if let Some(source) = set(spec, field) {
            data_source(source, &path.child(field), errors);
        }
    }
    let (source, reference) = (set(spec, "dataSource"), set(spec, "dataSourceRef"));
    if let (Some(source), Some(reference)) = (source, reference) {
        let shown = path.child("dataSource").to_string();
        let same = ["apiGroup", "kind", "name"].iter().all(|field| text(source, field) == text(reference, field));
        if !text(reference, "namespace").is_empty() {
            let detail = "may not be specified when dataSourceRef.namespace is specified";
            errors.push(Error::invalid(path, shown, detail));
        } else if !same {
            errors.push(Error::invalid(path, shown, "must match dataSourceRef"));
        }
    }
}

fn data_source(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    for field in ["name", "kind"] {
        if text(source, field).is_empty() {
            errors.push(Error::required(path.child(field), ""));
        }
    }
    let (group, kind) = (text(source, "apiGroup"), text(source, "kind"));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.push(Error::invalid(path, kind, detail));
    }
    if !group.is_empty() {
        format::invalid_each(&path.child("apiGroup"), group, format::dns_subdomain(group), errors);
    }
    let namespace = text(source, "namespace");
    if !namespace.is_empty() {
        format::invalid_each(&path.child("namespace"), namespace, format::dns_label(namespace), errors);
    }
}

fn update(new: &Value, old: &Value, errors: &mut Errors) {
    let path = Path::root("spec");
    let (now, before) = (at(new, "spec"), at(old, "spec"));
    spec(now, &path, errors);
    let mut munged = now.clone();
    if text(before, "volumeName").is_empty() {
        crate::json::drop_field(&mut munged, "volumeName");
    }
    if set(before, "storageClassName").is_none() {
        take_over(&mut munged, before, "storageClassName");
    }
    if text(at(new, "status"), "phase") == "Bound" {
        let size = dig(before, "resources.requests.storage").clone();
        if !size.is_null() {
            put(child(child(&mut munged, "resources"), "requests"), "storage", size);
        }
        take_over(&mut munged, before, "volumeAttributesClassName");
    }
    let mut compared = before.clone();
    if text(before, "volumeName").is_empty() {
        crate::json::drop_field(&mut compared, "volumeName");
    }
    if !same(&munged, &compared) {
        let shown = diff::unified(&compared, &munged);
        let detail = format!(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n{shown}"
        );
        errors.push(Error::forbidden(path, detail));
    }
    let amount = |value: &Value| Quantity::of(value).unwrap_or(Quantity::ZERO);
    let wanted = amount(dig(now, "resources.requests.storage"));
    if wanted < amount(dig(before, "resources.requests.storage"))
        && wanted <= amount(dig(old, "status.capacity.storage"))
    {
        let detail = "field can not be less than status.capacity";
        errors.push(Error::forbidden(path.child("resources.requests.storage"), detail));
    }
    if !same_at(now, before, "volumeMode") {
        errors.push(Error::invalid("volumeMode", at(now, "volumeMode").clone(), "field is immutable"));
    }
}
