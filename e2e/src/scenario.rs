//! What every scenario has: a name, places for data and logs, a host.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Assets, Etcd, Form, Host, Kubectl, Node, Rowhouse};

/// Namespaces of the host whose pods have logs of their own: of the tenants that scenarios create, and one that they
/// use on the host itself, for comparison.
const LOGGED: [&str; 3] = ["rowhouse-acme", "rowhouse-umbrella", "shop"];

/// One scenario. Dropped, everything it started is gone; logs stay in `target/e2e/<name>/`.
pub struct Scenario {
    /// The control plane under test.
    pub rowhouse: Rowhouse,
    /// The host cluster.
    pub host: Host,
    /// The store of the tenants, when it is not the embedded one: with `ROWHOUSE_E2E_STORE=etcd`, and on request.
    pub etcd: Option<Etcd>,
    assets: Assets,
    logs: PathBuf,
    directory: TempDir,
}

impl Scenario {
    /// Starts a host and Rowhouse against it.
    ///
    /// # Panics
    /// When either does not become ready.
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// The same, with more arguments for `tenantctl up`.
    ///
    /// # Panics
    /// When either does not become ready.
    pub fn start_with(name: &str, arguments: &[String]) -> Self {
        Self::start_as(Form::Up, name, arguments, Store::of_this_run())
    }

    /// The same, over etcd whatever the run is over.
    ///
    /// # Panics
    /// When something does not become ready.
    pub fn start_over_etcd(name: &str) -> Self {
        Self::start_as(Form::Up, name, &[], Store::Etcd)
    }

    /// Starts a host, and Rowhouse as the chart runs it: apiproxy and syncer as processes of their own.
    ///
    /// # Panics
    /// When either does not become ready.
    pub fn start_split(name: &str) -> Self {
        Self::start_as(Form::Split, name, &[], Store::of_this_run())
    }

    fn start_as(form: Form, name: &str, arguments: &[String], store: Store) -> Self {
        let assets = Assets::locate();
        let logs = match Store::of_this_run() {
            Store::Embedded => log_directory(name),
            Store::Etcd => log_directory(&format!("{name}-over-etcd")),
        };
        let directory = TempDir::with_prefix(format!("rowhouse-{name}-")).expect("a temporary directory");
        let etcd = match store {
            Store::Embedded => None,
            Store::Etcd => Some(Etcd::start(&assets, directory.path(), &logs)),
        };
        let host = Host::start(&assets, directory.path(), &logs, &LOGGED);
        let mut arguments = arguments.to_vec();
        arguments.extend(etcd.iter().flat_map(Etcd::arguments));
        let how = (form.chosen_or(), arguments.as_slice());
        let rowhouse = Rowhouse::start(&assets, &host, directory.path(), &logs, how);
        Self { rowhouse, host, etcd, assets, logs, directory }
    }

    /// Starts a host with a real node and Rowhouse against it, where pods of the node reach it.
    ///
    /// Errors: this machine cannot have a real node, see [`Host::start_with_node`].
    ///
    /// # Panics
    /// When either does not become ready.
    pub fn start_with_node(name: &str, arguments: &[String]) -> Result<Self, String> {
        let assets = Assets::locate();
        let logs = log_directory(name);
        let directory = TempDir::with_prefix(format!("rowhouse-{name}-")).expect("a temporary directory");
        let host = Host::start_with_node(&assets, directory.path(), &logs)?;
        let arguments = [&[format!("--advertise-address={}", Node::ADDRESS)], arguments].concat();
        let how = (Form::Up.chosen_or(), arguments.as_slice());
        let mut rowhouse = Rowhouse::start(&assets, &host, directory.path(), &logs, how);
        host.node().remember("rowhouse", rowhouse.process().id());
        Ok(Self { rowhouse, host, etcd: None, assets, logs, directory })
    }

    /// Creates a tenant with `tenantctl create` and returns kubectl with the kubeconfig that `tenantctl kubeconfig`
    /// prints.
    ///
    /// # Panics
    /// When the tenant does not become ready.
    pub fn tenant(&self, name: &str) -> Kubectl {
        self.rowhouse.tenantctl(&format!("create {name}")).ok();
        self.tenant_kubectl(name)
    }

    /// kubectl for a tenant that exists.
    ///
    /// # Panics
    /// When `tenantctl kubeconfig` fails.
    pub fn tenant_kubectl(&self, name: &str) -> Kubectl {
        let home = self.directory.path().join(format!("home-{name}"));
        std::fs::create_dir_all(&home).expect("the temporary directory is writable");
        let path = home.join("kubeconfig");
        let text = self.rowhouse.tenantctl(&format!("kubeconfig {name}")).ok();
        std::fs::write(&path, text).expect("the temporary directory is writable");
        Kubectl::new(&self.assets, &path, &home)
    }

    /// kubectl with another kubeconfig, given as text.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn kubectl_with(&self, name: &str, kubeconfig: &str) -> Kubectl {
        let home = self.directory.path().join(format!("home-{name}"));
        std::fs::create_dir_all(&home).expect("the temporary directory is writable");
        let path = home.join("kubeconfig");
        std::fs::write(&path, kubeconfig).expect("the temporary directory is writable");
        Kubectl::new(&self.assets, &path, &home)
    }

    /// The harness' binaries.
    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    /// A directory for files of this scenario.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where logs go.
    pub fn logs(&self) -> &Path {
        &self.logs
    }
}

/// What keeps the tenants.
#[derive(Clone, Copy)]
enum Store {
    Embedded,
    Etcd,
}

impl Store {
    /// `ROWHOUSE_E2E_STORE`: `embedded`, also when it is not set, or `etcd`.
    fn of_this_run() -> Self {
        match std::env::var("ROWHOUSE_E2E_STORE").as_deref() {
            Ok("etcd") => Self::Etcd,
            Ok("embedded" | "") | Err(_) => Self::Embedded,
            Ok(other) => panic!("ROWHOUSE_E2E_STORE={other}: embedded or etcd"),
        }
    }
}

fn log_directory(name: &str) -> PathBuf {
    let target = Rowhouse::target_directory();
    let path = target.join("e2e").join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("old logs can be removed");
    }
    std::fs::create_dir_all(&path).expect("the target directory is writable");
    path
}
