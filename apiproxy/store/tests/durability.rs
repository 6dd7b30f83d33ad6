//! What outlives the process: restarts, crashes, compaction, the file itself.
#![allow(clippy::unwrap_used, reason = "test code")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use store::{
    Action, At, BaseObject, Collection, Config, Draft, Expect, HistoryLimits, Key, OpenError, Query, Revision, Scope,
    Store, Write,
};
use tenancy::TenantId;

fn tenant() -> TenantId {
    TenantId::from_uid("t")
}

fn maps() -> Collection {
    Collection::new("", "configmaps")
}

fn open(path: &Path) -> Store {
    Store::open(Config { path: Some(path.into()), ..Config::default() }).unwrap()
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
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = open(&path);
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

    let store = open(&path);
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
async fn compaction_forgets_what_is_superseded_and_never_reuses_a_revision() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let config = || {
        let history = HistoryLimits { age: Duration::ZERO, ..HistoryLimits::default() };
        Config { path: Some(path.clone()), history, ..Config::default() }
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

#[tokio::test]
async fn changes_to_the_base_layer_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let base = ["a", "b", "c"].map(|name| BaseObject {
        collection: maps(),
        namespace: "n".into(),
        name: name.into(),
        draft: Draft::new(json!({"data": "base"})),
    });
    let config = || Config { path: Some(path.clone()), base: base.to_vec(), ..Config::default() };
    let store = Store::open(config()).unwrap();
    put(&store, "a", json!({"data": "mine"})).await;
    delete(&store, "b").await;
    drop(store);
    let store = Store::open(config()).unwrap();
    let data = |name: &str| store.get(tenant(), &maps(), "n", name).map(|object| object.value()["data"].clone());
    assert_eq!([data("a"), data("b"), data("c")], [Some(json!("mine")), None, Some(json!("base"))]);
}

#[test]
fn one_process_at_a_time_and_only_our_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let first = open(&path);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "only the owner may read secrets");
    let config = |path: PathBuf| Config { path: Some(path), ..Config::default() };
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

const CHILD: &str = "ROWHOUSE_STORE_KILL_TEST";
const WRITERS: usize = 8;

/// Not a test of its own: what [`nothing_acknowledged_is_lost`] starts and kills.
#[test]
fn the_child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = open(Path::new(&path));
        let writers = (0..WRITERS).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let name = format!("w{writer}");
                let count = |value: Value| value["data"]["count"].as_u64().unwrap();
                let start = store.get(tenant(), &maps(), "n", &name).map_or(0, |object| count(object.value()));
                for count in start + 1.. {
                    let revision = put(&store, &name, json!({"data": {"count": count}})).await;
                    writeln!(std::io::stdout(), "ack {name} {count} {revision}").unwrap();
                }
            })
        });
        futures::future::join_all(writers).await;
    });
}

#[test]
fn nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let mut newest = Revision::NONE;
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["the_child_that_is_killed", "--exact", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = BTreeMap::new();
        let mut take = |line: String| {
            // A line that was cut off by the kill has no revision, or a shorter one.
            let words: Vec<&str> = line.split(' ').collect();
            let ["ack", name, count, revision] = words[..] else { return 0 };
            let (Ok(count), Ok(revision)) = (count.parse::<u64>(), revision.parse::<Revision>()) else { return 0 };
            acknowledged.insert(name.to_owned(), count);
            newest = newest.max(revision);
            1
        };
        let mut taken = 0;
        while taken < 50 + round * 37 {
            taken += take(lines.next().unwrap().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map_while(Result::ok).for_each(|line| taken += take(line));

        let store = open(&path);
        assert!(store.revision() >= newest);
        for (name, count) in &acknowledged {
            let stored = store.get(tenant(), &maps(), "n", name).unwrap().value()["data"]["count"].as_u64().unwrap();
            assert!(stored >= *count, "{name}: acknowledged {count}, stored {stored}");
        }
        let scope = Scope::Tenant(tenant());
        let (collection, at) = (maps(), At::Latest);
        let query =
            Query { scope, collection: &collection, namespace: None, at, after: None, limit: 0, filter: &|_| true };
        let revisions: Vec<_> = store.list(&query).unwrap().objects.iter().map(|object| object.revision()).collect();
        assert!(revisions.iter().all(|revision| *revision <= store.revision()));
    }
}
