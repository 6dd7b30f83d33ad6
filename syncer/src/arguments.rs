//! The command line of the syncer process. Every flag can come from the environment too: `ROWHOUSE_` and its name.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use controllers::Which;
use daemon::ObjectRef;
use syncer::{Advertise, Install};

use crate::fleet::Source;

/// Keeps tenants and their objects in step with the host cluster, and runs the tenants' controllers.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    fleet: Fleet,
    /// Kubeconfig of the host cluster; the account of the pod when left out.
    #[arg(long, env = "ROWHOUSE_KUBECONFIG")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Base URL of the apiproxy as clients reach it.
    #[arg(long, env = "ROWHOUSE_SERVER_URL")]
    pub(crate) server_url: String,
    /// Authority (PEM file) of the certificate behind the server URL; the apiproxy's own when left out.
    #[arg(long, env = "ROWHOUSE_SERVER_CA")]
    pub(crate) server_ca: Option<PathBuf>,
    /// Domain below which tenants have names.
    #[arg(long, env = "ROWHOUSE_BASE_DOMAIN", default_value = "")]
    pub(crate) base_domain: String,
    /// Address at which pods of the host reach the apiproxy.
    #[arg(long, env = "ROWHOUSE_ADVERTISE_ADDRESS", conflicts_with = "advertise_service")]
    advertise_address: Option<IpAddr>,
    /// Service of the host (NAMESPACE/NAME) whose endpoints are the apiproxies.
    #[arg(long, env = "ROWHOUSE_ADVERTISE_SERVICE")]
    advertise_service: Option<ObjectRef>,
    /// Ports of the tenants' dedicated listeners.
    #[arg(long, env = "ROWHOUSE_PORT_RANGE", default_value = "20000-29999", value_parser = port_range)]
    pub(crate) port_range: RangeInclusive<u16>,
    /// Namespace of the host for kubeconfig Secrets.
    #[arg(long, env = "ROWHOUSE_CONTROL_NAMESPACE", default_value = "rowhouse-system")]
    pub(crate) control_namespace: String,
    /// Do not install the Tenant API and the control namespace: something else does.
    #[arg(long, env = "ROWHOUSE_NO_INSTALL")]
    no_install: bool,
    /// Lease of the host (NAMESPACE/NAME) that says which of several syncers works; without it this one does.
    #[arg(long, env = "ROWHOUSE_LEASE")]
    pub(crate) lease: Option<ObjectRef>,
    /// Name of this process in the lease: never that of another one that runs. Made up when left out.
    #[arg(long, env = "ROWHOUSE_IDENTITY")]
    identity: Option<String>,
    /// Controllers to run, by kube-controller-manager's names: 'foo' runs foo, '-foo' does not, '*' all not named.
    #[arg(long, env = "ROWHOUSE_CONTROLLERS", default_value = "*", allow_hyphen_values = true, value_parser = controllers)]
    pub(crate) controllers: BTreeSet<Which>,
    /// Address of /livez, /readyz and /metrics, in plain HTTP.
    #[arg(long, env = "ROWHOUSE_HEALTH_LISTEN")]
    pub(crate) health_listen: Option<SocketAddr>,
    /// Seconds that work in progress has to finish, at the end.
    #[arg(long, env = "ROWHOUSE_SHUTDOWN_GRACE", default_value_t = 10)]
    shutdown_grace: u16,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Fleet {
    /// Kubeconfig of the fleet view (its server URL ends in /fleet).
    #[arg(long, env = "ROWHOUSE_FLEET_KUBECONFIG")]
    fleet_kubeconfig: Option<PathBuf>,
    /// Secret of the host (NAMESPACE/NAME) with the kubeconfig of the fleet view, written by the apiproxy.
    #[arg(long, env = "ROWHOUSE_FLEET_SECRET")]
    fleet_secret: Option<ObjectRef>,
}

fn controllers(list: &str) -> Result<BTreeSet<Which>, controllers::Unknown> {
    controllers::select(&list.split(',').collect::<Vec<_>>())
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let parsed = text.split_once('-').and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    parsed.filter(|range| !range.is_empty()).ok_or_else(|| "two ports with a hyphen between them".to_owned())
}

impl Arguments {
    /// Where the kubeconfig of the fleet view is.
    pub(crate) fn fleet(&self, host: &kube::Client) -> Source {
        match (&self.fleet.fleet_kubeconfig, &self.fleet.fleet_secret) {
            (Some(path), _) => Source::File(path.clone()),
            (None, Some(secret)) => Source::Secret(host.clone(), secret.clone()),
            // The group of the two is required.
            (None, None) => Source::File(PathBuf::new()),
        }
    }

    /// Where pods of the host reach the apiproxy.
    pub(crate) fn advertise(&self) -> Advertise {
        match &self.advertise_service {
            Some(ObjectRef { namespace, name }) => {
                Advertise::Service { namespace: namespace.clone(), name: name.clone() }
            }
            None => self.advertise_address.into(),
        }
    }

    /// What to make on the host.
    pub(crate) fn install(&self) -> Install {
        if self.no_install { Install::Nothing } else { Install::Everything }
    }

    /// Name of this process in the lease.
    pub(crate) fn identity(&self) -> String {
        let given = self.identity.clone().filter(|identity| !identity.is_empty());
        given.unwrap_or_else(|| {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            format!("{}_{}", host.trim(), uuid::Uuid::new_v4())
        })
    }

    /// Time that work in progress has to finish.
    pub(crate) fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["syncer", "--server-url=https://x"], more].concat())
    }

    #[test]
    fn one_fleet_and_one_way_for_pods() {
        assert!(parse(&[]).is_err());
        assert!(parse(&["--fleet-kubeconfig=f", "--fleet-secret=a/b"]).is_err());
        assert!(parse(&["--fleet-secret=a"]).is_err());
        assert!(parse(&["--fleet-secret=a/b", "--advertise-address=::1", "--advertise-service=a/b"]).is_err());
        let arguments = parse(&["--fleet-secret=a/b", "--advertise-service=c/d"]).unwrap();
        assert_eq!(arguments.advertise(), Advertise::Service { namespace: "c".to_owned(), name: "d".to_owned() });
        assert_eq!(parse(&["--fleet-kubeconfig=f"]).unwrap().advertise(), Advertise::Nowhere);
        assert!(parse(&["--fleet-secret=a/b", "--port-range=2-1"]).is_err());
    }

    #[test]
    fn made_up_identities_differ() {
        let arguments = parse(&["--fleet-kubeconfig=f"]).unwrap();
        assert_ne!(arguments.identity(), arguments.identity());
        assert_eq!(parse(&["--fleet-kubeconfig=f", "--identity=me"]).unwrap().identity(), "me");
    }
}
