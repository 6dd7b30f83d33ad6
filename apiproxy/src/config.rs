//! What a server is started with.

mod etcd;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::admission::services::Allocator;
use crate::connect::HostAccess;

pub use etcd::EtcdArguments;

/// Configuration of a [`crate::Server`].
pub struct Config {
    /// Directory of the embedded store; None keeps everything in memory, for tests.
    pub data_dir: Option<PathBuf>,
    /// The store of all replicas, instead of the embedded one.
    pub etcd: Option<store::EtcdConfig>,
    /// Where ClusterIPs and node ports come from.
    pub services: Allocator,
    /// Who answers for pods (logs, exec …).
    pub host: Option<HostAccess>,
    /// Bearer token that opens the fleet view and the metrics over the network; empty: one is made and kept in the store,
    /// see [`crate::Server::fleet_token`].
    pub fleet_token: String,
    /// Names and addresses in the front's serving certificate, beside `localhost` and the loopback addresses.
    pub names: Vec<String>,
    /// Address on which tenants' dedicated ports are opened; None opens none.
    pub tenant_listen: Option<IpAddr>,
    /// Resolvers for names outside of the tenants' clusters; empty: those of /etc/resolv.conf.
    pub resolvers: Vec<SocketAddr>,
}
