//! Promises kept against real Kubernetes: harness, scenarios, tidy.
//!
//! ```text
//!   Scenario ─► Host (etcd, kube-apiserver, controller-manager, scheduler)               real, on loopback
//!        │      nodes: simulated by kwok, or `Node` (containerd, kubelet, kube-proxy)      real, where it can be
//!        │        ▲
//!        │        │ kubeconfig
//!        ├─► Rowhouse (`tenantctl up`, or apiproxy and syncer) with the rights the chart grants, `tenantctl create …`
//!        │        │ kubeconfig of a tenant
//!        ╰─► Kubectl (the harness' own, same release as the host)
//! ```
//! Everything runs as child processes with their own directories and ports, and dies with the value that holds it.
//! The only wait is [`eventually`].

#![allow(clippy::panic, reason = "the harness is test code: it reports failures as tests do")]

mod assets;
mod command;
mod etcd;
mod eventually;
mod grants;
mod helm;
mod host;
mod image;
mod kubeconfig;
mod kubectl;
mod kwok;
mod node;
mod pki;
mod port;
mod process;
mod rowhouse;
mod scenario;

pub use assets::Assets;
pub use command::{Output, run, run_with_input, with_kubeconfig};
pub use etcd::Etcd;
pub use eventually::{PATIENCE, eventually, never_within};
pub use grants::{CONTROL_NAMESPACE, Form};
pub use helm::{Helm, chart};
pub use host::Host;
pub use image::Image;
pub use kubectl::Kubectl;
pub use node::Node;
pub use port::free as free_port;
pub use process::Process;
pub use rowhouse::Rowhouse;
pub use scenario::Scenario;
