//! Several apiproxy processes on one etcd serve the same tenants; one of them dies and nobody notices.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use e2e::{Kubectl, Process, Rowhouse, Scenario, eventually, free_port};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use tokio::runtime::Runtime;

/// The events of a raw watch.
type Watched = BoxStream<'static, Result<WatchEvent<ConfigMap>, kube::Error>>;

/// One standalone apiproxy.
struct Replica {
    process: Process,
    port: u16,
}

impl Replica {
    fn start(scenario: &Scenario, name: &str) -> Self {
        let port = free_port();
        let mut arguments = vec![
            format!("--listen=127.0.0.1:{port}"),
            format!("--kubeconfig={}", scenario.host.kubeconfig().display()),
        ];
        arguments.extend(scenario.etcd.as_ref().unwrap().arguments());
        let log = scenario.logs().join(format!("{name}.log"));
        let mut process = Process::start(&Rowhouse::sibling("apiproxy"), &arguments, &log);
        eventually("the replica listens", || {
            process.alive()?;
            TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|error| error.to_string())
        });
        Self { process, port }
    }
}

/// What stands before replicas in real life: one address, connections to whichever is alive.
struct Balancer {
    port: u16,
    target: Arc<AtomicU16>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Balancer {
    fn new(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, open) = (Arc::new(AtomicU16::new(target)), Arc::new(Mutex::new(Vec::new())));
        let (to, all) = (target.clone(), open.clone());
        std::thread::spawn(move || {
            for inner in listener.incoming().map_while(Result::ok) {
                let Ok(outer) = TcpStream::connect(("127.0.0.1", to.load(Ordering::SeqCst))) else { continue };
                all.lock().unwrap().push(inner.try_clone().unwrap());
                copy(inner.try_clone().unwrap(), outer.try_clone().unwrap());
                copy(outer, inner);
            }
        });
        Self { port, target, open }
    }

    fn switch(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Copies one direction in the background; its end is the end of the connection.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// The tenant's kubeconfig, for another port of loopback.
fn kubeconfig(scenario: &Scenario, port: u16) -> String {
    let text = scenario.rowhouse.tenantctl("kubeconfig acme").ok();
    let at = text.find("https://127.0.0.1:").expect("a server on loopback") + "https://127.0.0.1:".len();
    let rest = text[at..].trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{}{port}{rest}", &text[..at])
}

fn kubectl(scenario: &Scenario, replica: &Replica, name: &str) -> Kubectl {
    scenario.kubectl_with(name, &kubeconfig(scenario, replica.port))
}

fn client(runtime: &Runtime, scenario: &Scenario, port: u16) -> Client {
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig(scenario, port)).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    })
}

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(serde_json::json!({"metadata": {"name": name}})).unwrap()
}

#[test]
fn replicas_are_one_and_one_of_them_may_die() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let scenario = Scenario::start_over_etcd("replicas");
    scenario.tenant("acme").run("create namespace shop").ok();
    let (mut first, second) = (Replica::start(&scenario, "first"), Replica::start(&scenario, "second"));
    let (by_first, by_second) = (kubectl(&scenario, &first, "first"), kubectl(&scenario, &second, "second"));
    // Written through one, read through the other, at once, back and forth.
    for round in 0..5 {
        let (writer, reader) = if round % 2 == 0 { (&by_first, &by_second) } else { (&by_second, &by_first) };
        writer.run(&format!("create configmap round-{round} -n shop --from-literal=a=1")).ok();
        reader.run(&format!("get configmap round-{round} -n shop")).ok();
        assert!(reader.run("get configmaps -n shop").ok().contains(&format!("round-{round}")));
        reader.run(&format!("label configmap round-{round} -n shop seen=yes")).ok();
        assert!(writer.run("get configmaps -n shop -l seen=yes").ok().contains(&format!("round-{round}")));
    }
    watched_by_both(&scenario, &mut first, &second);

    // What is left goes on by itself, lifecycle included.
    by_second.run("delete namespace shop --timeout=60s").ok();
    let new = scenario.tenant("umbrella").run("get namespaces").ok();
    assert!(new.contains("kube-system"));
}

/// A raw watch and an informer on the first replica, which dies; both go on at the second from where they were.
fn watched_by_both(scenario: &Scenario, first: &mut Replica, second: &Replica) {
    let runtime = Runtime::new().unwrap();
    let balancer = Balancer::new(first.port);
    let api = |port| Api::<ConfigMap>::namespaced(client(&runtime, scenario, port), "shop");
    let (at_first, at_second, through) = (api(first.port), api(second.port), api(balancer.port));
    let create = |name: &str| runtime.block_on(at_second.create(&PostParams::default(), &map(name))).unwrap();
    let since = runtime.block_on(at_first.list(&ListParams::default())).unwrap().metadata.resource_version.unwrap();
    let watch = |api: &Api<ConfigMap>, since: &str| {
        runtime.block_on(api.watch(&WatchParams::default(), since)).unwrap().boxed()
    };
    let mut raw = watch(&at_first, &since);
    let next = |raw: &mut Watched| match runtime.block_on(raw.try_next()).unwrap() {
        Some(WatchEvent::Added(map)) => (map.metadata.name.unwrap(), map.metadata.resource_version.unwrap()),
        other => panic!("{other:?}"),
    };
    let mut informer = watcher(through, watcher::Config::default()).boxed();
    let mut lists = 0;
    let mut informed = |wanted: &str| {
        runtime.block_on(async {
            loop {
                match informer.next().await.expect("watchers do not end") {
                    Ok(watcher::Event::Init) => lists += 1,
                    Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map))
                        if map.metadata.name.as_deref() == Some(wanted) =>
                    {
                        return lists;
                    }
                    // A connection that broke; the watcher opens another.
                    Ok(_) | Err(_) => {}
                }
            }
        })
    };
    // What its list shows, then what it is told.
    assert_eq!(informed("round-4"), 1);
    create("before");
    assert_eq!(informed("before"), 1);
    let (mut name, mut seen) = next(&mut raw);
    while name != "before" {
        (name, seen) = next(&mut raw);
    }

    first.process.kill();
    create("after");
    balancer.switch(second.port);
    create("later");
    let mut resumed = watch(&at_second, &seen);
    assert_eq!([next(&mut resumed).0, next(&mut resumed).0], ["after", "later"]);
    assert_eq!(informed("after"), 1, "the informer went on without a list");
    assert_eq!(informed("later"), 1);
}
