//! The lab's nodes, scheduler and kubelet against a real API server: what they write, upstream accepts, and what
//! upstream's controllers expect of them, they do.

use e2e::{Assets, Host, Kubectl, Rowhouse, eventually};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: web:1, resources: {requests: {cpu: 500m}}}
";

const TOO_LARGE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: huge}
spec:
  containers:
  - {name: huge, image: huge:1, resources: {requests: {cpu: '9'}}}
";

struct Lab {
    host: Host,
    stop: CancellationToken,
    _runtime: Runtime,
    _directory: tempfile::TempDir,
}

impl Lab {
    fn start(name: &str) -> Self {
        let directory = tempfile::TempDir::new().unwrap();
        let logs = Rowhouse::target_directory().join("e2e").join(name);
        std::fs::create_dir_all(&logs).unwrap();
        let host = Host::without_nodes(&Assets::locate(), directory.path(), &logs);
        let runtime = Runtime::new().unwrap();
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(host.kubeconfig()).unwrap();
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            kube::Client::try_from(config).unwrap()
        });
        let stop = CancellationToken::new();
        runtime.spawn(tenantctl::lab::run(client, stop.clone()));
        Self { host, stop, _runtime: runtime, _directory: directory }
    }

    fn kubectl(&self) -> &Kubectl {
        self.host.kubectl()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[test]
fn lab_parts_serve_upstream_controllers() {
    let lab = Lab::start("lab-parts");
    let kubectl = lab.kubectl();
    eventually("three nodes are ready", || {
        let nodes = kubectl.run("get nodes --no-headers").result().map_err(|failed| failed.to_string())?;
        if nodes.lines().filter(|line| line.contains(" Ready ")).count() == 3 { Ok(()) } else { Err(nodes) }
    });
    // Upstream's controller manager takes the taint of an unready node away a moment after it has become ready.
    eventually("nothing keeps pods off the nodes", || {
        let taints = kubectl.run("get nodes -o jsonpath={.items[*].spec.taints}").ok();
        if taints.trim().is_empty() { Ok(()) } else { Err(taints) }
    });
    eventually("heartbeats", || kubectl.run("get lease -n kube-node-lease lab-node-1").result());

    kubectl.input("apply -f -", WEB).ok();
    kubectl.run("rollout status deployment/web --timeout=60s").ok();
    let nodes = kubectl.run("get pods -l app=web -o jsonpath={.items[*].spec.nodeName}").ok();
    let spread: std::collections::BTreeSet<_> = nodes.split_whitespace().collect();
    assert_eq!(spread.len(), 3, "{nodes}");
    let ips = kubectl.run("get pods -l app=web -o jsonpath={.items[*].status.podIP}").ok();
    assert_eq!(ips.split_whitespace().collect::<std::collections::BTreeSet<_>>().len(), 4, "{ips}");
    for text in ["Successfully assigned default/web-", "Container created", "Container started", "(simulated)"] {
        eventually(text, || kubectl.run("get events").contains(text));
    }

    kubectl.run("set image deployment/web web=web:2").ok();
    kubectl.run("rollout status deployment/web --timeout=60s").ok();

    kubectl.input("create -f -", TOO_LARGE).ok();
    eventually("the reason why it does not fit", || {
        kubectl.run("describe pod huge").contains("0/3 nodes are available: 3 Insufficient cpu.")
    });
    kubectl.run("delete pod huge --timeout=30s").ok();
    kubectl.run("delete deployment web --cascade=foreground --timeout=60s").ok();
    assert_eq!(kubectl.run("get pods -o name").ok(), "");
}
