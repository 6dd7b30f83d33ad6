//! What outlives the process: restarts, the base layer.

use crate::engine::Place;
use serde_json::{Value, json};
use store::{Action, BaseObject, Collection, Config, Draft, Expect, Key, Revision, Scope, Store, Write};
use tenancy::TenantId;

fn tenant() -> TenantId {
    TenantId::from_uid("t")
}

fn maps() -> Collection {
    Collection::new("", "configmaps")
}

fn open(place: &Place) -> Store {
    Store::open(Config { backend: place.backend(), ..Config::default() }).unwrap()
}

fn map(name: &str) -> Key {
    Key::new(tenant(), &maps(), "n", name)
}

async fn put(store: &Store, name: &str, value: Value) -> Revision {
    let write = Write { key: map(name), expect: Expect::Any, action: Action::Put(Draft::new(value)) };
    store.write(write).await.unwrap().object.revision()
}

async fn delete(store: &Store, name: &str) -> Revision {
    let write = Write { key: map(name), expect: Expect::Any, action: Action::Delete(None) };
    store.write(write).await.unwrap().object.revision()
}

#[tokio::test]
async fn a_restart_keeps_everything_and_watches_resume() {
    let place = Place::new();
    let store = open(&place);
    let draft = Draft {
        value: json!({"metadata": {"uid": "u", "labels": {"a": "b"}, "ownerReferences": [{"uid": "o"}]}}),
        fields: vec![("spec.nodeName".into(), "node".into())],
    };
    let write = Write { key: map("indexed"), expect: Expect::Absent, action: Action::Put(draft) };
    let indexed = store.write(write).await.unwrap().object;
    put(&store, "a", json!({"data": {"n": "1"}})).await;
    let since = put(&store, "b", json!({})).await;
    let second = put(&store, "a", json!({"data": {"n": "2"}})).await;
    let deleted = delete(&store, "b").await;
    drop(store);

    let store = open(&place);
    assert_eq!(store.revision(), deleted);
    let read = store.get(tenant(), &maps(), "n", "indexed").unwrap();
    assert_eq!((read.json(), read.revision()), (indexed.json(), indexed.revision()));
    assert_eq!((read.uid(), read.label("a"), read.field("spec.nodeName")), ("u", Some("b"), Some("node")));
    assert_eq!(store.dependents(tenant(), "o").len(), 1);
    let mut watch = store.watch(Scope::Tenant(tenant()), &maps(), None, since).unwrap();
    let event = watch.next().await.unwrap();
    assert_eq!((event.revision, event.old.unwrap().value()["data"]["n"].clone()), (second, json!("1")));
    let event = watch.next().await.unwrap();
    assert_eq!((event.revision, event.old.unwrap().revision()), (deleted, deleted));
    assert!(watch.try_next().is_none());
}

#[tokio::test]
async fn changes_to_the_base_layer_outlive_the_process() {
    let place = Place::new();
    let base = ["a", "b", "c"].map(|name| BaseObject {
        collection: maps(),
        namespace: "n".into(),
        name: name.into(),
        draft: Draft::new(json!({"data": "base"})),
    });
    let config = || Config { backend: place.backend(), base: base.to_vec(), ..Config::default() };
    let store = Store::open(config()).unwrap();
    put(&store, "a", json!({"data": "mine"})).await;
    delete(&store, "b").await;
    drop(store);
    let store = Store::open(config()).unwrap();
    let data = |name: &str| store.get(tenant(), &maps(), "n", name).map(|object| object.value()["data"].clone());
    assert_eq!([data("a"), data("b"), data("c")], [Some(json!("mine")), None, Some(json!("base"))]);
}
