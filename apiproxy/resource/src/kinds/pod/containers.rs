//! Validation of containers, init containers and ephemeral containers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use schema::field::Error;
use serde_json::Value;

use super::volumes::{Volumes, descending_path};
use super::{amounts, env, probes, security};
use crate::json::{at, flag, int, list, opt_text, set, size, text};
use crate::{Errors, Path, format};

/// What containers are checked against: their pod's spec, its good volumes and the names of its resource claims.
pub(crate) struct Scene<'a> {
    pub(crate) spec: &'a Value,
    pub(crate) volumes: &'a Volumes<'a>,
    pub(crate) claims: &'a BTreeSet<&'a str>,
}

/// Visits init containers, containers and ephemeral containers with their paths, in upstream's order.
pub(super) fn each(spec: &Value, path: &Path<'_>, visit: &mut dyn FnMut(&Value, &Path<'_>)) {
    for kind in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, container) in list(spec, kind).iter().enumerate() {
            visit(container, &path.item(kind, index));
        }
    }
}

/// Checks the three lists of containers.
pub(crate) fn validate(scene: &Scene<'_>, path: &Path<'_>, errors: &mut Errors) {
    let spec = scene.spec;
    let containers = list(spec, "containers");
    let mut names: HashSet<&str> = HashSet::new();
    if containers.is_empty() {
        errors.push(Error::required(path.child("containers"), ""));
    }
    for (index, container) in containers.iter().enumerate() {
        let here = path.item("containers", index);
        one(scene, container, &here, errors);
        let name = text(container, "name");
        if !names.insert(name) {
            errors.push(Error::duplicate(here.child("name"), name));
        }
        probes::all(container, spec, &here, errors);
        restart_rules(container, &here, errors);
    }
    host_ports(containers, &path.child("containers"), errors);
    let regular = names.clone();
    init_containers(scene, names, path, errors);
    ephemeral_containers(scene, &regular, path, errors);
}

fn init_containers<'a>(scene: &Scene<'a>, mut names: HashSet<&'a str>, path: &Path<'_>, errors: &mut Errors) {
    for (index, container) in list(scene.spec, "initContainers").iter().enumerate() {
        let here = path.item("initContainers", index);
        one(scene, container, &here, errors);
        match opt_text(container, "restartPolicy") {
            None if size(container, "restartPolicyRules") == 0 => (),
            _ => restart_rules(container, &here, errors),
        }
        let name = text(container, "name");
        if names.contains(name) {
            errors.push(Error::duplicate(here.child("name"), name));
        } else if !name.is_empty() {
            names.insert(name);
        }
        host_ports(std::slice::from_ref(container), &path.child("initContainers"), errors);
        if text(container, "restartPolicy") == "Always" {
            probes::all(container, scene.spec, &here, errors);
            continue;
        }
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if set(container, field).is_some() {
                let detail = "may not be set for init containers without restartPolicy=Always";
                errors.push(Error::forbidden(here.child(field), detail));
            }
        }
        for (index, policy) in list(container, "resizePolicy").iter().enumerate() {
            if text(policy, "restartPolicy") == "RestartContainer" {
                let detail = "must not be set to 'RestartContainer' for non-sidecar initContainers";
                let place = here.item("resizePolicy", index);
                errors.push(Error::invalid(place.child("restartPolicy"), "RestartContainer", detail));
            }
        }
    }
}

/// Fields an ephemeral container may have.
const EPHEMERAL_FIELDS: [&str; 17] = [
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "envFrom",
    "env",
    "volumeMounts",
    "volumeDevices",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
    "targetContainerName",
];

fn ephemeral_containers(scene: &Scene<'_>, regular: &HashSet<&str>, path: &Path<'_>, errors: &mut Errors) {
    let mut others: HashSet<&str> = regular.clone();
    others.extend(list(scene.spec, "initContainers").iter().map(|container| text(container, "name")));
    let mut names = others.clone();
    for (index, container) in list(scene.spec, "ephemeralContainers").iter().enumerate() {
        let here = path.item("ephemeralContainers", index);
        one(scene, container, &here, errors);
        padded_image(container, &here, errors);
        let name = text(container, "name");
        if !names.insert(name) {
            errors.push(Error::duplicate(here.child("name"), name));
        }
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            errors.push(Error::not_found(here.child("targetContainerName"), target));
        }
        const DETAIL: &str = "cannot be set for an Ephemeral Container";
        for (field, value) in container.as_object().into_iter().flatten() {
            let unset = match value {
                Value::Null => true,
                Value::Object(map) => map.is_empty() && field == "resources",
                _ => false,
            };
            if !unset && !EPHEMERAL_FIELDS.contains(&field.as_str()) {
                errors.push(Error::forbidden(here.child(field), DETAIL));
            }
        }
        for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
            for field in ["subPath", "subPathExpr"] {
                if !text(mount, field).is_empty() {
                    errors.push(Error::forbidden(here.item("volumeMounts", index).child(field), DETAIL));
                }
            }
        }
    }
}

/// An image may not have white space around it; checked for pods, not for templates.
pub(super) fn padded_image(container: &Value, path: &Path<'_>, errors: &mut Errors) {
    let image = text(container, "image");
    if image.trim().len() != image.len() {
        errors.push(Error::invalid(path.child("image"), image, "must not have leading or trailing whitespace"));
    }
}

/// What all three kinds of container have in common (`validateContainerCommon`).
fn one(scene: &Scene<'_>, container: &Value, path: &Path<'_>, errors: &mut Errors) {
    match text(container, "name") {
        "" => errors.push(Error::required(path.child("name"), "")),
        name => format::invalid_each(&path.child("name"), name, format::dns_label(name), errors),
    }
    if text(container, "image").is_empty() {
        errors.push(Error::required(path.child("image"), ""));
    }
    let policies = ["File", "FallbackToLogsOnError"];
    super::spec::one_of(container, "terminationMessagePolicy", &policies, path, errors);
    ports(container, path, errors);
    env::validate(container, path, errors);
    mounts(scene, container, path, errors);
    devices(scene, container, path, errors);
    super::spec::one_of(container, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], path, errors);
    amounts::container(at(container, "resources"), scene.claims, &path.child("resources"), errors);
    resize_policy(container, scene.spec, path, errors);
    security::container(at(container, "securityContext"), scene.spec, &path.child("securityContext"), errors);
}

fn ports(container: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut names: HashSet<&str> = HashSet::new();
    for (index, port) in list(container, "ports").iter().enumerate() {
        let path = path.item("ports", index);
        let name = text(port, "name");
        if !name.is_empty() {
            let wrong = format::port_name(name);
            if !wrong.is_empty() {
                format::invalid_each(&path.child("name"), name, wrong, errors);
            } else if !names.insert(name) {
                errors.push(Error::duplicate(path.child("name"), name));
            }
        }
        match int(port, "containerPort").unwrap_or(0) {
            0 => errors.push(Error::required(path.child("containerPort"), "")),
            number => port_number(number, &path.child("containerPort"), errors),
        }
        if let Some(number) = int(port, "hostPort").filter(|number| *number != 0) {
            port_number(number, &path.child("hostPort"), errors);
        }
        super::spec::one_of(port, "protocol", &["SCTP", "TCP", "UDP"], &path, errors);
    }
}

/// A port must be between 1 and 65535.
pub(crate) fn port_number(number: i64, path: &Path<'_>, errors: &mut Errors) {
    errors.extend(format::port(number).into_iter().map(|message| Error::invalid(path, number, message)));
}

fn host_ports(containers: &[Value], path: &Path<'_>, errors: &mut Errors) {
    let mut taken: HashSet<String> = HashSet::new();
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        for (index, port) in list(container, "ports").iter().enumerate() {
            let Some(number) = int(port, "hostPort").filter(|number| *number != 0) else { continue };
            let key = format!("{}/{}/{number}", text(port, "protocol"), text(port, "hostIP"));
            if taken.contains(&key) {
                errors.push(Error::duplicate(path.item("ports", index).child("hostPort"), key));
            } else {
                taken.insert(key);
            }
        }
    }
}

/// Paths of a container's mounts or devices by name; the last of a name counts.
fn places<'a>(container: &'a Value, list_field: &str, path_field: &str) -> BTreeMap<&'a str, &'a str> {
    list(container, list_field).iter().map(|item| (text(item, "name"), text(item, path_field))).collect()
}

fn mounts(scene: &Scene<'_>, container: &Value, path: &Path<'_>, errors: &mut Errors) {
    let list_path = path.child("volumeMounts");
    let devices = places(container, "volumeDevices", "devicePath");
    let device_paths: HashSet<&str> = devices.values().copied().collect();
    let mut points: HashSet<&str> = HashSet::new();
    for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
        let path = list_path.index(index);
        let (name, point) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            errors.push(Error::required(path.child("name"), ""));
        }
        if !scene.volumes.contains_key(name) {
            errors.push(Error::not_found(path.child("name"), name));
        }
        if point.is_empty() {
            errors.push(Error::required(path.child("mountPath"), ""));
        }
        if !points.insert(point) {
            errors.push(Error::invalid(path.child("mountPath"), point, "must be unique"));
        }
        if devices.contains_key(name) {
            errors.push(Error::invalid(path.child("name"), name, "must not already exist in volumeDevices"));
        }
        if device_paths.contains(point) {
            let detail = "must not already exist as a path in volumeDevices";
            errors.push(Error::invalid(path.child("mountPath"), point, detail));
        }
        // The paths of these are the list's, as upstream reports them.
        let (sub, expression) = (text(mount, "subPath"), text(mount, "subPathExpr"));
        if !sub.is_empty() {
            descending_path(sub, &list_path.child("subPath"), errors);
        }
        if !expression.is_empty() {
            if !sub.is_empty() {
                let detail = "subPathExpr and subPath are mutually exclusive";
                errors.push(Error::invalid(path.child("subPathExpr"), expression, detail));
            }
            descending_path(expression, &list_path.child("subPathExpr"), errors);
        }
        propagation(mount, container, &list_path, errors);
    }
}

fn propagation(mount: &Value, container: &Value, path: &Path<'_>, errors: &mut Errors) {
    if let Some(mode) = opt_text(mount, "mountPropagation") {
        let path = path.child("mountPropagation");
        const MODES: [&str; 3] = ["Bidirectional", "HostToContainer", "None"];
        if !MODES.contains(&mode) {
            errors.push(Error::not_supported(path, mode, &MODES));
        }
        if mode == "Bidirectional" && !flag(at(container, "securityContext"), "privileged") {
            let detail = "Bidirectional mount propagation is available only to privileged containers";
            errors.push(Error::forbidden(path, detail));
        }
    }
    let path = path.child("recursiveReadOnly");
    match opt_text(mount, "recursiveReadOnly") {
        None | Some("Disabled") => (),
        Some("Enabled" | "IfPossible") => {
            if !flag(mount, "readOnly") {
                errors.push(Error::forbidden(path, "may only be specified when readOnly is true"));
            }
            if !matches!(opt_text(mount, "mountPropagation"), None | Some("None")) {
                let detail = "may only be specified when mountPropagation is None or not specified";
                errors.push(Error::forbidden(path, detail));
            }
        }
        Some(mode) => errors.push(Error::not_supported(path, mode, &["Disabled", "Enabled", "IfPossible"])),
    }
}

fn devices(scene: &Scene<'_>, container: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mounts = places(container, "volumeMounts", "mountPath");
    let mount_paths: HashSet<&str> = mounts.values().copied().collect();
    let (mut names, mut paths): (HashSet<&str>, HashSet<&str>) = (HashSet::new(), HashSet::new());
    for (index, device) in list(container, "volumeDevices").iter().enumerate() {
        let (name, place) = (text(device, "name"), text(device, "devicePath"));
        let path = path.item("volumeDevices", index);
        let volume = scene.volumes.get(name);
        if name.is_empty() {
            errors.push(Error::required(path.child("name"), ""));
        }
        if names.contains(name) {
            errors.push(Error::invalid(path.child("name"), name, "must be unique"));
        }
        match volume {
            None => errors.push(Error::not_found(path.child("name"), name)),
            Some(volume) => {
                if set(volume, "persistentVolumeClaim").is_none() && set(volume, "ephemeral").is_none() {
                    let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                    errors.push(Error::invalid(path.child("name"), name, detail));
                }
            }
        }
        if place.is_empty() {
            errors.push(Error::required(path.child("devicePath"), ""));
        }
        if paths.contains(place) {
            errors.push(Error::invalid(path.child("devicePath"), place, "must be unique"));
        }
        if place.split('/').any(|step| step == "..") {
            errors.push(Error::invalid(path.child("devicePath"), place, "can not contain backsteps ('..')"));
        } else {
            paths.insert(place);
        }
        if mounts.contains_key(name) {
            errors.push(Error::invalid(path.child("name"), name, "must not already exist in volumeMounts"));
        }
        if mount_paths.contains(place) {
            let detail = "must not already exist as a path in volumeMounts";
            errors.push(Error::invalid(path.child("devicePath"), place, detail));
        }
        if !name.is_empty() {
            names.insert(name);
        }
    }
}

fn resize_policy(container: &Value, spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let path = path.child("resizePolicy");
    let mut seen: HashSet<&str> = HashSet::new();
    for (index, policy) in list(container, "resizePolicy").iter().enumerate() {
        let (resource, restart) = (text(policy, "resourceName"), text(policy, "restartPolicy"));
        if !seen.insert(resource) {
            errors.push(Error::duplicate(path.index(index), resource));
        }
        for (value, allowed) in [(resource, ["cpu", "memory"]), (restart, ["NotRequired", "RestartContainer"])] {
            if value.is_empty() {
                errors.push(Error::required(path, ""));
            } else if !allowed.contains(&value) {
                errors.push(Error::not_supported(path, value, &allowed));
            }
        }
        if text(spec, "restartPolicy") == "Never" && restart != "NotRequired" {
            let detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.push(Error::invalid(path, restart, detail));
        }
    }
}

fn restart_rules(container: &Value, path: &Path<'_>, errors: &mut Errors) {
    let rules = list(container, "restartPolicyRules");
    const POLICIES: [&str; 3] = ["Always", "Never", "OnFailure"];
    match opt_text(container, "restartPolicy") {
        None if rules.is_empty() => return,
        None => {
            let detail = "must specify restartPolicy when restart rules are used";
            errors.push(Error::required(path.child("restartPolicy"), detail));
        }
        Some(policy) if !POLICIES.contains(&policy) => {
            errors.push(Error::not_supported(path.child("restartPolicy"), policy, &POLICIES));
        }
        Some(_) => (),
    }
    if rules.len() > 20 {
        errors.push(Error::too_many(path.child("restartPolicyRules"), rules.len(), 20));
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = path.item("restartPolicyRules", index);
        const ACTIONS: [&str; 2] = ["Restart", "RestartAllContainers"];
        if !ACTIONS.contains(&text(rule, "action")) {
            errors.push(Error::not_supported(path.child("action"), text(rule, "action"), &ACTIONS));
        }
        let path = path.child("exitCodes");
        let Some(codes) = set(rule, "exitCodes") else {
            errors.push(Error::required(path, "must be specified"));
            continue;
        };
        if !matches!(text(codes, "operator"), "In" | "NotIn") {
            errors.push(Error::not_supported(path.child("operator"), text(codes, "operator"), &["In", "NotIn"]));
        }
        if size(codes, "values") > 255 {
            errors.push(Error::too_many(path.child("values"), size(codes, "values"), 255));
        }
    }
}

/// `fileKeyRef` must name an emptyDir volume of the pod.
pub(super) fn file_references(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let volumes: HashMap<&str, &Value> =
        list(spec, "volumes").iter().map(|volume| (text(volume, "name"), volume)).collect();
    each(spec, path, &mut |container, path| {
        for (index, variable) in list(container, "env").iter().enumerate() {
            let Some(reference) = set(at(variable, "valueFrom"), "fileKeyRef") else { continue };
            let name = text(reference, "volumeName");
            let env = path.item("env", index);
            let here = env.child("valueFrom.fileKeyRef.volumeName");
            match volumes.get(name) {
                None => errors.push(Error::not_found(here, name)),
                Some(volume) if set(volume, "emptyDir").is_none() => {
                    errors.push(Error::invalid(here, name, "referenced volume must be of type emptyDir"));
                }
                Some(_) => (),
            }
        }
    });
}
