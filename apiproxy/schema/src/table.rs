//! The schema table of everything built into Kubernetes 1.36: resources, kinds and their types.
//!
//! The facts are the JSON files of `table/`, written by `generator/` from upstream's own packages and committed. They
//! are parsed once, on first use, into one graph that every built-in [`Schema`] shares.

mod load;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use crate::{Resource, Schema};

/// The group version under which kinds of the API machinery itself are listed (`DeleteOptions`, `Status`, `Table`).
/// Upstream registers most of them in every group version; so does [`Table::kind`].
pub const META: (&str, &str) = ("meta.k8s.io", "v1");

/// All built-in resources and kinds.
#[derive(Debug)]
pub struct Table {
    groups: Vec<Group>,
    resources: Vec<Arc<Resource>>,
    by_path: HashMap<(String, String, String), usize>,
    kinds: HashMap<(String, String, String), Schema>,
    deprecations: HashMap<(String, String, String), String>,
}

/// A served API group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name; empty for core.
    pub name: String,
    /// Versions, the preferred one first.
    pub versions: Vec<String>,
}

/// A group, version and kind. Ordered by group, then version, then kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionKind {
    /// Group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

impl Table {
    /// The table of the Kubernetes version this build speaks. Parsed on first use (a few milliseconds), then shared.
    #[allow(clippy::missing_panics_doc)]
    pub fn builtin() -> &'static Table {
        static TABLE: LazyLock<Table> = LazyLock::new(|| {
            load::parse(load::TYPES, load::KINDS, load::RESOURCES).expect("the committed table parses: a test loads it")
        });
        &TABLE
    }

    /// All resources, group by group in discovery order, plural names in alphabetical order within a group version.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// The resource at a path. The group of core is empty.
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let index = self.by_path.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))?;
        self.resources.get(*index)
    }

    /// The schema of any registered kind: objects, lists, subresource kinds (`Scale`, `Eviction`, `TokenRequest`) and
    /// kinds of the API machinery, which exist in every group version.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<Schema> {
        let of = |group: &str, version: &str| {
            self.kinds.get(&(group.to_owned(), version.to_owned(), kind.to_owned())).cloned()
        };
        of(group, version).or_else(|| of(META.0, META.1))
    }

    /// Every registered kind with its schema; kinds of the API machinery once, under [`META`]. In no order.
    pub fn kinds(&self) -> impl Iterator<Item = (GroupVersionKind, &Schema)> {
        self.kinds.iter().map(|((group, version, kind), schema)| {
            (GroupVersionKind { group: group.clone(), version: version.clone(), kind: kind.clone() }, schema)
        })
    }

    /// Served groups in upstream's discovery order, core first.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The warning upstream sends with every answer about a deprecated kind
    /// (`k8s.io/apiserver/pkg/endpoints/deprecation`).
    pub fn deprecation(&self, group: &str, version: &str, kind: &str) -> Option<&str> {
        self.deprecations.get(&(group.to_owned(), version.to_owned(), kind.to_owned())).map(String::as_str)
    }

    /// Kinds by the name of their definition (`io.k8s.api.core.v1.Pod`), sorted: what `x-kubernetes-group-version-kind`
    /// lists.
    pub fn kinds_by_definition(&self) -> BTreeMap<&str, Vec<GroupVersionKind>> {
        let mut all: BTreeMap<&str, Vec<GroupVersionKind>> = BTreeMap::new();
        for (kind, schema) in self.kinds() {
            if let Some(object) = schema.node().object() {
                all.entry(object.name.as_str()).or_default().push(kind);
            }
        }
        for kinds in all.values_mut() {
            kinds.sort();
        }
        all
    }
}
