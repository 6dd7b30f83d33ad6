//! Measures the store on this machine: `cargo run --release -p rowhouse-store --example load [DIRECTORY]`.
//!
//! Durable writes per second by number of writers, lists, watch delivery, reopening, and the memory of idle tenants.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring program: it prints, and stops when it fails")]

use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;
use store::{
    Action, At, Backend, Caps, Collection, Config, Draft, Expect, HistoryLimits, Key, Query, Revision, Scope, Store,
    Write,
};
use tenancy::TenantId;

fn maps() -> Collection {
    Collection::new("", "configmaps")
}

fn write(tenant: TenantId, name: &str, payload: usize) -> Write {
    let value = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"payload": "x".repeat(payload)},
        "metadata": {
            "uid": format!("9b2f1c1e-0000-4000-8000-{name:0>12}"), "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/name": "load"},
        },
    });
    let key = Key::new(tenant, &maps(), "default", name);
    Write { key, expect: Expect::Any, action: Action::Put(Draft::new(value)) }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

fn config(path: Option<&Path>) -> Config {
    let backend = path.map_or(Backend::Memory, |path| Backend::File(path.into()));
    let caps = Caps { objects: u64::MAX / 2, bytes: u64::MAX / 2 };
    Config { backend, caps, ..Config::default() }
}

async fn writers(store: &Store, writers: usize, total: usize) -> f64 {
    let start = Instant::now();
    let each = total / writers;
    let tasks = (0..writers).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let tenant = TenantId::from_uid(&format!("w{writer}"));
            for i in 0..each {
                store.write(write(tenant, &format!("{writers}-{i}"), 1600)).await.unwrap();
            }
        })
    });
    futures::future::join_all(tasks).await;
    (each * writers) as f64 / start.elapsed().as_secs_f64()
}

async fn reads(store: &Store) {
    let tenant = TenantId::from_uid("reads");
    let fill = (0..3000).map(|i| store.write(write(tenant, &format!("{i}"), 700)));
    futures::future::join_all(fill).await;
    let (scope, collection, at) = (Scope::Tenant(tenant), maps(), At::Latest);
    let query = Query { scope, collection: &collection, namespace: None, at, after: None, limit: 0, filter: &|_| true };
    let start = Instant::now();
    for _ in 0..200 {
        let bytes: usize = store.list(&query).unwrap().objects.iter().map(|object| object.json().len()).sum();
        assert!(bytes > 2 << 20);
    }
    println!("list of 3,000 x 1 KiB: {:.0} us", start.elapsed().as_secs_f64() * 1e6 / 200.0);
    let start = Instant::now();
    for i in 0..100_000 {
        assert!(store.get(tenant, &collection, "default", &format!("{}", i % 3000)).is_some());
    }
    println!("get: {:.2} us", start.elapsed().as_secs_f64() * 1e6 / 1e5);

    let since = store.revision();
    let mut watches: Vec<_> = (0..1000).map(|_| store.watch(scope, &collection, None, since).unwrap()).collect();
    let start = Instant::now();
    for i in 0..100 {
        store.write(write(tenant, &format!("{i}"), 701)).await.unwrap();
    }
    for watch in &mut watches {
        for _ in 0..100 {
            watch.next().await.unwrap();
        }
    }
    println!("100 durable writes to 1,000 watchers: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
}

/// Ten thousand tenants with sixteen objects of about 700 bytes each.
async fn tenants(path: &Path) {
    const TENANTS: usize = 10_000;
    let store = Store::open(config(Some(path))).unwrap();
    let before = resident();
    let start = Instant::now();
    for index in 0..TENANTS {
        let tenant = TenantId::from_uid(&index.to_string());
        let mut writes: Vec<_> = (0..16).map(|i| write(tenant, &format!("object-{i}"), 400)).collect();
        for (i, write) in writes.iter_mut().enumerate() {
            // As varied as a young tenant: eight collections.
            write.key.collection = Collection::new("", ["a", "b", "c", "d", "e", "f", "g", "h"][i % 8]);
        }
        store.write_all(writes).await.unwrap();
    }
    let grown = resident() - before;
    let each = store.usage(TenantId::from_uid("0")).bytes;
    println!(
        "{TENANTS} tenants in {:.1} s: {:.1} KiB each, of which objects {:.1} KiB",
        start.elapsed().as_secs_f64(),
        grown as f64 / TENANTS as f64,
        each as f64 / 1024.0
    );
    drop(store);
    let start = Instant::now();
    let store = Store::open(config(Some(path))).unwrap();
    println!("reopened in {:.2} s at revision {}", start.elapsed().as_secs_f64(), store.revision());
    let start = Instant::now();
    let all = (0..TENANTS).map(|index| TenantId::from_uid(&index.to_string()));
    futures::future::join_all(all.map(|tenant| store.drop_tenant(tenant))).await;
    println!("dropped all in {:.1} s, {} tenants left", start.elapsed().as_secs_f64(), store.tenants().len());
}

#[tokio::main]
async fn main() {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("rowhouse-load-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    tenants(&directory.join("tenants.db")).await;
    let store = Store::open(config(Some(&directory.join("writes.db")))).unwrap();
    for (count, total) in [(1, 4_000), (16, 32_000), (128, 64_000)] {
        println!("{count} writers: {:.0} durable writes/s", writers(&store, count, total).await);
    }
    reads(&store).await;
    drop(store);
    let history = HistoryLimits::default();
    println!(
        "history: {} events, {} MiB, {:?}; first revision {}",
        history.events,
        history.bytes >> 20,
        history.age,
        Revision::FIRST
    );
    std::fs::remove_dir_all(&directory).unwrap();
}
