//! The syncer as a process of its own: a client of the fleet view and of the host, over the network.
//!
//! ```text
//!   health port ─► host ─► fleet kubeconfig ─► lease ─► sync and controllers ─► SIGTERM: finish, release
//!                                                    └─ lease lost: nothing more is written, exit 1
//! ```

mod arguments;
mod fleet;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Parser;
use daemon::{Failure, Health, Status};
use kube::Client;
use kube::client::ClientBuilder;
use syncer::lease::{Fence, Lease, Lost, Timing};
use syncer::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use arguments::Arguments;
use fleet::Fleet;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    daemon::start_logging();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = daemon::causes(&*error), "syncer stops");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    // One provider for the whole process; a second installation is somebody else's and fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (status, metrics) = (Status::new("starting"), Metrics::default());
    if let Some(address) = arguments.health_listen {
        let listening = Health::listen(address, status.clone()).await;
        let health = listening.map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let metrics = metrics.clone();
        tokio::spawn(health.serve(move || metrics.render()));
    }
    let terminated = daemon::terminated();
    tokio::pin!(terminated);
    let host = daemon::host_config(arguments.kubeconfig.as_deref()).await?;
    let client = Client::try_from(host.clone())?;
    let source = arguments.fleet(&client);
    status.unready("waiting for the fleet kubeconfig");
    let fleet = tokio::select! {
        fleet = source.wait() => fleet?,
        stopped = &mut terminated => return Ok(stopped?),
    };
    // Whoever stands by is ready too: it is ready to take over.
    status.ready();
    let mut lease = arguments
        .lease
        .as_ref()
        .map(|at| Lease::new(client, &at.namespace, &at.name, &arguments.identity(), Timing::default()));
    if let Some(lease) = &mut lease {
        tokio::select! {
            () = lease.acquire() => tracing::info!("lease held, starting"),
            () = source.changed(&fleet) => return Err("the fleet kubeconfig has changed, starting anew".into()),
            stopped = &mut terminated => return Ok(stopped?),
        }
    }
    metrics.lead();
    let fence = lease.as_ref().map(Lease::fence);
    let config = config(&arguments, host, &fleet, fence.as_ref(), metrics)?;
    let stop = CancellationToken::new();
    let work = work(config, arguments.controllers.clone(), stop.clone());
    let stopping = async {
        let stopped = terminated.await;
        tracing::info!("stopping");
        status.unready("shutting down");
        stop.cancel();
        tokio::time::sleep(arguments.shutdown_grace()).await;
        tracing::warn!("work did not end in time");
        stopped
    };
    let ended = tokio::select! {
        // The rest of the work is dropped where it is.
        lost = keep(&mut lease) => return Err(lost.into()),
        () = source.changed(&fleet) => Err("the fleet kubeconfig has changed, starting anew".into()),
        stopped = stopping => stopped.map_err(Failure::from),
        () = work => if stop.is_cancelled() { Ok(()) } else { Err("the work ended by itself".into()) },
    };
    if let Some(lease) = &mut lease {
        lease.release().await;
    }
    ended
}

/// Resolves when the lease is lost; never when there is none to lose.
async fn keep(lease: &mut Option<Lease>) -> Lost {
    match lease {
        Some(lease) => lease.keep().await,
        None => std::future::pending().await,
    }
}

/// Sync and controllers, until both have ended.
async fn work(config: syncer::Config, which: BTreeSet<controllers::Which>, stop: CancellationToken) {
    let controllers = controllers::Config { fleet: config.fleet.clone(), which };
    tokio::join!(controllers::run(controllers, stop.clone()), syncer::run(config, stop));
}

fn config(
    arguments: &Arguments,
    host: kube::Config,
    fleet: &Fleet,
    fence: Option<&Fence>,
    metrics: Metrics,
) -> Result<syncer::Config, Failure> {
    let (fleet_client, host) = (client(fleet.config.clone(), fence)?, client(host, fence)?);
    let server_ca = match &arguments.server_ca {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?),
        None => fleet.authority.clone(),
    };
    Ok(syncer::Config {
        server_ca,
        base_domain: arguments.base_domain.clone(),
        advertise: arguments.advertise(),
        install: arguments.install(),
        port_range: arguments.port_range.clone(),
        control_namespace: arguments.control_namespace.clone(),
        metrics,
        ..syncer::Config::new(fleet_client, host, &arguments.server_url)
    })
}

/// A client whose writes stop at the fence.
fn client(config: kube::Config, fence: Option<&Fence>) -> Result<Client, kube::Error> {
    let builder = ClientBuilder::try_from(config)?;
    Ok(match fence {
        Some(fence) => builder.with_layer(fence).build(),
        None => builder.build(),
    })
}
