//! A real node on this machine: containerd, runc and CNI of Debian under kubelet and kube-proxy of the pinned release.
//!
//! The node's address is [`Node::ADDRESS`] on the loopback device; pods get addresses of a bridge that reaches nothing but this
//! machine. There is one such node per machine at a time. Everything it changes is put back when it is dropped; what a
//! killed run left behind is put back by the next one.

mod config;
mod firewall;
mod machine;
mod obstacles;
mod sweep;

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use machine::Machine;

use crate::kubectl::Kubectl;
use crate::pki::Issued;
use crate::{Assets, Image, Process, command, eventually};

/// Image of the process that holds a pod's namespaces.
const PAUSE: &str = "registry.example/pause:1";

/// A running node. Dropping it ends its pods and puts the machine back as it was.
pub struct Node {
    // Dropped in this order: whoever starts things before what is started, the machine last.
    kubelet: Process,
    proxy: Process,
    _containerd: Process,
    machine: Machine,
}

/// What a node needs to know of its control plane.
pub(crate) struct Settings<'a> {
    pub(crate) logs: &'a Path,
    /// kubeconfigs of the kubelet and of kube-proxy.
    pub(crate) kubelet_kubeconfig: &'a Path,
    pub(crate) proxy_kubeconfig: &'a Path,
    /// Whose client certificates the kubelet accepts.
    pub(crate) authority: &'a Path,
    /// The kubelet's serving certificate.
    pub(crate) serving: &'a Issued,
}

impl Node {
    /// Its address: of the API server, of the kubelet, and of whatever else on this machine pods are to reach.
    pub const ADDRESS: &'static str = "10.243.0.1";
    /// Its name in the cluster.
    pub const NAME: &'static str = "node-a";
    /// Pods get addresses of this network.
    pub const POD_CIDR: &'static str = "10.244.0.0/24";

    /// Starts containerd, kubelet and kube-proxy and waits until the node is ready.
    pub(crate) fn start(machine: Machine, assets: &Assets, kubectl: &Kubectl, settings: &Settings<'_>) -> Self {
        config::write(machine.directory(), settings);
        let containerd = start(&machine, Path::new("containerd"), &config::containerd_arguments(), settings);
        // A kubelet that finds no containerd ends.
        eventually("containerd answers", || ctr(&["version"]).result());
        let pause = machine.directory().join("pause.tar");
        Image::new(PAUSE)
            .file(Path::new("/bin/busybox"), "bin/busybox")
            .entrypoint(&["/bin/busybox", "sleep", "2147483647"])
            .write(&pause);
        import(&pause);
        let kubelet = start(&machine, &assets.path("kubelet"), &config::kubelet_arguments(settings), settings);
        let proxy = start(&machine, &assets.path("kube-proxy"), &config::proxy_arguments(), settings);
        let mut node = Self { kubelet, proxy, _containerd: containerd, machine };
        eventually("the node is schedulable", || {
            node.kubelet.alive().expect("the kubelet runs");
            node.proxy.alive().expect("kube-proxy runs");
            let node = kubectl.run(&format!("get node {} -o json", Self::NAME)).result().map_err(|e| e.to_string())?;
            let node: serde_json::Value = serde_json::from_str(&node).map_err(|error| error.to_string())?;
            let conditions = node["status"]["conditions"].as_array();
            let is_ready =
                |condition: &serde_json::Value| condition["type"] == "Ready" && condition["status"] == "True";
            let ready = conditions.is_some_and(|all| all.iter().any(is_ready));
            if ready && node["spec"]["taints"].is_null() { Ok(()) } else { Err(node.to_string()) }
        });
        node
    }

    /// Makes an image of an archive (see [`Image::write`], or `docker save`) known to the node. Pods use it with any
    /// pull policy but `Always`.
    ///
    /// # Panics
    /// When the archive is no image.
    pub fn import_image(&self, archive: &Path) {
        import(archive);
    }

    /// Writes down a process that runs beside the node, so that a later run ends it when this one is killed.
    pub(crate) fn remember(&self, name: &str, id: u32) {
        self.machine.remember(name, id);
    }

    /// Where containers' logs are on this machine: `<namespace>_<pod>_<uid>/<container>/<restarts>.log`.
    pub fn pod_logs(&self) -> PathBuf {
        self.machine.directory().join(config::POD_LOGS)
    }
}

fn import(archive: &Path) {
    let said = ctr(&["images", "import", &archive.display().to_string()]).ok();
    // `unpacking registry.example/pause:1 (sha256:…)...done`
    let names = said.lines().filter_map(|line| line.strip_prefix("unpacking ")?.split(' ').next());
    for name in names {
        eventually("the kubelet's side of containerd has seen the image", || {
            ctr(&["images", "list", &format!("name=={name}")]).contains("io.cri-containerd.image=managed")
        });
    }
}

fn ctr(arguments: &[&str]) -> crate::Output {
    let mut ctr = Command::new("ctr");
    ctr.arg("--address").arg(config::socket(Path::new(machine::DIRECTORY))).arg("--namespace=k8s.io").args(arguments);
    command::complete(ctr, "")
}

fn start(machine: &Machine, program: &Path, arguments: &[String], settings: &Settings<'_>) -> Process {
    let name = program.file_name().expect("a program has a name").to_string_lossy();
    let process = Process::start(program, arguments, &settings.logs.join(format!("{name}.log")));
    machine.remember(&name, process.id());
    process
}
