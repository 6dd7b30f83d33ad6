//! Objects of the system tenant that every tenant sees.
#![allow(clippy::unwrap_used, reason = "test code")]

use serde_json::{Value, json};
use store::{
    Action, At, BaseObject, Collection, Config, Draft, Ended, Expect, Key, Query, Revision, Scope, SharedCollection,
    Sight, Store, Subscription, Write,
};
use tenancy::TenantId;

fn tenant(name: &str) -> TenantId {
    TenantId::from_uid(name)
}

fn classes() -> Collection {
    Collection::new("storage.k8s.io", "storageclasses")
}

fn priorities() -> Collection {
    Collection::new("scheduling.k8s.io", "priorityclasses")
}

fn open() -> Store {
    let fixed = BaseObject {
        collection: priorities(),
        namespace: "".into(),
        name: "system".into(),
        draft: Draft::new(json!({ "value": "fixed" })),
    };
    let shared = [(classes(), Sight::Shown), (priorities(), Sight::Hidden)];
    let shared = shared.map(|(collection, sight)| SharedCollection { collection, sight }).to_vec();
    Store::open(Config { base: vec![fixed], shared, ..Config::default() }).unwrap()
}

fn key(owner: TenantId, collection: &Collection, name: &str) -> Key {
    Key::new(owner, collection, "", name)
}

async fn put(store: &Store, owner: TenantId, collection: &Collection, name: &str, value: &str) -> Revision {
    let action = Action::Put(Draft::new(json!({ "value": value })));
    let write = Write { key: key(owner, collection, name), expect: Expect::Any, action };
    store.write(write).await.unwrap().object.revision()
}

async fn delete(store: &Store, owner: TenantId, collection: &Collection, name: &str) {
    let write = Write { key: key(owner, collection, name), expect: Expect::Any, action: Action::Delete(None) };
    store.write(write).await.unwrap();
}

fn list_at(store: &Store, scope: Scope, collection: &Collection, at: At) -> Vec<(TenantId, String, Value)> {
    let query = Query { scope, collection, namespace: None, at, after: None, limit: 0, filter: &|_| true };
    let objects = store.list(&query).unwrap().objects;
    objects.iter().map(|one| (one.key().tenant, one.key().name.to_string(), one.value()["value"].clone())).collect()
}

fn list(store: &Store, owner: TenantId, collection: &Collection) -> Vec<String> {
    let all = list_at(store, Scope::Tenant(owner), collection, At::Latest);
    assert!(all.iter().all(|(tenant, ..)| *tenant == owner));
    all.into_iter().map(|(_, name, value)| format!("{name}={}", value.as_str().unwrap())).collect()
}

fn events(subscription: &mut Subscription) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(event) = subscription.try_next() {
        let said = |object: &std::sync::Arc<store::Object>| {
            format!("{}:{}={}", object.key().tenant, object.key().name, object.value()["value"].as_str().unwrap())
        };
        let words = match (&event.old, &event.new) {
            (None, Some(new)) => format!("+{}", said(new)),
            (Some(_), Some(new)) => format!("~{}", said(new)),
            (Some(old), None) => format!("-{}", said(old)),
            (None, None) => "nothing".to_owned(),
        };
        seen.push(words);
    }
    seen
}

#[tokio::test]
async fn every_tenant_sees_what_the_system_tenant_has() {
    let store = open();
    let (a, b) = (tenant("a"), tenant("b"));
    let mut watch = store.watch(Scope::Tenant(a), &classes(), None, store.revision()).unwrap();
    let mut fleet = store.watch(Scope::Fleet, &classes(), None, store.revision()).unwrap();
    put(&store, TenantId::SYSTEM, &classes(), "fast", "1").await;
    put(&store, TenantId::SYSTEM, &classes(), "slow", "1").await;
    put(&store, TenantId::SYSTEM, &classes(), "fast", "2").await;
    assert_eq!(list(&store, a, &classes()), ["fast=2", "slow=1"]);
    assert_eq!(list(&store, b, &classes()), ["fast=2", "slow=1"]);
    assert_eq!(store.get(b, &classes(), "", "fast").unwrap().key().tenant, b);
    assert_eq!((store.usage(a).objects, store.tenants()), (0, vec![]), "it costs tenants nothing");
    delete(&store, TenantId::SYSTEM, &classes(), "slow").await;
    assert_eq!(list(&store, a, &classes()), ["fast=2"]);
    let expected = |id: TenantId| {
        [format!("+{id}:fast=1"), format!("+{id}:slow=1"), format!("~{id}:fast=2"), format!("-{id}:slow=1")]
    };
    assert_eq!(events(&mut watch), expected(a));
    assert_eq!(events(&mut fleet), expected(TenantId::SYSTEM), "the fleet sees it once");
    put(&store, b, &classes(), "own", "1").await;
    let all = list_at(&store, Scope::Fleet, &classes(), At::Latest);
    let names: Vec<_> = all.iter().map(|(id, name, _)| (*id, name.as_str())).collect();
    let mut wanted = vec![(TenantId::SYSTEM, "fast"), (b, "own")];
    wanted.sort();
    assert_eq!(names, wanted);
}

#[tokio::test]
async fn what_a_tenant_touches_is_its_own() {
    let store = open();
    let (a, b) = (tenant("a"), tenant("b"));
    put(&store, TenantId::SYSTEM, &classes(), "fast", "1").await;
    put(&store, TenantId::SYSTEM, &classes(), "slow", "1").await;
    put(&store, a, &classes(), "fast", "mine").await;
    delete(&store, a, &classes(), "slow").await;
    let mut watch = store.watch(Scope::Tenant(a), &classes(), None, store.revision()).unwrap();
    put(&store, TenantId::SYSTEM, &classes(), "fast", "2").await;
    put(&store, TenantId::SYSTEM, &classes(), "slow", "2").await;
    assert_eq!(list(&store, a, &classes()), ["fast=mine"]);
    assert_eq!(events(&mut watch), Vec::<String>::new());
    assert_eq!(list(&store, b, &classes()), ["fast=2", "slow=2"]);
    store.drop_tenant(a).await.unwrap();
    assert_eq!(list(&store, a, &classes()), ["fast=2", "slow=2"]);
}

#[tokio::test]
async fn the_past_is_shared_too() {
    let store = open();
    let a = tenant("a");
    let first = put(&store, TenantId::SYSTEM, &classes(), "fast", "1").await;
    put(&store, TenantId::SYSTEM, &classes(), "slow", "1").await;
    put(&store, TenantId::SYSTEM, &classes(), "fast", "2").await;
    let then = list_at(&store, Scope::Tenant(a), &classes(), At::Exact(first));
    assert_eq!(then, [(a, "fast".to_owned(), json!("1"))]);
    let mut watch = store.watch(Scope::Tenant(a), &classes(), None, first).unwrap();
    assert_eq!(events(&mut watch), [format!("+{a}:slow=1"), format!("~{a}:fast=2")]);
    assert_eq!(store.collection_revision(a, &classes()), store.revision());
}

#[tokio::test]
async fn a_tenant_can_be_kept_from_seeing() {
    let store = open();
    let (a, b) = (tenant("a"), tenant("b"));
    put(&store, TenantId::SYSTEM, &classes(), "fast", "1").await;
    put(&store, TenantId::SYSTEM, &priorities(), "batch", "1").await;
    put(&store, TenantId::SYSTEM, &priorities(), "system", "forged").await;
    assert_eq!(list(&store, a, &priorities()), ["system=fixed"]);
    let mut watch = store.watch(Scope::Tenant(a), &classes(), None, store.revision()).unwrap();
    let mut other = store.watch(Scope::Tenant(b), &classes(), None, store.revision()).unwrap();
    store.set_sight(a, &[(classes(), Sight::Hidden), (priorities(), Sight::Shown)]);
    assert_eq!((watch.try_next().is_none(), watch.ended()), (true, Some(Ended::TooSlow)));
    assert_eq!((other.try_next().is_none(), other.ended()), (true, None));
    assert_eq!(list(&store, a, &classes()), Vec::<String>::new());
    assert_eq!(list(&store, a, &priorities()), ["batch=1", "system=fixed"]);
    assert_eq!(list(&store, b, &priorities()), ["system=fixed"]);
    let mut blind = store.watch(Scope::Tenant(a), &classes(), None, store.revision()).unwrap();
    put(&store, TenantId::SYSTEM, &classes(), "fast", "2").await;
    assert_eq!(events(&mut blind), Vec::<String>::new());
    assert_eq!(events(&mut other), [format!("~{b}:fast=2")]);
    store.set_sight(a, &[]);
    assert_eq!(list(&store, a, &classes()), ["fast=2"]);
}
