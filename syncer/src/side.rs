//! Identity of an object on either side, and the way from one to the other.

use std::sync::Arc;

use controllers::queue::Keyed;
use serde_json::Value;
use tenancy::{Host, TenantId, Virtual, fleet, host, labels};

use crate::json;
use crate::translate::{Identity, Place};

/// A virtual object of some kind: tenant, virtual namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The tenant.
    pub tenant: TenantId,
    /// Virtual namespace; empty for cluster-scoped kinds.
    pub namespace: Arc<str>,
    /// Virtual name.
    pub name: Arc<str>,
}

impl Key {
    /// Makes a key.
    pub fn new(tenant: TenantId, namespace: &str, name: &str) -> Self {
        Self { tenant, namespace: namespace.into(), name: name.into() }
    }

    /// The key of a namespaced object of the fleet view; None when its namespace is not a fleet name.
    pub fn of_fleet(namespace: &str, name: &str) -> Option<Self> {
        let (tenant, namespace) = fleet::split(namespace)?;
        Some(Self::new(tenant, namespace, name))
    }

    /// The key a host object claims to be the twin of, with the uid it claims. None for objects that are no twins
    /// (the tenant's API Service, companion Secrets). A claim is checked before anything is done on its strength.
    pub fn claimed_by(object: &Host<Value>) -> Option<(Self, &str)> {
        let metadata = object.0.get("metadata")?;
        let label = |key: &str| metadata.get("labels")?.get(key)?.as_str();
        let annotation = |key: &str| metadata.get("annotations")?.get(key)?.as_str();
        if label(labels::MANAGED_BY) != Some(labels::MANAGER) {
            return None;
        }
        let tenant = TenantId::parse(label(labels::TENANT)?).ok()?;
        let namespace = annotation(labels::NAMESPACE_ANNOTATION)?;
        let name = annotation(labels::NAME_ANNOTATION)?;
        let uid = annotation(labels::UID_ANNOTATION)?;
        Some((Self::new(tenant, namespace, name), uid))
    }

    /// The fleet namespace.
    pub fn fleet_namespace(&self) -> String {
        fleet::join(self.tenant, &self.namespace)
    }

    /// Where the host twin is, if there is one.
    pub fn host(&self, place: &Place) -> Host<(String, String)> {
        Host((place.host_namespace.clone(), host::object_name(&self.namespace, &self.name)))
    }

    /// The identity of the virtual object with this key and uid.
    pub fn identity<'a>(&'a self, uid: &'a str) -> Identity<'a> {
        Identity { namespace: &self.namespace, name: &self.name, uid }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}/{}", self.tenant, self.namespace, self.name)
    }
}

impl Keyed for Key {
    type Lane = TenantId;

    fn lane(&self) -> TenantId {
        self.tenant
    }
}

/// Uid of an object of either side.
pub fn uid(object: &Value) -> &str {
    json::text(object, "/metadata/uid")
}

/// Uid of the virtual object a host object is the twin of.
pub fn twin_uid(object: &Host<Value>) -> &str {
    object
        .0
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(labels::UID_ANNOTATION)?.as_str())
        .unwrap_or_default()
}

/// A virtual object as the tenant sees it: the fleet namespace becomes the virtual one.
pub fn unfleet(mut object: Value) -> Virtual<Value> {
    if let Some(namespace) = object.pointer_mut("/metadata/namespace")
        && let Some((_, own)) = namespace.as_str().and_then(fleet::split)
    {
        *namespace = Value::String(own.to_owned());
    }
    Virtual(object)
}
