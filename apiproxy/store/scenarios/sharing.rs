//! Several stores on one etcd: each sees what the others write, in the same order, with the same revisions.

use crate::engine::Place;
use serde_json::{Value, json};
use store::{
    Action, At, BaseObject, Caps, Collection, Config, Draft, Ended, EngineError, Event, Expect, Key, OpenError, Query,
    Revision, Scope, Store, Write, WriteError, Written,
};
use tenancy::TenantId;

fn tenant() -> TenantId {
    TenantId::from_uid("t")
}

fn maps() -> Collection {
    Collection::new("", "configmaps")
}

fn map(name: &str) -> Key {
    Key::new(tenant(), &maps(), "n", name)
}

pub(crate) async fn put(store: &Store, name: &str, expect: Expect, value: Value) -> Result<Written, WriteError> {
    store.write(Write { key: map(name), expect, action: Action::Put(Draft::new(value)) }).await
}

pub(crate) async fn delete(store: &Store, name: &str, last: Option<Value>) -> Written {
    let action = Action::Delete(last.map(Draft::new));
    store.write(Write { key: map(name), expect: Expect::Present, action }).await.unwrap()
}

/// Waits until etcd answers again.
pub(crate) async fn back(store: &Store) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    let answered = async {
        while store.current().await.is_err() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), answered).await.expect("etcd comes back");
}

pub(crate) fn names(store: &Store) -> Vec<String> {
    let (scope, collection) = (Scope::Tenant(tenant()), maps());
    let query = Query {
        scope,
        collection: &collection,
        namespace: None,
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    store.list(&query).unwrap().objects.iter().map(|object| object.key().name.to_string()).collect()
}

pub(crate) fn watch(store: &Store, since: Revision) -> store::Subscription {
    store.watch(Scope::Tenant(tenant()), &maps(), None, since).unwrap()
}

/// What a client is told of an event.
fn told(event: &Event) -> (Revision, Option<bytes::Bytes>, Option<bytes::Bytes>) {
    let json = |object: &Option<std::sync::Arc<store::Object>>| object.as_ref().map(|object| object.json());
    (event.revision, json(&event.old), json(&event.new))
}

async fn next(watch: &mut store::Subscription, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(watch.next().await.unwrap());
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_writes_the_others_read_and_watch() {
    let place = Place::new();
    let (a, b) = (place.open(), place.open());
    let start = a.revision();
    let (mut by_a, mut by_b) = (watch(&a, start), watch(&b, start));
    let created = put(&a, "one", Expect::Absent, json!({"data": {"n": "1"}})).await.unwrap();
    b.current().await.unwrap();
    let read = b.get(tenant(), &maps(), "n", "one").unwrap();
    assert_eq!((read.json(), read.revision()), (created.object.json(), created.object.revision()));

    // Each continues where the other stopped.
    put(&b, "one", Expect::Revision(read.revision()), json!({"data": {"n": "2"}})).await.unwrap();
    let stale = put(&a, "one", Expect::Revision(read.revision()), json!({"data": {"n": "x"}})).await;
    assert!(matches!(stale, Err(WriteError::Conflict(_))), "{stale:?}");
    assert!(matches!(put(&a, "one", Expect::Absent, json!({})).await, Err(WriteError::Exists(_))));
    // The final state is not what was stored, and is told by both all the same.
    let gone = delete(&a, "one", Some(json!({"data": {"n": "last"}}))).await;
    assert_eq!(gone.object.value()["data"]["n"], "last");
    let (by_a, by_b) = (next(&mut by_a, 3).await, next(&mut by_b, 3).await);
    assert_eq!(by_a.iter().map(told).collect::<Vec<_>>(), by_b.iter().map(told).collect::<Vec<_>>());
    assert_eq!(by_b[2].old.as_ref().unwrap().json(), gone.object.json());

    // A third that starts now resumes the watch of either, to the byte.
    let c = place.open();
    let mut by_c = watch(&c, start);
    let by_c = next(&mut by_c, 3).await;
    assert_eq!(by_c.iter().map(told).collect::<Vec<_>>(), by_a.iter().map(told).collect::<Vec<_>>());
    assert!(names(&c).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_in_two_processes_never_lose_a_change() {
    let place = Place::new();
    let stores = [place.open(), place.open(), place.open()];
    let count = |store: &Store| {
        let object = store.get(tenant(), &maps(), "n", "counter");
        object.map_or((0, Expect::Absent), |object| {
            (object.value()["count"].as_u64().unwrap(), Expect::Revision(object.revision()))
        })
    };
    let writers = stores.iter().cloned().map(|store| {
        tokio::spawn(async move {
            let mut done = 0;
            while done < 50 {
                let (before, expect) = count(&store);
                match put(&store, "counter", expect, json!({"count": before + 1})).await {
                    Ok(_) => done += 1,
                    Err(WriteError::Conflict(_) | WriteError::Exists(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    for store in &stores {
        store.current().await.unwrap();
        assert_eq!(count(store).0, 150);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_dropped_by_one_is_gone_for_all() {
    let place = Place::new();
    let (a, b) = (place.open(), place.open());
    for i in 0..20 {
        put(&a, &format!("{i}"), Expect::Absent, json!({})).await.unwrap();
    }
    b.current().await.unwrap();
    let mut by_b = watch(&b, b.revision());
    a.drop_tenant(tenant()).await.unwrap();
    b.current().await.unwrap();
    assert!(names(&b).is_empty() && b.tenants().is_empty());
    assert!(next(&mut by_b, 20).await.iter().all(|event| event.new.is_none()));
    b.forget_tenant(tenant());
    assert!(by_b.next().await.is_none());
    assert_eq!(by_b.ended(), Some(Ended::TenantDropped));
    let left =
        place.client().await.get("/rowhouse/", Some(etcd_client::GetOptions::new().with_prefix())).await.unwrap();
    assert_eq!(left.kvs().len(), 1, "nothing but the mark of the layout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_to_the_base_layer_are_everywhere() {
    let place = Place::new();
    let base = ["a", "b"].map(|name| BaseObject {
        collection: maps(),
        namespace: "n".into(),
        name: name.into(),
        draft: Draft::new(json!({"data": "base"})),
    });
    let open = || Store::open(Config { backend: place.backend(), base: base.to_vec(), ..Config::default() }).unwrap();
    let (a, b) = (open(), open());
    let mut by_b = watch(&b, b.revision());
    delete(&a, "a", Some(json!({"data": "last"}))).await;
    b.current().await.unwrap();
    assert_eq!(names(&b), ["b"]);
    assert_eq!(next(&mut by_b, 1).await[0].old.as_ref().unwrap().value()["data"], "last");
    put(&b, "a", Expect::Absent, json!({"data": "own"})).await.unwrap();
    a.current().await.unwrap();
    assert_eq!(names(&a), ["a", "b"]);
    assert_eq!(names(&open()), ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caps_are_those_of_the_tenant_not_of_the_process() {
    let place = Place::new();
    let (a, b) = (place.open(), place.open());
    for store in [&a, &b] {
        store.set_caps(tenant(), Caps { objects: 3, bytes: 1 << 20 });
    }
    for (i, store) in [&a, &b, &a].into_iter().enumerate() {
        store.current().await.unwrap();
        put(store, &format!("{i}"), Expect::Absent, json!({})).await.unwrap();
    }
    b.current().await.unwrap();
    assert!(matches!(put(&b, "more", Expect::Absent, json!({})).await, Err(WriteError::TenantFull { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_keys_of_the_same_etcd_are_not_ours_and_hold_nothing_up() {
    let place = Place::new();
    let store = place.open();
    let mut client = place.client().await;
    for i in 0..20 {
        client.put(format!("/registry/{i}"), "x", None).await.unwrap();
    }
    let foreign = client.put("/rowhouse2/x", "x", None).await.unwrap();
    store.current().await.unwrap();
    assert!(store.revision().0 >= u64::try_from(foreign.header().unwrap().revision()).unwrap());
    assert!(store.tenants().is_empty());
    // A write is seen at once although the watch has not heard of what came before it.
    client.put("/registry/y", "x", None).await.unwrap();
    let written = put(&store, "a", Expect::Absent, json!({})).await.unwrap();
    assert_eq!(store.revision(), written.object.revision());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_etcd_does_not_take_is_refused_and_changes_nothing() {
    let place = Place::new();
    let store = place.open();
    let before = store.revision();
    // As large as the store takes, which together with the request is more than etcd takes.
    let large = json!({"data": "x".repeat((3 << 19) - 200)});
    let refused = put(&store, "large", Expect::Absent, large).await;
    assert!(matches!(refused, Err(WriteError::TooLarge { .. })), "{refused:?}");
    let many = (0..121).map(|i| {
        let action = Action::Put(Draft::new(json!({})));
        Write { key: map(&format!("{i}")), expect: Expect::Absent, action }
    });
    let mut many: Vec<Write> = many.collect();
    let refused = store.write_all(many.clone()).await;
    assert!(matches!(refused, Err(WriteError::Engine(EngineError::Refused(_)))), "{refused:?}");
    assert_eq!(store.revision(), before);
    many.pop();
    let written = store.write_all(many).await.unwrap();
    assert!(written.iter().all(|write| write.object.revision() == before.next()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_of_another_layout_is_left_alone() {
    let place = Place::new();
    place.client().await.put("/rowhouse/~format", "2", None).await.unwrap();
    let opened = Store::open(Config { backend: place.backend(), ..Config::default() });
    assert!(matches!(opened.err(), Some(OpenError::Engine(EngineError::Corrupt(_)))));
}
