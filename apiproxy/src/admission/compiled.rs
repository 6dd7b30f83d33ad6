//! What admission reads of a tenant's policies (limit ranges, classes, quotas), parsed once per change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use store::{At, Collection, Query, Revision, Scope};
use tenancy::TenantId;

use crate::api::Api;

/// Namespaces of which one kind of policy is kept; beyond it the cache starts anew.
const MAX_KEPT: usize = 4096;

/// The policies of one kind that admission keeps compiled.
#[derive(Default)]
pub(crate) struct Caches {
    pub(super) limits: Compiled<Vec<super::limit_range::LimitRange>>,
    pub(super) priorities: Compiled<super::priority::Priorities>,
    pub(super) storage_classes: Compiled<super::classes::StorageClasses>,
    pub(super) ingress_class: Compiled<super::classes::IngressClass>,
}

/// Something compiled of the objects of one collection in one namespace, as long as the collection does not change.
pub(crate) struct Compiled<T> {
    kept: Mutex<HashMap<TenantId, Kept<T>>>,
}

type Kept<T> = HashMap<Box<str>, (Revision, Arc<T>)>;

impl<T> Default for Compiled<T> {
    fn default() -> Self {
        Self { kept: Mutex::default() }
    }
}

impl<T> Compiled<T> {
    /// What `build` makes of the objects that are there now. An empty namespace is for cluster-scoped collections.
    pub(crate) fn get(
        &self,
        api: &Api,
        tenant: TenantId,
        collection: &Collection,
        namespace: &str,
        build: impl FnOnce(&[Value]) -> T,
    ) -> Arc<T> {
        // Read before the objects: what changes in between is seen next time.
        let revision = api.store.collection_revision(tenant, collection);
        {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let found = kept.get(&tenant).and_then(|all| all.get(namespace));
            if let Some((_, value)) = found.filter(|(at, _)| *at == revision) {
                return value.clone();
            }
        }
        let value = Arc::new(build(&objects(api, tenant, collection, namespace)));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.values().map(HashMap::len).sum::<usize>() >= MAX_KEPT {
            kept.clear();
        }
        kept.entry(tenant).or_default().insert(namespace.into(), (revision, value.clone()));
        value
    }
}

/// The objects of a collection, parsed; in the order of their names.
fn objects(api: &Api, tenant: TenantId, collection: &Collection, namespace: &str) -> Vec<Value> {
    let query = Query {
        scope: Scope::Tenant(tenant),
        collection,
        namespace: (!namespace.is_empty()).then_some(namespace),
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    let listing = api.store.list(&query);
    listing.map(|listing| listing.objects.iter().map(|object| object.value()).collect()).unwrap_or_default()
}
