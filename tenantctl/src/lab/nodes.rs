//! Simulated nodes: their objects and their heartbeats.

use std::net::Ipv4Addr;
use std::time::Duration;

use controllers::client::{self, Objects, Part};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::core::ApiResource;
use serde_json::{Value, json};

/// How many nodes the lab has.
const COUNT: u8 = 3;
/// Interval of heartbeats (upstream: a quarter of the lease, 40 s).
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Pause after a failed request.
const PAUSE: Duration = Duration::from_secs(1);
const LEASES: &str = "kube-node-lease";

/// One simulated node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Simulated(u8);

impl Simulated {
    /// The node of this name, when it is one of the lab's.
    pub(super) fn named(name: &str) -> Option<Self> {
        all().find(|node| node.name() == name)
    }

    /// Its name.
    pub(super) fn name(self) -> String {
        format!("lab-node-{}", self.0)
    }

    /// Its own address.
    pub(super) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 243, 0, self.0)
    }

    /// The pod network of the node is `/24` around this address, which is not given to pods.
    pub(super) fn pod_network(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 244, self.0, 0)
    }
}

fn all() -> impl Iterator<Item = Simulated> {
    (1..=COUNT).map(Simulated)
}

/// Makes the nodes and keeps them alive, for ever.
pub(super) async fn run(objects: Objects) {
    while let Err(error) = make(&objects).await {
        tracing::debug!(%error, "nodes of the lab");
        tokio::time::sleep(PAUSE).await;
    }
    loop {
        for node in all() {
            if let Err(error) = heartbeat(&objects, node).await {
                tracing::debug!(%error, node = node.name(), "heartbeat of the lab");
            }
        }
        tokio::time::sleep(HEARTBEAT).await;
    }
}

async fn make(objects: &Objects) -> Result<(), kube::Error> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASES}});
    create(objects, &ApiResource::erase::<Namespace>(&()), "", &namespace).await?;
    let kind = ApiResource::erase::<Node>(&());
    for node in all() {
        create(objects, &kind, "", &object(node)).await?;
        objects.merge(&kind, ("", &node.name()), Part::Status, &json!({"status": status(node)})).await?;
    }
    Ok(())
}

/// Creates what may be there already.
async fn create(objects: &Objects, kind: &ApiResource, namespace: &str, body: &Value) -> Result<(), kube::Error> {
    match objects.create(kind, namespace, body).await {
        Err(error) if !client::is_already_exists(&error) => Err(error),
        _ => Ok(()),
    }
}

async fn heartbeat(objects: &Objects, node: Simulated) -> Result<(), kube::Error> {
    let kind = ApiResource::erase::<Lease>(&());
    let spec = json!({"holderIdentity": node.name(), "leaseDurationSeconds": 40,
        "renewTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()});
    match objects.merge(&kind, (LEASES, &node.name()), Part::Object, &json!({"spec": spec})).await {
        Err(error) if client::is_not_found(&error) => {
            let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": node.name()}, "spec": spec});
            create(objects, &kind, LEASES, &lease).await
        }
        other => other.map(|_| ()),
    }
}

fn object(node: Simulated) -> Value {
    let name = node.name();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": architecture(),
            "node.kubernetes.io/instance-type": "simulated",
            "topology.kubernetes.io/region": "lab", "topology.kubernetes.io/zone": format!("lab-{}", node.0),
        }},
        "spec": {"podCIDR": format!("{}/24", node.pod_network()), "podCIDRs": [format!("{}/24", node.pod_network())]},
    })
}

fn status(node: Simulated) -> Value {
    let now = super::status::time(Timestamp::now());
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": "simulated",
            "lastHeartbeatTime": now, "lastTransitionTime": now})
    };
    let capacity = json!({"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110"});
    let allocatable = json!({"cpu": "7800m", "memory": "30Gi", "ephemeral-storage": "90Gi", "pods": "110"});
    json!({
        "capacity": capacity, "allocatable": allocatable,
        "addresses": [
            {"type": "InternalIP", "address": node.address().to_string()}, {"type": "Hostname", "address": node.name()},
        ],
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID"),
            condition("Ready", "True", "KubeletReady"),
        ],
        "nodeInfo": {
            "architecture": architecture(), "operatingSystem": "linux", "osImage": "simulated",
            "kernelVersion": "simulated", "containerRuntimeVersion": "simulated://1", "kubeletVersion": "v1.36.3",
            "kubeProxyVersion": "", "machineID": "", "systemUUID": "", "bootID": "",
        },
    })
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_nodes() {
        for node in all() {
            assert_eq!(Simulated::named(&node.name()), Some(node));
        }
        assert_eq!(Simulated::named("lab-node-0"), None);
        assert_eq!(Simulated::named("lab-node-4"), None);
    }
}
