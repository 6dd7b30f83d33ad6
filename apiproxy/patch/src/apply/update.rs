//! How ownership moves: the updater of structured-merge-diff's `merge` package.

use serde_json::{Map, Value};

use super::compare::{Comparison, compare};
use super::managed::{Id, Managed, Owned};
use super::merge::{merge, remove};
use super::path::{self, Element};
use super::set::Set;
use super::typed::{Type, field_set, reconcile, with_named_parents};
use super::{Conflict, Manager, Reset};

/// Fields nobody ever owns (`stripmeta.go` of apimachinery's managedfields).
const NEVER_OWNED: [&str; 12] = [
    "apiVersion",
    "kind",
    "metadata",
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.selfLink",
    "metadata.uid",
    "metadata.clusterName",
    "metadata.generation",
    "metadata.managedFields",
    "metadata.resourceVersion",
];

/// Whether conflicts are overridden.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Force {
    Yes,
    No,
}

/// A configuration to be applied to a live object.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) live: &'a Value,
    pub(super) config: &'a Value,
    pub(super) api_version: &'a str,
}

/// Fields of others that a change touches.
pub(super) type Conflicts = Vec<(Id, Vec<Element>)>;

/// Conflicts in words.
pub(super) fn shown(conflicts: Conflicts) -> Vec<Conflict> {
    conflicts.into_iter().map(|(id, field)| Conflict { manager: id.shown(), field: path::text(&field) }).collect()
}

/// The rules of one request.
#[derive(Clone, Copy)]
pub(super) struct Ownership<'a> {
    pub(super) ty: Type<'a>,
    pub(super) reset: Reset<'a>,
    pub(super) now: &'a str,
}

impl Ownership<'_> {
    /// Gives a manager the fields that changed between two objects, and takes them from all others.
    pub(super) fn update(&self, managed: &mut Managed, old: &Value, new: &Value, id: &Id, manager: &Manager) {
        self.reconcile(managed);
        let changes = self.changes(old, new);
        let touched = changes.modified.union(&changes.added);
        for owned in managed.managers.values_mut() {
            owned.set = owned.set.difference(&touched).difference(&changes.removed);
        }
        managed.managers.retain(|_, owned| !owned.set.is_empty());
        let gained = strip(&touched);
        if gained.is_empty() {
            return;
        }
        let owned = managed
            .managers
            .entry(id.clone())
            .or_insert_with(|| Owned { set: Set::default(), api_version: manager.api_version.clone() });
        owned.set = owned.set.union(&gained);
        if manager.subresource == "scale" {
            // Upstream maps these entries from the Scale to its parent (`scalehandler.go`) and loses the time there.
            managed.times.remove(id);
        } else {
            managed.times.insert(id.clone(), self.now.to_owned());
        }
    }

    /// Applies a configuration: the new object and its managers, or who owns what it would change.
    pub(super) fn apply(
        &self,
        managed: &Managed,
        change: Change<'_>,
        id: &Id,
        force: Force,
    ) -> Result<(Value, Managed), Conflicts> {
        let mut managed = managed.clone();
        self.reconcile(&mut managed);
        let merged = merge(self.ty, Some(change.live), Some(change.config));
        let merged = merged.unwrap_or_else(|| Value::Object(Map::new()));
        let set = self.filter(&field_set(self.ty, change.config));
        let owned = Owned { set, api_version: change.api_version.to_owned() };
        let last = managed.managers.insert(id.clone(), owned);
        let mut new = match last {
            Some(last) if !last.set.is_empty() => self.prune(&merged, &managed, &last.set),
            _ => merged,
        };
        if !new.is_object() {
            new = Value::Object(Map::new());
        }
        self.take(&mut managed, change.live, &new, id, force)?;
        if let Some(owned) = managed.managers.get_mut(id) {
            owned.set = strip(&owned.set);
        }
        managed.managers.retain(|_, owned| !owned.set.is_empty());
        if !path::same(change.live, &new) {
            managed.times.insert(id.clone(), self.now.to_owned());
        }
        Ok((new, managed))
    }

    /// Takes the fields an applier changed from all others, unless that is a conflict.
    fn take(&self, managed: &mut Managed, live: &Value, new: &Value, id: &Id, force: Force) -> Result<(), Conflicts> {
        let changes = self.changes(live, new);
        let touched = changes.modified.union(&changes.added);
        let others = || managed.managers.iter().filter(|(other, _)| *other != id);
        if force == Force::No {
            let conflicts: Conflicts = others()
                .flat_map(|(other, owned)| {
                    let paths = owned.set.intersection(&touched).paths();
                    paths.into_iter().map(|path| (other.clone(), path))
                })
                .collect();
            if !conflicts.is_empty() {
                return Err(conflicts);
            }
        }
        for (other, owned) in &mut managed.managers {
            if other != id {
                owned.set = owned.set.difference(&touched).difference(&changes.removed);
            }
        }
        Ok(())
    }

    /// Removes what the manager said last time and no longer says, unless somebody else owns it.
    fn prune(&self, merged: &Value, managed: &Managed, last: &Set) -> Value {
        let named = |set: &Set| with_named_parents(self.ty, set);
        let last = named(last);
        let everything = named(&field_set(self.ty, merged));

        // Take out all the manager had, then put back what anybody owns, the manager's new configuration included.
        let pruned = remove(self.ty, merged, &last);
        let owned = managed.managers.values().fold(Set::default(), |all, owned| all.union(&owned.set));
        let kept = named(&field_set(self.ty, &pruned)).union(&named(&owned));
        let pruned = remove(self.ty, merged, &everything.difference(&kept));

        // What went along without having been the manager's comes back.
        let pruned = named(&field_set(self.ty, &pruned));
        remove(self.ty, merged, &everything.difference(&pruned).intersection(&last))
    }

    fn changes(&self, old: &Value, new: &Value) -> Comparison {
        let changes = compare(self.ty, old, new);
        Comparison {
            removed: self.filter(&changes.removed),
            modified: self.filter(&changes.modified),
            added: self.filter(&changes.added),
        }
    }

    fn filter(&self, set: &Set) -> Set {
        match self.reset {
            Reset::Fields([]) => set.clone(),
            Reset::Fields(paths) => set.recursive_difference(&Set::of_fields(paths.iter().copied())),
            Reset::AllBut(paths) => {
                let patterns: Vec<Vec<&str>> = paths.iter().map(|path| path.split('.').collect()).collect();
                set.matching(&patterns)
            }
        }
    }

    fn reconcile(&self, managed: &mut Managed) {
        for owned in managed.managers.values_mut() {
            owned.set = reconcile(self.ty, &owned.set);
        }
    }
}

fn strip(set: &Set) -> Set {
    set.difference(&Set::of_fields(NEVER_OWNED))
}
