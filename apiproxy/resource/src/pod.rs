//! What only pods have: graceful deletion and the subresources `ephemeralcontainers`, `resize` and `binding`.

use schema::field::Error;
use serde_json::{Value, json};

use crate::json::{at, child, int, items_mut, list, put, take_over, text};
use crate::kinds::pod::update;
use crate::strategy::bump_generation;

pub use crate::kinds::pod::needs::{Amounts, amounts, effective, pod_level, totals};
pub use crate::kinds::pod::prepare::qos_class;

use crate::{Path, json as read, meta};

/// Seconds a pod is given to end, as upstream's pod strategy decides (`CheckGracefulDelete`): what the request asks, else
/// what the pod says; 0 for pods that are on no node or have ended. Never negative.
pub fn grace_period(pod: &Value, requested: Option<i64>) -> i64 {
    let spec = at(pod, "spec");
    let period = requested.or_else(|| int(spec, "terminationGracePeriodSeconds")).unwrap_or(0);
    let ended = matches!(text(at(pod, "status"), "phase"), "Failed" | "Succeeded");
    match period {
        _ if text(spec, "nodeName").is_empty() || ended => 0,
        period if period < 0 => 1,
        period => period,
    }
}

/// Prepares a write to `ephemeralcontainers`: only the ephemeral containers of `new` count.
pub fn prepare_ephemeral(new: &mut Value, old: &Value) {
    let containers = at(at(new, "spec"), "ephemeralContainers").clone();
    let revision = at(at(new, "metadata"), "resourceVersion").clone();
    *new = old.clone();
    if !containers.is_null() {
        put(child(new, "spec"), "ephemeralContainers", containers);
    }
    keep_revision(new, revision);
    bump_if_changed(new, old);
}

/// What is wrong with a write to `ephemeralcontainers`, after [`prepare_ephemeral`].
pub fn validate_ephemeral(new: &Value, old: &Value) -> Vec<Error> {
    if is_mirror(old) {
        return vec![Error::forbidden("", "static pods do not support ephemeral containers")];
    }
    let mut errors = meta::validate_update(new, old);
    update::ephemeral(new, old, &mut errors);
    errors
}

/// Prepares a write to `resize`: only resources and resize policies of containers, and pod-level resources, count.
pub fn prepare_resize(new: &mut Value, old: &Value) {
    let wanted = at(new, "spec").clone();
    let revision = at(at(new, "metadata"), "resourceVersion").clone();
    *new = old.clone();
    let spec = child(new, "spec");
    if !at(&wanted, "resources").is_null() {
        take_over(spec, &wanted, "resources");
    }
    for kind in ["containers", "initContainers"] {
        let known = list(&wanted, kind);
        // Another set of containers is for validation to refuse.
        let same_names = known.len() == list(spec, kind).len();
        if !same_names {
            put(spec, kind, known.to_vec());
            continue;
        }
        for (container, new) in items_mut(spec, kind).iter_mut().zip(known) {
            for field in ["name", "resources", "resizePolicy"] {
                take_over(container, new, field);
            }
        }
    }
    keep_revision(new, revision);
    bump_if_changed(new, old);
}

/// What is wrong with a write to `resize`, after [`prepare_resize`].
pub fn validate_resize(new: &Value, old: &Value) -> Vec<Error> {
    if is_mirror(old) {
        return vec![Error::forbidden("", "static pods cannot be resized")];
    }
    let mut errors = meta::validate_update(new, old);
    update::resize(new, old, &mut errors);
    errors
}

/// What is wrong with a Binding (`ValidatePodBinding`).
pub fn validate_binding(binding: &Value) -> Vec<Error> {
    let target = at(binding, "target");
    let path = Path::root("target");
    let mut errors = Vec::new();
    let kind = text(target, "kind");
    if !matches!(kind, "" | "Node") {
        errors.push(Error::not_supported(path.child("kind"), kind, &["Node", "<empty>"]));
    }
    if text(target, "name").is_empty() {
        errors.push(Error::required(path.child("name"), ""));
    }
    errors
}

/// Why a pod cannot be bound, as upstream's storage answers: with Conflict and this reason. None when it can.
pub fn refuses_binding(pod: &Value) -> Option<String> {
    let name = text(at(pod, "metadata"), "name");
    if !at(at(pod, "metadata"), "deletionTimestamp").is_null() {
        return Some(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let current = text(at(pod, "spec"), "nodeName");
    if !current.is_empty() {
        return Some(format!("pod {name} is already assigned to node \"{current}\""));
    }
    if !list(at(pod, "spec"), "schedulingGates").is_empty() {
        return Some(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    None
}

/// Assigns a pod to a node: nodeName, the binding's annotations, the PodScheduled condition. `now` is RFC 3339.
pub fn bind(pod: &mut Value, binding: &Value, now: &str) {
    put(child(pod, "spec"), "nodeName", text(at(binding, "target"), "name"));
    for field in ["annotations", "labels"] {
        for (key, value) in read::entries(at(binding, "metadata"), field) {
            put(child(child(pod, "metadata"), field), key, value.clone());
        }
    }
    let seen = at(pod, "metadata").clone();
    let status = child(pod, "status");
    // A nomination has served its purpose.
    read::drop_field(status, "nominatedNodeName");
    let mut condition =
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    let conditions = list(status, "conditions");
    let mut kept: Vec<Value> = conditions.iter().filter(|c| text(c, "type") != "PodScheduled").cloned().collect();
    if let Some(before) = conditions.iter().find(|c| text(c, "type") == "PodScheduled")
        && text(before, "status") == "True"
    {
        take_over(&mut condition, before, "lastTransitionTime");
    }
    if let Some(generation) = at(&seen, "generation").as_i64() {
        put(&mut condition, "observedGeneration", generation);
    }
    kept.push(condition);
    put(status, "conditions", kept);
}

fn is_mirror(pod: &Value) -> bool {
    !at(at(at(pod, "metadata"), "annotations"), "kubernetes.io/config.mirror").is_null()
}

fn keep_revision(pod: &mut Value, revision: Value) {
    if !revision.is_null() {
        put(child(pod, "metadata"), "resourceVersion", revision);
    }
}

fn bump_if_changed(new: &mut Value, old: &Value) {
    if !read::same(at(new, "spec"), at(old, "spec")) {
        bump_generation(new, old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grace_follows_upstream() {
        let pod = |node: &str, phase: &str| json!({"spec": {"nodeName": node, "terminationGracePeriodSeconds": 30}, "status": {"phase": phase}});
        assert_eq!(grace_period(&pod("n", "Running"), None), 30);
        assert_eq!(grace_period(&pod("n", "Running"), Some(5)), 5);
        assert_eq!(grace_period(&pod("n", "Running"), Some(-1)), 1);
        assert_eq!(grace_period(&pod("", "Pending"), None), 0);
        assert_eq!(grace_period(&pod("n", "Succeeded"), Some(60)), 0);
    }

    #[test]
    fn binding_assigns_once() {
        let mut pod = json!({"metadata": {"name": "p", "generation": 1}, "spec": {}, "status": {}});
        assert_eq!(refuses_binding(&pod), None);
        bind(
            &mut pod,
            &json!({"target": {"name": "n"}, "metadata": {"annotations": {"a": "b"}}}),
            "2026-01-01T00:00:00Z",
        );
        assert_eq!(pod["spec"]["nodeName"], "n");
        assert_eq!(pod["metadata"]["annotations"]["a"], "b");
        assert_eq!(pod["status"]["conditions"][0]["status"], "True");
        assert_eq!(refuses_binding(&pod).as_deref(), Some("pod p is already assigned to node \"n\""));
    }
}
