//! Lets claims and volumes go that nobody uses any more (upstream: `pkg/controller/volume/pvcprotection`,
//! `pvprotection`). Here and not in a controller, because who uses a claim is one look at the pods of its namespace.

use serde_json::Value;
use store::{At, Collection, Key, Object, Query, Scope};
use tenancy::TenantId;

use super::gc::drop_finalizer;
use crate::api::Api;

/// Finalizer of PersistentVolumeClaims.
pub(crate) const CLAIM: &str = "kubernetes.io/pvc-protection";
/// Finalizer of PersistentVolumes.
pub(crate) const VOLUME: &str = "kubernetes.io/pv-protection";

fn claims() -> Collection {
    Collection::new("", "persistentvolumeclaims")
}

/// Takes the finalizer from a claim or volume that is being deleted and not used.
pub(super) async fn release(api: &Api, key: &Key) {
    let claim = key.collection == claims();
    if !claim && key.collection != Collection::new("", "persistentvolumes") {
        return;
    }
    let found = api.store.get(key.tenant, &key.collection, &key.namespace, &key.name);
    let Some(object) = found.filter(|object| object.deleting() && object.finalizers()) else { return };
    let value = object.value();
    if claim {
        if !pods(api, key.tenant, &key.namespace).any(|pod| uses(&pod, &value)) {
            drop_finalizer(api, key, CLAIM).await;
        }
    } else if value["status"]["phase"] != "Bound" {
        drop_finalizer(api, key, VOLUME).await;
    }
}

/// The claims that may go when a pod of their namespace has gone or changed.
pub(super) fn waiting(api: &Api, pod: &Object) -> Vec<Key> {
    let key = pod.key();
    if key.collection != Collection::new("", "pods") {
        return Vec::new();
    }
    let collection = claims();
    let query = Query {
        scope: Scope::Tenant(key.tenant),
        collection: &collection,
        namespace: Some(&key.namespace),
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|claim| claim.deleting() && claim.finalizers(),
    };
    let listing = api.store.list(&query);
    listing.map(|listing| listing.objects.iter().map(|claim| claim.key().clone()).collect()).unwrap_or_default()
}

fn pods(api: &Api, tenant: TenantId, namespace: &str) -> impl Iterator<Item = Value> {
    let query = Query {
        scope: Scope::Tenant(tenant),
        collection: &Collection::new("", "pods"),
        namespace: Some(namespace),
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    let listing = api.store.list(&query).map(|listing| listing.objects).unwrap_or_default();
    listing.into_iter().map(|pod| pod.value())
}

/// Whether a pod uses a claim. One on no node does not: no kubelet starts it once the claim is going.
fn uses(pod: &Value, claim: &Value) -> bool {
    let name = claim["metadata"]["name"].as_str().unwrap_or_default();
    let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let shut_down =
        pod["metadata"]["deletionTimestamp"].is_string() && pod["metadata"]["deletionGracePeriodSeconds"] == 0;
    let owned = || {
        let owners = claim["metadata"]["ownerReferences"].as_array();
        owners
            .is_some_and(|all| all.iter().any(|one| one["controller"] == true && one["uid"] == pod["metadata"]["uid"]))
    };
    let by = |volume: &Value| {
        let ephemeral = volume["ephemeral"].is_object()
            && volume["name"].as_str().is_some_and(|volume| format!("{pod_name}-{volume}") == name);
        volume["persistentVolumeClaim"]["claimName"] == name || (ephemeral && !shut_down && owned())
    };
    let placed = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    placed && pod["spec"]["volumes"].as_array().is_some_and(|volumes| volumes.iter().any(by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_on_nodes_use_their_claims() {
        let claim = json!({"metadata": {"name": "p-data", "ownerReferences": [{"uid": "u", "controller": true}]}});
        let named = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "p-data"}}]);
        let ephemeral = json!([{"name": "data", "ephemeral": {}}]);
        let pod = |node: &str, volumes: &Value, metadata: Value| {
            let mut pod = json!({"metadata": metadata, "spec": {"nodeName": node, "volumes": volumes}});
            pod["metadata"]["name"] = json!("p");
            pod
        };
        let going = json!({"uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0});
        for (pod, want) in [
            (pod("n", &named, json!({})), true),
            (pod("", &named, json!({})), false),
            (pod("n", &json!([{"name": "v", "emptyDir": {}}]), json!({})), false),
            (pod("n", &ephemeral, json!({"uid": "u"})), true),
            (pod("n", &ephemeral, json!({"uid": "other"})), false),
            (pod("n", &ephemeral, going.clone()), false),
            (pod("n", &named, going), true),
        ] {
            assert_eq!(uses(&pod, &claim), want, "{pod}");
        }
    }
}
