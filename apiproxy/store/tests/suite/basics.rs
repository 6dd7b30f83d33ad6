//! Writes, reads, watches and the base layer, one rule at a time.

use crate::engine::{self, Place};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{
    Action, At, BaseObject, Caps, Collection, Config, Draft, Ended, Expect, Key, Listing, Object, Position, Query,
    QueueLimits, Revision, Scope, Store, Subscription, Write, WriteError,
};
use tenancy::TenantId;

fn tenant(name: &str) -> TenantId {
    TenantId::from_uid(name)
}

fn maps() -> Collection {
    Collection::new("", "configmaps")
}

fn roles() -> Collection {
    Collection::new("rbac.authorization.k8s.io", "clusterroles")
}

fn put(key: Key, expect: Expect, value: Value) -> Write {
    Write { key, expect, action: Action::Put(Draft::new(value)) }
}

fn delete(key: Key, expect: Expect) -> Write {
    Write { key, expect, action: Action::Delete(None) }
}

fn map(owner: &str, namespace: &str, name: &str) -> Key {
    Key::new(tenant(owner), &maps(), namespace, name)
}

fn open() -> (Place, Store) {
    open_as(Config::default())
}

fn open_as(config: Config) -> (Place, Store) {
    let place = Place::new();
    let store = Store::open(Config { backend: place.backend(), ..config }).unwrap();
    (place, store)
}

fn all(store: &Store, scope: Scope, collection: &Collection, at: At) -> Listing {
    store.list(&Query { scope, collection, namespace: None, at, after: None, limit: 0, filter: &|_| true }).unwrap()
}

fn names(objects: &[Arc<Object>]) -> Vec<String> {
    objects.iter().map(|object| format!("{}/{}", object.key().namespace, object.key().name)).collect()
}

#[tokio::test]
async fn expectations_hold() {
    let (_place, store) = open();
    let key = map("a", "default", "one");
    let missing = store.write(put(key.clone(), Expect::Present, json!({}))).await;
    assert!(matches!(missing, Err(WriteError::Missing)));
    let missing = store.write(put(key.clone(), Expect::Revision(Revision(5)), json!({}))).await;
    assert!(matches!(missing, Err(WriteError::Missing)));
    assert!(matches!(store.write(delete(key.clone(), Expect::Any)).await, Err(WriteError::Missing)));

    let first = store.write(put(key.clone(), Expect::Absent, json!({"data": {"n": "1"}}))).await.unwrap();
    assert!(first.old.is_none());
    let exists = store.write(put(key.clone(), Expect::Absent, json!({}))).await;
    assert!(matches!(exists, Err(WriteError::Exists(there)) if there.revision() == first.object.revision()));

    let seen = Expect::Revision(first.object.revision());
    let second = store.write(put(key.clone(), seen, json!({"data": {"n": "2"}}))).await.unwrap();
    assert_eq!(second.old.unwrap().revision(), first.object.revision());
    let stale = store.write(put(key.clone(), seen, json!({}))).await;
    assert!(matches!(stale, Err(WriteError::Conflict(there)) if there.revision() == second.object.revision()));

    let gone = store.write(delete(key.clone(), Expect::Revision(second.object.revision()))).await.unwrap();
    assert!(gone.object.revision() > second.object.revision());
    assert_eq!(gone.object.value()["data"]["n"], "2");
    assert_eq!(gone.object.value()["metadata"]["resourceVersion"], gone.object.revision().to_string());
    assert!(store.get(key.tenant, &maps(), "default", "one").is_none());
}

#[tokio::test]
async fn an_identical_put_is_not_written() {
    let (_place, store) = open();
    let key = map("a", "default", "one");
    let first = store.write(put(key.clone(), Expect::Any, json!({"data": {"n": "1"}}))).await.unwrap();
    let again = json!({"data": {"n": "1"}, "metadata": {"resourceVersion": "99"}});
    let second = store.write(put(key.clone(), Expect::Any, again)).await.unwrap();
    assert_eq!(second.object.revision(), first.object.revision());
    assert_eq!(store.revision(), first.object.revision());
}

#[tokio::test]
async fn transactions_are_all_or_none() {
    let (_place, store) = open();
    let (a, b) = (map("a", "n", "a"), map("b", "n", "b"));
    store.write(put(b.clone(), Expect::Absent, json!({}))).await.unwrap();
    let before = store.revision();
    let both = vec![put(a.clone(), Expect::Absent, json!({})), put(b.clone(), Expect::Absent, json!({}))];
    assert!(matches!(store.write_all(both).await, Err(WriteError::Exists(_))));
    assert_eq!(store.revision(), before);
    let both = vec![put(a.clone(), Expect::Absent, json!({})), delete(b.clone(), Expect::Present)];
    let written = store.write_all(both).await.unwrap();
    assert_eq!(written.len(), 2);
    let [first, second] = [0, 1].map(|at: usize| written[at].object.revision());
    assert_eq!(first < second, engine::ONE_REVISION_EACH);
    assert!(first <= second);
    let twice = vec![put(a.clone(), Expect::Any, json!({})), delete(a, Expect::Any)];
    assert!(matches!(store.write_all(twice).await, Err(WriteError::Repeated)));
}

#[tokio::test]
async fn hostile_keys_and_sizes_are_refused() {
    let (_place, store) = open_as(Config { object_bytes: 1000, ..Config::default() });
    let nul = store.write(put(map("a", "n", "x\0y"), Expect::Any, json!({}))).await;
    assert!(matches!(nul, Err(WriteError::Key(_))));
    let large = store.write(put(map("a", "n", "x"), Expect::Any, json!({"data": "y".repeat(1000)}))).await;
    assert!(matches!(large, Err(WriteError::TooLarge { limit: 1000 })));
}

#[tokio::test]
async fn pages_are_cut_at_one_revision() {
    let (_place, store) = open();
    for name in ["a", "b", "c", "d", "e"] {
        store.write(put(map("t", "n", name), Expect::Absent, json!({}))).await.unwrap();
    }
    let collection = maps();
    let page = |at, after, limit| {
        let scope = Scope::Tenant(tenant("t"));
        let query = Query { scope, collection: &collection, namespace: Some("n"), at, after, limit, filter: &|_| true };
        store.list(&query).unwrap()
    };
    let first = page(At::Latest, None, 2);
    assert_eq!((names(&first.objects).join(" "), first.remaining), ("n/a n/b".into(), 3));
    let token: Position = first.next.unwrap().to_string().parse().unwrap();
    store.write(delete(map("t", "n", "c"), Expect::Present)).await.unwrap();
    store.write(put(map("t", "n", "bb"), Expect::Absent, json!({}))).await.unwrap();
    store.write(put(map("t", "n", "d"), Expect::Present, json!({"data": {}}))).await.unwrap();
    let second = page(At::Exact(first.revision), Some(token), 2);
    assert_eq!((names(&second.objects).join(" "), second.remaining), ("n/c n/d".into(), 1));
    assert_eq!(second.revision, first.revision);
    let last = page(At::Exact(first.revision), second.next, 2);
    assert_eq!((names(&last.objects).join(" "), last.remaining, last.next), ("n/e".into(), 0, None));
    let now = page(At::Latest, None, 0);
    assert_eq!(names(&now.objects).join(" "), "n/a n/b n/bb n/d n/e");
}

#[tokio::test]
async fn a_watch_has_no_gap_and_no_duplicate() {
    let (_place, store) = open();
    let scope = Scope::Tenant(tenant("t"));
    store.write(put(map("t", "n", "a"), Expect::Absent, json!({}))).await.unwrap();
    let since = store.revision();
    store.write(put(map("t", "n", "b"), Expect::Absent, json!({}))).await.unwrap();
    store.write(put(map("t", "m", "c"), Expect::Absent, json!({}))).await.unwrap();
    store.write(put(map("u", "n", "d"), Expect::Absent, json!({}))).await.unwrap();
    let mut watch = store.watch(scope, &maps(), Some("n"), since).unwrap();
    assert_eq!(watch.revision(), since, "the backlog is not delivered yet");
    store.write(delete(map("t", "n", "a"), Expect::Present)).await.unwrap();
    let event = watch.next().await.unwrap();
    assert!(event.old.is_none() && &*event.new.unwrap().key().name == "b");
    let event = watch.next().await.unwrap();
    assert!(event.new.is_none());
    let last = event.old.unwrap();
    assert_eq!((last.revision(), &*last.key().name), (event.revision, "a"));
    assert!(watch.try_next().is_none());
    store.write(put(map("u", "n", "e"), Expect::Absent, json!({}))).await.unwrap();
    assert_eq!(watch.revision(), store.revision(), "bookmarks go on without events");
}

#[tokio::test]
async fn a_watch_may_start_in_the_future() {
    let (_place, store) = open();
    let future = Revision(store.revision().0 + 1);
    let mut watch = store.watch(Scope::Tenant(tenant("t")), &maps(), None, future).unwrap();
    for name in ["a", "b"] {
        store.write(put(map("t", "n", name), Expect::Absent, json!({}))).await.unwrap();
    }
    assert_eq!(&*watch.next().await.unwrap().new.unwrap().key().name, "b");
    store.wait_for(future.next()).await;
}

#[tokio::test]
async fn the_final_state_of_a_deletion_is_told() {
    let (_place, store) = open();
    let key = map("t", "n", "a");
    let since = store.write(put(key.clone(), Expect::Absent, json!({"data": {"a": "1"}}))).await.unwrap();
    let mut watch = store.watch(Scope::Tenant(key.tenant), &maps(), None, since.object.revision()).unwrap();
    let action = Action::Delete(Some(Draft::new(json!({"data": {"a": "2"}}))));
    let gone = store.write(Write { key, expect: Expect::Any, action }).await.unwrap();
    assert_eq!(gone.object.value()["data"]["a"], "2");
    assert_eq!(watch.next().await.unwrap().old.unwrap().json(), gone.object.json());
}

#[tokio::test]
async fn slow_subscribers_are_ended_and_others_are_not() {
    let queues = QueueLimits { tenant: 4, fleet: 1000 };
    let (_place, store) = open_as(Config { queues, ..Config::default() });
    let mut slow = store.watch(Scope::Tenant(tenant("t")), &maps(), None, Revision::FIRST).unwrap();
    let mut fleet = store.watch(Scope::Fleet, &maps(), None, Revision::FIRST).unwrap();
    for i in 0..5 {
        store.write(put(map("t", "n", &format!("{i}")), Expect::Absent, json!({}))).await.unwrap();
    }
    assert!(slow.next().await.is_none());
    assert_eq!(slow.ended(), Some(Ended::TooSlow));
    assert_eq!(drain(&mut fleet).len(), 5);
    assert_eq!(fleet.ended(), None);
    assert_eq!(store.watchers(), 2);
    drop((slow, fleet));
    assert_eq!(store.watchers(), 0);
}

fn drain(subscription: &mut Subscription) -> Vec<store::Event> {
    std::iter::from_fn(|| subscription.try_next()).collect()
}

#[tokio::test]
async fn a_closed_store_ends_its_watches_and_refuses_writes() {
    let (_place, store) = open();
    let mut watch = store.watch(Scope::Fleet, &maps(), None, Revision::FIRST).unwrap();
    store.write(put(map("t", "n", "a"), Expect::Absent, json!({}))).await.unwrap();
    store.close();
    assert!(watch.next().await.is_some());
    assert!(watch.next().await.is_none());
    assert_eq!(watch.ended(), Some(Ended::Closed));
    assert!(matches!(store.write(delete(map("t", "n", "a"), Expect::Any)).await, Err(WriteError::Engine(_))));
}

#[tokio::test]
async fn dropping_a_tenant_leaves_nothing() {
    let (_place, store) = open();
    let (gone, kept) = (tenant("gone"), tenant("kept"));
    for i in 0..2500 {
        let owned = json!({"metadata": {"ownerReferences": [{"uid": "o"}]}});
        store.write(put(map("gone", "n", &format!("{i:04}")), Expect::Absent, owned)).await.unwrap();
    }
    store.write(put(map("kept", "n", "a"), Expect::Absent, json!({}))).await.unwrap();
    assert_eq!(store.dependents(gone, "o").len(), 2500);
    let mut own = store.watch(Scope::Tenant(gone), &maps(), None, store.revision()).unwrap();
    let mut fleet = store.watch(Scope::Fleet, &maps(), None, store.revision()).unwrap();
    store.drop_tenant(gone).await.unwrap();
    assert!(own.next().await.is_none());
    assert_eq!(own.ended(), Some(Ended::TenantDropped));
    let events = drain(&mut fleet);
    assert_eq!(events.len(), 2500);
    assert!(events.iter().all(|event| event.new.is_none()));
    assert_eq!(store.tenants(), [kept]);
    assert_eq!(store.usage(gone), store::Usage::default());
    assert!(store.dependents(gone, "o").is_empty());
    assert!(store.collections(gone).is_empty());
    assert_eq!(all(&store, Scope::Fleet, &maps(), At::Latest).objects.len(), 1);
}

#[tokio::test]
async fn caps_hold_also_against_concurrent_writers() {
    let (_place, store) = open();
    let id = tenant("t");
    store.set_caps(id, Caps { objects: 10, bytes: 1 << 20 });
    let writes = (0..40).map(|i| store.write(put(map("t", "n", &format!("{i}")), Expect::Absent, json!({}))));
    let done = futures::future::join_all(writes).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 10);
    assert!(done.iter().all(|result| matches!(result, Ok(_) | Err(WriteError::TenantFull { .. }))));
    assert_eq!(store.usage(id).objects, 10);
    let one = all(&store, Scope::Tenant(id), &maps(), At::Latest).objects[0].key().clone();
    store.set_caps(id, Caps { objects: 10, bytes: store.usage(id).bytes + 50 });
    let grow = store.write(put(one.clone(), Expect::Present, json!({"data": "x".repeat(100)}))).await;
    assert!(matches!(grow, Err(WriteError::TenantFull { .. })));
    store.write(delete(one, Expect::Present)).await.unwrap();
    store.write(put(map("t", "n", "new"), Expect::Absent, json!({}))).await.unwrap();
}

#[tokio::test]
async fn the_collection_revision_changes_with_the_collection_only() {
    let (_place, store) = open();
    let (id, services) = (tenant("t"), Collection::new("", "services"));
    store.write(put(Key::new(id, &services, "n", "s"), Expect::Absent, json!({}))).await.unwrap();
    let before = store.collection_revision(id, &services);
    store.write(put(map("t", "n", "a"), Expect::Absent, json!({}))).await.unwrap();
    let created = store.collection_revision(id, &maps());
    store.write(delete(map("t", "n", "a"), Expect::Any)).await.unwrap();
    assert!(store.collection_revision(id, &maps()) > created);
    assert_eq!(store.collection_revision(id, &services), before);
}

fn base() -> Vec<BaseObject> {
    ["admin", "edit", "view"]
        .map(|name| BaseObject {
            collection: roles(),
            namespace: "".into(),
            name: name.into(),
            draft: Draft::new(json!({"rules": [], "metadata": {"uid": name}})),
        })
        .to_vec()
}

fn role(owner: &str, name: &str) -> Key {
    Key::new(tenant(owner), &roles(), "", name)
}

#[tokio::test]
async fn the_base_layer_is_everywhere_and_costs_nothing() {
    let (_place, store) = open_as(Config { base: base(), ..Config::default() });
    let id = tenant("t");
    let admin = store.get(id, &roles(), "", "admin").unwrap();
    assert_eq!((admin.revision(), admin.key().tenant), (Revision::FIRST, id));
    assert_eq!(admin.json().as_ptr(), store.get(tenant("u"), &roles(), "", "admin").unwrap().json().as_ptr());
    assert!(store.get(TenantId::SYSTEM, &roles(), "", "admin").is_none());
    assert_eq!(store.usage(id).objects, 0);
    assert!(all(&store, Scope::Fleet, &roles(), At::Latest).objects.is_empty());

    let exists = store.write(put(role("t", "edit"), Expect::Absent, json!({}))).await;
    assert!(matches!(exists, Err(WriteError::Exists(_))));
    let edit = put(role("t", "edit"), Expect::Revision(Revision::FIRST), json!({"rules": [1]}));
    store.write(edit).await.unwrap();
    store.write(put(role("t", "custom"), Expect::Absent, json!({}))).await.unwrap();
    store.write(delete(role("t", "view"), Expect::Any)).await.unwrap();
    let mine = all(&store, Scope::Tenant(id), &roles(), At::Latest);
    assert_eq!(names(&mine.objects), ["/admin", "/custom", "/edit"]);
    assert_eq!(mine.objects[2].value()["rules"], json!([1]));
    let theirs = all(&store, Scope::Tenant(tenant("u")), &roles(), At::Latest);
    assert_eq!(names(&theirs.objects), ["/admin", "/edit", "/view"]);
    let before = all(&store, Scope::Tenant(id), &roles(), At::Exact(Revision::FIRST));
    assert_eq!(names(&before.objects), ["/admin", "/edit", "/view"]);
    assert!(all(&store, Scope::Fleet, &roles(), At::Exact(Revision::FIRST)).objects.is_empty());

    store.write(put(role("t", "view"), Expect::Absent, json!({}))).await.unwrap();
    assert_eq!(
        names(&all(&store, Scope::Fleet, &roles(), At::Latest).objects),
        ["/admin", "/custom", "/edit", "/view"]
    );
}

#[tokio::test]
async fn the_fleet_sees_the_base_layer_come_and_go_with_a_tenant() {
    let (_place, store) = open_as(Config { base: base(), ..Config::default() });
    let live = store.watch(Scope::Fleet, &roles(), None, Revision::FIRST).unwrap();
    store.write(delete(role("t", "view"), Expect::Any)).await.unwrap();
    store.drop_tenant(tenant("t")).await.unwrap();
    let replayed = store.watch(Scope::Fleet, &roles(), None, Revision::FIRST).unwrap();
    for mut watch in [live, replayed] {
        let mut seen = std::collections::BTreeSet::new();
        let mut most = 0;
        for event in drain(&mut watch) {
            let name = event.new.as_ref().or(event.old.as_ref()).unwrap().key().name.clone();
            assert_eq!(seen.contains(&name), event.old.is_some(), "{event:?}");
            if event.new.is_some() {
                seen.insert(name)
            } else {
                seen.remove(&name)
            };
            most = most.max(seen.len());
        }
        assert_eq!((most, seen.len()), (3, 0));
        assert_eq!(watch.revision(), store.revision());
    }
}
