//! What the owner of the host writes into a Tenant: quota, walls, time; from a file, again and again.

use e2e::{Kubectl, Output, Scenario, eventually};

const POD: &str = "{ apiVersion: v1, kind: Pod, metadata: { name: NAME }, \
    spec: { containers: [{ name: c, image: registry.example/app:1, resources: { requests: { cpu: 100m } } }] } }";

fn tenants(quota: &str, level: &str) -> String {
    format!(
        "apiVersion: rowhouse.dev/v1alpha1\nkind: Tenant\nmetadata: {{ name: acme }}\n\
         spec:\n  quota: {{ pods: \"{quota}\" }}\n  isolation: {{ podSecurity: {level} }}\n  store: {{ maxObjects: 100 }}\n\
         ---\napiVersion: rowhouse.dev/v1alpha1\nkind: Tenant\nmetadata: {{ name: umbrella }}\nspec: {{ ttl: 2h }}\n"
    )
}

#[test]
fn tenant_spec() {
    let scenario = Scenario::start("tenant-spec");
    let (host, rowhouse) = (scenario.host.kubectl(), &scenario.rowhouse);
    let path = scenario.directory().join("tenants.yaml");
    let create = |text: String| -> Output {
        std::fs::write(&path, text).unwrap();
        rowhouse.tenantctl(&format!("create -f {}", path.display()))
    };
    // Brief lives while the rest is looked at.
    rowhouse.tenantctl("create brief --ttl 8s --quota pods=3,requests.cpu=1 --pod-security restricted").ok();
    let brief = host.json("get tenant brief");
    assert_eq!(brief["spec"]["quota"], serde_json::json!({ "pods": "3", "requests.cpu": "1" }));
    assert!(brief["status"]["expiresAt"].is_string(), "{brief:#}");

    let unknown = create(tenants("1", "baseline").replace("quota:", "quotas:")).fails();
    assert!(unknown.contains("acme") && unknown.contains("quotas"), "{unknown}");
    let wrong = create(tenants("1", "bseline")).fails();
    assert!(wrong.contains("podSecurity") && wrong.contains("bseline"), "{wrong}");
    refusals(host);
    assert_eq!(create(tenants("1", "baseline")).ok(), "tenant/acme created, ready\ntenant/umbrella created, ready\n");
    let again = create(tenants("1", "baseline")).ok();
    assert_eq!(again, "tenant/acme unchanged, ready\ntenant/umbrella unchanged, ready\n");
    let shown = rowhouse.tenantctl("get umbrella").ok();
    assert!(shown.contains("2h, deleted at") && shown.contains("in 1"), "{shown}");

    let acme = scenario.tenant_kubectl("acme");
    quota(&acme);
    // A wider quota lets the waiting pod in; the level changes on the namespace that is there.
    let changed = create(tenants("2", "restricted")).ok();
    assert!(changed.starts_with("tenant/acme configured, ready\n"), "{changed}");
    let level = "jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}";
    assert_eq!(host.args(&["get", "namespace", "rowhouse-acme", "-o", level]).ok(), "restricted");
    create(tenants("2", "baseline")).ok();
    acme.run("wait --for=jsonpath={.status.phase}=Running pod/second --timeout=60s").ok();
    full(&acme);
    gone(host);
}

/// The definition judges every field before anything is made of it. What is asked for is never stored.
fn refusals(host: &Kubectl) {
    let ask = |spec: &str| {
        let text =
            format!("{{apiVersion: rowhouse.dev/v1alpha1, kind: Tenant, metadata: {{name: bad}}, spec: {{{spec}}}}}");
        host.input("create --dry-run=server -f -", &text)
    };
    for (spec, expected) in [
        ("ttl: 2d", "spec.ttl"),
        ("ttl: 0h", "no time at all"),
        ("quota: {pods: many}", "spec.quota.pods"),
        ("store: {maxObjects: 1}", "greater than or equal to 100"),
        ("store: {maxBytes: 1Ki}", "spec.store.maxBytes"),
        ("isolation: {runtimeClassName: 'a/b'}", "spec.isolation.runtimeClassName"),
        ("isolation: {nodeSelector: {pool: 'a b'}}", "spec.isolation.nodeSelector.pool"),
        ("isolation: {tolerations: [{value: x}]}", "the operator must be Exists"),
        ("isolation: {tolerations: [{key: k, operator: Exists, value: x}]}", "takes no value"),
        (
            "isolation: {tolerations: [{key: k, effect: NoSchedule, tolerationSeconds: 1}]}",
            "needs the effect NoExecute",
        ),
        ("access: {adminGroups: ['system:masters']}", "cannot be given away"),
    ] {
        let said = ask(spec).fails();
        assert!(said.contains(expected), "{spec}: {said}");
    }
    let all = "ttl: 1h30m, quota: {count/jobs.batch: '5', requests.example.com/gpu: '1'}, store: {maxObjects: 1000, maxBytes: 64Mi}, \
        isolation: {runtimeClassName: gvisor.example, nodeSelector: {kubernetes.io/os: linux}, \
        tolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: 5}, {key: k, value: v}]}";
    ask(all).ok();
}

fn quota(acme: &Kubectl) {
    acme.apply(&POD.replace("NAME", "first"));
    acme.run("wait --for=jsonpath={.status.phase}=Running pod/first --timeout=60s").ok();
    acme.apply(&POD.replace("NAME", "second"));
    eventually("the tenant is told of its quota", || {
        let events = acme.run("get events --field-selector=involvedObject.name=second").ok();
        let says = events.contains("HostRefused") && events.contains("exceeded quota") && events.contains("pods=1");
        if says { Ok(()) } else { Err(events) }
    });
    let description = acme.run("describe pod second").ok();
    assert!(!description.contains("second-default-"), "no host names: {description}");
}

/// The store takes no more than was agreed on.
fn full(acme: &Kubectl) {
    let maps: String = (0..100)
        .map(|one| format!("---\n{{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: map-{one} }} }}\n"))
        .collect();
    let refused = acme.input("create -f -", &maps).fails();
    assert!(refused.contains("at most 100 objects"), "{refused}");
}

fn gone(host: &Kubectl) {
    eventually("the time of the brief tenant is over", || {
        let left = host.run("get tenants,namespaces -o name").ok();
        if left.contains("brief") { Err(left) } else { Ok(()) }
    });
    let events = host.run("get events -n default --field-selector=involvedObject.kind=Tenant").ok();
    assert!(events.contains("Expired") && events.contains("Expiring"), "{events}");
}
