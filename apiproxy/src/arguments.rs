//! The command line of the apiproxy process. Every flag can come from the environment too: `ROWHOUSE_` and its name.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use apiproxy::config::EtcdArguments;
use clap::Parser;
use daemon::{Failure, ObjectRef};

use crate::publish::Publication;

/// Serves the Kubernetes APIs of all tenants.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// Directory of the embedded store, which one process uses; etcd is for several.
    #[arg(long, env = "ROWHOUSE_DATA_DIR", required_unless_present = "etcd_servers", conflicts_with = "etcd_servers")]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) etcd: EtcdArguments,
    /// Address on which tenants are served; may be given several times.
    #[arg(long, env = "ROWHOUSE_LISTEN", value_delimiter = ',', default_value = "127.0.0.1:8443")]
    pub(crate) listen: Vec<SocketAddr>,
    /// Address of the fleet view. With it, the addresses of the tenants do not serve the fleet view.
    #[arg(long, env = "ROWHOUSE_FLEET_LISTEN")]
    pub(crate) fleet_listen: Option<SocketAddr>,
    /// Address of /livez, /readyz and /metrics, in plain HTTP.
    #[arg(long, env = "ROWHOUSE_HEALTH_LISTEN")]
    pub(crate) health_listen: Option<SocketAddr>,
    /// Address on which tenants' dedicated ports are opened; without it none are.
    #[arg(long, env = "ROWHOUSE_TENANT_LISTEN")]
    pub(crate) tenant_listen: Option<IpAddr>,
    /// Resolver for names outside of the tenants' clusters; may be given several times. Those of /etc/resolv.conf when left
    /// out.
    #[arg(long, env = "ROWHOUSE_RESOLVER", value_delimiter = ',')]
    pub(crate) resolver: Vec<SocketAddr>,
    /// Name or address in the serving certificate, beside localhost; may be given several times.
    #[arg(long, env = "ROWHOUSE_NAME", value_delimiter = ',')]
    name: Vec<String>,
    /// Kubeconfig of the host cluster; the account of the pod when left out.
    #[arg(long, env = "ROWHOUSE_KUBECONFIG")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// File with the bearer token of the fleet view; one is made and kept in the store when left out.
    #[arg(long, env = "ROWHOUSE_FLEET_TOKEN_FILE")]
    fleet_token_file: Option<PathBuf>,
    /// Secret of the host (NAMESPACE/NAME) into which a kubeconfig of the fleet view is written.
    #[arg(long, env = "ROWHOUSE_FLEET_SECRET", requires = "fleet_url")]
    fleet_secret: Option<ObjectRef>,
    /// URL of the fleet listener as the syncer reaches it, without a path.
    #[arg(long, env = "ROWHOUSE_FLEET_URL", value_parser = server_url)]
    fleet_url: Option<http::Uri>,
    /// Seconds between saying "not ready" and closing the doors, at the end.
    #[arg(long, env = "ROWHOUSE_SHUTDOWN_DELAY", default_value_t = 0)]
    shutdown_delay: u16,
    /// Seconds that open requests have to finish, at the end.
    #[arg(long, env = "ROWHOUSE_SHUTDOWN_GRACE", default_value_t = 10)]
    shutdown_grace: u16,
}

/// `https://host[:port]`.
fn server_url(text: &str) -> Result<http::Uri, String> {
    let url: http::Uri = text.trim_end_matches('/').parse().map_err(|error| format!("{error}"))?;
    if url.scheme_str() == Some("https") && url.host().is_some() && url.path() == "/" {
        Ok(url)
    } else {
        Err("an https URL without a path".to_owned())
    }
}

impl Arguments {
    /// Names in the serving certificate: those given, and the one under which the fleet is reached.
    pub(crate) fn names(&self) -> Vec<String> {
        let fleet = self.fleet_url.as_ref().and_then(http::Uri::host);
        // An IPv6 address stands in brackets in a URL, without them in a certificate.
        let fleet = fleet.map(|host| host.trim_matches(['[', ']']).to_owned());
        self.name.iter().cloned().chain(fleet).collect()
    }

    /// The operator's token; empty when none was given.
    ///
    /// Errors: the file cannot be read, or holds no token.
    pub(crate) fn fleet_token(&self) -> Result<String, Failure> {
        let Some(path) = &self.fleet_token_file else { return Ok(String::new()) };
        let failed = |reason: &str| format!("the token file {}: {reason}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error.to_string()))?;
        match text.trim() {
            "" => Err(failed("it is empty").into()),
            token => Ok(token.to_owned()),
        }
    }

    /// Where the fleet kubeconfig goes, if anywhere.
    pub(crate) fn publication(&self) -> Option<Publication> {
        let (secret, url) = self.fleet_secret.clone().zip(self.fleet_url.clone())?;
        Some(Publication { secret, url })
    }

    /// Time between saying "not ready" and closing the doors.
    pub(crate) fn shutdown_delay(&self) -> Duration {
        Duration::from_secs(self.shutdown_delay.into())
    }

    /// Time that open requests have to finish.
    pub(crate) fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["apiproxy", "--data-dir=/tmp/x"], more].concat())
    }

    #[test]
    fn a_secret_needs_a_url() {
        assert!(parse(&["--fleet-secret=a/b"]).is_err());
        assert!(parse(&["--fleet-secret=a", "--fleet-url=https://x"]).is_err());
        for url in ["http://x:1", "https://x/fleet", "x:1", ""] {
            assert!(parse(&["--fleet-secret=a/b", &format!("--fleet-url={url}")]).is_err(), "{url}");
        }
        let arguments = parse(&["--fleet-secret=a/b", "--fleet-url=https://[::1]:8444/", "--name=n"]).unwrap();
        assert_eq!(arguments.names(), ["n", "::1"]);
        assert!(arguments.publication().is_some());
    }

    #[test]
    fn an_empty_token_file_opens_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let read = || parse(&[&format!("--fleet-token-file={}", path.display())]).unwrap().fleet_token();
        assert!(read().is_err());
        std::fs::write(&path, " \n").unwrap();
        assert!(read().is_err());
        std::fs::write(&path, "secret\n").unwrap();
        assert_eq!(read().unwrap(), "secret");
        assert_eq!(parse(&[]).unwrap().fleet_token().unwrap(), "");
    }
}
