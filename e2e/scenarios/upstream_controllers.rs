//! Upstream's kube-controller-manager, unmodified, in the place of our controllers: the proof that the API is right.

use e2e::{Kubectl, Process, Scenario, eventually};

use crate::fixtures::{deploy_shop, pods};

/// What of it cannot mean anything in a tenant: nodes belong to the host, which has such controllers of its own.
const CONTROLLERS: &str = "*,-node-lifecycle-controller,-node-ipam-controller,-node-route-controller,\
    -service-lb-controller,-cloud-node-lifecycle-controller";

const COUNT: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: count, namespace: shop}
spec:
  completions: 3
  parallelism: 2
  completionMode: Indexed
  template:
    metadata: {labels: {job: count}}
    spec:
      restartPolicy: Never
      containers: [{name: main, image: "count:1"}]
"#;

fn controller_manager(scenario: &Scenario, tenant: &Kubectl) -> Process {
    let kubeconfig = tenant.kubeconfig().display();
    let arguments = [
        format!("--kubeconfig={kubeconfig}"),
        format!("--controllers={CONTROLLERS}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--secure-port=0".to_owned(),
        "--leader-elect=true".to_owned(),
        "--v=1".to_owned(),
    ];
    let binary = scenario.assets().path("kube-controller-manager");
    Process::start(&binary, &arguments, &scenario.logs().join("kube-controller-manager-of-the-tenant.log"))
}

#[test]
fn upstreams_controllers_drive_a_tenant() {
    let scenario = Scenario::start_with("upstream-controllers", &["--controllers=-deployment-controller".to_owned()]);
    let tenant = scenario.tenant("acme");
    tenant.run("create namespace before").ok();
    assert!(tenant.run("get serviceaccount default -n before").fails().contains("NotFound"), "ours are off");

    let mut theirs = controller_manager(&scenario, &tenant);
    eventually("it makes service accounts", || {
        theirs.alive().expect("kube-controller-manager runs");
        tenant.run("get serviceaccount default -n before").result()
    });
    let lease = tenant.run("get lease kube-controller-manager -n kube-system -o name").ok();
    assert_eq!(lease.trim(), "lease.coordination.k8s.io/kube-controller-manager");

    deploy_shop(&tenant);
    let web = pods(&tenant, "shop", "web");
    assert_eq!(web.len(), 2);
    let twins = scenario.host.kubectl().run("get pods -n rowhouse-acme -l app=web -o name").ok();
    assert_eq!(twins.lines().count(), 2, "{twins}");
    eventually("EndpointSlices list the pods", || {
        let slices = tenant.json("get endpointslices -n shop -l kubernetes.io/service-name=web");
        let ready = slices["items"][0]["endpoints"].as_array().map_or(0, Vec::len);
        if ready == 2 { Ok(()) } else { Err(slices) }
    });

    tenant.apply(COUNT);
    let indexes = "get pods -n shop -l job=count --sort-by=.metadata.labels.batch\\.kubernetes\\.io/job-completion-index \
        -o jsonpath={.items[*].metadata.labels.batch\\.kubernetes\\.io/job-completion-index}";
    eventually("two indexes of the Job run", || {
        let running = tenant.run(indexes).ok();
        if running.trim() == "0 1" { Ok(()) } else { Err(running) }
    });

    tenant.run("delete deployment web -n shop --cascade=foreground --timeout=60s").ok();
    assert_eq!(tenant.run("get replicasets,pods -n shop -l app=web -o name").ok(), "");
    tenant.run("delete namespace shop --timeout=60s").ok();
    eventually("the host is empty again", || {
        let left = scenario.host.kubectl().run("get pods -n rowhouse-acme -o name").ok();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    theirs.alive().expect("kube-controller-manager still runs");
}
