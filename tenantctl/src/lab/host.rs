//! The pretend host: our own API engine on a loopback port of its own, with one "tenant" that is the whole cluster.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use apiproxy::admission::services::{Allocator, LocalRange};
use apiproxy::connect::HostAccess;
use apiproxy::tls::Entrance;
use apiproxy::{Config, Server};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncer::{kubeconfig, pki};
use tenancy::route::RouteSpec;
use tenancy::{TenantId, TenantName};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Error;
use crate::data_dir::DataDir;

/// ClusterIPs of the lab: 10.96.0.0/16.
const SERVICES: [u8; 2] = [10, 96];
const IDENTITY: &str = "host.json";
const KUBECONFIG: &str = "host.kubeconfig";

/// A running lab: API, controllers, nodes.
pub(crate) struct LabHost {
    server: Arc<Server>,
    kubeconfig: PathBuf,
    stop: CancellationToken,
    tasks: TaskTracker,
    id: TenantId,
}

/// What stays the same when a lab is started again, so that kubeconfigs of it stay good.
#[derive(Serialize, Deserialize)]
struct Identity {
    port: u16,
    route: RouteSpec,
}

impl LabHost {
    /// Starts the lab; its kubeconfig is in the data directory when this returns. Errors: [`Error::ControlPlane`],
    /// [`Error::File`].
    pub(crate) async fn start(data: &DataDir) -> Result<Self, Error> {
        let failed = |reason: String| Error::ControlPlane { part: "lab", reason };
        let server = Server::start(Config {
            data_dir: Some(data.join("host")),
            etcd: None,
            services: Allocator::Local(LocalRange::new(SERVICES)),
            host: Some(HostAccess::Simulated(log)),
            fleet_token: String::new(),
            names: Vec::new(),
            tenant_listen: None,
            resolvers: Vec::new(),
        })
        .await
        .map_err(|error| failed(error.to_string()))?;
        let id = TenantId::from_uid("the lab");
        let (listener, identity) = identity(data).await?;
        server.register(id, &identity.route).await.map_err(failed)?;
        let address = listener.local_addr().map_err(|error| failed(error.to_string()))?;
        server.serve(listener, Entrance::Tenant(id)).map_err(|error| failed(error.to_string()))?;
        let kubeconfig = data.write(KUBECONFIG, &admin_kubeconfig(&identity.route, address)?)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(controllers::run(controllers::Config::all(server.fleet_client()), stop.clone()));
        tasks.spawn(super::run(server.tenant_client(id), stop.clone()));
        Ok(Self { server, kubeconfig, stop, tasks, id })
    }

    /// A client of the pretend host, without a socket.
    pub(crate) fn client(&self) -> kube::Client {
        self.server.tenant_client(self.id)
    }

    /// Where its kubeconfig is.
    pub(crate) fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }

    /// Stops everything in it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.server.shutdown().await;
    }
}

/// The identity of the last start, or a new one, and a listener on its port. A port that somebody else has taken
/// meanwhile is replaced.
async fn identity(data: &DataDir) -> Result<(TcpListener, Identity), Error> {
    let failed = |reason: String| Error::ControlPlane { part: "lab", reason };
    let known = data.read(IDENTITY)?.and_then(|text| serde_json::from_str::<Identity>(&text).ok());
    let port = known.as_ref().map_or(0, |identity| identity.port);
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| failed(error.to_string()))?,
    };
    let port = listener.local_addr().map_err(|error| failed(error.to_string()))?.port();
    let route = match known {
        Some(identity) => renewed(identity.route),
        None => fresh_route(),
    };
    let identity = Identity { port, route: route.map_err(|error| failed(error.to_string()))? };
    data.write(IDENTITY, &serde_json::to_string(&identity).map_err(|error| failed(error.to_string()))?)?;
    Ok((listener, identity))
}

fn fresh_route() -> Result<RouteSpec, pki::Error> {
    let tenant = name();
    let ca = pki::authority(&tenant, SystemTime::now())?;
    renewed(RouteSpec {
        serving: ca.clone(),
        ca,
        tenant,
        service_account_keys: vec![pki::account_key()?],
        port: None,
        service_ip: None,
        caps: tenancy::route::Caps::default(),
        admin_users: Vec::new(),
        admin_groups: Vec::new(),
        sight: tenancy::SyncFromHost::default(),
    })
}

/// The route with a serving certificate of today.
fn renewed(route: RouteSpec) -> Result<RouteSpec, pki::Error> {
    let names: BTreeSet<String> = ["localhost", "127.0.0.1"].map(str::to_owned).into();
    let serving = pki::serving(&route.ca, &names, SystemTime::now())?;
    Ok(RouteSpec { serving, ..route })
}

fn name() -> TenantName {
    TenantName::parse("lab").expect("a valid name")
}

fn admin_kubeconfig(route: &RouteSpec, address: SocketAddr) -> Result<String, Error> {
    let client = pki::client(&route.ca, SystemTime::now());
    let client = client.map_err(|error| Error::ControlPlane { part: "lab", reason: error.to_string() })?;
    Ok(kubeconfig::render(&route.tenant, &format!("https://{address}"), &route.ca.certificate, &client))
}

/// What `kubectl logs` shows of a container of the lab.
fn log(pod: &Value, container: &str) -> String {
    let text = |path: &str| pod.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let containers = pod["spec"]["containers"].as_array();
    let image = containers
        .into_iter()
        .flatten()
        .find(|one| one["name"] == container)
        .and_then(|one| one["image"].as_str())
        .unwrap_or_default();
    format!(
        "This is the lab: node {}, container {container} ({image}) are simulated.\n\
         Nothing runs here and nothing is logged; on a real host this is the container's output.\n",
        text("/spec/nodeName")
    )
}
