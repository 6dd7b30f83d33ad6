//! Validation of changes to pods (`ValidatePodUpdate`, `ValidatePodStatusUpdate` and the pod's subresources).

use std::collections::{HashMap, HashSet};

use schema::field::Error;
use serde_json::Value;

use super::prepare::qos_class;
use super::{annotations, diff, scheduling, whole};
use crate::json::{at, entries, int, items_mut, list, put, same, same_at, set, size, take_over, text};
use crate::{Errors, Path, format, meta};

const SPEC: Path<'static> = Path::root("spec");
const META: Path<'static> = Path::root("metadata");

/// What may be changed, in upstream's words.
const MUTABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
    `spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// An ordinary update of a pod. Metadata identity is checked by the caller.
pub(super) fn pod(new: &Value, old: &Value, errors: &mut Errors) {
    whole(new, errors);
    let (new_meta, old_meta) = (at(new, "metadata"), at(old, "metadata"));
    let path = META.child("annotations");
    annotations::update(new_meta, old_meta, &path, errors);
    annotations::check(new_meta, at(new, "spec"), &path, errors);
    let (spec, before) = (at(new, "spec"), at(old, "spec"));
    for kind in ["containers", "initContainers"] {
        if size(spec, kind) != size(before, kind) {
            errors.push(Error::forbidden(SPEC.child(kind), "pod updates may not add or remove containers"));
            return;
        }
        for (index, container) in list(spec, kind).iter().enumerate() {
            let path = SPEC.item(kind, index);
            if text(container, "image").is_empty() {
                errors.push(Error::required(path.child("image"), ""));
            }
            super::containers::padded_image(container, &path, errors);
        }
    }
    if !deadline(spec, before, errors) {
        return;
    }
    tolerations(spec, before, errors);
    gates(spec, before, errors);
    if same(spec, before) {
        return;
    }
    let munged = without_mutable(spec, before, errors);
    if !same(&munged, before) {
        let shown = diff::unified(before, &munged);
        errors.push(Error::forbidden(SPEC, format!("pod updates may not change fields other than {MUTABLE}\n{shown}")));
    }
}

/// The deadline may come and may shrink. False when nothing further is to be said.
fn deadline(spec: &Value, before: &Value, errors: &mut Errors) -> bool {
    let path = SPEC.child("activeDeadlineSeconds");
    let max = i64::from(i32::MAX);
    match (int(spec, "activeDeadlineSeconds"), int(before, "activeDeadlineSeconds")) {
        (Some(new), _) if !(0..=max).contains(&new) => {
            errors.push(Error::invalid(path, new, format::range_error(0, max)));
            false
        }
        (Some(new), Some(old)) if old < new => {
            errors.push(Error::invalid(path, new, "must be less than or equal to previous value"));
            false
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            errors.push(Error::invalid(path, Value::Null, detail));
            true
        }
        _ => true,
    }
}

fn tolerations(spec: &Value, before: &Value, errors: &mut Errors) {
    let path = SPEC.child("tolerations");
    let new = list(spec, "tolerations");
    let timeless = |one: &Value| {
        let mut one = one.clone();
        crate::json::drop_field(&mut one, "tolerationSeconds");
        one.to_string()
    };
    let kept: HashSet<String> = new.iter().map(timeless).collect();
    for old in list(before, "tolerations") {
        if !kept.contains(&timeless(old)) {
            let detail = "existing toleration can not be modified except its tolerationSeconds";
            errors.push(Error::forbidden(path, detail));
            return;
        }
    }
    scheduling::tolerations(new, &path, errors);
}

fn gates(spec: &Value, before: &Value, errors: &mut Errors) {
    let known: HashSet<&str> = list(before, "schedulingGates").iter().map(|gate| text(gate, "name")).collect();
    for (index, gate) in list(spec, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        if !known.contains(name) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.push(Error::forbidden(SPEC.item("schedulingGates", index).child("name"), detail));
        }
    }
}

/// The new spec with everything that may change put back.
fn without_mutable(spec: &Value, before: &Value, errors: &mut Errors) -> Value {
    let mut munged = spec.clone();
    for kind in ["containers", "initContainers"] {
        for (container, old) in items_mut(&mut munged, kind).iter_mut().zip(list(before, kind)) {
            take_over(container, old, "image");
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        take_over(&mut munged, before, field);
    }
    let grace = |spec: &Value| int(spec, "terminationGracePeriodSeconds");
    if grace(before).is_some_and(|old| old < 0) && grace(spec) == Some(1) {
        take_over(&mut munged, before, "terminationGracePeriodSeconds");
    }
    if size(before, "schedulingGates") > 0 {
        gated(spec, before, &mut munged, errors);
    }
    munged
}

/// A pod that is held back may still be steered more narrowly.
fn gated(spec: &Value, before: &Value, munged: &mut Value, errors: &mut Errors) {
    let new = at(spec, "nodeSelector");
    if entries(before, "nodeSelector").any(|(key, value)| new.get(key) != Some(value)) {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.push(Error::invalid(SPEC.child("nodeSelector"), new.clone(), detail));
    }
    take_over(munged, before, "nodeSelector");
    let affinity = |spec: &Value| at(at(spec, "affinity"), "nodeAffinity").clone();
    let (new, old) = (affinity(spec), affinity(before));
    if same(&new, &old) {
        return;
    }
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = |affinity: &Value| list(at(affinity, REQUIRED), "nodeSelectorTerms").to_vec();
    let (new_terms, old_terms) = (terms(&new), terms(&old));
    let path = SPEC.child("affinity.nodeAffinity");
    let path = path.child("requiredDuringSchedulingIgnoredDuringExecution");
    if !old_terms.is_empty() && old_terms.len() != new_terms.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.push(Error::invalid(path.child("nodeSelectorTerms"), new_terms, detail));
    } else {
        for (index, (old, new)) in old_terms.iter().zip(&new_terms).enumerate() {
            let grows = |field: &str| list(new, field).starts_with(list(old, field));
            if !grows("matchExpressions") || !grows("matchFields") {
                let detail = "only additions are allowed (no mutations or deletions)";
                errors.push(Error::invalid(path.item("nodeSelectorTerms", index), new.clone(), detail));
            }
        }
    }
    if set(before, "affinity").is_none() && size(at(spec, "affinity"), "podAffinity") == 0 {
        take_over(munged, before, "affinity");
    } else if let Some(affinity) = munged.get_mut("affinity") {
        take_over(affinity, at(before, "affinity"), "nodeAffinity");
    } else {
        take_over(munged, before, "affinity");
    }
}

/// A write to the status subresource.
pub(super) fn status(new: &Value, old: &Value, errors: &mut Errors) {
    let path = META.child("annotations");
    let (new_meta, old_meta) = (at(new, "metadata"), at(old, "metadata"));
    annotations::update(new_meta, old_meta, &path, errors);
    annotations::check(new_meta, at(new, "spec"), &path, errors);
    let path = Path::root("status");
    let (status, before) = (at(new, "status"), at(old, "status"));
    for (index, condition) in list(status, "conditions").iter().enumerate() {
        let kind = text(condition, "type");
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            let place = path.item("conditions", index);
            format::invalid_each(&place.child("Type"), kind, format::qualified_name(kind), errors);
        }
    }
    let nominated = text(status, "nominatedNodeName");
    if nominated != text(before, "nominatedNodeName") && !nominated.is_empty() {
        let place = path.child("nominatedNodeName");
        format::invalid_each(&place, nominated, format::dns_subdomain(nominated), errors);
        if !text(at(old, "spec"), "nodeName").is_empty() {
            errors.push(Error::forbidden(place, "may not be set on pods that are already bound to a node"));
        }
    }
    meta::immutable(&path, "qosClass", status, before, errors);
    for kind in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        transitions(kind, status, before, at(old, "spec"), errors);
    }
    addresses(status, errors);
}

/// A container that ended for good does not run again.
fn transitions(kind: &str, status: &Value, before: &Value, spec: &Value, errors: &mut Errors) {
    let ephemeral = kind == "ephemeralContainerStatuses";
    let policy = text(spec, "restartPolicy");
    let containers = if kind == "initContainerStatuses" { "initContainers" } else { "containers" };
    let by_name: HashMap<&str, &Value> = list(spec, containers).iter().map(|c| (text(c, "name"), c)).collect();
    let running: HashSet<&str> = list(status, kind)
        .iter()
        .filter(|new| set(at(new, "state"), "terminated").is_none())
        .map(|new| text(new, "name"))
        .collect();
    for (index, old) in list(before, kind).iter().enumerate() {
        let Some(ended) = set(at(old, "state"), "terminated") else { continue };
        let name = text(old, "name");
        let container = by_name.get(name).copied();
        let own = container.map_or("", |container| text(container, "restartPolicy"));
        let rules = container.is_some_and(|container| size(container, "restartPolicyRules") > 0);
        let failed = int(ended, "exitCode").unwrap_or(0) != 0;
        let again = match (ephemeral, if own.is_empty() { policy } else { own }) {
            (true, _) => false,
            (false, _) if rules => true,
            (false, "Always") => true,
            (false, "OnFailure") => failed,
            (false, _) => false,
        };
        if !again && running.contains(name) {
            let detail = "may not be transitioned to non-terminated state";
            let place = Path::root("status");
            errors.push(Error::forbidden(place.item(kind, index).child("state"), detail));
        }
    }
}

fn addresses(status: &Value, errors: &mut Errors) {
    let path = Path::root("status");
    for field in ["podIPs", "hostIPs"] {
        let ips: Vec<&str> = list(status, field).iter().map(|ip| text(ip, "ip")).collect();
        if field == "hostIPs" && ips.first().is_some_and(|ip| *ip != text(status, "hostIP")) {
            let place = path.item(field, 0);
            errors.push(Error::invalid(place.child("ip"), ips[0], "must be equal to `hostIP`"));
        }
        for (index, ip) in ips.iter().enumerate() {
            format::legacy_ip(&path.item(field, index), ip, errors);
        }
        let v6: Vec<bool> = ips.iter().filter_map(|ip| format::parse_ip(ip)).map(|ip| ip.is_ipv6()).collect();
        if ips.len() > 2 || (v6.len() == 2 && v6[0] == v6[1]) {
            let detail = "may specify no more than one IP for each IP family";
            errors.push(Error::invalid(path.child(field), at(status, field).clone(), detail));
        }
    }
}

/// The `ephemeralcontainers` subresource: containers may be added, nothing else.
pub(crate) fn ephemeral(new: &Value, old: &Value, errors: &mut Errors) {
    whole(new, errors);
    let path = SPEC.child("ephemeralContainers");
    let now: HashMap<&str, &Value> =
        list(at(new, "spec"), "ephemeralContainers").iter().map(|one| (text(one, "name"), one)).collect();
    for before in list(at(old, "spec"), "ephemeralContainers") {
        let name = text(before, "name");
        match now.get(name).copied() {
            None => {
                let detail = format!("existing ephemeral containers \"{name}\" may not be removed\n");
                errors.push(Error::forbidden(path, detail));
            }
            Some(after) if !same(before, after) => {
                let shown = diff::unified(before, after);
                let detail = format!("existing ephemeral containers \"{name}\" may not be changed\n{shown}");
                errors.push(Error::forbidden(path, detail));
            }
            Some(_) => (),
        }
    }
}

/// The `resize` subresource: cpu and memory of containers and of the pod as a whole may change, nothing else.
pub(crate) fn resize(new: &Value, old: &Value, errors: &mut Errors) {
    whole(new, errors);
    let (spec, before) = (at(new, "spec"), at(old, "spec"));
    if text(at(before, "os"), "name") == "windows" {
        *errors = vec![Error::forbidden("", "windows pods cannot be resized")];
        return;
    }
    let class = text(at(old, "status"), "qosClass");
    let class = if class.is_empty() { qos_class(old) } else { class };
    if class != qos_class(new) {
        let detail = "Pod QOS Class may not change as a result of resizing";
        errors.push(Error::invalid(SPEC, text(at(new, "status"), "qosClass"), detail));
    }
    let running =
        list(at(old, "status"), "containerStatuses").iter().find(|c| set(at(c, "state"), "running").is_some());
    if running.is_some_and(|status| set(status, "resources").is_none()) {
        errors.push(Error::forbidden(SPEC, "Pod running on node without support for resize"));
    }
    let mut munged = spec.clone();
    pod_level(&mut munged, before, errors);
    for kind in ["containers", "initContainers"] {
        if size(spec, kind) != size(before, kind) {
            let detail = format!("{kind} may not be added or removed on resize");
            errors.push(Error::forbidden(SPEC.child(kind), detail));
            return;
        }
        for (index, (container, old)) in items_mut(&mut munged, kind).iter_mut().zip(list(before, kind)).enumerate() {
            let path = SPEC.item(kind, index);
            if !same_at(container, old, "name") {
                let detail = format!("{kind} may not be renamed or reordered on resize");
                errors.push(Error::forbidden(path.child("name"), detail));
                return;
            }
            resized(container, old, &path, errors);
        }
    }
    if errors.is_empty() && !same(&munged, before) {
        errors.push(Error::forbidden(SPEC, "only cpu and memory resources are mutable"));
    }
}

/// `validatePodLevelResourcesResize`.
fn pod_level(munged: &mut Value, before: &Value, errors: &mut Errors) {
    let total = |spec: &Value| ["requests", "limits"].map(|list| entries(at(spec, "resources"), list).count());
    if total(munged) == [0, 0] && total(before) == [0, 0] {
        return;
    }
    let path = SPEC.child("resources");
    let old = set(before, "resources");
    if old.is_some() && set(munged, "resources").is_none() {
        errors.push(Error::forbidden(path, "pod-level resources cannot be removed"));
        return;
    }
    let mut kept = at(munged, "resources").clone();
    for list in ["requests", "limits"] {
        let (after, earlier) = (at(&kept, list).clone(), old.map_or(&Value::Null, |old| at(old, list)));
        if entries(old.unwrap_or(&Value::Null), list).any(|(name, _)| after.get(name).is_none()) {
            let what = list.trim_end_matches('s');
            errors.push(Error::forbidden(path.child(list), format!("pod-level resource {what}s cannot be removed")));
        }
        let mut amounts = after;
        for name in ["cpu", "memory"] {
            take_over(&mut amounts, earlier, name);
        }
        put(&mut kept, list, amounts);
    }
    if !same(&kept, old.unwrap_or(&Value::Null)) {
        errors.push(Error::forbidden(SPEC, "only cpu and memory resources are mutable at pod-level"));
    }
    take_over(munged, before, "resources");
}

fn resized(container: &mut Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    for list in ["requests", "limits"] {
        let after = at(at(container, "resources"), list).clone();
        let gone = entries(at(old, "resources"), list).any(|(name, _)| after.get(name).is_none());
        if gone {
            let place = path.child("resources");
            let what = list.trim_end_matches('s');
            errors.push(Error::forbidden(place.child(list), format!("resource {what}s cannot be removed")));
        }
        let Some(resources) = container.get_mut("resources") else { continue };
        let mut kept = after;
        for name in ["cpu", "memory"] {
            take_over(&mut kept, at(at(old, "resources"), list), name);
        }
        put(resources, list, kept);
    }
}
