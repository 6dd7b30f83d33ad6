//! What the server derives when a pod is created or updated (`pkg/registry/core/pod/strategy.go`, `core/helper/qos`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json::{at, child, drop_field, entries, items_mut, list, object, put, set, size, text, texts};
use schema::quantity::Quantity;

/// A new pod is pending; its QoS class is decided once.
pub(super) fn create(pod: &mut Value) {
    let mut status = json!({"phase": "Pending", "qosClass": qos_class(pod)});
    if size(at(pod, "spec"), "schedulingGates") > 0 {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates", "lastProbeTime": null,
            "lastTransitionTime": now()});
        put(&mut status, "conditions", json!([condition]));
    }
    put(pod, "status", status);
    merge_label_keys(pod);
    app_armor_fields(pod);
}

/// AppArmor profiles that are still annotations become fields (upstream: `applyAppArmorVersionSkew`).
fn app_armor_fields(pod: &mut Value) {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let annotations = at(at(pod, "metadata"), "annotations").clone();
    let Some(spec) = pod.get_mut("spec").filter(|spec| text(at(spec, "os"), "name") != "windows") else { return };
    let own = at(at(spec, "securityContext"), "appArmorProfile").clone();
    for kind in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items_mut(spec, kind) {
            let annotation = text(&annotations, &format!("{PREFIX}{}", text(container, "name")));
            let profile = match annotation {
                "unconfined" => json!({"type": "Unconfined"}),
                "runtime/default" => json!({"type": "RuntimeDefault"}),
                _ => match annotation.strip_prefix("localhost/").map(str::trim) {
                    Some(file) if !file.is_empty() => json!({"type": "Localhost", "localhostProfile": file}),
                    _ => continue,
                },
            };
            if set(at(container, "securityContext"), "appArmorProfile").is_none() && profile != own {
                put(child(container, "securityContext"), "appArmorProfile", profile);
            }
        }
    }
}

fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// Writes to a pod's status keep what only deletion may set and the class.
pub(super) fn status(new: &mut Value, old: &Value) {
    let owners = at(at(old, "metadata"), "ownerReferences").clone();
    let meta = child(new, "metadata");
    match at(at(old, "metadata"), "deletionTimestamp") {
        Value::Null => drop_field(meta, "deletionTimestamp"),
        time => put(meta, "deletionTimestamp", time.clone()),
    }
    match owners {
        Value::Null => drop_field(meta, "ownerReferences"),
        owners => put(meta, "ownerReferences", owners),
    }
    let class = text(at(old, "status"), "qosClass").to_owned();
    let status = child(new, "status");
    if text(status, "qosClass").is_empty() && !class.is_empty() {
        put(status, "qosClass", class);
    }
}

/// The QoS class of a pod, from its spec (upstream: `ComputePodQOS`).
pub fn qos_class(pod: &Value) -> &'static str {
    let spec = at(pod, "spec");
    let (mut requests, mut limits) = (BTreeMap::new(), BTreeMap::new());
    let mut guaranteed = true;
    let mut take = |resources: &Value, with_limits: bool| {
        collect(&mut requests, resources, "requests");
        if with_limits && collect(&mut limits, resources, "limits") < 2 {
            guaranteed = false;
        }
    };
    match set(spec, "resources") {
        Some(resources) => take(resources, size(resources, "limits") > 0),
        None => {
            for container in list(spec, "containers").iter().chain(list(spec, "initContainers")) {
                take(at(container, "resources"), true);
            }
        }
    }
    if requests.is_empty() && limits.is_empty() {
        return "BestEffort";
    }
    let covered = requests.iter().all(|(name, amount)| limits.get(name) == Some(amount));
    if guaranteed && covered && requests.len() == limits.len() { "Guaranteed" } else { "Burstable" }
}

/// Adds cpu and memory of a list that are above zero; tells how many there were.
fn collect(total: &mut BTreeMap<String, Quantity>, resources: &Value, field: &str) -> usize {
    let mut found = 0;
    for (name, amount) in entries(resources, field).filter(|(name, _)| matches!(*name, "cpu" | "memory")) {
        let Some(amount) = Quantity::of(amount).filter(|amount| *amount > Quantity::ZERO) else { continue };
        found += 1;
        let sum = total.get(name).and_then(|before| before.plus(&amount)).unwrap_or(amount);
        total.insert(name.to_owned(), sum);
    }
    found
}

/// `matchLabelKeys` become part of the selectors, with the values of this pod's labels.
fn merge_label_keys(pod: &mut Value) {
    let labels = at(at(pod, "metadata"), "labels").clone();
    let Some(spec) = pod.get_mut("spec") else { return };
    for constraint in items_mut(spec, "topologySpreadConstraints") {
        merge_keys(constraint, &labels);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(affinity) = spec.get_mut("affinity").and_then(|affinity| affinity.get_mut(kind)) else { continue };
        for weighted in items_mut(affinity, "preferredDuringSchedulingIgnoredDuringExecution") {
            if let Some(term) = weighted.get_mut("podAffinityTerm") {
                merge_keys(term, &labels);
            }
        }
        for term in items_mut(affinity, "requiredDuringSchedulingIgnoredDuringExecution") {
            merge_keys(term, &labels);
        }
    }
}

fn merge_keys(term: &mut Value, labels: &Value) {
    let mut added = Vec::new();
    for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in texts(term, field) {
            if let Some(value) = labels.get(key) {
                added.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    if added.is_empty() || set(term, "labelSelector").is_none() {
        return;
    }
    let rules = object(child(term, "labelSelector")).entry("matchExpressions").or_insert(Value::Null);
    match rules {
        Value::Array(rules) => rules.extend(added),
        rules => *rules = added.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_of_service() {
        let pod = |resources: Value| json!({"spec": {"containers": [{"resources": resources}]}});
        let full = json!({"cpu": "1", "memory": "1Gi"});
        for (resources, want) in [
            (json!({}), "BestEffort"),
            (json!({"limits": full, "requests": full}), "Guaranteed"),
            (json!({"limits": full, "requests": {"cpu": "1000m", "memory": "1024Mi"}}), "Guaranteed"),
            (json!({"requests": full}), "Burstable"),
            (json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}), "Burstable"),
            (json!({"requests": {"ephemeral-storage": "1"}}), "BestEffort"),
        ] {
            assert_eq!(qos_class(&pod(resources.clone())), want, "{resources}");
        }
    }

    #[test]
    fn label_keys_are_merged() {
        let mut pod = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"topologySpreadConstraints": [
            {"labelSelector": {}, "matchLabelKeys": ["a", "b"]}]}});
        create(&mut pod);
        assert_eq!(
            pod["spec"]["topologySpreadConstraints"][0]["labelSelector"],
            json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]})
        );
        assert_eq!(pod["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    }
}
