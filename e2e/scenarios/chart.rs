//! The chart, with real helm on a real host whose nodes only pretend to run pods: what it makes, grants and leaves.

use e2e::{Assets, CONTROL_NAMESPACE, Helm, Host, Kubectl, Output, Rowhouse, chart, eventually};
use serde_json::{Value, json};

#[test]
fn the_chart_is_installed_upgraded_and_removed() {
    let assets = Assets::locate();
    let directory = tempfile::TempDir::new().unwrap();
    let logs = Rowhouse::target_directory().join("e2e/chart");
    std::fs::create_dir_all(&logs).unwrap();
    let cluster = Host::start(&assets, directory.path(), &logs, &[]);
    let (host, tool) = (cluster.kubectl(), Helm::new(&assets, cluster.kubeconfig(), directory.path()));
    let helm = |arguments: &str| tool.run(&format!("{arguments} --namespace {CONTROL_NAMESPACE}"));
    let image = "--set image.repository=registry.example/rowhouse";
    let chart = chart().display().to_string();
    helm(&format!("lint {chart} {image} --strict --kube-version=1.36.0")).ok();
    values_are_checked(&tool);

    volume(host);
    helm(&format!("install rowhouse {chart} {image} --create-namespace")).ok();
    pods_run(host);
    rights(host);
    // As the apiproxy and the syncer would do.
    let secret = json!({"data": {"kubeconfig": "e30="}}).to_string();
    host.args(&["patch", "secret", "rowhouse-fleet", "-n", CONTROL_NAMESPACE, "-p", &secret]).ok();
    host.apply("{apiVersion: rowhouse.dev/v1alpha1, kind: Tenant, metadata: {name: acme}}");
    let claim = host.run(&format!("get pvc -n {CONTROL_NAMESPACE} -o jsonpath={{.items[*].metadata.uid}}")).ok();

    let changed = "--set logLevel=debug --set endpoint.url=https://tenants.example.com --set syncer.replicas=3";
    helm(&format!("upgrade rowhouse {chart} {image} {changed}")).ok();
    let syncer = host.json(&format!("get deployment rowhouse-syncer -n {CONTROL_NAMESPACE}"));
    let arguments = syncer["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(arguments.contains("--server-url=https://tenants.example.com"), "{arguments}");
    assert_eq!(syncer["spec"]["replicas"], 3);
    let kept = host.json(&format!("get secret rowhouse-fleet -n {CONTROL_NAMESPACE}"));
    assert_eq!(kept["data"]["kubeconfig"], "e30=", "an upgrade leaves the way to the fleet view alone");

    helm_uninstalls(&helm("uninstall rowhouse --wait"), host);
    let after = host.run(&format!("get pvc -n {CONTROL_NAMESPACE} -o jsonpath={{.items[*].metadata.uid}}")).ok();
    assert_eq!((after, host.run("get tenants -o name").ok().trim()), (claim, "tenant.rowhouse.dev/acme"));
    // What is left is taken up again.
    helm(&format!("install rowhouse {chart} {image}")).ok();
    pods_run(host);
}

fn values_are_checked(helm: &Helm) {
    helm.template("").ok();
    helm.template(
        "--set store.etcd.endpoints={https://etcd:2379} --set apiproxy.replicas=3 --set podMonitor.enabled=true",
    )
    .ok();
    for (values, complaint) in [
        ("--set apiproxy.replicas=2", "store.etcd.endpoints"),
        ("--set apiproxy.replicas=0", "replicas"),
        ("--set image.repository=", "image.repository"),
        ("--set image.tag=latest", "tag"),
        ("--set apiproxy.replica=1", "replica"),
        ("--set endpoint.url=http://plain.example.com", "url"),
        ("--set endpoint.url=https://a.example.com/path", "url"),
        ("--set store.embedded.size=big", "size"),
        ("--set tenantPorts.first=80", "first"),
        ("--set tenantPorts.first=30000", "tenantPorts"),
        ("--set syncer.extraArgs={nonsense}", "extraArgs"),
        ("--set colour=blue", "colour"),
    ] {
        let said = helm.template(values).fails();
        assert!(said.contains(complaint), "{values}: {said}");
    }
}

/// The host provisions no volumes.
fn volume(host: &Kubectl) {
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "store"}, "spec": {
        "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/nowhere"}}});
    host.apply(&volume.to_string());
}

fn pods_run(host: &Kubectl) {
    eventually("the pods of the chart run", || {
        let pods = host.run(&format!("get pods -n {CONTROL_NAMESPACE} --field-selector=status.phase=Running -o name"));
        let pods = pods.result().map_err(|failed| failed.to_string())?;
        let both = ["pod/rowhouse-apiproxy-0", "pod/rowhouse-syncer-"].iter().all(|pod| pods.contains(pod));
        if both && pods.lines().count() >= 3 { Ok(()) } else { Err(pods) }
    });
    let pods = host.json(&format!("get pods -n {CONTROL_NAMESPACE}"));
    for pod in pods["items"].as_array().unwrap() {
        let (pod, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let security = &container["securityContext"];
        assert_eq!(
            (&security["readOnlyRootFilesystem"], &security["allowPrivilegeEscalation"]),
            (&true.into(), &false.into())
        );
        assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
    }
    // The namespace can be held to the strictest standard.
    let warned = host.args(&[
        "label",
        "namespace",
        CONTROL_NAMESPACE,
        "pod-security.kubernetes.io/enforce=restricted",
        "--overwrite",
        "--dry-run=server",
    ]);
    assert!(!warned.stderr.contains("Warning"), "{warned}");
}

/// What the accounts may not do. That they may do enough is for all other scenarios to show.
fn rights(host: &Kubectl) {
    let account = |name: &str| format!("system:serviceaccount:{CONTROL_NAMESPACE}:rowhouse-{name}");
    for (name, what) in [
        ("syncer", "create clusterroles"),
        ("syncer", "create rolebindings -n kube-system"),
        ("syncer", "impersonate users"),
        ("syncer", "create serviceaccounts --subresource=token"),
        ("syncer", "create pods --subresource=exec"),
        ("syncer", "patch nodes"),
        ("syncer", "create tenants"),
        ("apiproxy", "list secrets"),
        ("apiproxy", "create pods"),
        ("apiproxy", "delete services"),
        ("apiproxy", "get secrets/acme-kubeconfig -n rowhouse-system"),
    ] {
        let answer = host.run(&format!("auth can-i {what} --as={}", account(name)));
        assert_eq!(answer.stdout.trim(), "no", "{name}: {answer}");
    }
    let syncer = account("syncer");
    let map: Value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planted"}});
    eventually("the policy confines the syncer", || {
        let planted = host.input(&format!("create -f - -n kube-system --as={syncer}"), &map.to_string());
        // Until the host has compiled the policy, the account can do what RBAC says.
        host.run("delete configmap planted -n kube-system --ignore-not-found").ok();
        if planted.stderr.contains("only in namespaces of tenants") { Ok(()) } else { Err(planted.to_string()) }
    });
    let refused = |output: Output| {
        assert!(output.clone().fails().contains("Forbidden") || output.stderr.contains("forbidden"), "{output}");
    };
    let ours = r#"{"metadata": {"labels": {"rowhouse.dev/managed-by": "rowhouse"}}}"#;
    refused(host.args(&["patch", "namespace", "kube-system", "-p", ours, "--as", &syncer]));
    refused(host.args(&["delete", "namespace", "default", "--as", &syncer]));
    refused(host.args(&["create", "namespace", "rowhouse-unlabelled", "--as", &syncer]));
    let namespace = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"rowhouse.dev/managed-by": "rowhouse"}}})
        .to_string()
    };
    refused(host.input(&format!("create -f - --as={syncer}"), &namespace("elsewhere")));
    host.input(&format!("create -f - --as={syncer}"), &namespace("rowhouse-proof")).ok();
    host.input(&format!("create -f - -n rowhouse-proof --as={syncer}"), &map.to_string()).ok();
    host.run(&format!("delete namespace rowhouse-proof --wait=false --as={syncer}")).ok();
}

fn helm_uninstalls(output: &Output, host: &Kubectl) {
    output.clone().ok();
    let kinds = "statefulsets,deployments,services,serviceaccounts,secrets,roles,rolebindings,networkpolicies,poddisruptionbudgets";
    for (scope, kinds) in [
        ("-A", kinds),
        ("", "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"),
    ] {
        let left = host.run(&format!("get {kinds} {scope} -l app.kubernetes.io/instance=rowhouse -o name")).ok();
        assert_eq!(left, "");
    }
    host.run("get crd tenants.rowhouse.dev").ok();
}
