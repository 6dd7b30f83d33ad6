//! A real Kubernetes control plane on loopback, with simulated nodes.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::pki::{self, Authority};
use crate::{Assets, Kubectl, Process, eventually, kubeconfig, kwok, port};

const NODES: [&str; 2] = ["node-a", "node-b"];

/// The host cluster of a scenario.
pub struct Host {
    kubeconfig: PathBuf,
    kubectl: Kubectl,
    own: Option<Own>,
}

/// The processes of a host that the harness started. Dropped in this order: clients first.
struct Own {
    kwok: Option<Process>,
    scheduler: Option<Process>,
    controller_manager: Process,
    apiserver: Process,
    _etcd: Process,
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

    /// Starts a control plane without nodes and without scheduler, for whoever brings their own.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn without_nodes(assets: &Assets, directory: &Path, logs: &Path) -> Self {
        let ports = Ports { etcd: port::free(), peer: port::free(), api: port::free() };
        let pki = Pki::new(directory, ports.api);
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
        let own = Own { kwok: None, scheduler: None, controller_manager, apiserver, _etcd: etcd, directory, pki };
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

struct Ports {
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
}

impl Pki {
    fn new(directory: &Path, api_port: u16) -> Self {
        let authority = Authority::new(directory, "authority");
        let front_proxy = Authority::new(directory, "front-proxy");
        let admin = authority.client("admin", Some("system:masters"));
        let service_account_key = directory.join("service-account.key");
        let service_account_public_key = directory.join("service-account.pub");
        pki::signing_key(&service_account_key, &service_account_public_key);
        let server = format!("https://127.0.0.1:{api_port}");
        let path = directory.join("kubeconfig");
        Self {
            kubeconfig: kubeconfig::write(&path, &server, &authority.certificate(), &admin),
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
        ("bind-address", "127.0.0.1".to_owned()),
        ("advertise-address", "127.0.0.1".to_owned()),
        ("endpoint-reconciler-type", "none".to_owned()),
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
