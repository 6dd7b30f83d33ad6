//! What a syncer is told at its start.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use kube::Client;

use crate::metrics::Metrics;

/// Where pods of the host reach the apiproxy, each tenant on a port of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Advertise {
    /// Nowhere: a condition of the tenants says so.
    #[default]
    Nowhere,
    /// At one address.
    Address(IpAddr),
    /// At all ready endpoints of a Service of the host: several apiproxies.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl From<Option<IpAddr>> for Advertise {
    fn from(address: Option<IpAddr>) -> Self {
        address.map_or(Self::Nowhere, Self::Address)
    }
}

/// What to make on the host before the first tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Install {
    /// The Tenant API and the control namespace, as far as we may.
    #[default]
    Everything,
    /// Nothing: somebody else (a chart) has.
    Nothing,
}

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
    /// Where pods of the host reach the apiproxy.
    pub advertise: Advertise,
    /// What to make on the host before the first tenant.
    pub install: Install,
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
            advertise: Advertise::Nowhere,
            install: Install::Everything,
            port_range: 20_000..=29_999,
            workers: 32,
            metrics: Metrics::default(),
        }
    }
}
