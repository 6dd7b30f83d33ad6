//! A real Kubernetes control plane on this machine, with simulated nodes or a real one.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::node::{self, Machine};
use crate::pki::{self, Authority};
use crate::{Assets, Kubectl, Node, Process, eventually, kubeconfig, kwok, port};

const NODES: [&str; 2] = ["node-a", "node-b"];

/// The host cluster of a scenario.
pub struct Host {
    kubeconfig: PathBuf,
    kubectl: Kubectl,
    own: Option<Own>,
}

/// The processes of a host that the harness started. Dropped in this order: clients first.
struct Own {
    node: Option<Node>,
    kwok: Option<Process>,
    scheduler: Option<Process>,
    controller_manager: Process,
    apiserver: Process,
    etcd: Process,
    directory: PathBuf,
    pki: Pki,
}

impl Host {
    /// Starts a control plane, or takes the cluster of `ROWHOUSE_E2E_KUBECONFIG`. Ready when it returns.
    ///
    /// `directory` holds data and certificates, `logs` what the processes say. Pods of `logged_namespaces` have a log
    /// per namespace, see [`Self::append_log`].
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(assets: &Assets, directory: &Path, logs: &Path, logged_namespaces: &[&str]) -> Self {
        if let Some(existing) = std::env::var_os("ROWHOUSE_E2E_KUBECONFIG") {
            let kubeconfig = PathBuf::from(existing);
            let kubectl = Kubectl::new(assets, &kubeconfig, directory);
            return Self { kubeconfig, kubectl, own: None };
        }
        let mut host = Self::without_nodes(assets, directory, logs);
        let (kubeconfig, kubectl) = (host.kubeconfig.clone(), host.kubectl.clone());
        let own = host.own_mut();
        let start = |binary: &str, arguments: Vec<String>| {
            Some(Process::start(&assets.path(binary), &arguments, &logs.join(format!("{binary}.log"))))
        };
        let settings = kwok::Settings {
            directory,
            kubeconfig: &kubeconfig,
            port: port::free(),
            serving: &own.pki.kubelet,
            logged_namespaces,
        };
        let nodes = NODES.map(|name| kwok::node(name, settings.port).to_string());
        own.kwok = start("kwok", kwok::arguments(&settings));
        own.scheduler = start("kube-scheduler", scheduler_arguments(&own.pki));
        for node in nodes {
            kubectl.input("create -f -", &node).ok();
        }
        eventually("nodes are schedulable", || {
            let nodes =
                kubectl.run("get nodes -o jsonpath={.items[*].spec.taints}").result().map_err(|e| e.to_string())?;
            if nodes.trim().is_empty() { Ok(()) } else { Err(nodes) }
        });
        host
    }

    /// Starts a control plane with a real node, [`Self::node`], on which containers run. Pods reach the API server by
    /// its Service, and whatever listens on [`Node::ADDRESS`]. Always a cluster of its own, one per machine at a time: waits
    /// while another run has it.
    ///
    /// Errors: this machine cannot have a real node, and why. That is on standard error in capitals already.
    ///
    /// # Panics
    /// When it does not become ready; when there is an obstacle and `ROWHOUSE_E2E_NODE=require`.
    pub fn start_with_node(assets: &Assets, directory: &Path, logs: &Path) -> Result<Self, String> {
        let machine = Machine::prepare()?;
        let mut host = Self::control_plane(assets, directory, logs, Site::Node);
        let kubectl = host.kubectl.clone();
        let own = host.own_mut();
        let scheduler = scheduler_arguments(&own.pki);
        let log = logs.join("kube-scheduler.log");
        let scheduler = Process::start(&assets.path("kube-scheduler"), &scheduler, &log);
        for (name, process) in [
            ("etcd", &own.etcd),
            ("kube-apiserver", &own.apiserver),
            ("kube-controller-manager", &own.controller_manager),
            ("kube-scheduler", &scheduler),
        ] {
            machine.remember(name, process.id());
        }
        own.scheduler = Some(scheduler);
        let settings = node::Settings {
            logs,
            kubelet_kubeconfig: &own.pki.node_kubeconfig,
            proxy_kubeconfig: &own.pki.proxy_kubeconfig,
            authority: &own.pki.authority,
            serving: &own.pki.kubelet,
        };
        own.node = Some(Node::start(machine, assets, &kubectl, &settings));
        Ok(host)
    }

    /// Starts a control plane without nodes and without scheduler, for whoever brings their own.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn without_nodes(assets: &Assets, directory: &Path, logs: &Path) -> Self {
        Self::control_plane(assets, directory, logs, Site::Loopback)
    }

    fn control_plane(assets: &Assets, directory: &Path, logs: &Path, site: Site) -> Self {
        let ports = Ports { site, etcd: port::free(), peer: port::free(), api: port::free() };
        let pki = Pki::new(directory, &ports);
        let start = |binary: &str, arguments: Vec<String>| {
            Process::start(&assets.path(binary), &arguments, &logs.join(format!("{binary}.log")))
        };
        let mut etcd = start("etcd", etcd_arguments(directory, &ports));
        let mut apiserver = start("kube-apiserver", apiserver_arguments(&pki, &ports));
        let kubectl = Kubectl::new(assets, &pki.kubeconfig, directory);
        eventually("kube-apiserver is ready", || {
            etcd.alive().expect("etcd runs");
            apiserver.alive().expect("kube-apiserver runs");
            kubectl.run("get --raw /readyz").result()
        });
        let controller_manager = start("kube-controller-manager", controller_manager_arguments(&pki));
        eventually("the default service account exists", || kubectl.run("get serviceaccount default").result());
        let kubeconfig = pki.kubeconfig.clone();
        let directory = directory.to_owned();
        let own = Own { node: None, kwok: None, scheduler: None, controller_manager, apiserver, etcd, directory, pki };
        Self { kubeconfig, kubectl, own: Some(own) }
    }

    /// Kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// kubectl as its administrator.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Its real node.
    ///
    /// # Panics
    /// Unless it was started with one.
    pub fn node(&self) -> &Node {
        self.own().node.as_ref().expect("this host was started by `start_with_node`")
    }

    /// Adds a line to the logs of all containers of a namespace (one of `logged_namespaces`).
    ///
    /// # Panics
    /// On a cluster that the harness did not start.
    pub fn append_log(&self, namespace: &str, line: &str) {
        let path = kwok::log_file(&self.own().directory, namespace);
        let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("the namespace is logged");
        writeln!(file, "{} stdout F {line}", jiff::Timestamp::now()).expect("the log is writable");
    }

    /// Kills the host's API server.
    ///
    /// # Panics
    /// On a cluster that the harness did not start.
    pub fn kill_api(&mut self) {
        self.own_mut().apiserver.kill();
    }

    /// Starts the host's API server again and waits until it answers.
    ///
    /// # Panics
    /// On a cluster that the harness did not start.
    pub fn restart_api(&mut self) {
        let kubectl = self.kubectl.clone();
        let own = self.own_mut();
        own.apiserver.restart();
        eventually("kube-apiserver is ready again", || kubectl.run("get --raw /readyz").result());
        // Without leader election these two end when their API server is gone for long.
        let clients = [Some(&mut own.controller_manager), own.scheduler.as_mut(), own.kwok.as_mut()];
        for process in clients.into_iter().flatten() {
            if process.alive().is_err() {
                process.restart();
            }
        }
    }

    fn own(&self) -> &Own {
        self.own.as_ref().expect("this scenario needs a host of its own: unset ROWHOUSE_E2E_KUBECONFIG")
    }

    fn own_mut(&mut self) -> &mut Own {
        self.own.as_mut().expect("this scenario needs a host of its own: unset ROWHOUSE_E2E_KUBECONFIG")
    }
}

/// Where the API server listens. Addresses of loopback cannot be endpoints, so pods reach it on the node's only.
#[derive(Clone, Copy)]
enum Site {
    Loopback,
    Node,
}

impl Site {
    fn address(self) -> &'static str {
        match self {
            Self::Loopback => "127.0.0.1",
            Self::Node => Node::ADDRESS,
        }
    }

    /// Who keeps the endpoints of Service `kubernetes`.
    fn endpoint_reconciler(self) -> &'static str {
        match self {
            Self::Loopback => "none",
            Self::Node => "lease",
        }
    }
}

struct Ports {
    site: Site,
    etcd: u16,
    peer: u16,
    api: u16,
}

struct Pki {
    authority: PathBuf,
    front_proxy_authority: PathBuf,
    api: pki::Issued,
    kubelet: pki::Issued,
    kubelet_client: pki::Issued,
    front_proxy_client: pki::Issued,
    service_account_key: PathBuf,
    service_account_public_key: PathBuf,
    kubeconfig: PathBuf,
    node_kubeconfig: PathBuf,
    proxy_kubeconfig: PathBuf,
}

impl Pki {
    fn new(directory: &Path, ports: &Ports) -> Self {
        let authority = Authority::new(directory, "authority");
        let front_proxy = Authority::new(directory, "front-proxy");
        let admin = authority.client("admin", Some("system:masters"));
        let service_account_key = directory.join("service-account.key");
        let service_account_public_key = directory.join("service-account.pub");
        pki::signing_key(&service_account_key, &service_account_public_key);
        let server = format!("https://{}:{}", ports.site.address(), ports.api);
        let write = |file: &str, user: &pki::Issued| {
            kubeconfig::write(&directory.join(file), &server, &authority.certificate(), user)
        };
        let node = authority.client(&format!("system:node:{}", Node::NAME), Some("system:nodes"));
        Self {
            kubeconfig: write("kubeconfig", &admin),
            node_kubeconfig: write("node.kubeconfig", &node),
            proxy_kubeconfig: write("proxy.kubeconfig", &authority.client("system:kube-proxy", None)),
            authority: authority.certificate(),
            front_proxy_authority: front_proxy.certificate(),
            api: authority.server("apiserver"),
            kubelet: authority.server("kubelet"),
            kubelet_client: authority.client("kubelet-client", Some("system:masters")),
            front_proxy_client: front_proxy.client("front-proxy-client", None),
            service_account_key,
            service_account_public_key,
        }
    }
}

fn flags<const N: usize>(pairs: [(&str, String); N]) -> Vec<String> {
    pairs.map(|(flag, value)| format!("--{flag}={value}")).to_vec()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn etcd_arguments(directory: &Path, ports: &Ports) -> Vec<String> {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.peer);
    flags([
        ("data-dir", shown(&directory.join("etcd"))),
        ("listen-client-urls", client.clone()),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer.clone()),
        ("initial-advertise-peer-urls", peer.clone()),
        ("initial-cluster", format!("default={peer}")),
        // A scenario never survives its machine: durability of the host's store is not under test.
        ("unsafe-no-fsync", "true".to_owned()),
    ])
}

fn apiserver_arguments(pki: &Pki, ports: &Ports) -> Vec<String> {
    flags([
        ("etcd-servers", format!("http://127.0.0.1:{}", ports.etcd)),
        ("bind-address", ports.site.address().to_owned()),
        ("advertise-address", ports.site.address().to_owned()),
        ("endpoint-reconciler-type", ports.site.endpoint_reconciler().to_owned()),
        ("secure-port", ports.api.to_string()),
        ("service-cluster-ip-range", "10.96.0.0/16".to_owned()),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("allow-privileged", "true".to_owned()),
        ("client-ca-file", shown(&pki.authority)),
        ("tls-cert-file", shown(&pki.api.certificate)),
        ("tls-private-key-file", shown(&pki.api.key)),
        ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
        ("service-account-key-file", shown(&pki.service_account_public_key)),
        ("service-account-signing-key-file", shown(&pki.service_account_key)),
        ("kubelet-certificate-authority", shown(&pki.authority)),
        ("kubelet-client-certificate", shown(&pki.kubelet_client.certificate)),
        ("kubelet-client-key", shown(&pki.kubelet_client.key)),
        ("kubelet-preferred-address-types", "InternalIP".to_owned()),
        ("requestheader-client-ca-file", shown(&pki.front_proxy_authority)),
        ("requestheader-username-headers", "X-Remote-User".to_owned()),
        ("requestheader-group-headers", "X-Remote-Group".to_owned()),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-".to_owned()),
        ("proxy-client-cert-file", shown(&pki.front_proxy_client.certificate)),
        ("proxy-client-key-file", shown(&pki.front_proxy_client.key)),
    ])
}

fn controller_manager_arguments(pki: &Pki) -> Vec<String> {
    flags([
        ("kubeconfig", shown(&pki.kubeconfig)),
        ("authentication-kubeconfig", shown(&pki.kubeconfig)),
        ("authorization-kubeconfig", shown(&pki.kubeconfig)),
        ("bind-address", "127.0.0.1".to_owned()),
        ("secure-port", "0".to_owned()),
        ("leader-elect", "false".to_owned()),
        ("root-ca-file", shown(&pki.authority)),
        ("service-account-private-key-file", shown(&pki.service_account_key)),
    ])
}

fn scheduler_arguments(pki: &Pki) -> Vec<String> {
    flags([
        ("kubeconfig", shown(&pki.kubeconfig)),
        ("authentication-kubeconfig", shown(&pki.kubeconfig)),
        ("authorization-kubeconfig", shown(&pki.kubeconfig)),
        ("bind-address", "127.0.0.1".to_owned()),
        ("secure-port", "0".to_owned()),
        ("leader-elect", "false".to_owned()),
    ])
}
