//! Annotations that say something about a pod (`ValidatePodSpecificAnnotations`), and their agreement with fields.

use std::collections::HashSet;

use schema::field::Error;
use serde_json::Value;

use super::containers::each;
use crate::json::{at, entries, opt_text, set, text};
use crate::{Errors, Path};

const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// What is wrong with the annotations of a pod or a template.
pub(super) fn check(meta: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut containers: HashSet<String> = HashSet::new();
    if entries(meta, "annotations").any(|(key, _)| key.starts_with(APP_ARMOR)) {
        each(spec, &Path::root("spec"), &mut |one, _| {
            containers.insert(text(one, "name").to_owned());
        });
    }
    for (key, value) in entries(meta, "annotations") {
        let value = value.as_str().unwrap_or("");
        if key == MIRROR && text(spec, "nodeName").is_empty() {
            let detail = "must set spec.nodeName if mirror pod annotation is set";
            errors.push(Error::invalid(path.key(key), value, detail));
        }
        if key == DELETION_COST && !deletion_cost(value) {
            errors.push(Error::invalid(path.key(key), value, "must be a 32bit integer"));
        }
        if key == SECCOMP_POD || key.starts_with(SECCOMP_CONTAINER) {
            seccomp(value, &path.child(key), errors);
        }
        if let Some(container) = key.strip_prefix(APP_ARMOR) {
            if !containers.contains(container) {
                errors.push(Error::invalid(path.key(key), container, "container not found"));
            }
            if !matches!(value, "" | "runtime/default" | "unconfined") && !value.starts_with("localhost/") {
                let detail = format!("invalid AppArmor profile name: {}", schema::field::go_quote(value));
                errors.push(Error::invalid(path.key(key), value, detail));
            }
        }
    }
}

fn deletion_cost(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let first = digits.as_bytes().first().copied().unwrap_or(b'x');
    (value == "0" || (b'1'..=b'9').contains(&first)) && value.parse::<i32>().is_ok()
}

fn seccomp(value: &str, path: &Path<'_>, errors: &mut Errors) {
    match value {
        "runtime/default" | "docker/default" | "unconfined" => (),
        _ => match value.strip_prefix("localhost/") {
            Some(profile) => super::volumes::descending_path(profile, path, errors),
            None => errors.push(Error::invalid(path, value, "must be a valid seccomp profile")),
        },
    }
}

/// What a pod update did to annotations it may not touch (`ValidatePodSpecificAnnotationUpdates`).
pub(super) fn update(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (before, after) = (at(old, "annotations"), at(new, "annotations"));
    for (key, _) in entries(old, "annotations").filter(|(key, value)| after.get(key) != Some(value)) {
        if key.starts_with(APP_ARMOR) {
            errors.push(Error::forbidden(path.key(key), "may not remove or update AppArmor annotations"));
        }
        if key == MIRROR {
            errors.push(Error::forbidden(path.key(key), "may not remove or update mirror pod annotation"));
        }
    }
    for (key, _) in entries(new, "annotations").filter(|(key, _)| before.get(key).is_none()) {
        if key.starts_with(APP_ARMOR) {
            errors.push(Error::forbidden(path.key(key), "may not add AppArmor annotations"));
        }
        if key == MIRROR {
            errors.push(Error::forbidden(path.key(key), "may not add mirror pod annotation"));
        }
    }
}

/// Seccomp and AppArmor: where an annotation and a field both speak, they must say the same.
pub(super) fn profiles_match(meta: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let annotation = |key: &str| opt_text(at(meta, "annotations"), key);
    let context = at(spec, "securityContext");
    if let (Some(profile), Some(value)) = (set(context, "seccompProfile"), annotation(SECCOMP_POD)) {
        agree("seccomp", profile, value, &path.child("securityContext.seccompProfile"), errors);
    }
    each(spec, path, &mut |container, path| {
        let own = at(container, "securityContext");
        let name = text(container, "name");
        if let (Some(profile), Some(value)) =
            (set(own, "seccompProfile"), annotation(&format!("{SECCOMP_CONTAINER}{name}")))
        {
            agree("seccomp", profile, value, &path.child("securityContext.seccompProfile"), errors);
        }
        let profile = set(own, "appArmorProfile").or_else(|| set(context, "appArmorProfile"));
        if let (Some(profile), Some(value)) = (profile, annotation(&format!("{APP_ARMOR}{name}"))) {
            agree("apparmor", profile, value, &path.child("securityContext.appArmorProfile"), errors);
        }
    });
}

fn agree(what: &str, profile: &Value, annotation: &str, path: &Path<'_>, errors: &mut Errors) {
    let type_wrong = match text(profile, "type") {
        "Unconfined" => annotation != "unconfined",
        "RuntimeDefault" => annotation != "runtime/default" && !(what == "seccomp" && annotation == "docker/default"),
        "Localhost" => !annotation.starts_with("localhost/"),
        _ => false,
    };
    if type_wrong {
        errors.push(Error::forbidden(path.child("type"), format!("{what} type in annotation and field must match")));
    } else if text(profile, "type") == "Localhost"
        && annotation.strip_prefix("localhost/") != opt_text(profile, "localhostProfile")
    {
        let detail = format!("{what} profile in annotation and field must match");
        errors.push(Error::forbidden(path.child("localhostProfile"), detail));
    }
}
