//! Keys and values in etcd.
//!
//! ```text
//!   <prefix>/<tenant> NUL group NUL resource NUL namespace NUL name     an object, or a deleted one of the base layer
//!   <prefix>/<tenant> NUL NUL                                           final states of the last deletions
//!   <prefix>/~format, <prefix>/~compacted                               of the store as a whole
//! ```
//!
//! The range of a tenant is that of [`tenant_range`] behind the prefix: everything of a tenant is in it, and nothing else.
//! What is of the store as a whole comes after every tenant, because `~` comes after every character of an id.
//!
//! A deletion in etcd carries no value. When the final state of an object is not the stored one, it is put beside it in
//! the same transaction, so that whoever follows finds both at one revision; the row of final states is removed soon.

use crate::encode::Encoded;
use crate::engine::Body;
use crate::key::{Key, KeyError, tenant_range};
use std::collections::HashMap;
use tenancy::TenantId;

const PUT: u8 = 0;
const TOMBSTONE: u8 = 2;

/// What the keys of one store begin with.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    prefix: Vec<u8>,
}

/// What a key is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A row.
    Row(Key),
    /// Final states of a tenant's objects.
    Finals(TenantId),
    /// Something else.
    Other,
}

impl Layout {
    pub(super) fn new(prefix: &str) -> Self {
        let mut prefix = prefix.trim_end_matches('/').as_bytes().to_vec();
        prefix.push(b'/');
        Self { prefix }
    }

    fn with(&self, tail: &[u8]) -> Vec<u8> {
        [&self.prefix, tail].concat()
    }

    /// Every key of the store: from the first bound, exclusive of the second.
    pub(super) fn all(&self) -> (Vec<u8>, Vec<u8>) {
        let mut end = self.prefix.clone();
        if let Some(last) = end.last_mut() {
            // It is '/'.
            *last += 1;
        }
        (self.prefix.clone(), end)
    }

    /// Every key of a tenant.
    pub(super) fn tenant(&self, tenant: TenantId) -> (Vec<u8>, Vec<u8>) {
        let (start, end) = tenant_range(tenant);
        (self.with(&start), self.with(&end))
    }

    pub(super) fn row(&self, key: &Key) -> Result<Vec<u8>, KeyError> {
        Ok(self.with(&key.encode()?))
    }

    pub(super) fn finals(&self, tenant: TenantId) -> Vec<u8> {
        let (mut start, _) = tenant_range(tenant);
        start.push(0);
        self.with(&start)
    }

    /// Holds the version of this layout.
    pub(super) fn format(&self) -> Vec<u8> {
        self.with(b"~format")
    }

    /// Holds the revision compacted last; whoever writes it compacts.
    pub(super) fn compacted(&self) -> Vec<u8> {
        self.with(b"~compacted")
    }

    pub(super) fn place(&self, bytes: &[u8]) -> Place {
        let Some(tail) = bytes.strip_prefix(self.prefix.as_slice()) else { return Place::Other };
        if let Ok(key) = Key::decode(tail) {
            return Place::Row(key);
        }
        let id = tail.strip_suffix(b"\0\0").and_then(|id| std::str::from_utf8(id).ok());
        match id.map(TenantId::parse) {
            Some(Ok(tenant)) => Place::Finals(tenant),
            _ => Place::Other,
        }
    }
}

/// The value of a row. `None`: it has none, it is deleted.
pub(super) fn value(body: &Body) -> Option<Vec<u8>> {
    match body {
        Body::Put(encoded) => Some([&[PUT][..], encoded.as_stored()].concat()),
        Body::Tombstone(last) => Some([&[TOMBSTONE][..], last.as_ref().map_or(&[], |last| last.as_stored())].concat()),
        Body::Delete(_) => None,
    }
}

/// Reads what [`value`] wrote. `None`: this program did not.
pub(super) fn body(value: &[u8]) -> Option<Body> {
    let (kind, rest) = value.split_first()?;
    match *kind {
        PUT => Encoded::from_stored(rest.to_vec()).map(Body::Put),
        TOMBSTONE if rest.is_empty() => Some(Body::Tombstone(None)),
        TOMBSTONE => Encoded::from_stored(rest.to_vec()).map(|last| Body::Tombstone(Some(last))),
        _ => None,
    }
}

/// Final states, packed: for each, length and bytes of the key and of the state.
#[derive(Default)]
pub(super) struct Finals(Vec<u8>);

impl Finals {
    /// Adds one. Nothing of ours is 4 GiB long; if it were, the state would be left out.
    pub(super) fn push(&mut self, key: &Key, last: &Encoded) {
        let Ok(key) = key.encode() else { return };
        let (Ok(short), Ok(long)) = (u32::try_from(key.len()), u32::try_from(last.as_stored().len())) else { return };
        self.0.extend_from_slice(&short.to_le_bytes());
        self.0.extend_from_slice(&key);
        self.0.extend_from_slice(&long.to_le_bytes());
        self.0.extend_from_slice(last.as_stored());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Reads packed states into a map; stops at what was not packed by this program. States of another tenant than
    /// the key's are not taken.
    pub(super) fn read(tenant: TenantId, mut bytes: &[u8], into: &mut HashMap<Key, Encoded>) {
        fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            *bytes = rest;
            Some(part)
        }
        while let (Some(key), Some(last)) = (part(&mut bytes), part(&mut bytes)) {
            let (Ok(key), Some(last)) = (Key::decode(key), Encoded::from_stored(last.to_vec())) else { return };
            if key.tenant == tenant {
                into.insert(key, last);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Draft, encode};
    use crate::key::Collection;
    use proptest::prelude::*;

    fn tenant() -> impl Strategy<Value = TenantId> {
        prop_oneof![
            Just(TenantId::SYSTEM),
            "[a-c2]{10}".prop_map(|text| TenantId::parse(&text).unwrap()),
            "[a-z2-7]{10}".prop_map(|text| TenantId::parse(&text).unwrap()),
        ]
    }

    fn key() -> impl Strategy<Value = Key> {
        let part = || prop_oneof!["[ab]{1,3}", "[\\x01-\\x7f]{1,6}", "\\PC{1,6}"];
        let optional = move || prop_oneof![Just(String::new()), part()];
        (tenant(), optional(), part(), optional(), part()).prop_map(|(tenant, group, resource, namespace, name)| {
            Key::new(tenant, &Collection::new(&group, &resource), &namespace, &name)
        })
    }

    fn inside(key: &[u8], (start, end): &(Vec<u8>, Vec<u8>)) -> bool {
        start.as_slice() <= key && key < end.as_slice()
    }

    proptest! {
        #[test]
        fn every_key_is_in_the_range_of_its_tenant_and_of_nobody_else(
            key in key(), other in tenant(), prefix in "(/[a-z]{1,4}){1,2}/?", foreign in "(/[a-z]{1,4}){1,2}/?",
        ) {
            let layout = Layout::new(&prefix);
            for bytes in [layout.row(&key).unwrap(), layout.finals(key.tenant)] {
                prop_assert_eq!(inside(&bytes, &layout.tenant(other)), other == key.tenant);
                prop_assert!(inside(&bytes, &layout.all()));
                let foreign = Layout::new(&foreign);
                let apart = foreign.prefix != layout.prefix && !layout.prefix.starts_with(&foreign.prefix);
                prop_assert_eq!(inside(&bytes, &foreign.all()), !apart);
            }
            for bytes in [layout.format(), layout.compacted()] {
                prop_assert!(!inside(&bytes, &layout.tenant(other)) && inside(&bytes, &layout.all()));
            }
        }

        #[test]
        fn places_are_read_back(key in key()) {
            let layout = Layout::new("/rowhouse");
            prop_assert_eq!(layout.place(&layout.finals(key.tenant)), Place::Finals(key.tenant));
            prop_assert_eq!(layout.place(&layout.row(&key).unwrap()), Place::Row(key));
            prop_assert_eq!(layout.place(&layout.format()), Place::Other);
        }

        #[test]
        fn hostile_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = body(&bytes);
            Finals::read(TenantId::SYSTEM, &bytes, &mut HashMap::new());
            Layout::new("/").place(&bytes);
        }
    }

    #[test]
    fn values_are_read_back() {
        let key = Key::new(TenantId::from_uid("t"), &Collection::new("", "secrets"), "n", "a");
        let encoded = encode(&key, &Draft::new(serde_json::json!({"data": {"a": "1"}}))).unwrap();
        assert!(matches!(body(&value(&Body::Put(encoded.clone())).unwrap()), Some(Body::Put(read)) if read == encoded));
        let dead = value(&Body::Tombstone(Some(encoded.clone()))).unwrap();
        assert!(matches!(body(&dead), Some(Body::Tombstone(Some(read))) if read == encoded));
        assert!(matches!(body(&value(&Body::Tombstone(None)).unwrap()), Some(Body::Tombstone(None))));
        assert!(value(&Body::Delete(Some(encoded.clone()))).is_none());

        let other = Key { tenant: TenantId::from_uid("u"), ..key.clone() };
        let mut finals = Finals::default();
        finals.push(&key, &encoded);
        finals.push(&other, &encoded);
        let mut read = HashMap::new();
        Finals::read(key.tenant, &finals.finish(), &mut read);
        assert_eq!(read, HashMap::from([(key, encoded)]), "a tenant's row speaks for that tenant");
    }
}
