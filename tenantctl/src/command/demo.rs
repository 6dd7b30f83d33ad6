//! `tenantctl demo`: a lab, a tenant, an application, and what the two sides see of it.

mod application;
mod sides;

use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kube::api::PostParams;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::{Client, ResourceExt};
use tenancy::{Phase, TenantName};

use super::up::{start_logging, terminated};
use crate::error::causes;
use crate::plane::{Host, Plane, Settings};
use crate::{Error, host, merge, output};

/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
const TENANT: &str = "acme";

/// A directory that goes with the demo.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the directory for temporary files anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Shows everything once; on a terminal the control plane then stays up until Ctrl-C. Errors: as `tenantctl up` and
/// `tenantctl create`.
pub(crate) async fn run() -> Result<(), Error> {
    start_logging("error");
    let scratch = Scratch(std::env::temp_dir().join(format!("rowhouse-demo-{}", std::process::id())));
    let began = Instant::now();
    let started = Plane::start(Settings {
        host: Host::Lab,
        data_dir: scratch.0.clone(),
        etcd: None,
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        advertise: None,
        controllers: controllers::Which::ALL.into_iter().collect(),
        resolvers: Vec::new(),
    });
    let plane = tokio::select! {
        plane = started => plane?,
        signal = terminated() => return signal,
    };
    output::line(&format!("lab and control plane up after {} ms: {}", began.elapsed().as_millis(), plane.url()))?;
    let show = async {
        tour(&plane, &scratch.0).await?;
        if std::io::stdout().is_terminal() {
            output::line("\nCtrl-C ends the demo and removes everything.")?;
            std::future::pending::<()>().await;
        }
        Ok(())
    };
    let shown = tokio::select! {
        shown = show => shown,
        signal = terminated() => signal,
    };
    plane.stop().await;
    shown
}

async fn tour(plane: &Plane, directory: &Path) -> Result<(), Error> {
    let name = TenantName::parse(TENANT).map_err(|error| step("tenant", error.to_string()))?;
    let began = Instant::now();
    let kubeconfig = create(&plane.host(), &name).await?;
    let path = directory.join(format!("{name}.kubeconfig"));
    merge::replace(&path, &kubeconfig, 0o600)?;
    let tenant = client(&kubeconfig).await?;
    tenant.apiserver_version().await?;
    output::line(&format!("tenant {name} created and answering after {} ms", began.elapsed().as_millis()))?;

    let began = Instant::now();
    let deployed = application::deploy(&tenant).await?;
    output::line(&format!("application deployed into its namespace shop: {deployed}"))?;
    within("the application becomes available", application::available(tenant.clone())).await?;
    output::line(&format!("all pods ready after {} ms\n", began.elapsed().as_millis()))?;
    output::text(&sides::table(&tenant, &plane.host()).await?)?;

    let program = std::env::current_exe().unwrap_or_else(|_| "tenantctl".into());
    let lab = plane.lab_kubeconfig().map(|path| path.display().to_string()).unwrap_or_default();
    output::text(&format!(
        "\nNow you, in another terminal:\n  \
         export KUBECONFIG={path}\n  \
         kubectl get all -n shop\n  \
         kubectl create namespace another\n  \
         kubectl logs -n shop deployment/web\n  \
         kubectl --kubeconfig {lab} get pods -A        # the host's side\n  \
         {program} --kubeconfig {lab} create umbrella\n",
        path = path.display(),
        program = program.display(),
    ))
}

/// Creates the tenant and returns its kubeconfig as soon as there is one.
async fn create(host: &Client, name: &TenantName) -> Result<String, Error> {
    let tenants = host::tenants(host.clone());
    tenants.create(&PostParams::default(), &host::new_tenant(name, &serde_json::json!({}))).await?;
    within("the tenant becomes ready", async {
        loop {
            let tenant = tenants.get(name.as_str()).await?;
            if let Some(failure) = host::failure(&tenant) {
                return Err(failure);
            }
            if host::status(&tenant).phase == Some(Phase::Ready) {
                tracing::debug!(tenant = tenant.name_any(), "ready");
                return super::kubeconfig::read(host, name).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await
}

/// A client as any client makes it from a kubeconfig: over TLS.
async fn client(kubeconfig: &str) -> Result<Client, Error> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|error| Error::Kubeconfig(causes(&error)))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let config = config.map_err(|error| Error::Kubeconfig(causes(&error)))?;
    Client::try_from(config).map_err(Error::from)
}

async fn within<T>(what: &'static str, step_of_demo: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, step_of_demo).await {
        Ok(result) => result,
        Err(_) => Err(step("demo", format!("gave up waiting: {what}"))),
    }
}

fn step(part: &'static str, reason: String) -> Error {
    Error::ControlPlane { part, reason }
}
