//! What happened between two states of the whole store, as far as it can be told.

use crate::engine::{Body, Change, Row};
use crate::key::Key;
use crate::revision::Revision;
use std::collections::BTreeMap;

/// The changes that lead from the rows the cache has to those that are there at `revision`, in the order of revisions.
/// Several changes of one row are told as one; a row that was deleted and made again is told as both, because that is
/// another object. When a row was deleted is not known: at the latest when it was made again, or at `revision`.
pub(crate) fn differences(mut stored: BTreeMap<Key, Revision>, there: Vec<Row>, revision: Revision) -> Vec<Change> {
    let mut changes = Vec::new();
    for Row { key, created, modified, body } in there {
        match stored.remove(&key) {
            Some(known) if known >= modified => continue,
            Some(known) if known < created => {
                changes.push(Change { revision: created, key: key.clone(), body: Body::Delete(None) });
            }
            _ => {}
        }
        changes.push(Change { revision: modified, key, body });
    }
    let gone = stored.into_keys().map(|key| Change { revision, key, body: Body::Delete(None) });
    changes.extend(gone);
    // Stable: a deletion stays before the creation of the same revision.
    changes.sort_by_key(|change| change.revision);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Collection;
    use tenancy::TenantId;

    fn key(name: &str) -> Key {
        Key::new(TenantId::from_uid("t"), &Collection::new("", "configmaps"), "n", name)
    }

    #[test]
    fn what_was_missed_is_told_in_order() {
        let stored = [("same", 3), ("changed", 4), ("gone", 5), ("again", 6), ("ahead", 20)];
        let stored = stored.into_iter().map(|(name, revision)| (key(name), Revision(revision))).collect();
        let there = [("again", 11, 12), ("ahead", 2, 19), ("changed", 2, 9), ("new", 8, 8), ("same", 3, 3)];
        let row = |(name, created, modified)| Row {
            key: key(name),
            created: Revision(created),
            modified: Revision(modified),
            body: Body::Tombstone(None),
        };
        let told: Vec<(u64, String, bool)> = differences(stored, there.map(row).into(), Revision(15))
            .into_iter()
            .map(|change| (change.revision.0, change.key.name.to_string(), matches!(change.body, Body::Delete(_))))
            .collect();
        let expected =
            [(8, "new", false), (9, "changed", false), (11, "again", true), (12, "again", false), (15, "gone", true)];
        assert_eq!(told, expected.map(|(revision, name, gone)| (revision, name.to_owned(), gone)));
    }
}
