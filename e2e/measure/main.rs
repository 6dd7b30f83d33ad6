//! What a tenant costs, measured against a real host: `make measure`. Prints numbers; fails only when something does not
//! work at all.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::time::{Duration, Instant};

use e2e::{Kubectl, Scenario, eventually};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use tenancy::{Phase, Tenant, TenantSpec};
use tokio::runtime::Runtime;

/// Tenants there are before counting begins, so that what is made once is not counted.
const WARM: usize = 10;
/// Tenants whose creation is timed.
const TIMED: usize = 50;

#[test]
fn what_a_tenant_costs() {
    let count: usize = std::env::var("TENANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let mut scenario = Scenario::start("measure");
    let pid = scenario.rowhouse.process().id();
    let host = scenario.host.kubectl();
    create(host, 0..WARM);
    settle(pid);
    let (memory, watches) = (resident(pid), watches(host));

    let began = Instant::now();
    create(host, WARM..WARM + count);
    let took = began.elapsed();
    settle(pid);
    let grown = resident(pid) - memory;
    println!("tenants                    {count} beside {WARM}, created in {:.1} s", took.as_secs_f64());
    println!("resident memory            {memory} KiB before, {grown} KiB more after");
    println!("marginal memory per tenant {:.1} KiB", grown as f64 / count as f64);
    println!("host watches, all clients  {watches} before, {} after", self::watches(host));

    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut times = Runtime::new().unwrap().block_on(timed(&scenario));
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_millis();
    println!("created to first read      p50 {} ms, p90 {} ms, of {TIMED} one after the other", at(50), at(90));
}

/// Creates tenants and waits until all are ready.
fn create(host: &Kubectl, numbers: std::ops::Range<usize>) {
    let total = numbers.end;
    let manifest: String = numbers
        .map(|number| {
            format!(
                "{{apiVersion: rowhouse.dev/v1alpha1, kind: Tenant, metadata: {{name: t-{number}}}, spec: {{}}}}\n---\n"
            )
        })
        .collect();
    host.input("create -f -", &manifest).ok();
    eventually("all tenants are ready", || {
        let phases =
            host.run("get tenants -o jsonpath={.items[*].status.phase}").result().map_err(|e| e.to_string())?;
        let ready = phases.split_whitespace().filter(|phase| *phase == "Ready").count();
        if ready == total { Ok(()) } else { Err(format!("{ready} of {total}")) }
    });
}

/// Waits until the process does next to nothing: what it does for new tenants in the background is done.
fn settle(pid: u32) {
    let mut before = cpu(pid);
    let mut since = Instant::now();
    eventually("the control plane is idle", || {
        if since.elapsed() < Duration::from_secs(2) {
            return Err("watching");
        }
        let now = cpu(pid);
        let idle = now - before <= 10;
        (before, since) = (now, Instant::now());
        if idle { Ok(()) } else { Err("busy") }
    });
}

/// Processor time so far in ticks (hundredths of a second).
fn cpu(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Fields 14 and 15, counted after the name, which may contain anything but ends with the last parenthesis.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Resident memory in KiB.
fn resident(pid: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Watches that the host API server holds, for whomever.
fn watches(host: &Kubectl) -> u64 {
    let metrics = host.run("get --raw /metrics").ok();
    metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_longrunning_requests{") && line.contains("verb=\"WATCH\""))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Time from the creation of a `Tenant` to the first answer of its API to its kubeconfig.
async fn timed(scenario: &Scenario) -> Vec<Duration> {
    let host = client(Kubeconfig::read_from(scenario.host.kubeconfig()).unwrap()).await;
    let tenants: Api<Tenant> = Api::all(host.clone());
    let mut times = Vec::new();
    for number in 0..TIMED {
        let name = format!("timed-{number}");
        let began = Instant::now();
        tenants.create(&PostParams::default(), &Tenant::new(&name, TenantSpec::default())).await.unwrap();
        let reference = loop {
            let status = tenants.get_status(&name).await.unwrap().status.unwrap_or_default();
            match status.kubeconfig_secret_ref {
                Some(reference) if status.phase == Some(Phase::Ready) => break reference,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let secrets: Api<Secret> = Api::namespaced(host.clone(), &reference.namespace);
        let secret = secrets.get(&reference.name).await.unwrap();
        let text = String::from_utf8(secret.data.unwrap()["kubeconfig"].0.clone()).unwrap();
        let tenant = client(Kubeconfig::from_yaml(&text).unwrap()).await;
        Api::<Namespace>::all(tenant).list(&ListParams::default()).await.unwrap();
        times.push(began.elapsed());
    }
    times
}

async fn client(kubeconfig: Kubeconfig) -> Client {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}
