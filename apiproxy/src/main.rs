//! The apiproxy process: serves every tenant of a store. Tenants are registered by the syncer through the fleet view.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use apiproxy::admission::services::{Allocator, HostServices};
use apiproxy::connect::HostAccess;
use apiproxy::tls::Entrance;
use apiproxy::{Config, Server};
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// Serves the Kubernetes APIs of all tenants.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Directory of the embedded store.
    #[arg(long)]
    data_dir: PathBuf,
    /// Address to listen on; may be given several times.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: Vec<SocketAddr>,
    /// Address on which tenants' dedicated ports are opened; without it none are.
    #[arg(long)]
    tenant_listen: Option<IpAddr>,
    /// Name or address in the serving certificate, beside localhost; may be given several times.
    #[arg(long)]
    name: Vec<String>,
    /// Kubeconfig of the host cluster; the in-cluster configuration when absent.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// File with the bearer token of the fleet view.
    #[arg(long)]
    fleet_token_file: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "apiproxy stops");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    // One provider for the whole process; a second installation is somebody else's and fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = match &arguments.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::incluster()?,
    };
    let host = kube::Client::try_from(config)?;
    let server = Server::start(Config {
        data_dir: Some(arguments.data_dir),
        services: Allocator::Host(HostServices::new(host.clone())),
        host: Some(HostAccess::Host(host)),
        fleet_token: std::fs::read_to_string(&arguments.fleet_token_file)?.trim().to_owned(),
        names: arguments.name,
        tenant_listen: arguments.tenant_listen,
    })
    .await?;
    for address in &arguments.listen {
        let listener = tokio::net::TcpListener::bind(address).await?;
        tracing::info!(address = %listener.local_addr()?, "listening");
        server.serve(listener, Entrance::Front)?;
    }
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}
