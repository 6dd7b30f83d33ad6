//! PersistentVolumes: what a tenant sees of the volume behind a bound claim. Made from the claim alone: of the host's
//! volume nothing is read, so nothing can leak.

use serde_json::{Value, json};
use tenancy::{Host, Virtual, labels};

use super::{Identity, Origin};
use crate::json;

/// Volumes are born on the host.
pub const ORIGIN: Origin = Origin::Host;
/// Driver that volumes are shown with: a tenant has no use for the host's.
pub const DRIVER: &str = "rowhouse.dev";

/// Finalizer the API gives every volume, as upstream; it goes when no claim holds the volume any more.
pub const PROTECTION: &str = "kubernetes.io/pv-protection";

/// Name of the volume a tenant sees behind a claim: what upstream's provisioners would call it.
pub fn volume_name(claim: Identity<'_>) -> String {
    format!("pvc-{}", claim.uid)
}

/// The volume behind a bound claim, as the tenant sees it. `reclaim` is the policy of the claim's class.
pub fn to_virtual(claim: Identity<'_>, host_claim: &Host<Value>, reclaim: Option<&str>) -> Virtual<Value> {
    let Host(host) = host_claim;
    let name = volume_name(claim);
    let field = |pointer: &str| host.pointer(pointer).cloned();
    let capacity = field("/status/capacity").or_else(|| field("/spec/resources/requests"));
    Virtual(json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": { "name": name, "labels": { labels::MANAGED_BY: labels::MANAGER } },
        "spec": {
            "accessModes": field("/status/accessModes").or_else(|| field("/spec/accessModes")).unwrap_or_else(|| json!([])),
            "capacity": capacity.unwrap_or_else(|| json!({})),
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace, "name": claim.name, "uid": claim.uid,
            },
            "csi": { "driver": DRIVER, "volumeHandle": name },
            "persistentVolumeReclaimPolicy": reclaim.unwrap_or("Delete"),
            "storageClassName": json::text(host, "/spec/storageClassName"),
            "volumeMode": field("/spec/volumeMode").unwrap_or_else(|| json!("Filesystem")),
        },
        "status": { "phase": "Bound" },
    }))
}

/// Whether the tenant's volume is the one of ours, apart from what nobody compares (times, versions).
pub fn is_shown(there: &Value, wanted: &Virtual<Value>) -> bool {
    let Virtual(wanted) = wanted;
    there.get("spec") == wanted.get("spec") && json::text(there, "/status/phase") == json::text(wanted, "/status/phase")
}

/// What finalizers are left of a volume that nothing protects any more; None when there is nothing to take away.
pub fn released(volume: &Value) -> Option<Vec<String>> {
    let held = json::items(volume, "/metadata/finalizers");
    let left = held.iter().filter_map(Value::as_str).filter(|one| *one != PROTECTION).map(str::to_owned);
    let left: Vec<String> = left.collect();
    (left.len() < held.len()).then_some(left)
}

/// Whether a virtual volume was made by us; the tenant's own lead nowhere.
pub fn is_ours(volume: &Value) -> bool {
    json::object(volume, "/metadata/labels").and_then(|all| all.get(labels::MANAGED_BY)?.as_str())
        == Some(labels::MANAGER)
        && json::text(volume, "/spec/csi/driver") == DRIVER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_says_nothing_about_the_host() {
        let claim = Identity { namespace: "shop", name: "data", uid: "u1" };
        let host = Host(json!({
            "metadata": { "name": "data-shop-abc", "namespace": "rowhouse-acme" },
            "spec": { "volumeName": "pvc-host", "storageClassName": "fast", "volumeMode": "Block", "accessModes": ["ReadWriteMany"] },
            "status": { "phase": "Bound", "capacity": { "storage": "2Gi" }, "accessModes": ["ReadWriteOnce"] }
        }));
        let Virtual(own) = to_virtual(claim, &host, Some("Retain"));
        assert_eq!(own["metadata"]["name"], "pvc-u1");
        assert_eq!(
            own["spec"],
            json!({ "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "2Gi" },
                "claimRef": { "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data", "uid": "u1" },
                "csi": { "driver": "rowhouse.dev", "volumeHandle": "pvc-u1" }, "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "fast", "volumeMode": "Block" })
        );
        for hidden in ["rowhouse-acme", "data-shop", "pvc-host"] {
            assert!(!own.to_string().contains(hidden), "{hidden}");
        }
        assert!(is_ours(&own) && is_shown(&own, &Virtual(own.clone())));
        let mut grown = own.clone();
        grown["spec"]["capacity"]["storage"] = json!("3Gi");
        assert!(!is_shown(&own, &Virtual(grown)));
        let held = json!({ "metadata": { "finalizers": [PROTECTION, "a/b"] } });
        assert_eq!((released(&held), released(&own)), (Some(vec!["a/b".to_owned()]), None));
        let forged =
            json!({ "metadata": { "labels": { "rowhouse.dev/managed-by": "rowhouse" } }, "spec": { "hostPath": {} } });
        assert!(!is_ours(&forged));
    }
}
