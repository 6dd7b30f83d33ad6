//! Which resources a tenant serves: the built-in ones, shared by all, and its own custom ones.
//!
//! Custom resources are compiled when first asked for and kept by the hash of what they are compiled from, so that a
//! thousand tenants with the same operator share one schema.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use schema::{Resource, Schema, Slot, SlotKind, Subresource};
use sha2::{Digest, Sha256};
use store::{Collection, Store};
use tenancy::{TenantId, route};

/// Most compiled definitions kept; beyond it the cache starts anew.
const MAX_COMPILED: usize = 4096;

/// Finds resources.
pub struct Catalog {
    store: Store,
    compiled: Mutex<HashMap<[u8; 32], Vec<Arc<Resource>>>>,
}

/// Collection of custom resource definitions.
pub fn definitions() -> Collection {
    Collection::new("apiextensions.k8s.io", "customresourcedefinitions")
}

impl Catalog {
    /// A catalog over a store.
    pub fn new(store: Store) -> Self {
        Self { store, compiled: Mutex::default() }
    }

    /// The resource behind `group/version/plural` in a tenant, or for all tenants (None: built-in kinds only).
    pub fn resource(
        &self,
        tenant: Option<TenantId>,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Option<Arc<Resource>> {
        if let Some(found) = schema::table::Table::builtin().resource(group, version, plural) {
            return Some(found.clone());
        }
        if group == route::GROUP {
            let route = route_resource();
            return (route.version == version && route.plural == plural).then_some(route);
        }
        let tenant = tenant?;
        let name = format!("{plural}.{group}");
        let definition = self.store.get(tenant, &definitions(), "", &name)?;
        let versions = self.versions(&definition);
        versions.iter().find(|r| r.version == version && served(r)).cloned()
    }

    /// The resource of a kind in a tenant.
    pub fn kind(&self, tenant: TenantId, group: &str, version: &str, kind: &str) -> Option<Arc<Resource>> {
        let same = |r: &&Arc<Resource>| r.group == group && r.version == version && r.kind == kind;
        let built_in = schema::table::Table::builtin().resources().iter().find(same).cloned();
        built_in.or_else(|| self.custom(tenant).iter().find(same).cloned())
    }

    /// All custom resources a tenant serves, every version, in order of their names.
    pub fn custom(&self, tenant: TenantId) -> Vec<Arc<Resource>> {
        let query = store::Query {
            scope: store::Scope::Tenant(tenant),
            collection: &definitions(),
            namespace: None,
            at: store::At::Latest,
            after: None,
            limit: 0,
            filter: &|_| true,
        };
        let Ok(listing) = self.store.list(&query) else { return Vec::new() };
        listing.objects.iter().flat_map(|d| self.versions(d)).filter(|r| served(r)).collect()
    }

    /// The stored collection of a custom resource, whatever its version.
    pub fn versions(&self, definition: &store::Object) -> Vec<Arc<Resource>> {
        let value = definition.value();
        if !is_established(&value) {
            return Vec::new();
        }
        let key: [u8; 32] = Sha256::digest(value["spec"].to_string().as_bytes()).into();
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = compiled.get(&key) {
            return found.clone();
        }
        if compiled.len() >= MAX_COMPILED {
            compiled.clear();
        }
        let fresh = schema::crd::compile(&value);
        compiled.insert(key, fresh.clone());
        fresh
    }
}

fn served(resource: &Resource) -> bool {
    resource.custom.as_ref().is_none_or(|custom| custom.served)
}

fn is_established(definition: &serde_json::Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Established" && c["status"] == "True"))
}

/// The control plane's own records, present only in the fleet view.
pub fn route_resource() -> Arc<Resource> {
    static ROUTE: OnceLock<Arc<Resource>> = OnceLock::new();
    let verbs = ["create", "delete", "get", "list", "update", "watch"];
    let build = || {
        Arc::new(Resource {
            group: route::GROUP.to_owned(),
            version: route::VERSION.to_owned(),
            kind: route::KIND.to_owned(),
            list_kind: format!("{}List", route::KIND),
            plural: route::RESOURCE.to_owned(),
            singular: "route".to_owned(),
            namespaced: false,
            short_names: Vec::new(),
            categories: Vec::new(),
            verbs: verbs.iter().map(ToString::to_string).collect(),
            subresources: Vec::<Subresource>::new(),
            selectable_fields: Vec::new(),
            columns: Vec::new(),
            storage_group: route::GROUP.to_owned(),
            storage_version: route::VERSION.to_owned(),
            schema: Schema { graph: Arc::default(), root: Arc::new(Slot::of(SlotKind::Any)) },
            custom: None,
        })
    };
    ROUTE.get_or_init(build).clone()
}
