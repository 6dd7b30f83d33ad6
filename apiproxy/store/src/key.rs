//! Where an object is: tenant, collection, namespace, name; and the bytes of it that an engine orders by.

use crate::intern::Interner;
use std::sync::{Arc, LazyLock};
use tenancy::TenantId;

/// Whose objects a read or a watch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One tenant.
    Tenant(TenantId),
    /// Every tenant of the store, except [`TenantId::SYSTEM`]: the fleet view.
    Fleet,
}

/// A group and a resource in it (`apps`, `deployments`): the objects of one kind. Versions share a collection.
///
/// One pointer in size; equal collections share their strings.
#[derive(Clone)]
pub struct Collection(Arc<Names>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Names {
    group: Box<str>,
    resource: Box<str>,
}

impl Collection {
    /// The collection of a group (empty for the core group) and a plural resource name.
    pub fn new(group: &str, resource: &str) -> Self {
        static ALL: LazyLock<Interner<Names>> = LazyLock::new(Interner::new);
        let names = Names { group: group.into(), resource: resource.into() };
        let probe = Arc::new(names);
        Self(ALL.get(&probe.clone(), || probe))
    }

    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        &self.0.group
    }

    /// The resource: plural, lower case.
    pub fn resource(&self) -> &str {
        &self.0.resource
    }
}

impl PartialEq for Collection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Collection {}

impl PartialOrd for Collection {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Collection {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { std::cmp::Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl std::hash::Hash for Collection {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl std::fmt::Display for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.group().is_empty() {
            f.write_str(self.resource())
        } else {
            write!(f, "{}.{}", self.resource(), self.group())
        }
    }
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collection({self})")
    }
}

/// The place of one object. Ordered as the engine orders it: tenant, group, resource, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The tenant; the first component of every stored key.
    pub tenant: TenantId,
    /// Group and resource.
    pub collection: Collection,
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

/// A key that cannot be stored, or bytes that are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A component contains a NUL, the terminator of components.
    #[error("a key must not contain NUL")]
    Nul,
    /// The name or the resource is empty.
    #[error("a key needs a resource and a name")]
    Empty,
    /// Stored bytes that this crate did not write.
    #[error("not a stored key")]
    Malformed,
}

const TERMINATOR: u8 = 0;

impl Key {
    /// The key of an object; `namespace` is empty for cluster-scoped ones.
    pub fn new(tenant: TenantId, collection: &Collection, namespace: &str, name: &str) -> Self {
        Self { tenant, collection: collection.clone(), namespace: crate::intern::text(namespace), name: name.into() }
    }

    /// The bytes an engine stores: `tenant NUL group NUL resource NUL namespace NUL name`. Their byte order is the order
    /// of keys, and no key of one tenant is inside the range of another. Errors: [`KeyError::Nul`], [`KeyError::Empty`].
    pub fn encode(&self) -> Result<Vec<u8>, KeyError> {
        let parts = [self.collection.group(), self.collection.resource(), &self.namespace, &self.name];
        if parts.iter().any(|part| part.as_bytes().contains(&TERMINATOR)) {
            return Err(KeyError::Nul);
        }
        if self.name.is_empty() || self.collection.resource().is_empty() {
            return Err(KeyError::Empty);
        }
        let length = self.tenant.as_bytes().len() + parts.iter().map(|part| part.len() + 1).sum::<usize>();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(self.tenant.as_bytes());
        for part in parts {
            bytes.push(TERMINATOR);
            bytes.extend_from_slice(part.as_bytes());
        }
        Ok(bytes)
    }

    /// Reads what [`Key::encode`] wrote. Errors: [`KeyError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| KeyError::Malformed)?;
        let parts: Vec<&str> = text.split('\0').collect();
        let [tenant, group, resource, namespace, name] = parts[..] else { return Err(KeyError::Malformed) };
        let tenant = TenantId::parse(tenant).map_err(|_| KeyError::Malformed)?;
        if resource.is_empty() || name.is_empty() {
            return Err(KeyError::Malformed);
        }
        Ok(Self::new(tenant, &Collection::new(group, resource), namespace, name))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{}", self.tenant, self.collection, self.namespace, self.name)
    }
}

/// The encoded keys of one tenant: from the first bound, exclusive of the second.
pub fn tenant_range(tenant: TenantId) -> (Vec<u8>, Vec<u8>) {
    let mut start = tenant.as_bytes().to_vec();
    let mut end = start.clone();
    start.push(TERMINATOR);
    end.push(TERMINATOR + 1);
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenant() -> impl Strategy<Value = TenantId> {
        prop_oneof![
            Just(TenantId::SYSTEM),
            "[a-c2]{10}".prop_map(|text| TenantId::parse(&text).unwrap()),
            "[a-z2-7]{10}".prop_map(|text| TenantId::parse(&text).unwrap()),
        ]
    }

    fn part() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]{1,3}", "[\\x01-\\x7f]{1,6}", "\\PC{1,6}"]
    }

    fn key() -> impl Strategy<Value = Key> {
        (tenant(), prop_oneof![Just(String::new()), part()], part(), prop_oneof![Just(String::new()), part()], part())
            .prop_map(|(tenant, group, resource, namespace, name)| {
                Key::new(tenant, &Collection::new(&group, &resource), &namespace, &name)
            })
    }

    proptest! {
        #[test]
        fn a_range_holds_its_tenant_and_nobody_else(key in key(), other in tenant()) {
            let bytes = key.encode().unwrap();
            let (start, end) = tenant_range(other);
            prop_assert_eq!(start <= bytes && bytes < end, other == key.tenant);
        }

        #[test]
        fn byte_order_is_key_order(a in key(), b in key()) {
            prop_assert_eq!(a.encode().unwrap().cmp(&b.encode().unwrap()), a.cmp(&b));
        }

        #[test]
        fn decoding_is_the_inverse(key in key()) {
            prop_assert_eq!(Key::decode(&key.encode().unwrap()).unwrap(), key);
        }

        #[test]
        fn hostile_bytes_are_refused_or_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(key) = Key::decode(&bytes) {
                prop_assert_eq!(key.encode().unwrap(), bytes);
            }
        }

        #[test]
        fn ranges_of_two_tenants_are_disjoint(a in tenant(), b in tenant()) {
            let ((a0, a1), (b0, b1)) = (tenant_range(a), tenant_range(b));
            prop_assert!(a == b || a1 <= b0 || b1 <= a0);
        }
    }

    #[test]
    fn a_nul_has_no_encoding() {
        let pods = Collection::new("", "pods");
        let key = Key::new(TenantId::SYSTEM, &pods, "a\0b", "c");
        assert_eq!(key.encode(), Err(KeyError::Nul));
        assert_eq!(Key::new(TenantId::SYSTEM, &pods, "a", "").encode(), Err(KeyError::Empty));
    }

    #[test]
    fn collections_are_one_pointer_and_equal_by_content() {
        assert_eq!(Collection::new("apps", "deployments"), Collection::new("apps", "deployments"));
        assert_ne!(Collection::new("", "pods"), Collection::new("", "services"));
        assert_eq!(size_of::<Collection>(), size_of::<usize>());
    }
}
