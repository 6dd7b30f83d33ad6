//! Validation of projected volumes and of files made from a pod's own fields.

use std::collections::HashSet;

use schema::field::Error;
use serde_json::Value;

use super::env::{POD_RESOURCES, field_reference, resource_reference};
use super::volumes::{key_to_path, local_path, mode};
use crate::json::{int, list, opt_text, set, text};
use crate::{Errors, Path, format, selector};

const FILE_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

/// A projected source.
pub(super) fn validate(source: &Value, path: &Path<'_>, errors: &mut Errors) {
    mode(source, "defaultMode", path, errors);
    let mut taken: HashSet<String> = HashSet::new();
    for (index, one) in list(source, "sources").iter().enumerate() {
        let here = path.item("sources", index);
        let mut kinds = 0;
        for kind in
            ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"]
        {
            let Some(projection) = set(one, kind) else { continue };
            kinds += 1;
            let mut scene = Scene { root: path, path: &here.child(kind), taken: &mut taken };
            match kind {
                "secret" | "configMap" => files(projection, &mut scene, errors),
                "downwardAPI" => downward(projection, &mut scene, errors),
                "serviceAccountToken" => token(projection, &scene, errors),
                "clusterTrustBundle" => trust_bundle(projection, &mut scene, errors),
                _ => certificate(projection, &mut scene, errors),
            }
        }
        if kinds > 1 {
            errors.push(Error::forbidden(here, "may not specify more than 1 volume type per source"));
        }
    }
}

/// Where a projection stands, and the paths taken by those before it.
struct Scene<'a> {
    root: &'a Path<'a>,
    path: &'a Path<'a>,
    taken: &'a mut HashSet<String>,
}

impl Scene<'_> {
    fn take(&mut self, path: &str, shown: &str, errors: &mut Errors) {
        if !self.taken.insert(path.to_owned()) {
            errors.push(Error::invalid(self.root, shown, "conflicting duplicate paths"));
        }
    }
}

fn files(source: &Value, scene: &mut Scene<'_>, errors: &mut Errors) {
    let name = text(source, "name");
    if name.is_empty() {
        errors.push(Error::required(scene.path.child("name"), ""));
    }
    for (index, item) in list(source, "items").iter().enumerate() {
        key_to_path(item, &scene.path.item("items", index), errors);
        if !text(item, "path").is_empty() {
            scene.take(text(item, "path"), name, errors);
        }
    }
}

fn downward(source: &Value, scene: &mut Scene<'_>, errors: &mut Errors) {
    for item in list(source, "items") {
        downward_file(item, scene.path, errors);
        let path = text(item, "path");
        if !path.is_empty() {
            scene.take(path, path, errors);
        }
    }
}

/// A file of the downward API.
pub(super) fn downward_file(file: &Value, path: &Path<'_>, errors: &mut Errors) {
    if text(file, "path").is_empty() {
        errors.push(Error::required(path.child("path"), ""));
    }
    local_path(text(file, "path"), &path.child("path"), errors);
    match (set(file, "fieldRef"), set(file, "resourceFieldRef")) {
        (Some(field), resource) => {
            field_reference(field, &FILE_FIELDS, &path.child("fieldRef"), errors);
            if resource.is_some() {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(Error::invalid(path, "resource", detail));
            }
        }
        (None, Some(resource)) => {
            let path = path.child("resourceFieldRef");
            if text(resource, "containerName").is_empty() {
                errors.push(Error::required(path.child("containerName"), ""));
            } else {
                resource_reference(resource, &POD_RESOURCES, &path, errors);
            }
        }
        (None, None) => errors.push(Error::required(path, "one of fieldRef and resourceFieldRef is required")),
    }
    mode(file, "mode", path, errors);
}

fn token(source: &Value, scene: &Scene<'_>, errors: &mut Errors) {
    let seconds = int(source, "expirationSeconds").unwrap_or(0);
    let path = scene.path.child("expirationSeconds");
    if seconds < 600 {
        errors.push(Error::invalid(path, seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > 1 << 32 {
        errors.push(Error::invalid(path, seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    // Upstream reports the path of the volume, not of the projection.
    match text(source, "path") {
        "" => errors.push(Error::required(scene.root.child("path"), "")),
        path => local_path(path, &scene.root.child("path"), errors),
    }
}

fn trust_bundle(source: &Value, scene: &mut Scene<'_>, errors: &mut Errors) {
    let path = scene.path;
    match (opt_text(source, "name"), opt_text(source, "signerName")) {
        (Some(_), Some(_)) => {
            errors.push(Error::invalid(path, source.clone(), "only one of name and signerName may be used"));
        }
        (Some(name), None) => {
            if name.is_empty() {
                errors.push(Error::required(path.child("name"), "must be a valid object name"));
            }
            if let Some(labels) = set(source, "labelSelector") {
                let detail = "labelSelector must be unset if name is specified";
                errors.push(Error::invalid(path.child("labelSelector"), labels.clone(), detail));
            }
        }
        (None, Some(signer)) => {
            if signer.is_empty() {
                errors.push(Error::required(path.child("signerName"), "must be a valid signer name"));
            }
            selector::validate(crate::json::at(source, "labelSelector"), &path.child("labelSelector"), errors);
        }
        (None, None) => errors.push(Error::required(path, "either name or signerName must be specified")),
    }
    let target = text(source, "path");
    if target.is_empty() {
        errors.push(Error::required(path.child("path"), ""));
    }
    local_path(target, &path.child("path"), errors);
    scene.take(target, target, errors);
}

fn certificate(source: &Value, scene: &mut Scene<'_>, errors: &mut Errors) {
    const KEY_TYPES: [&str; 6] = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
    let path = scene.path;
    let kind = text(source, "keyType");
    if !KEY_TYPES.contains(&kind) {
        errors.push(Error::not_supported(path.child("keyType"), kind, &KEY_TYPES));
    }
    if let Some(seconds) = int(source, "maxExpirationSeconds").filter(|seconds| *seconds < 3600) {
        let detail = "if provided, maxExpirationSeconds must be >= 3600";
        errors.push(Error::invalid(path.child("maxExpirationSeconds"), seconds, detail));
    }
    let mut paths = 0;
    for field in ["credentialBundlePath", "keyPath", "certificateChainPath"] {
        let target = text(source, field);
        if !target.is_empty() {
            paths += 1;
            local_path(target, &path.child(field), errors);
            scene.take(target, target, errors);
        }
    }
    if paths == 0 {
        let detail = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath";
        errors.push(Error::required(path, detail));
    }
    for (key, _) in crate::json::entries(source, "userAnnotations") {
        format::invalid_each(&path.child("userAnnotations"), key, format::qualified_name(key), errors);
    }
}
