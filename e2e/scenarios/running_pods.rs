//! What changes on a pod that runs: ephemeral containers and resources go to the host pod, their status comes back.

use e2e::{Kubectl, Scenario, eventually};

/// A pod that no node takes, so that both control planes let it be resized: simulated nodes do not support it.
const WAITING: &str = "
apiVersion: v1
kind: Pod
metadata: { name: sized, namespace: default }
spec:
  nodeSelector: { nobody: has-this }
  containers:
  - name: app
    image: registry.example/app:1
    resources: { requests: { cpu: 100m, memory: 64Mi }, limits: { cpu: 200m } }
";

#[test]
fn running_pods() {
    let scenario = Scenario::start("running-pods");
    let tenant = scenario.tenant("acme");
    debug(&scenario, &tenant);
    resize(&scenario, &tenant);
    gates(&scenario, &tenant);
}

/// What a tenant says of a readiness gate is known on the host, whose kubelet decides.
fn gates(scenario: &Scenario, tenant: &Kubectl) {
    let host = scenario.host.kubectl();
    let gate = r#"{"spec":{"readinessGates":[{"conditionType":"example.com/open"}]}}"#;
    tenant.args(&["run", "gated", "--image=registry.example/app:1", "--overrides", gate]).ok();
    eventually("the host has the pod", || {
        let found = twin(host, "gated");
        if found.is_empty() { Err(found) } else { Ok(()) }
    });
    let open = r#"{"status":{"conditions":[{"type":"example.com/open","status":"True"}]}}"#;
    tenant.args(&["patch", "pod", "gated", "--subresource=status", "-p", open]).ok();
    let path = "-o=jsonpath={.status.conditions[?(@.type==\"example.com/open\")].status}";
    eventually("the host knows of the gate", || {
        let said = host.args(&["get", &twin(host, "gated"), "-n", "rowhouse-acme", path]).ok();
        if said == "True" { Ok(()) } else { Err(said) }
    });
}

/// The host pod of a virtual pod.
fn twin(host: &Kubectl, pod: &str) -> String {
    host.run(&format!("get pods -n rowhouse-acme -o name -l run={pod}")).ok().trim().to_owned()
}

fn debug(scenario: &Scenario, tenant: &Kubectl) {
    let host = scenario.host.kubectl();
    tenant.run("run app --image=registry.example/app:1").ok();
    tenant.run("wait --for=condition=Ready pod/app --timeout=60s").ok();
    // Without a profile kubectl asks for a capability that pod security `baseline` does not give.
    tenant.run("debug app --image=registry.example/shell:1 -c mighty -- sleep 60").ok();
    tenant.run("debug app --image=registry.example/shell:1 -c look --target=app --profile=baseline -- sleep 60").ok();
    eventually("the tenant is told what the host refuses", || {
        let events = tenant.run("get events --field-selector=reason=HostRefused").ok();
        if events.contains("SYS_PTRACE") { Ok(()) } else { Err(events) }
    });
    let twin = twin(host, "app");
    let ask = |field: &str| host.run(&format!("get {twin} -n rowhouse-acme -o jsonpath={field}")).ok();
    eventually("the host pod has the container", || {
        let name = ask("{.spec.ephemeralContainers[*].name}");
        if name == "look" { Ok(()) } else { Err(name) }
    });
    assert_eq!(ask("{.spec.ephemeralContainers[0].targetContainerName}"), "app");
    assert!(ask("{.spec.ephemeralContainers[0].env}").contains("KUBERNETES_SERVICE_HOST"));
    let running = r#"{"status":{"ephemeralContainerStatuses":[{"name":"look","image":"shell:1","imageID":"i","ready":true,
        "restartCount":0,"state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}}"#;
    host.args(&["patch", &twin, "-n", "rowhouse-acme", "--subresource=status", "--type=merge", "-p", running]).ok();
    eventually("its status is the tenant's too", || {
        let path = "{.status.ephemeralContainerStatuses[?(@.name==\"look\")].state.running.startedAt}";
        let since = tenant.args(&["get", "pod", "app", "-o", &format!("jsonpath={path}")]).ok();
        if since == "2026-01-01T00:00:00Z" { Ok(()) } else { Err(since) }
    });
}

fn resize(scenario: &Scenario, tenant: &Kubectl) {
    let host = scenario.host.kubectl();
    tenant.apply(WAITING);
    let ask = |field: &str| {
        let selector = "rowhouse.dev/namespace=default,run!=app";
        host.run(&format!("get pods -n rowhouse-acme -l {selector} -o jsonpath={{.items[0]{field}}}")).ok()
    };
    eventually("the host has the pod", || {
        let found = host.run("get pods -n rowhouse-acme -l run!=app -o name").ok();
        if found.is_empty() { Err(found) } else { Ok(()) }
    });
    let more =
        r#"{"spec":{"containers":[{"name":"app","resources":{"requests":{"cpu":"150m"},"limits":{"cpu":"300m"}}}]}}"#;
    tenant.args(&["patch", "pod", "sized", "--subresource=resize", "-p", more]).ok();
    eventually("the host pod is resized", || {
        let now = ask(".spec.containers[0].resources");
        let is_resized = now.contains("150m") && now.contains("300m") && now.contains("64Mi");
        if is_resized { Ok(()) } else { Err(now) }
    });
    assert_eq!(tenant.run("get pod sized -o jsonpath={.spec.containers[0].resources.limits.cpu}").ok(), "300m");
    // Label changes still follow: what was resized is not applied again.
    tenant.run("label pod sized tier=gold").ok();
    eventually("the host pod has the label", || {
        let tier = ask(".metadata.labels.tier");
        if tier == "gold" { Ok(()) } else { Err(tier) }
    });
    assert!(ask(".spec.containers[0].resources").contains("300m"));
    let selector = "reason=HostRefused,involvedObject.name=sized";
    let events = tenant.run(&format!("get events --field-selector={selector} -o jsonpath={{.items[*].message}}")).ok();
    assert_eq!(events, "", "the host has refused nothing");
}
