//! Labels of the tenants' namespaces: what namespace selectors ask about. One watch; a tenant that has only the
//! namespaces every cluster starts with, under their own labels, costs nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Client};
use serde_json::Value;
use tenancy::{TenantId, fleet};
use tokio::sync::watch;

use crate::kinds;
use crate::translate::selector;

/// Namespaces every cluster starts with.
const FIRST: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// Label of every namespace: its name.
const NAME: &str = "kubernetes.io/metadata.name";

type Labels = BTreeMap<String, String>;

/// How a tenant's namespaces differ from [`FIRST`]: None for one that is gone.
type Differences = BTreeMap<Box<str>, Option<Labels>>;

/// Labels of all namespaces of all tenants.
pub(crate) struct Namespaces {
    known: Mutex<HashMap<TenantId, Differences>>,
    synced: watch::Sender<bool>,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self { known: Mutex::default(), synced: watch::Sender::new(false) }
    }
}

impl Namespaces {
    fn known(&self) -> MutexGuard<'_, HashMap<TenantId, Differences>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all namespaces have been seen.
    pub(crate) fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Names of the tenant's namespaces that a selector selects, in order.
    pub(crate) fn matching(&self, tenant: TenantId, wanted: &Value) -> Vec<String> {
        let known = self.known();
        let differences = known.get(&tenant);
        let untouched = FIRST.iter().filter(|name| differences.is_none_or(|all| !all.contains_key(**name)));
        let untouched = untouched.filter(|name| selector::matches(wanted, |key| (key == NAME).then_some(**name)));
        let others = differences.into_iter().flatten().filter(|(_, labels)| {
            labels.as_ref().is_some_and(|labels| selector::matches(wanted, |key| labels.get(key).map(String::as_str)))
        });
        let mut found: Vec<String> = untouched.map(|name| (*name).to_owned()).collect();
        found.extend(others.map(|(name, _)| name.to_string()));
        found.sort_unstable();
        found
    }

    /// Takes in a namespace, or its end (no labels). Gives its tenant when that is news.
    fn take(&self, name: &str, labels: Option<&Labels>) -> Option<TenantId> {
        let (tenant, name) = fleet::split(name)?;
        let mut known = self.known();
        let differences = known.entry(tenant).or_default();
        let is_first = FIRST.contains(&name);
        let is_plain = |labels: &Labels| labels.len() == 1 && labels.get(NAME).is_some_and(|own| own == name);
        let as_usual = match labels {
            Some(labels) => is_first && is_plain(labels),
            None => !is_first,
        };
        let changed = if as_usual {
            differences.remove(name).is_some()
        } else {
            let is_same = differences.get(name).is_some_and(|old| old.as_ref() == labels);
            if !is_same {
                differences.insert(name.into(), labels.cloned());
            }
            !is_same
        };
        // Without any of its first namespaces a tenant is gone.
        let is_gone = differences.len() == FIRST.len() && differences.values().all(Option::is_none);
        if differences.is_empty() || is_gone {
            known.remove(&tenant);
        }
        changed.then_some(tenant)
    }

    /// The namespaces that are remembered, by fleet name.
    fn remembered(&self) -> HashSet<String> {
        let known = self.known();
        let there = |(tenant, all): (&TenantId, &Differences)| -> Vec<String> {
            all.iter().filter(|(_, labels)| labels.is_some()).map(|(name, _)| fleet::join(*tenant, name)).collect()
        };
        known.iter().flat_map(there).collect()
    }

    /// Follows the namespaces of the fleet for ever; `changed` hears of tenants whose labels are not what they were.
    pub(crate) async fn follow(&self, fleet: Client, changed: impl Fn(TenantId)) {
        let kind: &ApiResource = &kinds::NAMESPACES;
        let api: Api<DynamicObject> = Api::all_with(fleet, kind);
        let mut events = watch_objects(api, watcher::Config::default()).default_backoff().boxed();
        // Remembered before a list and not mentioned by it (yet).
        let mut missing: HashSet<String> = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => missing = self.remembered(),
                Ok(Event::InitApply(object) | Event::Apply(object)) => {
                    let name = object.metadata.name.unwrap_or_default();
                    missing.remove(&name);
                    self.take(&name, Some(&object.metadata.labels.unwrap_or_default())).into_iter().for_each(&changed);
                }
                Ok(Event::Delete(object)) => {
                    let name = object.metadata.name.unwrap_or_default();
                    self.take(&name, None).into_iter().for_each(&changed);
                }
                Ok(Event::InitDone) => {
                    missing.drain().filter_map(|name| self.take(&name, None)).for_each(&changed);
                    self.synced.send_replace(true);
                }
                Err(error) => tracing::warn!(%error, "watch of namespaces interrupted, will resume"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn labels(name: &str, more: &[(&str, &str)]) -> Option<Labels> {
        let pairs = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Some(pairs.chain([(NAME.to_owned(), name.to_owned())]).collect())
    }

    #[test]
    fn selectors_find_namespaces_of_their_tenant() {
        let namespaces = Namespaces::default();
        let (a, b) = (TenantId::from_uid("a"), TenantId::from_uid("b"));
        let take =
            |tenant, name: &str, labels: Option<Labels>| namespaces.take(&fleet::join(tenant, name), labels.as_ref());
        assert_eq!(take(a, "default", labels("default", &[])), None, "as every cluster has it");
        assert!(namespaces.known().is_empty(), "an idle tenant costs nothing");
        assert_eq!(take(a, "shop", labels("shop", &[("team", "front")])), Some(a));
        assert_eq!(take(a, "shop", labels("shop", &[("team", "front")])), None);
        assert_eq!(take(b, "blog", labels("blog", &[("team", "front")])), Some(b));
        let front = json!({ "matchLabels": { "team": "front" } });
        assert_eq!(namespaces.matching(a, &front), ["shop"]);
        let others = json!({ "matchExpressions": [{ "key": "team", "operator": "DoesNotExist" }] });
        assert_eq!(namespaces.matching(a, &others), FIRST);
        let named = json!({ "matchLabels": { NAME: "kube-system" } });
        assert_eq!(namespaces.matching(a, &named), ["kube-system"]);
        assert_eq!(take(a, "kube-system", labels("kube-system", &[("team", "front")])), Some(a));
        assert_eq!(namespaces.matching(a, &front), ["kube-system", "shop"]);
        assert_eq!(take(a, "shop", None), Some(a));
        assert_eq!(take(a, "shop", None), None);
        assert_eq!(take(a, "kube-system", labels("kube-system", &[])), Some(a));
        assert!(!namespaces.known().contains_key(&a));
        assert_eq!(namespaces.remembered(), HashSet::from([fleet::join(b, "blog")]));
        for name in FIRST.iter().chain(&["blog"]) {
            take(b, name, None);
        }
        assert!(namespaces.known().is_empty(), "nothing is left of a tenant that is gone");
    }
}
