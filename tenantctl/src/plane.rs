//! A control plane in one process: apiproxy, controllers and syncer, against a host.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use apiproxy::Server;
use apiproxy::admission::services::{Allocator, HostServices};
use apiproxy::connect::HostAccess;
use apiproxy::tls::Entrance;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use kube::api::ListParams;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::data_dir::DataDir;
use crate::error::causes;
use crate::host;
use crate::lab::LabHost;
use crate::{Error, cli::HostOptions};

/// How long the host may take to accept the Tenant API.
const HOST_PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Which cluster runs the pods.
pub(crate) enum Host {
    /// A cluster of the user's.
    Cluster(HostOptions),
    /// The pretend host in this process.
    Lab,
}

/// What a control plane is started with.
pub(crate) struct Settings {
    pub(crate) host: Host,
    pub(crate) data_dir: PathBuf,
    /// Where tenants are kept instead of the data directory.
    pub(crate) etcd: Option<store::EtcdConfig>,
    /// Never empty.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) advertise: Option<IpAddr>,
    pub(crate) controllers: BTreeSet<controllers::Which>,
    /// For names outside of the tenants' clusters; empty: the system's.
    pub(crate) resolvers: Vec<SocketAddr>,
}

/// A running control plane.
pub(crate) struct Plane {
    server: Arc<Server>,
    lab: Option<LabHost>,
    host: Client,
    url: String,
    stop: CancellationToken,
    tasks: TaskTracker,
    _data: DataDir,
}

impl Plane {
    /// Starts it; tenants are served when this returns. Errors: [`Error::Listen`], [`Error::InUse`],
    /// [`Error::Kubeconfig`], [`Error::Unreachable`], [`Error::ControlPlane`].
    pub(crate) async fn start(settings: Settings) -> Result<Self, Error> {
        let data = DataDir::open(&settings.data_dir)?;
        let mut listeners = Vec::new();
        for address in &settings.listen {
            let failed = |error: std::io::Error| Error::Listen { address: *address, reason: error.to_string() };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            listeners.push((listener.local_addr().map_err(failed)?, listener));
        }
        let url = url(listeners.first().map(|(address, _)| *address), settings.advertise);
        let (lab, host) = match &settings.host {
            Host::Cluster(options) => (None, host::client(options).await?),
            Host::Lab => {
                let lab = LabHost::start(&data).await?;
                let client = lab.client();
                (Some(lab), client)
            }
        };
        let token = token();
        let server = serve(&data, &settings, host.clone(), &token, listeners).await?;
        data.write("fleet.kubeconfig", &fleet_kubeconfig(&url, server.front_ca(), &token))?;
        let plane =
            Self { server, lab, host, url, stop: CancellationToken::new(), tasks: TaskTracker::new(), _data: data };
        plane.react(settings.advertise, settings.controllers);
        match plane.ready().await {
            Ok(()) => Ok(plane),
            Err(error) => {
                plane.stop().await;
                Err(error)
            }
        }
    }

    /// Starts everything that reacts: controllers and syncer.
    fn react(&self, advertise: Option<IpAddr>, which: BTreeSet<controllers::Which>) {
        let controllers = controllers::Config { fleet: self.server.fleet_client(), which };
        self.tasks.spawn(controllers::run(controllers, self.stop.clone()));
        let mut config = syncer::Config::new(self.server.fleet_client(), self.host.clone(), &self.url);
        config.server_ca = Some(self.server.front_ca().to_owned());
        config.advertise = advertise.into();
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            syncer::run(config, stop.clone()).await;
            // Half a control plane would look healthy and do nothing.
            stop.cancel();
        });
    }

    /// Waits until the host serves the Tenant API.
    async fn ready(&self) -> Result<(), Error> {
        let tenants = host::tenants(self.host.clone());
        let mut last = Error::NotInstalled;
        let attempts = async {
            loop {
                match tenants.list(&ListParams::default().limit(1)).await {
                    Ok(_) => return,
                    Err(error) => last = error.into(),
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = attempts => Ok(()),
            () = tokio::time::sleep(HOST_PATIENCE) => Err(last),
            () = self.stop.cancelled() => {
                Err(Error::ControlPlane { part: "syncer", reason: "it ended at once; its log says why".to_owned() })
            }
        }
    }

    /// Base URL of the tenants' APIs.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Kubeconfig of the lab's host; `None` without lab.
    pub(crate) fn lab_kubeconfig(&self) -> Option<&PathBuf> {
        self.lab.as_ref().map(LabHost::kubeconfig)
    }

    /// A client of the host.
    pub(crate) fn host(&self) -> Client {
        self.host.clone()
    }

    /// Resolves when a part has ended by itself.
    pub(crate) async fn broken(&self) {
        self.stop.cancelled().await;
    }

    /// Stops: loops first, then requests in flight, then the lab.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.server.shutdown().await;
        if let Some(lab) = self.lab {
            lab.stop().await;
        }
    }
}

async fn serve(
    data: &DataDir,
    settings: &Settings,
    host: Client,
    token: &str,
    listeners: Vec<(SocketAddr, TcpListener)>,
) -> Result<Arc<Server>, Error> {
    let failed = |error: apiproxy::server::StartError| Error::ControlPlane { part: "apiproxy", reason: causes(&error) };
    let own = listeners.iter().map(|(address, _)| address.ip()).filter(|ip| !ip.is_unspecified());
    let config = apiproxy::Config {
        data_dir: Some(data.join("tenants")),
        etcd: settings.etcd.clone(),
        services: Allocator::Host(HostServices::new(host.clone())),
        host: Some(HostAccess::Host(host)),
        fleet_token: token.to_owned(),
        names: own.chain(settings.advertise).map(|ip| ip.to_string()).collect(),
        tenant_listen: match settings.advertise {
            Some(address) => Some(pod_door(address).await),
            None => None,
        },
        resolvers: settings.resolvers.clone(),
    };
    let server = Server::start(config).await.map_err(failed)?;
    for (_, listener) in listeners {
        server.serve(listener, Entrance::Front).map_err(failed)?;
    }
    Ok(server)
}

/// Where tenants' own ports listen: the advertised address, or everywhere when it is not this machine's (behind a load
/// balancer or address translation).
async fn pod_door(advertise: IpAddr) -> IpAddr {
    match TcpListener::bind((advertise, 0)).await {
        Ok(_) => advertise,
        Err(error) => {
            tracing::warn!(%advertise, %error, "the advertised address is not local: tenants' ports listen everywhere");
            match advertise {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
            }
        }
    }
}

/// The URL for kubeconfigs: the first listener; when that listens everywhere, the advertised address, or loopback.
fn url(first: Option<SocketAddr>, advertise: Option<IpAddr>) -> String {
    let mut address = first.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)));
    if address.ip().is_unspecified() {
        address.set_ip(advertise.unwrap_or(Ipv4Addr::LOCALHOST.into()));
    }
    format!("https://{address}")
}

/// 256 random bits that open the fleet view; new at every start.
fn token() -> String {
    let bits: [u8; 32] = rand::random();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bits)
}

/// Kubeconfig of the operator's view over all tenants.
fn fleet_kubeconfig(url: &str, authority: &str, token: &str) -> String {
    let cluster = json!({"server": format!("{url}/fleet"), "certificate-authority-data": STANDARD.encode(authority)});
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "fleet",
        "clusters": [{"name": "fleet", "cluster": cluster}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "fleet", "context": {"cluster": "fleet", "user": "operator"}}],
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeconfigs_lead_to_an_address_that_can_be_dialled() {
        let cases = [
            ("127.0.0.1:8443", None, "https://127.0.0.1:8443"),
            ("0.0.0.0:8443", None, "https://127.0.0.1:8443"),
            ("0.0.0.0:8443", Some("192.0.2.7"), "https://192.0.2.7:8443"),
            ("192.0.2.1:1", Some("192.0.2.7"), "https://192.0.2.1:1"),
            ("[::1]:8443", None, "https://[::1]:8443"),
        ];
        for (listen, advertise, expected) in cases {
            let advertise = advertise.map(|text| text.parse().unwrap());
            assert_eq!(url(Some(listen.parse().unwrap()), advertise), expected);
        }
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(token(), token());
        assert_eq!(token().len(), 43);
    }
}
