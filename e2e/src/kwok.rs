//! Simulated nodes: kwok plays the life of pods and answers as their kubelet.
//!
//! Logs: the log of every container of a host namespace is one file, in the format of container runtimes, that
//! scenarios append to. Exec: the command runs on this machine, so a scenario sees standard streams and exit codes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::pki::Issued;

const STAGES: &str = include_str!("../kubernetes/stages.yaml");
/// Pod network of simulated nodes; addresses that nobody on this machine uses.
pub(crate) const POD_CIDR: &str = "10.244.0.0/16";

/// What kwok is told.
pub(crate) struct Settings<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) kubeconfig: &'a Path,
    pub(crate) port: u16,
    pub(crate) serving: &'a Issued,
    /// Namespaces with a log of their own; all others share `other.log`.
    pub(crate) logged_namespaces: &'a [&'a str],
}

/// Writes the configuration and returns kwok's arguments.
pub(crate) fn arguments(settings: &Settings<'_>) -> Vec<String> {
    let path = settings.directory.join("kwok.yaml");
    std::fs::write(&path, configuration(settings)).expect("the directory of the host is writable");
    [
        ("--config", path.display().to_string()),
        ("--kubeconfig", settings.kubeconfig.display().to_string()),
        ("--manage-all-nodes", "true".to_owned()),
        ("--node-ip", "127.0.0.1".to_owned()),
        ("--node-port", settings.port.to_string()),
        ("--server-address", format!("127.0.0.1:{}", settings.port)),
        ("--node-lease-duration-seconds", "40".to_owned()),
        ("--cidr", POD_CIDR.to_owned()),
        ("--tls-cert-file", settings.serving.certificate.display().to_string()),
        ("--tls-private-key-file", settings.serving.key.display().to_string()),
    ]
    .map(|(flag, value)| format!("{flag}={value}"))
    .to_vec()
}

fn configuration(settings: &Settings<'_>) -> String {
    let mut documents = STAGES.to_owned();
    let namespaces = settings.logged_namespaces.iter().map(|name| Some(*name)).chain([None]);
    for namespace in namespaces {
        let file = log_file(settings.directory, namespace.unwrap_or("other"));
        std::fs::write(&file, "").expect("the directory of the host is writable");
        let mut spec = json!({"logs": [{"logsFile": file, "previousLogsFile": file, "follow": true}]});
        if let Some(namespace) = namespace {
            spec["selector"] = json!({"matchNamespaces": [namespace]});
        }
        document(&mut documents, "ClusterLogs", namespace.unwrap_or("other"), &spec);
    }
    document(&mut documents, "ClusterExec", "local", &json!({"execs": [{"local": {"workDir": settings.directory}}]}));
    document(
        &mut documents,
        "ClusterAttach",
        "local",
        &json!({"attaches": [{"logsFile": log_file(settings.directory, "other")}]}),
    );
    documents
}

fn document(documents: &mut String, kind: &str, name: &str, spec: &Value) {
    let object =
        json!({"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    write!(documents, "---\n{object}\n").expect("writing to a string does not fail");
}

/// The log of all containers of one namespace.
pub(crate) fn log_file(directory: &Path, namespace: &str) -> PathBuf {
    directory.join(format!("{namespace}.log"))
}

/// A node that is ready from its creation: upstream keeps the status of a created Node.
pub(crate) fn node(name: &str, kubelet_port: u16) -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": "simulated",
               "lastHeartbeatTime": now, "lastTransitionTime": now})
    };
    let resources = json!({"cpu": "16", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "110"});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": format!("zone-{}", &name[name.len() - 1..]),
        }},
        "status": {
            "capacity": resources, "allocatable": resources,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
            "conditions": [
                condition("Ready", "True", "KubeletReady"),
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID"),
            ],
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "osImage": "simulated", "kernelVersion": "simulated",
                "containerRuntimeVersion": "kwok://0.8.0", "kubeletVersion": "v1.36.3", "kubeProxyVersion": "",
                "machineID": "", "systemUUID": "", "bootID": "",
            },
        },
    })
}
