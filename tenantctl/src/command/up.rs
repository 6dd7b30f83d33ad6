//! `tenantctl up`: the control plane in the foreground.

use std::io::IsTerminal;
use std::net::SocketAddr;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{HostOptions, Up};
use crate::data_dir::DataDir;
use crate::plane::{Host, Plane, Settings};
use crate::{Error, output};

/// Where tenants are served when nobody says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8443);

/// Runs until SIGINT or SIGTERM. Errors: as [`Plane::start`], and a part that ended by itself.
pub(crate) async fn run(options: &HostOptions, arguments: &Up) -> Result<(), Error> {
    start_logging("info");
    let plane = Plane::start(settings(options, arguments)?).await?;
    output::line(&ready_line(&plane))?;
    let outcome = tokio::select! {
        signal = terminated() => signal,
        () = plane.broken() => {
            Err(Error::ControlPlane { part: "syncer", reason: "it ended; its log says why".to_owned() })
        }
    };
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = plane.stop() => outcome,
        again = terminated() => again,
    }
}

fn settings(options: &HostOptions, arguments: &Up) -> Result<Settings, Error> {
    // Only what was typed: whoever has a KUBECONFIG in the environment and types `up` gets the lab, not a control plane
    // installed into whatever that leads to.
    let host = match (&options.kubeconfig, &options.context) {
        (None, None) => Host::Lab,
        _ => Host::Cluster(options.clone()),
    };
    let listen = if arguments.listen.is_empty() { vec![LISTEN] } else { arguments.listen.clone() };
    let data_dir = match &arguments.data_dir {
        Some(path) => path.clone(),
        None => DataDir::default_path()?,
    };
    Ok(Settings {
        host,
        data_dir,
        etcd: arguments.etcd.config(),
        listen,
        advertise: arguments.advertise_address,
        controllers: arguments.controllers.clone(),
        resolvers: arguments.resolver.clone(),
    })
}

fn ready_line(plane: &Plane) -> String {
    match plane.lab_kubeconfig() {
        Some(path) => format!("ready: tenants at {}, lab as host, its kubeconfig in {}", plane.url(), path.display()),
        None => format!("ready: tenants at {}", plane.url()),
    }
}

/// SIGINT or SIGTERM. Errors: signals cannot be received.
pub(crate) async fn terminated() -> Result<(), Error> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Logs to standard error; `RUST_LOG` chooses what.
pub(crate) fn start_logging(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // Fails only when logging has been started already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
