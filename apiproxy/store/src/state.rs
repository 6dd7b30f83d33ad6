//! The cache: every object of every tenant, once.
//!
//! A tenant is a short vector of collections, a collection a tree of pointers to objects. What is empty is removed, so
//! that an idle tenant costs little more than the bytes of its objects.

use crate::base::{Base, place};
use crate::caps::Usage;
use crate::engine::{Body, Change};
use crate::history::{History, Life, Record};
use crate::key::{Collection, Key};
use crate::object::Object;
use crate::revision::Revision;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use tenancy::TenantId;

/// An object ordered by namespace and name.
pub(crate) struct Entry(pub(crate) Arc<Object>);

/// What an [`Entry`] is ordered by, so that lookups need no object.
pub(crate) trait Place {
    fn place(&self) -> (&str, &str);
}

impl Place for Entry {
    fn place(&self) -> (&str, &str) {
        place(&self.0)
    }
}

impl Place for (&str, &str) {
    fn place(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Place + 'a> for Entry {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}

impl Ord for dyn Place + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for dyn Place + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Place + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for dyn Place + '_ {}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Entry {}

/// An object ordered by its whole key.
struct ByKey(Arc<Object>);

impl Ord for ByKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key().cmp(other.0.key())
    }
}

impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for ByKey {}

/// The objects of one collection of one tenant.
pub(crate) struct Shelf {
    collection: Collection,
    revision: Revision,
    objects: BTreeSet<Entry>,
}

impl Shelf {
    /// How many objects it has.
    pub(crate) fn len(&self) -> u64 {
        self.objects.len() as u64
    }

    /// The objects from a bound on, in order.
    pub(crate) fn from(&self, start: Bound<(&str, &str)>) -> impl Iterator<Item = &Arc<Object>> {
        let start: Bound<&dyn Place> = match &start {
            Bound::Included(place) => Bound::Included(place),
            Bound::Excluded(place) => Bound::Excluded(place),
            Bound::Unbounded => Bound::Unbounded,
        };
        self.objects.range::<dyn Place + '_, _>((start, Bound::Unbounded)).map(|entry| &entry.0)
    }
}

/// A deleted object of the base layer.
struct Tombstone {
    key: Key,
    revision: Revision,
}

/// Everything of one tenant.
#[derive(Default)]
pub(crate) struct Tenant {
    shelves: Vec<Shelf>,
    tombstones: Vec<Tombstone>,
    owned: BTreeMap<Arc<str>, BTreeSet<ByKey>>,
    objects: u64,
    bytes: u64,
    /// The newest change of a collection that has no shelf (any more).
    emptied: Revision,
}

impl Tenant {
    pub(crate) fn shelf(&self, collection: &Collection) -> Option<&Shelf> {
        self.shelves.binary_search_by(|shelf| shelf.collection.cmp(collection)).ok().map(|at| &self.shelves[at])
    }

    pub(crate) fn entombed(&self, collection: &Collection, namespace: &str, name: &str) -> Option<Revision> {
        let same =
            |t: &&Tombstone| t.key.collection == *collection && &*t.key.namespace == namespace && &*t.key.name == name;
        self.tombstones.iter().find(same).map(|tombstone| tombstone.revision)
    }

    fn get(&self, collection: &Collection, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        let probe: &dyn Place = &(namespace, name);
        self.shelf(collection)?.objects.get(probe).map(|entry| &entry.0)
    }

    fn rows(&self) -> u64 {
        self.objects + self.tombstones.len() as u64
    }

    fn insert(&mut self, object: &Arc<Object>) {
        let collection = &object.key().collection;
        let at = match self.shelves.binary_search_by(|shelf| shelf.collection.cmp(collection)) {
            Ok(at) => at,
            Err(at) => {
                let shelf =
                    Shelf { collection: collection.clone(), revision: Revision::NONE, objects: BTreeSet::new() };
                self.shelves.reserve_exact(1);
                self.shelves.insert(at, shelf);
                at
            }
        };
        self.shelves[at].objects.insert(Entry(object.clone()));
        self.objects += 1;
        self.bytes += object.size();
        for owner in object.owners() {
            self.owned.entry(owner.uid.clone()).or_default().insert(ByKey(object.clone()));
        }
    }

    /// Notes a change of a collection: what [`State::collection_revision`] answers.
    fn touch(&mut self, collection: &Collection, revision: Revision) {
        match self.shelves.binary_search_by(|shelf| shelf.collection.cmp(collection)) {
            Ok(at) => self.shelves[at].revision = revision,
            Err(_) => self.emptied = self.emptied.max(revision),
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Arc<Object>> {
        let at = self.shelves.binary_search_by(|shelf| shelf.collection.cmp(&key.collection)).ok()?;
        let probe: &dyn Place = &(&*key.namespace, &*key.name);
        let object = self.shelves[at].objects.take(probe)?.0;
        if self.shelves[at].objects.is_empty() {
            self.shelves.remove(at);
        }
        self.objects -= 1;
        self.bytes -= object.size();
        for owner in object.owners() {
            if let Some(owned) = self.owned.get_mut(&owner.uid) {
                owned.remove(&ByKey(object.clone()));
                if owned.is_empty() {
                    self.owned.remove(&owner.uid);
                }
            }
        }
        Some(object)
    }
}

/// What a key holds, for the writer.
pub(crate) struct Standing {
    /// The object as the tenant sees it.
    pub(crate) object: Option<Arc<Object>>,
    /// The revision of the stored row; [`Revision::NONE`] without one.
    pub(crate) modified: Revision,
    /// Whether the base layer has an object here.
    pub(crate) based: bool,
}

/// The cache of a whole store.
pub(crate) struct State {
    pub(crate) revision: Revision,
    pub(crate) tenants: BTreeMap<TenantId, Box<Tenant>>,
    pub(crate) history: History,
    pub(crate) base: Base,
    /// The newest revision at which a tenant vanished.
    departed: Revision,
    /// Deletions up to here may be unknown: the engine had forgotten them when this process started.
    pub(crate) known_since: Revision,
}

impl State {
    pub(crate) fn new(base: Base, history: History) -> Self {
        Self {
            revision: Revision::FIRST,
            tenants: BTreeMap::new(),
            history,
            base,
            departed: Revision::NONE,
            known_since: Revision::FIRST,
        }
    }

    pub(crate) fn get(
        &self,
        tenant: TenantId,
        collection: &Collection,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Object>> {
        if let Some(rows) = self.tenants.get(&tenant) {
            if let Some(object) = rows.get(collection, namespace, name) {
                return Some(object.clone());
            }
            if rows.entombed(collection, namespace, name).is_some() {
                return None;
            }
        }
        self.base.get(tenant, collection, namespace, name)
    }

    pub(crate) fn standing(&self, key: &Key) -> Standing {
        let rows = self.tenants.get(&key.tenant);
        let stored = rows.and_then(|rows| rows.get(&key.collection, &key.namespace, &key.name));
        let tombstone = rows.and_then(|rows| rows.entombed(&key.collection, &key.namespace, &key.name));
        let shared = self.base.get(key.tenant, &key.collection, &key.namespace, &key.name);
        let based = shared.is_some();
        match (stored, tombstone) {
            (Some(object), _) => Standing { object: Some(object.clone()), modified: object.revision(), based },
            (None, Some(modified)) => Standing { object: None, modified, based },
            (None, None) => Standing { object: shared, modified: Revision::NONE, based },
        }
    }

    /// Takes in one committed change, in the order of revisions.
    pub(crate) fn apply(&mut self, change: Built) -> Record {
        let Built { key, revision, content, kind } = change;
        let old = self.get(key.tenant, &key.collection, &key.namespace, &key.name);
        let departed = self.departed;
        let born = || Box::new(Tenant { emptied: departed, ..Tenant::default() });
        let rows = self.tenants.entry(key.tenant).or_insert_with(born);
        let before = rows.rows();
        rows.remove(&key);
        rows.tombstones.retain(|tombstone| tombstone.key != key);
        let last = match (kind, content) {
            (Kind::Put, Some(object)) => {
                rows.insert(&object);
                None
            }
            (Kind::Tombstone, last) => {
                rows.tombstones.push(Tombstone { key: key.clone(), revision });
                last
            }
            (Kind::Put | Kind::Delete, last) => last,
        };
        rows.touch(&key.collection, revision);
        if key.tenant == TenantId::SYSTEM {
            let now = rows.get(&key.collection, &key.namespace, &key.name).cloned();
            self.base.follow(&key, now.as_ref());
        }
        let rows = &*rows;
        let after = rows.rows();
        if after == 0 {
            self.tenants.remove(&key.tenant);
            self.departed = self.departed.max(revision);
        }
        let life = match (before, after) {
            (0, 1..) => Life::Born,
            (1.., 0) => Life::Died,
            _ => Life::Unchanged,
        };
        self.revision = self.revision.max(revision);
        let new = self.get(key.tenant, &key.collection, &key.namespace, &key.name);
        let record = Record { revision, tenant: key.tenant, life, collection: key.collection, old, new, last };
        self.history.push(record.clone());
        record
    }

    /// The newest change of a collection in a tenant; never less than it was before.
    pub(crate) fn collection_revision(&self, tenant: TenantId, collection: &Collection) -> Revision {
        let rows = self.tenants.get(&tenant);
        let own =
            rows.map_or(self.departed, |rows| rows.shelf(collection).map_or(rows.emptied, |shelf| shelf.revision));
        let shared = if self.base.shows(tenant, collection) {
            self.collection_revision(TenantId::SYSTEM, collection)
        } else {
            Revision::NONE
        };
        own.max(shared).max(self.known_since)
    }

    /// Whether a change of the system tenant is one of this tenant's: it sees it, and has not touched the object.
    pub(crate) fn concerns(&self, tenant: TenantId, record: &Record) -> bool {
        if record.tenant != TenantId::SYSTEM || !self.base.shows(tenant, &record.collection) {
            return false;
        }
        let Some(object) = record.new.as_ref().or(record.old.as_ref()) else { return false };
        let (namespace, name) = place(object);
        self.tenants.get(&tenant).is_none_or(|rows| {
            rows.get(&record.collection, namespace, name).is_none()
                && rows.entombed(&record.collection, namespace, name).is_none()
        })
    }

    /// Whether a reader that knows a collection up to `since` can be told everything after it.
    pub(crate) fn reaches(&self, scope: crate::key::Scope, collection: Option<&Collection>, since: Revision) -> bool {
        if since >= self.history.floor() {
            return true;
        }
        match (scope, collection) {
            (crate::key::Scope::Tenant(tenant), Some(collection)) => {
                self.collection_revision(tenant, collection) <= since
            }
            _ => false,
        }
    }

    pub(crate) fn dependents(&self, tenant: TenantId, uid: &str) -> Vec<Arc<Object>> {
        let owned = self.tenants.get(&tenant).and_then(|rows| rows.owned.get(uid));
        owned.into_iter().flatten().map(|entry| entry.0.clone()).collect()
    }

    pub(crate) fn collections(&self, tenant: TenantId) -> Vec<Collection> {
        let mut all: Vec<Collection> = Vec::new();
        if let Some(rows) = self.tenants.get(&tenant) {
            all.extend(rows.shelves.iter().map(|shelf| shelf.collection.clone()));
        }
        if tenant != TenantId::SYSTEM {
            all.extend(self.base.collections().cloned());
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Every row that is stored, with its revision.
    pub(crate) fn rows(&self) -> BTreeMap<Key, Revision> {
        let mut all = BTreeMap::new();
        for rows in self.tenants.values() {
            let objects = rows.shelves.iter().flat_map(|shelf| &shelf.objects);
            all.extend(objects.map(|entry| (entry.0.key().clone(), entry.0.revision())));
            all.extend(rows.tombstones.iter().map(|tombstone| (tombstone.key.clone(), tombstone.revision)));
        }
        all
    }

    pub(crate) fn usage(&self, tenant: TenantId) -> Usage {
        self.tenants.get(&tenant).map_or(Usage::default(), |rows| Usage { objects: rows.objects, bytes: rows.bytes })
    }
}

/// A change with its object built, ready for [`State::apply`].
pub(crate) struct Built {
    key: Key,
    revision: Revision,
    /// The new object, or the final state of a deletion.
    content: Option<Arc<Object>>,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Delete,
    Tombstone,
}

impl Built {
    /// Builds the object of a change: the expensive part, done without the lock.
    pub(crate) fn new(change: Change) -> Self {
        let Change { revision, key, body } = change;
        let (kind, encoded) = match body {
            Body::Put(encoded) => (Kind::Put, Some(encoded)),
            Body::Delete(last) => (Kind::Delete, last),
            Body::Tombstone(last) => (Kind::Tombstone, last),
        };
        let content = encoded.and_then(|encoded| Object::build(key.clone(), revision, &encoded)).map(Arc::new);
        Self { key, revision, content, kind }
    }
}
