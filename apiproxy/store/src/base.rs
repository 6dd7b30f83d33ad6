//! Objects every tenant starts with, shared by all tenants.
//!
//! A tenant that has not touched them holds nothing for them. An update stores an object of its own over the shared
//! one, a deletion a tombstone.
//!
//! Some are there from the start. Others are stored once, for [`TenantId::SYSTEM`], and come and go: the objects of the
//! collections named in [`SharedCollection`]. The fleet view shows those once, as the system tenant's.

use crate::encode::{Draft, encode};
use crate::key::{Collection, Key, Scope};
use crate::object::Object;
use crate::revision::Revision;
use std::collections::HashMap;
use std::sync::Arc;
use tenancy::TenantId;

/// A collection whose objects of [`TenantId::SYSTEM`] are seen by tenants.
#[derive(Clone, Debug)]
pub struct SharedCollection {
    /// Group and resource.
    pub collection: Collection,
    /// By which tenants, unless [`crate::Store::set_sight`] says otherwise.
    pub sight: Sight,
}

/// Whether a tenant sees the shared objects of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It does.
    Shown,
    /// It does not.
    Hidden,
}

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
    shared: Vec<Shared>,
    /// Tenants whose sight is not that of the collection.
    exceptions: HashMap<TenantId, Vec<Collection>>,
}

/// A shared collection with what is in it now, and what is there from the start.
struct Shared {
    collection: Collection,
    sight: Sight,
    shelf: Vec<Arc<Object>>,
}

impl Base {
    /// Encodes the objects. The last of equal keys wins.
    pub(crate) fn new(objects: &[BaseObject], shared: &[SharedCollection]) -> Self {
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
        let mut base = Self { shelves, ..Self::default() };
        let shared = shared.iter().map(|shared| Shared {
            collection: shared.collection.clone(),
            sight: shared.sight,
            shelf: base.fixed(&shared.collection).to_vec(),
        });
        base.shared = shared.collect();
        base
    }

    fn fixed(&self, collection: &Collection) -> &[Arc<Object>] {
        let found = self.shelves.binary_search_by(|(other, _)| other.cmp(collection));
        found.map_or(&[], |at| self.shelves[at].1.as_slice())
    }

    /// The shared objects of a collection; none for [`TenantId::SYSTEM`]. Their key does not name the tenant.
    pub(crate) fn shelf(&self, tenant: TenantId, collection: &Collection) -> &[Arc<Object>] {
        self.shelf_in(Scope::Tenant(tenant), tenant, collection)
    }

    /// The shared objects of a collection that a reader sees with those of a tenant. The whole fleet sees what comes and
    /// goes once, and not with every tenant.
    pub(crate) fn shelf_in(&self, scope: Scope, tenant: TenantId, collection: &Collection) -> &[Arc<Object>] {
        if tenant == TenantId::SYSTEM {
            return &[];
        }
        match self.find(collection) {
            Some(shared) if scope != Scope::Fleet && self.sees(tenant, shared) => &shared.shelf,
            _ => self.fixed(collection),
        }
    }

    fn find(&self, collection: &Collection) -> Option<&Shared> {
        self.shared.iter().find(|shared| shared.collection == *collection)
    }

    fn sees(&self, tenant: TenantId, shared: &Shared) -> bool {
        let except = self.exceptions.get(&tenant).is_some_and(|all| all.contains(&shared.collection));
        (shared.sight == Sight::Shown) != except
    }

    /// Whether objects of the system tenant in this collection are for tenants.
    pub(crate) fn is_shared(&self, collection: &Collection) -> bool {
        self.find(collection).is_some()
    }

    /// Whether a tenant sees the shared objects of a collection that come and go.
    pub(crate) fn shows(&self, tenant: TenantId, collection: &Collection) -> bool {
        tenant != TenantId::SYSTEM && self.find(collection).is_some_and(|shared| self.sees(tenant, shared))
    }

    /// Takes in a change of the system tenant. What is there from the start stays.
    pub(crate) fn follow(&mut self, key: &Key, object: Option<&Arc<Object>>) {
        let name = (&*key.namespace, &*key.name);
        let is_fixed = self.fixed(&key.collection).binary_search_by(|object| place(object).cmp(&name)).is_ok();
        let Some(shared) = self.shared.iter_mut().find(|shared| shared.collection == key.collection && !is_fixed)
        else {
            return;
        };
        match (shared.shelf.binary_search_by(|object| place(object).cmp(&name)), object) {
            (Ok(at), Some(object)) => shared.shelf[at] = object.clone(),
            (Ok(at), None) => drop(shared.shelf.remove(at)),
            (Err(at), Some(object)) => shared.shelf.insert(at, object.clone()),
            (Err(_), None) => {}
        }
    }

    /// Sets what a tenant sees; gives the collections for which that is news.
    pub(crate) fn set_sight(&mut self, tenant: TenantId, wanted: &[(Collection, Sight)]) -> Vec<Collection> {
        let old = self.exceptions.remove(&tenant).unwrap_or_default();
        let differs = |shared: &Shared| {
            let asked = wanted.iter().find(|(collection, _)| *collection == shared.collection);
            asked.is_some_and(|(_, sight)| *sight != shared.sight)
        };
        let new: Vec<Collection> =
            self.shared.iter().filter(|shared| differs(shared)).map(|shared| shared.collection.clone()).collect();
        let is_news = |collection: &&Collection| old.contains(collection) != new.contains(collection);
        let news = self.shared.iter().map(|shared| &shared.collection).filter(is_news).cloned().collect();
        if !new.is_empty() {
            self.exceptions.insert(tenant, new);
        }
        news
    }

    /// Forgets what a tenant sees.
    pub(crate) fn forget(&mut self, tenant: TenantId) {
        self.exceptions.remove(&tenant);
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
        self.shelves.iter().map(|(collection, _)| collection).chain(self.shared.iter().map(|shared| &shared.collection))
    }
}

/// Namespace and name: the order inside a collection.
pub(crate) fn place(object: &Object) -> (&str, &str) {
    (&object.key().namespace, &object.key().name)
}
