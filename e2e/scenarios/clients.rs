//! Clients that nobody wrote for Rowhouse: they get a tenant's kubeconfig and must just work.

use std::path::Path;
use std::process::Command;

use e2e::{Kubectl, Scenario, with_kubeconfig};

use crate::rust_client;

const SHELVES: &str = include_str!("shelves.yaml");

/// Runs a client program to its end and returns the steps it says have worked.
#[track_caller]
fn steps(program: &Path, arguments: &[&str], tenant: &Kubectl) -> Vec<String> {
    let output = with_kubeconfig(program, arguments, tenant.kubeconfig());
    assert!(!output.stdout.contains("FAILED"), "{output}");
    let said = output.ok();
    said.lines().filter_map(|line| line.strip_prefix("ok ")).map(str::to_owned).collect()
}

#[test]
fn unmodified_clients_work() {
    let scenario = Scenario::start("clients");

    let tenant = scenario.tenant("client-go");
    let expected = [
        "kubeconfig",
        "namespace",
        "leader election",
        "informers",
        "apply and scale",
        "paging",
        "retrying watch",
        "errors",
        "access reviews",
        "custom resources",
        "metadata informer",
        "discovery",
        "delete",
    ];
    assert_eq!(steps(&scenario.assets().path("client-informers"), &[], &tenant), expected);

    let tenant = scenario.tenant("controller-runtime");
    tenant.apply(SHELVES);
    tenant.run("wait --for=condition=Established crd/shelves.clients.example.com --timeout=30s").ok();
    let expected = ["manager", "index", "controller", "shelf", "stop"];
    assert_eq!(steps(&scenario.assets().path("client-manager"), &[], &tenant), expected);
    let events = tenant.run("get events -o jsonpath={.items[*].reason}").ok();
    assert!(events.contains("Filled"), "{events}");

    let tenant = scenario.tenant("python");
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python");
    let program = clients.join("program.py").display().to_string();
    let expected = ["namespaces", "deployments", "files", "dynamic_client", "errors", "tokens", "end"];
    assert_eq!(steps(&python(&clients), &[&program], &tenant), expected);

    let tenant = scenario.tenant("kube-rs");
    tenant.apply(SHELVES);
    rust_client::works(&tenant);
}

/// The interpreter with the pinned client library, installed when it is missing.
fn python(clients: &Path) -> std::path::PathBuf {
    let output = Command::new(clients.join("prepare")).output().expect("clients/python/prepare is executable");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a path in UTF-8").trim().into()
}
