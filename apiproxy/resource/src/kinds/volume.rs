//! PersistentVolumes.

use schema::field::Error;
use serde_json::Value;

use super::claim::access_modes;
use super::pod::defaults::{host_path, resource_list};
use super::pod::{scheduling, volumes};
use super::workload::SPEC;
use crate::json::{at, child, entries, fill, fill_text, opt_text, put, set, size, take_over, text};
use crate::strategy::{BASE, Status};
use crate::{Errors, Scope, Strategy, format, meta};
use schema::quantity::Quantity;

pub(super) static VOLUME: Strategy = Strategy {
    plural: "persistentvolumes",
    scope: Scope::Cluster,
    status: Status::Reset(r#"{"phase":"Pending"}"#),
    default,
    prepare_create: |obj| put(child(obj, "status"), "lastPhaseTransitionTime", now()),
    prepare_status,
    validate: |obj, errors| validate(at(obj, "spec"), errors),
    validate_update: |new, old, errors| {
        let (spec, before) = (at(new, "spec"), at(old, "spec"));
        validate(spec, errors);
        if SOURCES.iter().any(|kind| !crate::json::same_at(spec, before, kind)) {
            let detail = "spec.persistentvolumesource is immutable after creation";
            errors.push(Error::forbidden("spec.persistentvolumesource", detail));
        }
        meta::immutable(&SPEC, "volumeMode", spec, before, errors);
    },
    fields: &[("name", |obj| text(at(obj, "metadata"), "name").to_owned())],
    ..BASE
};

fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    fill(spec, "volumeMode", "Filesystem");
    host_path(spec);
    resource_list(spec, "capacity");
    fill_text(child(obj, "status"), "phase", "Pending");
}

/// The time of the last change of phase is the server's unless the client gives a new one.
fn prepare_status(new: &mut Value, old: &Value) {
    let before = at(old, "status");
    let status = child(new, "status");
    let unset = set(status, "lastPhaseTransitionTime").is_none();
    if text(status, "phase") == text(before, "phase") {
        if unset {
            take_over(status, before, "lastPhaseTransitionTime");
        }
    } else if unset || at(status, "lastPhaseTransitionTime") == at(before, "lastPhaseTransitionTime") {
        put(status, "lastPhaseTransitionTime", now());
    }
}

/// Sources in the order upstream looks at them.
const SOURCES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "csi",
];

fn validate(spec: &Value, errors: &mut Errors) {
    if size(spec, "accessModes") == 0 {
        errors.push(Error::required(SPEC.child("accessModes"), ""));
    }
    access_modes(spec, &SPEC, errors);
    let path = SPEC.child("capacity");
    if size(spec, "capacity") == 0 {
        errors.push(Error::required(path, ""));
    }
    if at(spec, "capacity").get("storage").is_none() || size(spec, "capacity") > 1 {
        errors.push(Error::not_supported(path, at(spec, "capacity").clone(), &["storage"]));
    }
    for (name, value) in entries(spec, "capacity") {
        if let Some(value) = Quantity::of(value).filter(|value| *value <= Quantity::ZERO) {
            errors.push(Error::invalid(path.key(name), value.to_string(), "must be greater than zero"));
        }
    }
    const POLICIES: [&str; 3] = ["Delete", "Recycle", "Retain"];
    let policy = text(spec, "persistentVolumeReclaimPolicy");
    if !policy.is_empty() && !POLICIES.contains(&policy) {
        errors.push(Error::not_supported(SPEC.child("persistentVolumeReclaimPolicy"), policy, &POLICIES));
    }
    let required = at(at(spec, "nodeAffinity"), "required");
    if required.is_object() {
        scheduling::node_selector(required, &SPEC.child("nodeAffinity.required"), errors);
    }
    let mut found = SOURCES.iter().filter_map(|kind| Some((*kind, set(spec, kind)?)));
    match found.next() {
        None => errors.push(Error::required(SPEC, "must specify a volume type")),
        Some((kind, source)) => one_source(kind, source, errors),
    }
    for (kind, _) in found {
        errors.push(Error::forbidden(SPEC.child(kind), "may not specify more than 1 volume type"));
    }
    if text(at(spec, "hostPath"), "path") == "/" && policy == "Recycle" {
        let detail = "may not be 'recycle' for a hostPath volume of '/'";
        errors.push(Error::forbidden(SPEC.child("persistentVolumeReclaimPolicy"), detail));
    }
    let class = text(spec, "storageClassName");
    if !class.is_empty() {
        format::invalid_each(&SPEC.child("storageClassName"), class, format::dns_subdomain(class), errors);
    }
    if let Some(mode) = opt_text(spec, "volumeMode").filter(|mode| !matches!(*mode, "Block" | "Filesystem")) {
        errors.push(Error::not_supported(SPEC.child("volumeMode"), mode, &["Block", "Filesystem"]));
    }
}

fn one_source(kind: &str, source: &Value, errors: &mut Errors) {
    let path = SPEC.child(if kind == "gcePersistentDisk" { "persistentDisk" } else { kind });
    match kind {
        "hostPath" => volumes::host_path(source, &path, errors),
        "csi" => {
            volumes::csi_driver(text(source, "driver"), &path.child("driver"), errors);
            if text(source, "volumeHandle").is_empty() {
                errors.push(Error::required(path.child("volumeHandle"), ""));
            }
        }
        "local" if text(source, "path").is_empty() => errors.push(Error::required(path.child("path"), "")),
        "local" => (),
        kind => volumes::remote(kind, source, &path, errors),
    }
}
