//! The key of an object in the fleet view.

use std::fmt;
use std::sync::Arc;

use tenancy::{TenantId, fleet};

use crate::queue::Keyed;

/// Namespace and name of an object as the fleet view spells them: `<tenant>:<namespace>` and `<name>`, or an empty
/// namespace and `<tenant>:<name>` for cluster-scoped kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Fleet namespace; empty for cluster-scoped objects.
    pub namespace: Arc<str>,
    /// Fleet name.
    pub name: Arc<str>,
}

impl Key {
    /// Makes a key.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The tenant the object belongs to. `None` in an API that is not a fleet view (a plain cluster).
    pub fn tenant(&self) -> Option<TenantId> {
        let joined = if self.namespace.is_empty() { &self.name } else { &self.namespace };
        fleet::split(joined).map(|(tenant, _)| tenant)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

impl Keyed for Key {
    type Lane = Option<TenantId>;

    fn lane(&self) -> Self::Lane {
        self.tenant()
    }
}

/// The name as the tenant knows it: without the tenant id, if there is one.
pub fn plain(joined: &str) -> &str {
    fleet::split(joined).map_or(joined, |(_, name)| name)
}

/// The fleet name of something cluster-scoped (a namespace, a node) in the tenant that `joined` belongs to.
pub fn sibling(joined: &str, name: &str) -> String {
    fleet::split(joined).map_or_else(|| name.to_owned(), |(tenant, _)| fleet::join(tenant, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_of_namespaced_and_cluster_scoped_keys() {
        let id = TenantId::from_uid("1");
        assert_eq!(Key::new(fleet::join(id, "default"), "web").tenant(), Some(id));
        assert_eq!(Key::new("", fleet::join(id, "system:node")).tenant(), Some(id));
        assert_eq!(Key::new("default", "web").tenant(), None);
    }

    #[test]
    fn names_go_both_ways() {
        let id = TenantId::from_uid("1");
        assert_eq!(plain(&fleet::join(id, "default")), "default");
        assert_eq!(plain("default"), "default");
        assert_eq!(sibling(&fleet::join(id, "default"), "node-1"), fleet::join(id, "node-1"));
        assert_eq!(sibling("default", "node-1"), "node-1");
    }
}
