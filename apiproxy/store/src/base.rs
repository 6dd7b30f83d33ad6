//! Objects every tenant starts with, shared by all tenants.
//!
//! A tenant that has not touched them holds nothing for them. An update stores an object of its own over the shared
//! one, a deletion a tombstone.

use crate::encode::{Draft, encode};
use crate::key::{Collection, Key};
use crate::object::Object;
use crate::revision::Revision;
use std::sync::Arc;
use tenancy::TenantId;

/// An object of the base layer.
#[derive(Clone, Debug)]
pub struct BaseObject {
    /// Group and resource.
    pub collection: Collection,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// The content. Its resourceVersion will be 1.
    pub draft: Draft,
}

/// The shared objects, by collection, each in the order of namespace and name.
#[derive(Default)]
pub(crate) struct Base {
    shelves: Vec<(Collection, Vec<Arc<Object>>)>,
}

impl Base {
    /// Encodes the objects. The last of equal keys wins.
    pub(crate) fn new(objects: &[BaseObject]) -> Self {
        let mut built = std::collections::BTreeMap::new();
        for object in objects {
            let key = Key::new(TenantId::SYSTEM, &object.collection, &object.namespace, &object.name);
            let encoded = encode(&key, &object.draft);
            if let Some(shared) = encoded.and_then(|encoded| Object::build(key.clone(), Revision::FIRST, &encoded)) {
                built.insert(key, Arc::new(shared));
            }
        }
        let mut shelves: Vec<(Collection, Vec<Arc<Object>>)> = Vec::new();
        for (key, object) in built {
            match shelves.last_mut() {
                Some((collection, shelf)) if *collection == key.collection => shelf.push(object),
                _ => shelves.push((key.collection, vec![object])),
            }
        }
        Self { shelves }
    }

    /// The shared objects of a collection; none for [`TenantId::SYSTEM`]. Their key does not name the tenant.
    pub(crate) fn shelf(&self, tenant: TenantId, collection: &Collection) -> &[Arc<Object>] {
        if tenant == TenantId::SYSTEM {
            return &[];
        }
        let found = self.shelves.binary_search_by(|(other, _)| other.cmp(collection));
        found.map_or(&[], |at| self.shelves[at].1.as_slice())
    }

    /// One object, as the tenant's own.
    pub(crate) fn get(
        &self,
        tenant: TenantId,
        collection: &Collection,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Object>> {
        let shelf = self.shelf(tenant, collection);
        let at = shelf.binary_search_by(|object| place(object).cmp(&(namespace, name))).ok()?;
        Some(shelf[at].of_tenant(tenant))
    }

    /// The collections that have shared objects.
    pub(crate) fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.shelves.iter().map(|(collection, _)| collection)
    }
}

/// Namespace and name: the order inside a collection.
pub(crate) fn place(object: &Object) -> (&str, &str) {
    (&object.key().namespace, &object.key().name)
}
