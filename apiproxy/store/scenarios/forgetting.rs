//! Compaction: by the stores themselves, and by others while a store was away.

use crate::engine::Place;
use crate::gate::Gate;
use crate::sharing::{back, delete, names, put, watch};
use serde_json::json;
use std::time::Duration;
use store::{Collection, Expect, Scope};
use tenancy::TenantId;

const INTERVAL: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_compacts_and_history_begins_there() {
    let place = Place::new();
    let stores = [place.open_compacting(INTERVAL), place.open_compacting(INTERVAL)];
    let start = stores[0].revision();
    for i in 0..10 {
        put(&stores[i % 2], "a", Expect::Any, json!({"n": i})).await.unwrap();
    }
    let mut client = place.client().await;
    let written = stores[0].revision();
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        let old = etcd_client::GetOptions::new().with_revision(i64::try_from(written.0).unwrap() - 1);
        match client.get("/rowhouse/x", Some(old)).await {
            Err(error) if error.to_string().contains("compacted") => break,
            other => other.map(drop).unwrap(),
        }
        ticks.tick().await;
    }
    // Those that were there remember by themselves; one that starts now begins where it was compacted.
    assert!(stores.iter().all(|store| store.oldest() <= start));
    let late = place.open();
    let maps = Collection::new("", "configmaps");
    assert!(late.oldest() >= written && late.oldest() <= late.revision());
    let tenant = TenantId::from_uid("t");
    assert!(late.watch(Scope::Tenant(tenant), &maps, None, start).is_err());
    assert!(late.watch(Scope::Tenant(tenant), &maps, None, late.oldest()).is_ok());
    assert_eq!(late.get(tenant, &maps, "n", "a").unwrap().value()["n"], 9);
    put(&late, "a", Expect::Present, json!({"n": 10})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_missed_compacted_changes_reads_everything_again() {
    let mut place = Place::new();
    let gate = Gate::new(place.etcd().port()).await;
    let (near, far) = (place.open(), place.open_by(gate.port()));
    for name in ["same", "changed", "gone", "again"] {
        put(&near, name, Expect::Absent, json!({"data": "1", "metadata": {"uid": name}})).await.unwrap();
    }
    far.current().await.unwrap();
    let missed = far.revision();
    let mut watched = watch(&far, missed);
    gate.close();
    put(&near, "changed", Expect::Present, json!({"data": "2"})).await.unwrap();
    put(&near, "changed", Expect::Present, json!({"data": "3"})).await.unwrap();
    delete(&near, "gone", None).await;
    delete(&near, "again", None).await;
    put(&near, "again", Expect::Absent, json!({"data": "2"})).await.unwrap();
    let last = put(&near, "new", Expect::Absent, json!({"data": "1"})).await.unwrap().object.revision();
    place.client().await.compact(i64::try_from(last.0).unwrap(), None).await.unwrap();
    assert_eq!(names(&far), ["again", "changed", "gone", "same"], "away, it serves what it knows");
    gate.open();
    back(&far).await;
    assert_eq!(names(&far), ["again", "changed", "new", "same"]);
    // Watches go on: each object's newest state, in the order of revisions, and what is gone.
    let mut told = Vec::new();
    while let Some(event) = watched.try_next() {
        let object = event.new.as_ref().or(event.old.as_ref()).unwrap();
        told.push((object.key().name.to_string(), event.new.as_ref().map(|new| new.value()["data"].clone())));
    }
    let expected = [("changed", Some("3")), ("again", None), ("again", Some("2")), ("new", Some("1")), ("gone", None)];
    assert_eq!(told, expected.map(|(name, data)| (name.to_owned(), data.map(|data| json!(data)))));
    // Who was told less than that cannot be told what is lost.
    let (tenant, maps) = (TenantId::from_uid("t"), Collection::new("", "configmaps"));
    assert!(far.watch(Scope::Tenant(tenant), &maps, None, missed).is_err());
    assert!(far.watch(Scope::Tenant(tenant), &maps, None, far.oldest()).is_ok());
}
