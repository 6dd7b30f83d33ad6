//! The objects an informer holds, by namespace and by owner. Plain data, no locking.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tenancy::{TenantId, fleet};

use super::{Change, Raw};
use crate::Key;

struct Entry {
    raw: Arc<Raw>,
    generation: u64,
}

/// All objects of one kind. A *generation* is one list: objects of an older generation than the finished list vanished
/// while nobody watched.
#[derive(Default)]
pub(super) struct Index {
    spaces: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Entry>>,
    owned: HashMap<Box<str>, BTreeMap<Key, Arc<Raw>>>,
    generation: u64,
    len: usize,
}

impl Index {
    /// A list begins: what it does not mention is gone when it ends.
    pub(super) fn begin_list(&mut self) {
        self.generation += 1;
    }

    /// A list ended; returns the deletes of what it did not mention.
    pub(super) fn end_list(&mut self) -> Vec<Change> {
        let stale: Vec<Key> = self
            .spaces
            .values()
            .flat_map(BTreeMap::values)
            .filter(|entry| entry.generation != self.generation)
            .map(|entry| entry.raw.key().clone())
            .collect();
        stale.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Stores an object. No change when it is the version already held; two when another object took the name.
    pub(super) fn apply(&mut self, mut raw: Raw) -> Vec<Change> {
        let mut changes = Vec::new();
        let held = self.get(raw.namespace(), raw.name());
        if let Some(old) = &held {
            if old.uid() == raw.uid() && old.resource_version() == raw.resource_version() {
                self.touch(raw.key());
                return changes;
            }
            if old.uid() != raw.uid() {
                changes.extend(self.remove(raw.key()));
            }
        }
        if let Some((shared, _)) = self.spaces.get_key_value(raw.namespace()) {
            let shared = shared.clone();
            raw.share_namespace(&shared);
        }
        let raw = Arc::new(raw);
        let key = raw.key().clone();
        let entry = Entry { raw: raw.clone(), generation: self.generation };
        let old = self.spaces.entry(key.namespace.clone()).or_default().insert(key.name.clone(), entry);
        match &old {
            Some(old) => self.disown(&old.raw),
            None => self.len += 1,
        }
        if let Some(owner) = raw.controller() {
            self.owned.entry(owner.uid.clone()).or_default().insert(key, raw.clone());
        }
        changes.push(Change { old: old.map(|entry| entry.raw), new: Some(raw) });
        changes
    }

    fn touch(&mut self, key: &Key) {
        let generation = self.generation;
        if let Some(entry) = self.spaces.get_mut(&key.namespace).and_then(|space| space.get_mut(&key.name)) {
            entry.generation = generation;
        }
    }

    /// Forgets an object.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Change> {
        let space = self.spaces.get_mut(&key.namespace)?;
        let entry = space.remove(&key.name)?;
        if space.is_empty() {
            self.spaces.remove(&key.namespace);
        }
        self.len -= 1;
        self.disown(&entry.raw);
        Some(Change { old: Some(entry.raw), new: None })
    }

    fn disown(&mut self, raw: &Raw) {
        let Some(owner) = raw.controller() else { return };
        if let Some(children) = self.owned.get_mut(&owner.uid) {
            children.remove(raw.key());
            if children.is_empty() {
                self.owned.remove(&owner.uid);
            }
        }
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Raw>> {
        Some(self.spaces.get(namespace)?.get(name)?.raw.clone())
    }

    pub(super) fn by_namespace(&self, namespace: &str) -> Vec<Arc<Raw>> {
        self.spaces.get(namespace).map(|space| space.values().map(|e| e.raw.clone()).collect()).unwrap_or_default()
    }

    pub(super) fn by_owner(&self, uid: &str) -> Vec<Arc<Raw>> {
        self.owned.get(uid).map(|children| children.values().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn by_tenant(&self, tenant: TenantId) -> Vec<Arc<Raw>> {
        let from: Arc<str> = fleet::join(tenant, "").into();
        let namespaced = self.spaces.range(from.clone()..).take_while(|(ns, _)| ns.starts_with(&*from));
        let mut found: Vec<_> = namespaced.flat_map(|(_, space)| space.values().map(|e| e.raw.clone())).collect();
        if let Some(space) = self.spaces.get("") {
            let named = space.range(from.clone()..).take_while(|(name, _)| name.starts_with(&*from));
            found.extend(named.map(|(_, e)| e.raw.clone()));
        }
        found
    }

    pub(super) fn list(&self) -> Vec<Arc<Raw>> {
        self.spaces.values().flat_map(|space| space.values().map(|e| e.raw.clone())).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}
