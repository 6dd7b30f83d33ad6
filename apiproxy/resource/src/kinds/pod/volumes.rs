//! Validation of a pod's volumes (`ValidateVolumes`).

use std::collections::{HashMap, HashSet};

use schema::field::Error;
use serde_json::Value;

use super::projected;
use super::spec::Place;
use crate::json::{at, entries, int, list, opt_text, set, size, text};
use crate::{Errors, Path, format};
use schema::quantity::Quantity;

/// Volumes that containers can mount, by name: those without errors.
pub(crate) type Volumes<'a> = HashMap<&'a str, &'a Value>;

/// Sources in the order upstream looks at them.
const SOURCES: [&str; 30] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

/// Checks all volumes of a pod spec.
pub(crate) fn validate<'a>(spec: &'a Value, place: Place<'_>, path: &Path<'_>, errors: &mut Errors) -> Volumes<'a> {
    let volumes = list(spec, "volumes");
    let mut good: Volumes<'a> = HashMap::new();
    let pod = match place {
        Place::Pod(meta) => text(meta, "name"),
        Place::Template => "",
    };
    let made: HashSet<String> = volumes
        .iter()
        .filter(|volume| set(volume, "ephemeral").is_some())
        .map(|volume| format!("{pod}-{}", text(volume, "name")))
        .collect();
    for (index, volume) in volumes.iter().enumerate() {
        let path = path.item("volumes", index);
        let before = errors.len();
        source(volume, place, pod, &path, errors);
        let name = text(volume, "name");
        match name {
            "" => errors.push(Error::required(path.child("name"), "")),
            name => format::invalid_each(&path.child("name"), name, format::dns_label(name), errors),
        }
        if good.contains_key(name) {
            errors.push(Error::duplicate(path.child("name"), name));
        }
        if errors.len() == before {
            good.insert(name, volume);
        }
        let claim = text(at(volume, "persistentVolumeClaim"), "claimName");
        if !pod.is_empty() && made.contains(claim) {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.push(Error::invalid(path.child("persistentVolumeClaim.claimName"), claim, detail));
        }
    }
    good
}

fn source(volume: &Value, place: Place<'_>, pod: &str, path: &Path<'_>, errors: &mut Errors) {
    let mut found = SOURCES.iter().filter_map(|name| Some((*name, set(volume, name)?)));
    let Some((kind, first)) = found.next() else {
        errors.push(Error::required(path, "must specify a volume type"));
        return;
    };
    let name = text(volume, "name");
    one_source(kind, first, place, path, errors);
    if kind == "ephemeral" && !pod.is_empty() && !name.is_empty() {
        let claim = format!("{pod}-{name}");
        for message in format::dns_subdomain(&claim) {
            errors.push(Error::invalid(path.child("name"), name, format!("PVC name \"{claim}\": {message}")));
        }
    }
    for (kind, _) in found {
        // Two of upstream's paths here are not the field's name.
        let field = match kind {
            "cephfs" => "cephFS",
            "downwardAPI" => "downwarAPI",
            kind => kind,
        };
        errors.push(Error::forbidden(path.child(field), "may not specify more than 1 volume type"));
    }
}

fn one_source(kind: &str, source: &Value, place: Place<'_>, path: &Path<'_>, errors: &mut Errors) {
    let here = path.child(if kind == "gcePersistentDisk" { "persistentDisk" } else { kind });
    match kind {
        "emptyDir" => {
            if Quantity::of(at(source, "sizeLimit")).is_some_and(|limit| limit.is_negative()) {
                let detail = "SizeLimit field must be a valid resource quantity";
                errors.push(Error::forbidden(here.child("sizeLimit"), detail));
            }
        }
        "hostPath" => host_path(source, &here, errors),
        "secret" | "configMap" => {
            required(source, &[if kind == "secret" { "secretName" } else { "name" }], &here, errors);
            mode(source, "defaultMode", &here, errors);
            for (index, item) in list(source, "items").iter().enumerate() {
                key_to_path(item, &here.item("items", index), errors);
            }
        }
        "downwardAPI" => {
            mode(source, "defaultMode", &here, errors);
            list(source, "items").iter().for_each(|item| projected::downward_file(item, &here, errors));
        }
        "projected" => projected::validate(source, &here, errors),
        "persistentVolumeClaim" => required(source, &["claimName"], &here, errors),
        "ephemeral" => match set(source, "volumeClaimTemplate") {
            None => errors.push(Error::required(here.child("volumeClaimTemplate"), "")),
            Some(template) => claim_template(template, &here.child("volumeClaimTemplate"), errors),
        },
        "csi" => {
            csi_driver(text(source, "driver"), &here.child("driver"), errors);
            if let Some(secret) = set(source, "nodePublishSecretRef") {
                match text(secret, "name") {
                    "" => errors.push(Error::required(here.child("nodePublishSecretRef.name"), "")),
                    name => format::invalid_each(&here.child("name"), name, format::dns_subdomain(name), errors),
                }
            }
        }
        "image" => {
            if matches!(place, Place::Pod(_)) {
                required(source, &["reference"], &here, errors);
            }
            super::spec::one_of(source, "pullPolicy", &["Always", "IfNotPresent", "Never"], &here, errors);
        }
        _ => remote(kind, source, &here, errors),
    }
}

/// Sources of storage systems, also of PersistentVolumes.
pub(crate) fn remote(kind: &str, source: &Value, path: &Path<'_>, errors: &mut Errors) {
    match kind {
        "gitRepo" => {
            required(source, &["repository"], path, errors);
            descending_path(text(source, "directory"), &path.child("directory"), errors);
        }
        "gcePersistentDisk" | "awsElasticBlockStore" => {
            required(source, &[if kind == "gcePersistentDisk" { "pdName" } else { "volumeID" }], path, errors);
            if let Some(part) = int(source, "partition").filter(|part| !(0..=255).contains(part)) {
                errors.push(Error::invalid(path.child("partition"), part, format::range_error(1, 255)));
            }
        }
        "nfs" => {
            required(source, &["server", "path"], path, errors);
            if !text(source, "path").starts_with('/') {
                errors.push(Error::invalid(path.child("path"), text(source, "path"), "must be an absolute path"));
            }
        }
        "iscsi" => iscsi(source, path, errors),
        "fc" => fibre_channel(source, path, errors),
        "flexVolume" => {
            required(source, &["driver"], path, errors);
            for (key, _) in entries(source, "options") {
                let space = format!(".{}", key.split('/').next().unwrap_or(key).to_lowercase());
                if space.ends_with(".kubernetes.io") || space.ends_with(".k8s.io") {
                    let detail = "kubernetes.io and k8s.io namespaces are reserved";
                    errors.push(Error::invalid(path.child("options").key(key), key, detail));
                }
            }
        }
        "glusterfs" => required(source, &["endpoints", "path"], path, errors),
        "rbd" => {
            some(source, "monitors", path, errors);
            required(source, &["image"], path, errors);
        }
        "cephfs" => some(source, "monitors", path, errors),
        "cinder" | "portworxVolume" => {
            required(source, &["volumeID"], path, errors);
            if set(source, "secretRef").is_some_and(|secret| text(secret, "name").is_empty()) {
                errors.push(Error::required(path.child("secretRef.name"), ""));
            }
        }
        "azureFile" => required(source, &["secretName", "shareName"], path, errors),
        "azureDisk" => required(source, &["diskName", "diskURI"], path, errors),
        "vsphereVolume" => required(source, &["volumePath"], path, errors),
        "photonPersistentDisk" => required(source, &["pdID"], path, errors),
        "scaleIO" => required(source, &["gateway", "system", "volumeName"], path, errors),
        "storageos" => required(source, &["volumeName"], path, errors),
        "quobyte" => {
            if text(source, "registry").is_empty() {
                let detail = "must be a host:port pair or multiple pairs separated by commas";
                errors.push(Error::required(path.child("registry"), detail));
            }
            required(source, &["volume"], path, errors);
        }
        "flocker" if text(source, "datasetName").is_empty() && text(source, "datasetUUID").is_empty() => {
            errors.push(Error::required(path, "one of datasetName and datasetUUID is required"));
        }
        _ => (),
    }
}

fn required(source: &Value, fields: &[&str], path: &Path<'_>, errors: &mut Errors) {
    let missing = fields.iter().filter(|field| text(source, field).is_empty());
    errors.extend(missing.map(|field| Error::required(path.child(field), "")));
}

fn some(source: &Value, field: &str, path: &Path<'_>, errors: &mut Errors) {
    if size(source, field) == 0 {
        errors.push(Error::required(path.child(field), ""));
    }
}

fn iscsi(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    required(source, &["targetPortal", "iqn"], path, errors);
    let iqn = text(source, "iqn");
    if !iqn.is_empty() && !["iqn", "eui", "naa"].iter().any(|start| iqn.starts_with(start)) {
        let detail = "must be valid format starting with iqn, eui, or naa";
        errors.push(Error::invalid(path.child("iqn"), iqn, detail));
    }
    if let Some(lun) = int(source, "lun").filter(|lun| !(0..=255).contains(lun)) {
        errors.push(Error::invalid(path.child("lun"), lun, format::range_error(0, 255)));
    }
    let chap = crate::json::flag(source, "chapAuthDiscovery") || crate::json::flag(source, "chapAuthSession");
    if chap && set(source, "secretRef").is_none() {
        errors.push(Error::required(path.child("secretRef"), ""));
    }
}

fn fibre_channel(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (wwns, wwids) = (size(source, "targetWWNs"), size(source, "wwids"));
    if wwns == 0 && wwids == 0 {
        let detail = "must specify either targetWWNs or wwids, but not both";
        errors.push(Error::required(path.child("targetWWNs"), detail));
    }
    if wwns > 0 && wwids > 0 {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        errors.push(Error::invalid(path.child("targetWWNs"), at(source, "targetWWNs").clone(), detail));
    }
    match int(source, "lun") {
        None if wwns > 0 => {
            errors.push(Error::required(path.child("lun"), "lun is required if targetWWNs is specified"));
        }
        Some(lun) if wwns > 0 && !(0..=255).contains(&lun) => {
            errors.push(Error::invalid(path.child("lun"), lun, format::range_error(0, 255)));
        }
        _ => (),
    }
}

/// A hostPath source.
pub(crate) fn host_path(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    let place = text(source, "path");
    if place.is_empty() {
        errors.push(Error::required(path.child("path"), ""));
        return;
    }
    no_backsteps(place, &path.child("path"), errors);
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    if let Some(kind) = opt_text(source, "type").filter(|kind| !TYPES.contains(kind)) {
        errors.push(Error::not_supported(path.child("type"), kind, &TYPES));
    }
}

/// A file mode must be between 0 and 0777.
pub(super) fn mode(source: &Value, field: &str, path: &Path<'_>, errors: &mut Errors) {
    if let Some(mode) = int(source, field).filter(|mode| !(0..=0o777).contains(mode)) {
        let detail = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.push(Error::invalid(path.child(field), mode, detail));
    }
}

/// One entry of a Secret's or ConfigMap's `items`.
pub(super) fn key_to_path(item: &Value, path: &Path<'_>, errors: &mut Errors) {
    required(item, &["key", "path"], path, errors);
    local_path(text(item, "path"), &path.child("path"), errors);
    mode(item, "mode", path, errors);
}

/// A relative path without `..` (`validateLocalDescendingPath`).
pub(super) fn descending_path(target: &str, path: &Path<'_>, errors: &mut Errors) {
    if target.starts_with('/') {
        errors.push(Error::invalid(path, target, "must be a relative path"));
    }
    no_backsteps(target, path, errors);
}

/// A path without `..`.
pub(super) fn no_backsteps(target: &str, path: &Path<'_>, errors: &mut Errors) {
    if target.split('/').any(|step| step == "..") {
        errors.push(Error::invalid(path, target, "must not contain '..'"));
    }
}

/// A descending path whose first step does not start with `..` (`ValidateLocalNonReservedPath`).
pub(super) fn local_path(target: &str, path: &Path<'_>, errors: &mut Errors) {
    descending_path(target, path, errors);
    if target.starts_with("..") && !target.starts_with("../") {
        errors.push(Error::invalid(path, target, "must not start with '..'"));
    }
}

/// The name of a CSI driver.
pub(crate) fn csi_driver(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        errors.push(Error::required(path, ""));
        return;
    }
    if name.len() > 63 {
        errors.push(Error::too_long(path, 63));
    }
    format::invalid_each(path, name, format::dns_subdomain(&name.to_lowercase()), errors);
}

fn claim_template(template: &Value, path: &Path<'_>, errors: &mut Errors) {
    let meta = at(template, "metadata");
    let meta_path = path.child("metadata");
    crate::meta::annotations(meta, &meta_path.child("annotations"), errors);
    crate::meta::labels(at(meta, "labels"), &meta_path.child("labels"), errors);
    for (field, _) in meta.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        if !matches!(field.as_str(), "annotations" | "labels") {
            errors.push(Error::forbidden(meta_path.child(field), "cannot be set"));
        }
    }
    super::super::claim::spec(at(template, "spec"), &path.child("spec"), errors);
}
