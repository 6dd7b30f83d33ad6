//! Tests of the informer over an in-memory API.

use std::sync::Mutex as StdMutex;

use futures::FutureExt;
use kube::core::GroupVersionKind;
use serde_json::json;

use super::*;
use crate::Key;
use crate::fake::Fake;

fn pods() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Pod"), "pods")
}

fn pod(namespace: &str, name: &str, uid: &str, owner: Option<&str>) -> Value {
    let owners: Vec<Value> = owner
        .map(|uid| json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": uid, "controller": true}))
        .into_iter()
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": namespace, "name": name, "uid": uid, "resourceVersion": "7",
            "labels": {"b": "2", "a": "1"}, "ownerReferences": owners,
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {"unknownField": 1.50},
    })
}

#[test]
fn raw_keeps_everything_but_managed_fields() {
    let raw = Raw::from_value(&pod("ns", "a", "u", Some("o"))).unwrap();
    assert_eq!((raw.namespace(), raw.name(), raw.uid(), raw.resource_version()), ("ns", "a", "u", "7"));
    assert_eq!((raw.label("a"), raw.label("b"), raw.label("c")), (Some("1"), Some("2"), None));
    assert_eq!(raw.controller().map(|c| &*c.uid), Some("o"));
    assert!(!raw.json().contains("managedFields"));
    assert!(raw.json().contains(r#""unknownField":1.5"#));
    assert!(Raw::parse("{").is_err());
    assert!(Raw::parse(r#"{"metadata":{"labels":{"a":1}}}"#).is_err());
}

#[test]
fn watch_events_and_lists_decode() {
    let line = json!({"type": "ADDED", "object": pod("ns", "a", "u", None)}).to_string();
    // serde_json sorts keys, servers do not: type comes first on the wire.
    let line = line.replace(r#","type":"ADDED""#, "").replacen('{', r#"{"type":"ADDED","#, 1);
    let event: kube::api::WatchEvent<Incoming> = serde_json::from_str(&line).unwrap();
    assert!(matches!(event, kube::api::WatchEvent::Added(object) if object.raw.name() == "a"));
    let list = json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "1"},
        "items": [pod("ns", "a", "u", None)]});
    let list: kube::core::ObjectList<Incoming> = serde_json::from_str(&list.to_string()).unwrap();
    assert_eq!(list.items[0].raw.name(), "a");
}

fn names(changes: &[Change]) -> Vec<(String, bool, bool)> {
    changes.iter().map(|c| (c.key().to_string(), c.old.is_some(), c.new.is_some())).collect()
}

fn raw(namespace: &str, name: &str, uid: &str, owner: Option<&str>) -> Raw {
    Raw::from_value(&pod(namespace, name, uid, owner)).unwrap()
}

#[test]
fn index_follows_owners_and_reports_what_vanished() {
    let mut index = Index::default();
    index.begin_list();
    assert_eq!(names(&index.apply(raw("n1", "a", "u1", Some("o1")))), [("n1/a".into(), false, true)]);
    index.apply(raw("n1", "b", "u2", Some("o1")));
    index.apply(raw("n2", "a", "u3", None));
    assert!(index.end_list().is_empty());
    assert_eq!(index.by_owner("o1").len(), 2);
    assert_eq!(index.by_namespace("n1").len(), 2);

    index.begin_list();
    assert!(index.apply(raw("n1", "a", "u1", Some("o1"))).is_empty(), "the version already held");
    // Another object took the name: the old one is reported gone first.
    let replaced = index.apply(raw("n2", "a", "u4", Some("o2")));
    assert_eq!(names(&replaced), [("n2/a".into(), true, false), ("n2/a".into(), false, true)]);
    assert_eq!(names(&index.end_list()), [("n1/b".into(), true, false)]);
    assert_eq!((index.len(), index.by_owner("o1").len(), index.by_owner("o2").len()), (2, 1, 1));
    assert!(index.remove(&Key::new("n9", "x")).is_none());
}

#[test]
fn index_by_tenant_takes_both_scopes() {
    let (one, two) = (TenantId::from_uid("1"), TenantId::from_uid("2"));
    let mut index = Index::default();
    let space = |id| tenancy::fleet::join(id, "default");
    index.apply(raw(&space(one), "a", "u1", None));
    index.apply(raw(&space(two), "b", "u2", None));
    index.apply(raw("", &tenancy::fleet::join(one, "node"), "u3", None));
    assert_eq!(index.by_tenant(one).len(), 2);
    assert_eq!(index.by_tenant(two).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn follows_the_api_across_interruptions() {
    let fake = Fake::default();
    fake.put(&pods(), pod("n1", "a", "u1", None));
    fake.put(&pods(), pod("n1", "b", "u2", None));
    let informer = Informer::start(fake.client(), &pods(), &Selector::default(), Some(prune_spec));
    let seen = Arc::new(StdMutex::new(0));
    informer.subscribe({
        let seen = seen.clone();
        move |_| *seen.lock().unwrap() += 1
    });
    informer.synced().await;
    assert!(informer.is_synced());
    assert_eq!(informer.len(), 2);
    assert!(!informer.get("n1", "a").unwrap().json().contains("spec"));
    let mut changes = informer.changes();
    assert!(changes.next().await.unwrap().old.is_none());
    assert!(changes.next().await.unwrap().old.is_none());
    assert!(changes.next().now_or_never().is_none());

    fake.put(&pods(), pod("n2", "c", "u3", None));
    assert_eq!(changes.next().await.unwrap().key().to_string(), "n2/c");
    // The history is lost while the watch is down: the informer lists anew and finds out what vanished.
    fake.interrupt(|fake| fake.remove(&pods(), "n1", "a"));
    let gone = changes.next().await.unwrap();
    assert_eq!((gone.key().to_string(), gone.new.is_none()), ("n1/a".into(), true));
    assert!(informer.get("n1", "a").is_none());
    assert_eq!(*seen.lock().unwrap(), 4);

    drop(informer);
    assert!(changes.next().await.is_none(), "the stream ends with the informer");
}

#[tokio::test(start_paused = true)]
async fn paged_lists_work_too() {
    let fake = Fake::default();
    fake.put(&pods(), pod("n1", "a", "u1", None));
    let selector = Selector { initial: InitialList::Paged, ..Selector::default() };
    let informer = Informer::start(fake.client(), &pods(), &selector, None);
    informer.synced().await;
    assert_eq!(informer.list().len(), 1);
}

fn prune_spec(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.remove("spec");
    }
}
