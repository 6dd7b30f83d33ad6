//! What every tenant starts with.
//!
//! Objects that are the same for all (bootstrap RBAC, priority classes) are the store's base layer and cost a tenant
//! nothing; here are the few that are a tenant's own: its namespaces and the Service `default/kubernetes`.

use std::sync::Arc;

use serde_json::{Value, json};
use store::{Action, BaseObject, Collection, Draft, Expect, Key, Write, WriteError};
use tenancy::TenantId;
use tenancy::route::RouteSpec;

use crate::api::Api;
use crate::respond::Error;

/// Namespaces of a new cluster.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// Creation time of shared objects: the same for all tenants, so that their bytes are shared.
const SHARED_SINCE: &str = "2026-01-01T00:00:00Z";

/// The objects shared by all tenants.
pub(crate) fn base() -> Vec<BaseObject> {
    let shared = schema::bootstrap::rbac().iter().chain(schema::bootstrap::priority_classes());
    shared.filter_map(shared_object).collect()
}

fn shared_object(object: &Value) -> Option<BaseObject> {
    let mut value = object.clone();
    let api_version = value["apiVersion"].as_str()?.to_owned();
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let kind = value["kind"].as_str()?.to_owned();
    let resource = schema::table::Table::builtin()
        .resources()
        .iter()
        .find(|resource| resource.group == group && resource.version == version && resource.kind == kind)?;
    let text = |key: &str| value["metadata"][key].as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    let seed = format!("{group}/{kind}/{namespace}/{name}");
    value["metadata"]["uid"] = json!(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, seed.as_bytes()).to_string());
    value["metadata"]["creationTimestamp"] = json!(SHARED_SINCE);
    Some(BaseObject {
        collection: Collection::new(group, &resource.plural),
        namespace: namespace.as_str().into(),
        name: name.as_str().into(),
        draft: Draft { value, fields: Vec::new() },
    })
}

/// Makes a tenant's own first objects, and keeps `default/kubernetes` at the address of its route. Idempotent.
///
/// Errors: 500 when the store fails.
pub(crate) async fn tenant(api: &Arc<Api>, id: TenantId, spec: &RouteSpec, now: &str) -> Result<(), Error> {
    let fresh = api.store.collection_revision(id, &Collection::new("", "namespaces")).0 == 0;
    let mut writes = Vec::new();
    if fresh || api.store.get(id, &Collection::new("", "namespaces"), "", "default").is_none() {
        writes.extend(NAMESPACES.iter().map(|name| namespace(id, name, now)));
    }
    if let Some(address) = &spec.service_ip {
        let port = spec.port.unwrap_or(443);
        writes.extend(service(api, id, address, port, now));
    }
    if writes.is_empty() {
        return Ok(());
    }
    match api.store.write_all(writes).await {
        // Somebody else was here at the same time, with the same objects.
        Ok(_) | Err(WriteError::Exists(_) | WriteError::Conflict(_)) => Ok(()),
        Err(error) => {
            tracing::error!(%error, "a tenant could not be started");
            Err(Error::Internal("the store did not take the first objects of the tenant".to_owned()))
        }
    }
}

fn metadata(name: &str, now: &str) -> Value {
    json!({"name": name, "uid": uuid::Uuid::new_v4().to_string(), "creationTimestamp": now})
}

fn namespace(id: TenantId, name: &str, now: &str) -> Write {
    let mut metadata = metadata(name, now);
    metadata["labels"] = json!({"kubernetes.io/metadata.name": name});
    let value = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": metadata,
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    });
    let fields = resource::strategy("", "namespaces").fields(&value);
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Write {
        key: Key::new(id, &Collection::new("", "namespaces"), "", name),
        expect: Expect::Absent,
        action: Action::Put(Draft { value, fields }),
    }
}

/// `default/kubernetes` and its endpoints, when they are not as they should be.
fn service(api: &Api, id: TenantId, address: &str, target: u16, now: &str) -> Vec<Write> {
    let mut wanted = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata("kubernetes", now),
        "spec": {
            "clusterIP": address, "clusterIPs": [address], "internalTrafficPolicy": "Cluster",
            "ipFamilies": [if address.contains(':') { "IPv6" } else { "IPv4" }], "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": target}],
            "sessionAffinity": "None", "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    });
    wanted["metadata"]["namespace"] = json!("default");
    wanted["metadata"]["labels"] = json!({"component": "apiserver", "provider": "kubernetes"});
    let collection = Collection::new("", "services");
    let old = api.store.get(id, &collection, "default", "kubernetes");
    let expect = match &old {
        Some(old) if old.value()["spec"] == wanted["spec"] => return Vec::new(),
        Some(old) => {
            wanted["metadata"]["uid"] = json!(old.uid());
            Expect::Revision(old.revision())
        }
        None => Expect::Absent,
    };
    let fields = resource::strategy("", "services").fields(&wanted);
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
    vec![Write {
        key: Key::new(id, &collection, "default", "kubernetes"),
        expect,
        action: Action::Put(Draft { value: wanted, fields }),
    }]
}
