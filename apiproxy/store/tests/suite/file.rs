//! The database file of the embedded engine.

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{
    Action, Backend, Collection, Config, Draft, Expect, HistoryLimits, Key, OpenError, Revision, Scope, Store, Write,
};
use tenancy::TenantId;

fn tenant() -> TenantId {
    TenantId::from_uid("t")
}

fn maps() -> Collection {
    Collection::new("", "configmaps")
}

fn open(path: &Path) -> Store {
    Store::open(Config { backend: Backend::File(path.into()), ..Config::default() }).unwrap()
}

async fn put(store: &Store, name: &str, value: Value) -> Revision {
    write(store, name, Action::Put(Draft::new(value))).await
}

async fn delete(store: &Store, name: &str) -> Revision {
    write(store, name, Action::Delete(None)).await
}

async fn write(store: &Store, name: &str, action: Action) -> Revision {
    let key = Key::new(tenant(), &maps(), "n", name);
    store.write(Write { key, expect: Expect::Any, action }).await.unwrap().object.revision()
}

#[tokio::test]
async fn compaction_forgets_what_is_superseded_and_never_reuses_a_revision() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let config = || {
        let history = HistoryLimits { age: Duration::ZERO, ..HistoryLimits::default() };
        Config { backend: Backend::File(path.clone()), history, ..Config::default() }
    };
    let store = Store::open(config()).unwrap();
    put(&store, "kept", json!({})).await;
    let mut last = Revision::NONE;
    for i in 0..50 {
        put(&store, "gone", json!({"data": i})).await;
        last = delete(&store, "gone").await;
    }
    // Opening marks the age of everything, closing forgets it.
    drop(store);
    drop(Store::open(config()).unwrap());
    let rows = rusqlite::Connection::open(&path).unwrap();
    let count: i64 = rows.query_row("SELECT count(*) FROM log", [], |row| row.get(0)).unwrap();
    drop(rows);

    let store = Store::open(config()).unwrap();
    assert_eq!(store.revision(), last, "the newest revision was that of a deletion, which is forgotten");
    assert_eq!(store.oldest(), last);
    assert_eq!(count, 1);
    assert!(store.watch(Scope::Tenant(tenant()), &maps(), None, Revision(last.0 - 1)).is_err());
    assert!(store.watch(Scope::Tenant(tenant()), &maps(), None, last).is_ok());
    assert!(put(&store, "new", json!({})).await > last);
}

#[test]
fn one_process_at_a_time_and_only_our_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let first = open(&path);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "only the owner may read secrets");
    let config = |path: PathBuf| Config { backend: Backend::File(path), ..Config::default() };
    assert!(matches!(Store::open(config(path.clone())), Err(OpenError::Engine(_))));
    drop(first);
    drop(open(&path));

    let rows = rusqlite::Connection::open(&path).unwrap();
    rows.execute("INSERT INTO log VALUES (9, 0, 0, x'00', x'00')", []).unwrap();
    drop(rows);
    assert!(matches!(Store::open(config(path)), Err(OpenError::Engine(_))));
    let text = directory.path().join("text");
    std::fs::write(&text, "not a database, but long enough to have a header of a hundred bytes".repeat(20)).unwrap();
    assert!(matches!(Store::open(config(text)), Err(OpenError::Engine(_))));
}
