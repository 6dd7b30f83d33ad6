//! The apiproxy process: serves every tenant of a store. Tenants are registered by the syncer through the fleet view.
//!
//! ```text
//!   --listen         tenants, by name or by /tenants/<name>      the fleet view too, without --fleet-listen
//!   --fleet-listen   the fleet view, for the syncer and operators
//!   --tenant-listen  one port per tenant, for its pods
//!   --health-listen  /livez /readyz /metrics
//! ```

mod arguments;
mod publish;

use std::process::ExitCode;
use std::sync::Arc;

use apiproxy::admission::services::{Allocator, HostServices};
use apiproxy::connect::HostAccess;
use apiproxy::tls::Entrance;
use apiproxy::{Config, Server};
use clap::Parser;
use daemon::{Failure, Health, Status};
use tokio::net::TcpListener;

use arguments::Arguments;
use publish::Publisher;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    daemon::start_logging();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = daemon::causes(&*error), "apiproxy stops");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    // One provider for the whole process; a second installation is somebody else's and fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let status = Status::new("starting");
    let health = match arguments.health_listen {
        Some(address) => {
            let listening = Health::listen(address, status.clone()).await;
            Some(listening.map_err(|error| format!("cannot listen on {address}: {error}"))?)
        }
        None => None,
    };
    let host = kube::Client::try_from(daemon::host_config(arguments.kubeconfig.as_deref()).await?)?;
    let server = start(&arguments, host.clone()).await?;
    let counted = server.clone();
    let health = health.map(|health| tokio::spawn(health.serve(move || counted.metrics())));
    let publisher = arguments.publication().map(|publication| {
        let kubeconfig = publication.kubeconfig(server.front_ca(), server.fleet_token());
        tokio::spawn(Publisher::new(host, publication.secret, kubeconfig).run())
    });
    status.ready();
    daemon::terminated().await?;
    tracing::info!("stopping; a second signal stops at once");
    status.unready("shutting down");
    server.leave();
    if let Some(publisher) = publisher {
        publisher.abort();
    }
    let stop = async {
        // Whoever balances load learns from readiness, and that takes a while.
        tokio::time::sleep(arguments.shutdown_delay()).await;
        server.shutdown_within(arguments.shutdown_grace()).await;
    };
    tokio::select! {
        () = stop => {}
        again = daemon::terminated() => again?,
    }
    drop(health);
    Ok(())
}

async fn start(arguments: &Arguments, host: kube::Client) -> Result<Arc<Server>, Failure> {
    let server = Server::start(Config {
        data_dir: arguments.data_dir.clone(),
        etcd: arguments.etcd.config(),
        services: Allocator::Host(HostServices::new(host.clone())),
        host: Some(HostAccess::Host(host)),
        fleet_token: arguments.fleet_token()?,
        names: arguments.names(),
        tenant_listen: arguments.tenant_listen,
        resolvers: arguments.resolver.clone(),
    })
    .await?;
    // The fleet's own door first: the front never opens to the fleet then, not even for a moment.
    let fleet = arguments.fleet_listen.iter().map(|address| (address, Entrance::Fleet));
    let front = arguments.listen.iter().map(|address| (address, Entrance::Front));
    for (address, entrance) in fleet.chain(front) {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| format!("cannot listen on {address}: {error}"))?;
        tracing::info!(address = %listener.local_addr()?, ?entrance, "listening");
        server.serve(listener, entrance)?;
    }
    Ok(server)
}
