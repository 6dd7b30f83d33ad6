//! The lab: what turns a bare Kubernetes API into a pretend host. Simulated nodes, scheduler and kubelet.
//!
//! ```text
//!   nodes     ─► Node objects, leases
//!   scheduler ─► pods without node ─► cluster::choose (pure) ─► pods/binding
//!   kubelet   ─► pods with node    ─► status::play   (pure) ─► pods/status, events, deletion
//! ```
//!
//! All of it is plain client code and runs over any Kubernetes API. Simulated: placement by node selector, taints and
//! resource requests; status, IPs, probes (they pass), graceful deletion, readiness gates, restarts after a change of
//! image. Not simulated: processes, images, volumes, affinity, completion: a container runs until its pod is deleted,
//! a Job's too.

mod addresses;
mod cluster;
mod host;
mod kubelet;
mod nodes;
mod scheduler;
mod status;

pub(crate) use host::LabHost;

use controllers::client::Objects;
use controllers::events::Recorder;
use controllers::informer::{Informer, Selector};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Client;
use kube::core::ApiResource;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Field manager of the lab's writes.
const MANAGER: &str = "rowhouse-lab";

/// What the parts of the lab share.
#[derive(Clone)]
struct Parts {
    objects: Objects,
    recorder: Recorder,
    pods: Informer,
    nodes: Informer,
}

/// Kind of pods.
fn pods() -> ApiResource {
    ApiResource::erase::<Pod>(&())
}

/// Plays nodes, scheduler and kubelet of the cluster behind `host` until `stop`. Failing requests are tried again.
pub async fn run(host: Client, stop: CancellationToken) {
    let recorder = Recorder::new(host.clone(), "kubelet");
    let parts = Parts {
        objects: Objects::new(host.clone(), MANAGER),
        recorder: recorder.clone(),
        pods: Informer::start(host.clone(), &pods(), &Selector::default(), None),
        nodes: Informer::start(host, &ApiResource::erase::<Node>(&()), &Selector::default(), None),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(nodes::run(parts.objects.clone()));
    tasks.spawn(scheduler::run(parts.clone()));
    tasks.spawn(kubelet::run(parts));
    tasks.spawn(async move { recorder.run().await });
    stop.cancelled().await;
    tasks.shutdown().await;
}
