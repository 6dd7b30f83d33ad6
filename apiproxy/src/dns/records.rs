//! The objects of one tenant behind its names, read from the store as they are now: nothing is kept.

use std::net::IpAddr;

use serde_json::Value;
use store::{At, Collection, Object, Query, Scope, Store};
use tenancy::TenantId;

use super::zone::Records;

/// One tenant's objects. Made with the tenant whose door was asked: there is no way to name another.
pub(super) struct Own<'a> {
    pub(super) store: &'a Store,
    pub(super) tenant: TenantId,
}

impl Own<'_> {
    fn list(&self, collection: &Collection, namespace: Option<&str>, filter: &dyn Fn(&Object) -> bool) -> Vec<Value> {
        let scope = Scope::Tenant(self.tenant);
        let query = Query { scope, collection, namespace, at: At::Latest, after: None, limit: 0, filter };
        let listing = self.store.list(&query).map(|listing| listing.objects).unwrap_or_default();
        listing.iter().map(|object| object.value()).collect()
    }
}

impl Records for Own<'_> {
    fn has_namespace(&self, namespace: &str) -> bool {
        self.store.get(self.tenant, &Collection::new("", "namespaces"), "", namespace).is_some()
    }

    fn service(&self, namespace: &str, name: &str) -> Option<Value> {
        self.store.get(self.tenant, &Collection::new("", "services"), namespace, name).map(|object| object.value())
    }

    fn slices(&self, namespace: &str, service: &str) -> Vec<Value> {
        let is_of = |object: &Object| object.label("kubernetes.io/service-name") == Some(service);
        self.list(&Collection::new("discovery.k8s.io", "endpointslices"), Some(namespace), &is_of)
    }

    fn service_at(&self, address: IpAddr) -> Option<(String, String)> {
        // The text is looked for before anything is parsed: a tenant may have thousands of Services.
        let text = format!("\"{address}\"");
        let mentions = |object: &Object| contains(&object.json(), text.as_bytes());
        let found = self.list(&Collection::new("", "services"), None, &mentions).into_iter().find(|service| {
            let addresses = service["spec"]["clusterIPs"].as_array().into_iter().flatten();
            addresses.filter_map(|ip| ip.as_str()?.parse::<IpAddr>().ok()).any(|ip| ip == address)
        })?;
        let text = |field: &str| found["metadata"][field].as_str().unwrap_or_default().to_owned();
        Some((text("namespace"), text("name")))
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
