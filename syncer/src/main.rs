//! The syncer as a process of its own: a client of the fleet view and of the host, over the network.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio_util::sync::CancellationToken;

/// Keeps tenants and their objects in step with the host cluster.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Kubeconfig of the fleet view (its server URL ends in /fleet).
    #[arg(long)]
    fleet_kubeconfig: PathBuf,
    /// Kubeconfig of the host; in a pod of the host, the pod's own account when left out.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Base URL of the apiproxy as clients reach it.
    #[arg(long)]
    server_url: String,
    /// Authority (PEM file) of the certificate behind the server URL.
    #[arg(long)]
    server_ca: Option<PathBuf>,
    /// Domain below which tenants have names.
    #[arg(long, default_value = "")]
    base_domain: String,
    /// Address at which pods of the host reach the apiproxy.
    #[arg(long)]
    advertise_address: Option<IpAddr>,
    /// Ports of the tenants' dedicated listeners.
    #[arg(long, default_value = "20000-29999", value_parser = port_range)]
    port_range: RangeInclusive<u16>,
    /// Namespace of the host for kubeconfig Secrets.
    #[arg(long, default_value = "rowhouse-system")]
    control_namespace: String,
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let parsed = text.split_once('-').and_then(|(first, last)| Some(first.parse().ok()?..=last.parse().ok()?));
    parsed.filter(|range| !range.is_empty()).ok_or_else(|| "two ports with a hyphen between them".to_owned())
}

type Failure = Box<dyn std::error::Error + Send + std::marker::Sync>;

async fn client(path: Option<&Path>) -> Result<Client, Failure> {
    let config = match path {
        None => Config::infer().await?,
        Some(path) => {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &KubeConfigOptions::default()).await?
        }
    };
    Ok(Client::try_from(config)?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| "a TLS provider is installed already")?;
    let fleet = client(Some(&arguments.fleet_kubeconfig)).await?;
    let host = client(arguments.kubeconfig.as_deref()).await?;
    let mut config = syncer::Config::new(fleet, host, &arguments.server_url);
    config.server_ca = arguments.server_ca.map(std::fs::read_to_string).transpose()?;
    config.base_domain = arguments.base_domain;
    config.advertise = arguments.advertise_address;
    config.port_range = arguments.port_range;
    config.control_namespace = arguments.control_namespace;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
        let terminated = async {
            match &mut terminate {
                Some(terminate) => drop(terminate.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = terminated => {}
        }
        stop.cancel();
    });
    syncer::run(config, shutdown).await;
    Ok(())
}
