//! Many writers, readers and watchers at once.

use crate::engine::{self, Place};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{
    Action, At, Collection, Config, Draft, Expect, Key, Listing, Object, Query, Revision, Scope, Store, Write,
    WriteError,
};
use tenancy::TenantId;

fn tenant() -> TenantId {
    TenantId::from_uid("t")
}

fn maps() -> Collection {
    Collection::new("", "configmaps")
}

fn list(store: &Store, at: At) -> Listing {
    let (scope, collection) = (Scope::Tenant(tenant()), maps());
    let query = Query { scope, collection: &collection, namespace: None, at, after: None, limit: 0, filter: &|_| true };
    store.list(&query).unwrap()
}

fn count(object: &Object) -> u64 {
    object.value()["count"].as_u64().unwrap()
}

fn open() -> (Place, Store) {
    let place = Place::new();
    let store = Store::open(Config { backend: place.backend(), ..Config::default() }).unwrap();
    (place, store)
}

type Seen = BTreeMap<Arc<str>, Revision>;

fn seen(listing: &Listing) -> Seen {
    listing.objects.iter().map(|object| (object.key().name.clone(), object.revision())).collect()
}

const WRITERS: usize = 8;
const INCREMENTS: usize = 100;

/// Adds one to a shared counter, as optimistic writers do; now and then writes and deletes an object of its own.
async fn increment(store: Store, writer: usize) {
    for round in 0..INCREMENTS {
        let name = ["x", "y", "z"][(writer + round) % 3];
        loop {
            let key = Key::new(tenant(), &maps(), "n", name);
            let current = store.get(tenant(), &maps(), "n", name);
            let (expect, next) =
                current.map_or((Expect::Absent, 1), |object| (Expect::Revision(object.revision()), count(&object) + 1));
            let action = Action::Put(Draft::new(json!({"count": next})));
            match store.write(Write { key, expect, action }).await {
                Ok(_) => break,
                Err(WriteError::Conflict(_) | WriteError::Exists(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let key = Key::new(tenant(), &maps(), "n", &format!("own-{writer}"));
        let action =
            if round % 2 == 0 { Action::Put(Draft::new(json!({"count": round}))) } else { Action::Delete(None) };
        store.write(Write { key, expect: Expect::Any, action }).await.unwrap();
    }
}

/// Lists, watches from there, and finds by replaying what a list at the revision reached says.
async fn follow(store: Store, finish: Revision) {
    let start = list(&store, At::Latest);
    let mut state = seen(&start);
    let mut watch = store.watch(Scope::Tenant(tenant()), &maps(), None, start.revision).unwrap();
    let mut at = start.revision;
    while watch.revision() < finish {
        tokio::select! {
            event = watch.next() => {
                let event = event.unwrap();
                assert!(event.revision > at);
                at = event.revision;
                let key = event.new.as_ref().or(event.old.as_ref()).unwrap().key().name.clone();
                assert_eq!(state.contains_key(&key), event.old.is_some());
                if let Some(new) = &event.new { state.insert(key, new.revision()) } else { state.remove(&key) };
                if at.0.is_multiple_of(16) {
                    assert_eq!(seen(&list(&store, At::Exact(at))), state);
                }
            }
            () = store.wait_for(finish) => {}
        }
    }
    assert_eq!(seen(&list(&store, At::Exact(finish))), state);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_lose_nothing_and_watchers_miss_nothing() {
    let (_place, store) = open();
    // Every write gets one revision: the last is known beforehand.
    let finish = Revision(store.revision().0 + (WRITERS * INCREMENTS * 2) as u64);
    let followers: Vec<_> = (0..8).map(|_| tokio::spawn(follow(store.clone(), finish))).collect();
    let writers: Vec<_> = (0..WRITERS).map(|writer| tokio::spawn(increment(store.clone(), writer))).collect();
    for task in writers.into_iter().chain(followers) {
        task.await.unwrap();
    }
    let total: u64 = ["x", "y", "z"].iter().map(|name| count(&store.get(tenant(), &maps(), "n", name).unwrap())).sum();
    assert_eq!(total, (WRITERS * INCREMENTS) as u64);
    assert_eq!(store.revision(), finish);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_write_futures_leave_the_store_consistent() {
    let (_place, store) = open();
    let since = store.revision();
    for i in 0..200 {
        let key = Key::new(tenant(), &maps(), "n", &format!("{i}"));
        let write = Write { key, expect: Expect::Absent, action: Action::Put(Draft::new(json!({"count": i}))) };
        let mut future = Box::pin(store.write(write));
        // Polled once, so that it is on its way, then forgotten.
        let _ = futures::poll!(&mut future);
        drop(future);
    }
    let key = Key::new(tenant(), &maps(), "n", "end");
    let write = Write { key, expect: Expect::Absent, action: Action::Put(Draft::new(json!({"count": 0}))) };
    store.write(write).await.unwrap();
    // An engine may commit those that were forgotten after it.
    let mut watch = store.watch(Scope::Tenant(tenant()), &maps(), None, since).unwrap();
    let mut events = Seen::new();
    while events.len() < 201 {
        let event = watch.next().await.expect("a write that was handed to the engine happens");
        assert!(events.insert(event.new.as_ref().unwrap().key().name.clone(), event.revision).is_none());
    }
    assert_eq!(events, seen(&list(&store, At::Latest)));
    assert_eq!(store.usage(tenant()).objects, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_never_see_half_a_transaction() {
    let (_place, store) = open();
    let pair = |count: u64, expect: [Expect; 2]| {
        let write = |name: &str, expect| {
            let key = Key::new(tenant(), &maps(), "n", name);
            Write { key, expect, action: Action::Put(Draft::new(json!({"count": count}))) }
        };
        vec![write("p", expect[0]), write("q", expect[1])]
    };
    let before = store.revision().0;
    store.write_all(pair(0, [Expect::Absent; 2])).await.unwrap();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while done < 50 {
                    let now = list(&store, At::Latest);
                    let [p, q] = &now.objects[..] else { panic!("not two") };
                    assert_eq!(count(p), count(q));
                    let expect = [Expect::Revision(p.revision()), Expect::Revision(q.revision())];
                    done += u64::from(store.write_all(pair(count(p) + 1, expect)).await.is_ok());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(list(&store, At::Latest).objects.iter().all(|object| count(object) == 200));
    let each = if engine::ONE_REVISION_EACH { 2 } else { 1 };
    assert_eq!(store.revision(), Revision(before + each * 201), "what conflicted used no revision");
}
