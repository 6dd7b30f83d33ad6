//! What a syncer is told at its start.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use kube::Client;

use crate::metrics::Metrics;

/// Settings of [`crate::run`].
#[derive(Clone)]
pub struct Config {
    /// The fleet view: all tenants at once. Paths are those of Kubernetes (`/api/v1/…`).
    pub fleet: Client,
    /// The host cluster.
    pub host: Client,
    /// Namespace of the host that holds the kubeconfig Secrets; made when missing.
    pub control_namespace: String,
    /// Base URL of the apiproxy as clients reach it, without a slash at the end; tenants are at `<base>/tenants/<name>`.
    pub server_url: String,
    /// Authority (PEM) of the certificate behind `server_url`, when it is not the tenant's own CA; put into kubeconfigs
    /// beside the tenant CA.
    pub server_ca: Option<String>,
    /// Domain below which tenants have a name, `<tenant>.<base domain>`; empty for none.
    pub base_domain: String,
    /// Address at which pods of the host reach the apiproxy. None: they cannot, and a condition says so.
    pub advertise: Option<IpAddr>,
    /// Ports of the tenants' dedicated listeners.
    pub port_range: RangeInclusive<u16>,
    /// How many objects are worked on at a time; one tenant gets at most half of them.
    pub workers: usize,
    /// Where the sync counts; give a clone of your own to read it.
    pub metrics: Metrics,
}

impl Config {
    /// Settings with defaults for everything but the two APIs and the URL.
    pub fn new(fleet: Client, host: Client, server_url: &str) -> Self {
        Self {
            fleet,
            host,
            control_namespace: "rowhouse-system".to_owned(),
            server_url: server_url.trim_end_matches('/').to_owned(),
            server_ca: None,
            base_domain: String::new(),
            advertise: None,
            port_range: 20_000..=29_999,
            workers: 32,
            metrics: Metrics::default(),
        }
    }
}
