//! Validation of security contexts.

use std::collections::HashSet;

use schema::field::Error;
use serde_json::Value;

use super::containers::each;
use super::volumes::descending_path;
use crate::go::{self, Field};
use crate::json::{at, flag, int, list, opt_flag, opt_text, set, size, text, texts};
use crate::{Errors, Path, format};

const MAX_ID: i64 = i32::MAX as i64;

fn id(value: i64, path: &Path<'_>, errors: &mut Errors) {
    if !(0..=MAX_ID).contains(&value) {
        errors.push(Error::invalid(path, value, format::range_error(0, MAX_ID)));
    }
}

fn choice(context: &Value, field: &str, allowed: &[&str], path: &Path<'_>, errors: &mut Errors) {
    if let Some(value) = opt_text(context, field).filter(|value| !allowed.contains(value)) {
        errors.push(Error::not_supported(path.child(field), value, allowed));
    }
}

/// The security context of a pod.
pub(super) fn pod(context: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        if let Some(value) = int(context, field) {
            id(value, &path.child(field), errors);
        }
    }
    for (index, group) in list(context, "supplementalGroups").iter().enumerate() {
        id(group.as_i64().unwrap_or(0), &path.item("supplementalGroups", index), errors);
    }
    if flag(spec, "shareProcessNamespace") && flag(spec, "hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(Error::invalid(path.child("shareProcessNamespace"), true, detail));
    }
    sysctls(context, spec, path, errors);
    choice(context, "fsGroupChangePolicy", &["Always", "OnRootMismatch"], path, errors);
    seccomp(context, path, errors);
    profiles(context, path, errors);
    choice(context, "supplementalGroupsPolicy", &["Merge", "Strict"], path, errors);
    choice(context, "seLinuxChangePolicy", &["MountOption", "Recursive"], path, errors);
}

fn sysctls(context: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    const RE: &str = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
    let mut names: HashSet<&str> = HashSet::new();
    for (index, sysctl) in list(context, "sysctls").iter().enumerate() {
        let path = path.item("sysctls", index);
        let path = path.child("name");
        let name = text(sysctl, "name");
        if name.is_empty() {
            errors.push(Error::required(path, ""));
        } else if !sysctl_name(name) {
            let detail = format!("must have at most 253 characters and match regex {RE}");
            errors.push(Error::invalid(path, name, detail));
        } else if names.contains(name) {
            errors.push(Error::duplicate(path, name));
        }
        let dotted = name.replace('/', ".");
        let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|start| dotted.starts_with(start))
            || dotted == "kernel.sem";
        if flag(spec, "hostNetwork") && dotted.starts_with("net.") {
            errors.push(Error::invalid(path, name, "may not be specified when 'hostNetwork' is true"));
        } else if flag(spec, "hostIPC") && ipc {
            errors.push(Error::invalid(path, name, "may not be specified when 'hostIPC' is true"));
        }
        names.insert(name);
    }
}

fn sysctl_name(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let segment = |text: &str| {
        let bytes = text.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    name.len() <= 253 && name.split(['.', '/']).all(segment)
}

/// Windows options and AppArmor, which pods and containers have alike.
fn profiles(context: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(name) = opt_text(at(context, "windowsOptions"), "gmsaCredentialSpecName") {
        let path = path.child("windowsOptions.gmsaCredentialSpecName");
        format::invalid_each(&path, name, format::dns_subdomain(name), errors);
    }
    if let Some("") = opt_text(at(context, "windowsOptions"), "runAsUserName") {
        let detail = "runAsUserName cannot be an empty string";
        errors.push(Error::invalid(path.child("windowsOptions.runAsUserName"), "", detail));
    }
    app_armor(context, path, errors);
}

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

fn seccomp(context: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(profile) = set(context, "seccompProfile") else { return };
    let path = path.child("seccompProfile");
    let kind = text(profile, "type");
    if kind.is_empty() {
        errors.push(Error::required(path.child("type"), "type is required when seccompProfile is set"));
    } else if !PROFILES.contains(&kind) {
        errors.push(Error::not_supported(path.child("type"), kind, &PROFILES));
    }
    let here = path.child("localhostProfile");
    match (kind, opt_text(profile, "localhostProfile")) {
        ("Localhost", None) => errors.push(Error::required(here, "must be set when seccomp type is Localhost")),
        ("Localhost", Some(target)) => descending_path(target, &here, errors),
        (_, Some(_)) => {
            let detail = "can only be set when seccomp type is Localhost";
            errors.push(Error::invalid(here, profile.clone(), detail));
        }
        _ => (),
    }
}

fn app_armor(context: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(profile) = set(context, "appArmorProfile") else { return };
    let path = path.child("appArmorProfile");
    let here = path.child("localhostProfile");
    let target = opt_text(profile, "localhostProfile");
    match text(profile, "type") {
        "Localhost" => match target {
            None => errors.push(Error::required(here, "must be set when AppArmor type is Localhost")),
            Some(target) => {
                if target.trim() != target {
                    errors.push(Error::invalid(here, target, "must not be padded with whitespace"));
                } else if target.is_empty() {
                    errors.push(Error::required(here, "must be set when AppArmor type is Localhost"));
                }
                if target.len() > 4095 {
                    errors.push(Error::too_long(here, 4095));
                }
            }
        },
        "RuntimeDefault" | "Unconfined" => {
            if let Some(target) = target {
                errors.push(Error::invalid(here, target, "can only be set when AppArmor type is Localhost"));
            }
        }
        "" => errors.push(Error::required(path.child("type"), "type is required when appArmorProfile is set")),
        kind => errors.push(Error::not_supported(path.child("type"), kind, &PROFILES)),
    }
}

/// The security context of a container.
pub(super) fn container(context: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    if !context.is_object() {
        return;
    }
    for field in ["runAsUser", "runAsGroup"] {
        if let Some(value) = int(context, field) {
            id(value, &path.child(field), errors);
        }
    }
    choice(context, "procMount", &["Default", "Unmasked"], path, errors);
    if opt_flag(spec, "hostUsers") != Some(false) && text(context, "procMount") == "Unmasked" {
        let detail = "`hostUsers` must be false to use `Unmasked`";
        errors.push(Error::invalid(path.child("procMount"), "Unmasked", detail));
    }
    seccomp(context, path, errors);
    if opt_flag(context, "allowPrivilegeEscalation") == Some(false) {
        if flag(context, "privileged") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(Error::invalid(path, context.clone(), detail).showing(go::shown(context, &CONTEXT)));
        }
        if texts(at(context, "capabilities"), "add").contains(&"CAP_SYS_ADMIN") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(Error::invalid(path, context.clone(), detail).showing(go::shown(context, &CONTEXT)));
        }
    }
    profiles(context, path, errors);
}

/// `hostUsers: false` excludes other host namespaces.
pub(super) fn host_users(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    if opt_flag(spec, "hostUsers") != Some(false) {
        return;
    }
    const DETAIL: &str = "when `hostUsers` is false";
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if flag(spec, field) {
            errors.push(Error::forbidden(path.child(shown), DETAIL));
        }
    }
    each(spec, path, &mut |container, path| {
        if size(container, "volumeDevices") > 0 {
            errors.push(Error::forbidden(path.child("volumeDevices"), DETAIL));
        }
    });
}

/// Fields that do not fit the pod's operating system.
pub(super) fn operating_system(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(os) = set(spec, "os") else { return };
    let context = at(spec, "securityContext");
    match text(os, "name") {
        "" => errors.push(Error::required(path.child("os.name"), "")),
        "linux" => {
            const DETAIL: &str = "windows options cannot be set for a linux pod";
            if set(context, "windowsOptions").is_some() {
                errors.push(Error::forbidden(path.child("securityContext.windowsOptions"), DETAIL));
            }
            each(spec, path, &mut |container, path| {
                if set(at(container, "securityContext"), "windowsOptions").is_some() {
                    errors.push(Error::forbidden(path.child("securityContext.windowsOptions"), DETAIL));
                }
            });
        }
        "windows" => windows(spec, path, errors),
        name => errors.push(Error::not_supported(path.child("os"), name, &["linux", "windows"])),
    }
}

fn windows(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    const DETAIL: &str = "cannot be set for a windows pod";
    /// In upstream's order; the host fields are fields of the pod in the versioned form.
    const POD: [&str; 15] = [
        "appArmorProfile",
        "seLinuxOptions",
        "hostUsers",
        "hostPID",
        "hostIPC",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "shareProcessNamespace",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
        "seLinuxChangePolicy",
    ];
    const CONTAINER: [&str; 10] = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    let context = path.child("securityContext");
    for field in POD {
        let (holder, place) = match field {
            "hostUsers" | "hostPID" | "hostIPC" | "shareProcessNamespace" => (spec, path.child(field)),
            field => (at(spec, "securityContext"), context.child(field)),
        };
        let given =
            if matches!(field, "hostPID" | "hostIPC") { flag(holder, field) } else { set(holder, field).is_some() };
        if given {
            errors.push(Error::forbidden(place, DETAIL));
        }
    }
    each(spec, path, &mut |container, path| {
        let here = path.child("securityContext");
        for field in CONTAINER.into_iter().filter(|field| set(at(container, "securityContext"), field).is_some()) {
            errors.push(Error::forbidden(here.child(field), DETAIL));
        }
    });
}

/// A container's security context as upstream's errors show it.
const CONTEXT: [Field; 12] = [
    Field {
        go: "Capabilities",
        json: "capabilities",
        inner: &[Field::leaf("Add", "add"), Field::leaf("Drop", "drop")],
    },
    Field::leaf("Privileged", "privileged"),
    Field {
        go: "SELinuxOptions",
        json: "seLinuxOptions",
        inner: &[
            Field::leaf("User", "user"),
            Field::leaf("Role", "role"),
            Field::leaf("Type", "type"),
            Field::leaf("Level", "level"),
        ],
    },
    Field {
        go: "WindowsOptions",
        json: "windowsOptions",
        inner: &[
            Field::leaf("GMSACredentialSpecName", "gmsaCredentialSpecName"),
            Field::leaf("GMSACredentialSpec", "gmsaCredentialSpec"),
            Field::leaf("RunAsUserName", "runAsUserName"),
            Field::leaf("HostProcess", "hostProcess"),
        ],
    },
    Field::leaf("RunAsUser", "runAsUser"),
    Field::leaf("RunAsGroup", "runAsGroup"),
    Field::leaf("RunAsNonRoot", "runAsNonRoot"),
    Field::leaf("ReadOnlyRootFilesystem", "readOnlyRootFilesystem"),
    Field::leaf("AllowPrivilegeEscalation", "allowPrivilegeEscalation"),
    Field::leaf("ProcMount", "procMount"),
    Field { go: "SeccompProfile", json: "seccompProfile", inner: &PROFILE },
    Field { go: "AppArmorProfile", json: "appArmorProfile", inner: &PROFILE },
];
const PROFILE: [Field; 2] = [Field::leaf("Type", "type"), Field::leaf("LocalhostProfile", "localhostProfile")];
