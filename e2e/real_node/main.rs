//! Scenarios on a real node: what only running containers can show, asked of the host and of a tenant alike. Run with
//! `make e2e`.
//!
//! All share one host, each in a namespace of its own, some at a time. Where the machine cannot have a real node the
//! last line says so in capitals.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "test code")]

mod ground;
mod inside;
mod life;
mod streams;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use e2e::{Image, Kubectl, Scenario, eventually};

use crate::ground::Ground;

/// How many scenarios run at a time: most of their time they wait for a kubelet.
const AT_A_TIME: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cluster {
    Host,
    Tenant,
}

type Check = fn(&Ground<'_>);

/// Each with where it runs. Long ones come first.
const SCENARIOS: [(&str, &[Cluster], Check); 15] = {
    const BOTH: &[Cluster] = &[Cluster::Host, Cluster::Tenant];
    [
        ("port-forward", BOTH, streams::port_forward),
        ("endings", BOTH, life::endings),
        ("probes", BOTH, life::probes),
        ("exec", BOTH, streams::exec),
        ("init-and-sidecars", BOTH, life::init_and_sidecars),
        ("grace", BOTH, life::grace),
        ("logs", BOTH, streams::logs),
        ("attach", BOTH, streams::attach),
        ("debug", BOTH, streams::debug),
        ("resize", BOTH, life::resize),
        ("cp", BOTH, streams::cp),
        ("files", BOTH, inside::files),
        ("services", BOTH, inside::services),
        ("api", BOTH, inside::api),
        ("rotation", &[Cluster::Tenant], inside::rotation),
    ]
};

fn main() -> ExitCode {
    // Whatever else `cargo test` passes on is for the harness that this is not.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let mut jobs: Vec<Job> = Vec::new();
    for (name, clusters, check) in SCENARIOS.into_iter().filter(|(name, ..)| is_wanted(name)) {
        jobs.extend(clusters.iter().map(|cluster| Job { name, cluster: *cluster, check }));
    }
    if jobs.is_empty() {
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    // Why not is on standard error already.
    let Ok(scenario) = Scenario::start_with_node("real-node", &[]) else { return ExitCode::SUCCESS };
    let archive = scenario.directory().join("box.tar");
    Image::busybox(ground::IMAGE).program(Path::new("/usr/bin/curl"), "bin/curl").write(&archive);
    scenario.host.node().import_image(&archive);
    let tenant = scenario.tenant("acme");
    eprintln!("real node: ready after {:.1} s", start.elapsed().as_secs_f32());

    let count = jobs.len();
    jobs.reverse();
    let (queue, failed) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(job) = next(&queue) {
                    if !job.run(&scenario, &tenant) {
                        failed.lock().unwrap().push(job.title());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    drop(scenario);
    eprintln!(
        "real node: {} of {count} scenarios passed in {:.1} s",
        count - failed.len(),
        start.elapsed().as_secs_f32()
    );
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("real node: FAILED: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// A scenario on one cluster.
struct Job {
    name: &'static str,
    cluster: Cluster,
    check: Check,
}

fn next(queue: &Mutex<Vec<Job>>) -> Option<Job> {
    queue.lock().unwrap().pop()
}

impl Job {
    fn title(&self) -> String {
        let cluster = if self.cluster == Cluster::Host { "host" } else { "tenant" };
        format!("{} on the {cluster}", self.name)
    }

    /// Whether it passed; a failure has been told of by then.
    fn run(&self, scenario: &Scenario, tenant: &Kubectl) -> bool {
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| (self.check)(&self.ground(scenario, tenant))));
        let verdict = if outcome.is_ok() { "ok    " } else { "FAILED" };
        eprintln!("real node: {verdict} {} ({:.1} s)", self.title(), start.elapsed().as_secs_f32());
        outcome.is_ok()
    }

    /// A namespace named after the scenario, and a kubectl that works in it.
    fn ground<'a>(&self, scenario: &'a Scenario, tenant: &Kubectl) -> Ground<'a> {
        let cluster = if self.cluster == Cluster::Host { scenario.host.kubectl() } else { tenant };
        cluster.run(&format!("create namespace {}", self.name)).ok();
        let kubeconfig = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
        let title = self.title().replace(' ', "-");
        let kubectl = scenario.kubectl_with(&title, &kubeconfig);
        kubectl.run(&format!("config set-context --current --namespace={}", self.name)).ok();
        eventually("pods can be created", || kubectl.run("get serviceaccount default").result());
        let directory = scenario.directory().join(title);
        std::fs::create_dir_all(&directory).unwrap();
        Ground { kubectl, namespace: self.name, host: &scenario.host, directory }
    }
}
