//! Which ConfigMaps and Secrets are referred to by pods and ingresses, kept current from their watches.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use controllers::informer::{Change, Raw};

use crate::side::Key;
use crate::translate::config::Kind;
use crate::translate::ingress;
use crate::translate::pod::Referenced;

/// Counts of references, by object.
#[derive(Default)]
pub(crate) struct References {
    counts: Mutex<HashMap<(Kind, Key), usize>>,
}

impl References {
    fn counts(&self) -> MutexGuard<'_, HashMap<(Kind, Key), usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything refers to the object.
    pub(crate) fn contains(&self, kind: Kind, key: &Key) -> bool {
        self.counts().contains_key(&(kind, key.clone()))
    }

    /// Takes in a change of a virtual pod; gives the objects that are referred to for the first time or no longer.
    ///
    /// References of a pod never change, except that ephemeral containers come; otherwise only its coming and going count.
    pub(crate) fn follow(&self, change: &Change) -> Vec<(Kind, Key)> {
        let same = match (&change.old, &change.new) {
            (Some(old), Some(new)) => old.uid() == new.uid() && !has_ephemeral(new),
            _ => false,
        };
        if same { Vec::new() } else { self.count(change, of) }
    }

    /// Takes in a change of a virtual ingress, whose references may change.
    pub(crate) fn follow_ingress(&self, change: &Change) -> Vec<(Kind, Key)> {
        self.count(change, of_ingress)
    }

    fn count(&self, change: &Change, of: fn(&Raw) -> Vec<(Kind, Key)>) -> Vec<(Kind, Key)> {
        let (gone, come) = (change.old.as_deref().map(of), change.new.as_deref().map(of));
        let mut changed = Vec::new();
        let mut counts = self.counts();
        for object in come.into_iter().flatten() {
            let count = counts.entry(object.clone()).or_default();
            *count += 1;
            if *count == 1 {
                changed.push(object);
            }
        }
        for object in gone.into_iter().flatten() {
            let left = counts.get_mut(&object).map(|count| {
                *count = count.saturating_sub(1);
                *count
            });
            if left == Some(0) {
                counts.remove(&object);
                changed.push(object);
            }
        }
        changed
    }
}

/// Whether containers may have come during the pod's life.
fn has_ephemeral(pod: &Raw) -> bool {
    pod.json().contains("\"ephemeralContainers\"")
}

/// What a virtual pod refers to.
pub(crate) fn of(pod: &Raw) -> Vec<(Kind, Key)> {
    let Some(key) = Key::of_fleet(pod.namespace(), pod.name()) else { return Vec::new() };
    let referenced = Referenced::by(&pod.value());
    let object = |name: &String| Key::new(key.tenant, &key.namespace, name);
    let config_maps = referenced.config_maps.iter().map(|name| (Kind::ConfigMap, object(name)));
    config_maps.chain(referenced.secrets.iter().map(|name| (Kind::Secret, object(name)))).collect()
}

/// What a virtual ingress refers to.
fn of_ingress(ingress: &Raw) -> Vec<(Kind, Key)> {
    let Some(key) = Key::of_fleet(ingress.namespace(), ingress.name()) else { return Vec::new() };
    let value = ingress.value();
    let names = ingress::secrets(&value);
    names.map(|name| (Kind::Secret, Key::new(key.tenant, &key.namespace, name))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use tenancy::{TenantId, fleet};

    use super::*;

    fn pod(name: &str, uid: &str, config_map: &str) -> Arc<Raw> {
        let id = TenantId::from_uid("t");
        let volumes: Value = json!([{ "name": "v", "configMap": { "name": config_map } }]);
        let object = json!({ "metadata": { "namespace": fleet::join(id, "shop"), "name": name, "uid": uid }, "spec": { "volumes": volumes } });
        Arc::new(Raw::from_value(&object).unwrap())
    }

    #[test]
    fn the_first_and_the_last_reference_count() {
        let references = References::default();
        let conf = (Kind::ConfigMap, Key::new(TenantId::from_uid("t"), "shop", "conf"));
        let (a, b) = (pod("a", "1", "conf"), pod("b", "2", "conf"));
        let came = |raw: &Arc<Raw>| Change { old: None, new: Some(raw.clone()) };
        let went = |raw: &Arc<Raw>| Change { old: Some(raw.clone()), new: None };
        assert_eq!(references.follow(&came(&a)), std::slice::from_ref(&conf));
        assert_eq!(references.follow(&came(&b)), []);
        assert_eq!(references.follow(&Change { old: Some(a.clone()), new: Some(a.clone()) }), []);
        assert!(references.contains(conf.0, &conf.1));
        assert_eq!(references.follow(&went(&a)), []);
        let again = pod("b", "3", "other");
        let changed = references.follow(&Change { old: Some(b), new: Some(again) });
        assert_eq!(changed.len(), 2);
        assert!(!references.contains(conf.0, &conf.1));
    }
    #[test]
    fn an_ingress_refers_to_the_secrets_it_names_now() {
        let references = References::default();
        let id = TenantId::from_uid("t");
        let ingress = |secret: &str| {
            let object = json!({ "metadata": { "namespace": fleet::join(id, "shop"), "name": "web", "uid": "1" },
                "spec": { "tls": [{ "secretName": secret }, { "hosts": ["no.secret"] }] } });
            Some(Arc::new(Raw::from_value(&object).unwrap()))
        };
        let secret = |name: &str| (Kind::Secret, Key::new(id, "shop", name));
        assert_eq!(references.follow_ingress(&Change { old: None, new: ingress("a") }), [secret("a")]);
        assert_eq!(references.follow_ingress(&Change { old: ingress("a"), new: ingress("a") }), []);
        assert_eq!(
            references.follow_ingress(&Change { old: ingress("a"), new: ingress("b") }),
            [secret("b"), secret("a")]
        );
        assert_eq!(references.follow_ingress(&Change { old: ingress("b"), new: None }), [secret("b")]);
    }
}
