//! What containerd, CNI, kubelet and kube-proxy are told.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Node, PAUSE, Settings, machine};
use crate::port;

/// Directory of containers' logs, in the node's directory.
pub(super) const POD_LOGS: &str = "pod-logs";

/// containerd's socket.
pub(super) fn socket(directory: &Path) -> PathBuf {
    directory.join("containerd.sock")
}

/// Writes all configuration files. They are written once, before anything starts: kube-proxy ends when its file is
/// touched.
pub(super) fn write(directory: &Path, settings: &Settings<'_>) {
    let cni = directory.join("cni");
    for path in [&cni, &directory.join("plugins"), &directory.join(POD_LOGS)] {
        std::fs::create_dir_all(path).expect("the node's directory is writable");
    }
    let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("the node's directory is writable");
    write(directory.join("containerd.toml"), &containerd(directory));
    write(cni.join("10-bridge.conflist"), &format!("{:#}", network(directory)));
    write(directory.join("kubelet.yaml"), &format!("{:#}", kubelet(directory, settings)));
    write(directory.join("kube-proxy.yaml"), &format!("{:#}", proxy(settings)));
    // Names of the world outside are not for tests.
    write(directory.join("resolv.conf"), "nameserver 127.0.0.1\n");
}

pub(super) fn containerd_arguments() -> Vec<String> {
    vec![format!("--config={}/containerd.toml", machine::DIRECTORY)]
}

pub(super) fn kubelet_arguments(settings: &Settings<'_>) -> Vec<String> {
    let directory = Path::new(machine::DIRECTORY);
    [
        ("config", directory.join("kubelet.yaml").display().to_string()),
        ("kubeconfig", settings.kubelet_kubeconfig.display().to_string()),
        ("root-dir", directory.join("kubelet").display().to_string()),
        ("cert-dir", directory.join("kubelet/pki").display().to_string()),
        ("containerd", socket(directory).display().to_string()),
        ("hostname-override", Node::NAME.to_owned()),
        ("node-ip", Node::ADDRESS.to_owned()),
    ]
    .map(|(flag, value)| format!("--{flag}={value}"))
    .to_vec()
}

pub(super) fn proxy_arguments() -> Vec<String> {
    vec![format!("--config={}/kube-proxy.yaml", machine::DIRECTORY)]
}

/// For containerd 1.6 and later 1.x. Without CAP_SYS_RESOURCE scores of the OOM killer cannot be lowered; the first
/// `ip netns` of anybody hides `/run/netns`.
fn containerd(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        r#"version = 2
root = "{directory}/containerd"
state = "{directory}/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
  address = "{directory}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{directory}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  Root = "{directory}/runc"
  SystemdCgroup = false
"#
    )
}

fn network(directory: &Path) -> serde_json::Value {
    json!({
        "cniVersion": "0.4.0", "name": "rowhouse-e2e",
        "plugins": [{
            "type": "bridge", "bridge": machine::BRIDGE, "isGateway": true, "hairpinMode": true,
            "ipam": {
                "type": "host-local", "dataDir": directory.join("addresses"),
                "ranges": [[{"subnet": Node::POD_CIDR}]], "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
}

/// Runs beside whatever else this machine does: swap, a full disk and cgroup v1 are no reason to refuse work. Updates
/// of volumes and restarts of containers come soon, so that tests need not wait for them.
fn kubelet(directory: &Path, settings: &Settings<'_>) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", socket(directory).display()),
        "address": Node::ADDRESS, "port": port::free(), "readOnlyPort": 0, "healthzPort": 0,
        "tlsCertFile": settings.serving.certificate, "tlsPrivateKeyFile": settings.serving.key,
        "authentication": {
            "anonymous": {"enabled": false}, "webhook": {"enabled": true}, "x509": {"clientCAFile": settings.authority},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs", "failCgroupV1": false, "failSwapOn": false, "oomScoreAdj": 0,
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99, "imageMaximumGCAge": "0s",
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%",
                         "imagefs.available": "1%", "imagefs.inodesFree": "1%"},
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "syncFrequency": "2s", "crashLoopBackOff": {"maxContainerRestartPeriod": "2s"},
        "serializeImagePulls": false,
        "podLogsDir": directory.join(POD_LOGS), "volumePluginDir": directory.join("plugins"),
        "resolvConf": directory.join("resolv.conf"), "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local",
        "makeIPTablesUtilChains": false,
    })
}

fn proxy(settings: &Settings<'_>) -> serde_json::Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": settings.proxy_kubeconfig},
        "hostnameOverride": Node::NAME, "bindAddress": Node::ADDRESS,
        "healthzBindAddress": format!("{}:{}", Node::ADDRESS, port::free()),
        "metricsBindAddress": format!("{}:{}", Node::ADDRESS, port::free()),
        "mode": "iptables", "iptables": {"localhostNodePorts": false, "minSyncPeriod": "200ms"},
        "clusterCIDR": Node::POD_CIDR, "nodePortAddresses": [format!("{}/32", Node::ADDRESS)],
        // Zero leaves the machine's settings alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    })
}
