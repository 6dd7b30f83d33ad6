//! A deleted tenant leaves nothing, and a new one of the same name is another one.

use std::collections::BTreeSet;

use e2e::{Kubectl, Scenario};

use crate::fixtures::{WIDGETS, deploy_shop};

#[test]
fn a_deleted_tenant_leaves_nothing() {
    let scenario = Scenario::start("deletion");
    let host = scenario.host.kubectl();
    // A first tenant, so that what Rowhouse itself makes once is there before counting.
    scenario.tenant("umbrella");
    let before = everything(host);

    let acme = scenario.tenant("acme");
    deploy_shop(&acme);
    acme.apply(WIDGETS);
    acme.run("wait --for=condition=Established crd/widgets.example.com --timeout=30s").ok();
    // Whoever would clear this finalizer is gone with the tenant: it must not hold the tenant.
    acme.apply("{apiVersion: example.com/v1, kind: Widget, metadata: {name: stuck, finalizers: [example.com/never]}, spec: {size: 1}}");
    assert!(everything(host).len() > before.len());

    scenario.rowhouse.tenantctl("delete acme").ok();
    let after = everything(host);
    let left: Vec<_> = after.difference(&before).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert!(
        before.is_subset(&after),
        "the neighbour lost something: {:#?}",
        before.difference(&after).collect::<Vec<_>>()
    );
    assert!(acme.run("get namespaces").code != Some(0));

    let again = scenario.tenant("acme");
    let namespaces = again.run("get namespaces -o name").ok();
    assert!(!namespaces.contains("shop"), "{namespaces}");
    assert_eq!(again.run("get customresourcedefinitions -o name").ok(), "");
    std::fs::copy(again.kubeconfig(), scenario.directory().join("new")).unwrap();
}

/// Names of all objects of the host, but for those that come and go by themselves.
fn everything(host: &Kubectl) -> BTreeSet<String> {
    let kinds = host.run("api-resources --verbs=list -o name").ok();
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !["events", "events.events.k8s.io", "leases.coordination.k8s.io"].contains(kind))
        .collect();
    let text = host.run(&format!("get {} -A --ignore-not-found -o name --show-kind", kinds.join(","))).stdout;
    let namespaced = host
        .run(&format!("get {} -A --ignore-not-found --no-headers -o custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name", kinds.join(",")))
        .stdout;
    text.lines().chain(namespaced.lines()).map(str::to_owned).collect()
}
