//! Nodes: born on the host; tenants see those their pods run on, without what concerns the host alone.

use serde_json::{Map, Value, json};
use tenancy::{Host, Virtual, labels};

use super::{Origin, Place};
use crate::json;

/// Nodes are born on the host.
pub const ORIGIN: Origin = Origin::Host;

/// Labels a tenant sees, beside those its operator selects nodes by.
const LABELS: &[&str] = &[
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];
/// Facts of `status.nodeInfo` a tenant sees; the others (machine, system and boot ids) are empty.
const INFO: &[&str] =
    &["architecture", "containerRuntimeVersion", "kernelVersion", "kubeletVersion", "operatingSystem", "osImage"];
const HIDDEN_INFO: &[&str] = &["bootID", "kubeProxyVersion", "machineID", "systemUUID"];
const CONDITIONS: &[&str] = &["DiskPressure", "MemoryPressure", "NetworkUnavailable", "PIDPressure", "Ready"];

/// Whether the operator lets the tenant's pods onto the node at all.
pub fn is_visible(place: &Place, node: &Host<Value>) -> bool {
    let labels = json::object(&node.0, "/metadata/labels");
    let has = |(key, value): (&String, &String)| {
        labels.and_then(|labels| labels.get(key)).and_then(Value::as_str) == Some(value)
    };
    place.isolation.node_selector.iter().all(has)
}

/// The tenant's view of a node: no annotations, images, volumes, provider id or pod range. Times of heartbeats are left
/// out, so that a node that only lives causes no writes.
pub fn to_virtual(place: &Place, node: &Host<Value>) -> Virtual<Value> {
    let Host(node) = node;
    let selected = |key: &str| place.isolation.node_selector.contains_key(key);
    let mut shown: Map<String, Value> = json::object(node, "/metadata/labels")
        .into_iter()
        .flatten()
        .filter(|(key, _)| LABELS.contains(&key.as_str()) || selected(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    shown.insert(labels::MANAGED_BY.into(), json!(labels::MANAGER));
    let mut spec = Map::new();
    for field in ["taints", "unschedulable"] {
        json::set(&mut spec, field, node.pointer(&format!("/spec/{field}")).cloned());
    }
    let mut status = Map::new();
    for field in ["addresses", "allocatable", "capacity"] {
        json::set(&mut status, field, node.pointer(&format!("/status/{field}")).cloned());
    }
    let conditions = json::items(node, "/status/conditions").iter();
    let conditions = conditions.filter(|one| CONDITIONS.contains(&json::text(one, "/type"))).map(condition).collect();
    status.insert("conditions".into(), Value::Array(conditions));
    let info = |field: &str| json::text(node, &format!("/status/nodeInfo/{field}")).to_owned();
    let mut node_info: Map<String, Value> =
        INFO.iter().map(|field| ((*field).to_owned(), json!(info(field)))).collect();
    node_info.extend(HIDDEN_INFO.iter().map(|field| ((*field).to_owned(), json!(""))));
    status.insert("nodeInfo".into(), Value::Object(node_info));
    Virtual(json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": json::text(node, "/metadata/name"), "labels": shown },
        "spec": spec, "status": status,
    }))
}

fn condition(own: &Value) -> Value {
    let fields = ["type", "status", "reason", "message", "lastTransitionTime"];
    let shown = fields.iter().filter_map(|field| Some(((*field).to_owned(), own.get(*field)?.clone())));
    Value::Object(shown.collect())
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::place;
    use super::*;

    fn node() -> Host<Value> {
        Host(json!({
            "metadata": { "name": "n1", "uid": "u", "annotations": { "csi.volume.kubernetes.io/nodeid": "x" },
                "labels": { "kubernetes.io/hostname": "n1", "cloud/account": "1234", "pool": "tenants" } },
            "spec": { "podCIDR": "10.0.0.0/24", "providerID": "aws:///i-1", "taints": [{ "key": "a", "effect": "NoSchedule" }] },
            "status": {
                "addresses": [{ "type": "InternalIP", "address": "10.1.0.1" }],
                "capacity": { "cpu": "2" }, "allocatable": { "cpu": "1900m" },
                "images": [{ "names": ["secret/image"] }], "volumesInUse": ["v"], "volumesAttached": [{ "name": "v" }],
                "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } },
                "nodeInfo": { "machineID": "m", "bootID": "b", "systemUUID": "s", "kubeletVersion": "v1.36.3", "osImage": "Debian" },
                "conditions": [
                    { "type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": "2026-01-01T00:00:00Z" },
                    { "type": "VendorThing", "status": "True" }
                ]
            }
        }))
    }

    #[test]
    fn what_concerns_the_host_alone_is_left_out() {
        let mut place = place();
        place.isolation.node_selector.insert("pool".into(), "tenants".into());
        let Virtual(own) = to_virtual(&place, &node());
        assert_eq!(
            own["metadata"]["labels"],
            json!({ "kubernetes.io/hostname": "n1", "pool": "tenants", "rowhouse.dev/managed-by": "rowhouse" })
        );
        assert_eq!(own["spec"], json!({ "taints": [{ "key": "a", "effect": "NoSchedule" }] }));
        assert_eq!(
            own["status"]["conditions"],
            json!([{ "type": "Ready", "status": "True", "reason": "KubeletReady" }])
        );
        assert_eq!(own["status"]["nodeInfo"]["machineID"], "");
        assert_eq!(own["status"]["nodeInfo"]["kubeletVersion"], "v1.36.3");
        for hidden in ["secret/image", "10250", "aws:///", "10.0.0.0/24", "nodeid", "1234", "volumes"] {
            assert!(!own.to_string().contains(hidden), "{hidden} in {own}");
        }
    }

    #[test]
    fn only_nodes_the_operator_selects_are_visible() {
        let mut place = place();
        assert!(is_visible(&place, &node()));
        place.isolation.node_selector.insert("pool".into(), "others".into());
        assert!(!is_visible(&place, &node()));
    }
}
