//! Where a store keeps its rows.

use std::path::PathBuf;
use std::time::Duration;

/// The engine of a store.
#[derive(Clone, Debug, Default)]
pub enum Backend {
    /// In memory; nothing outlives the process.
    #[default]
    Memory,
    /// A database file of this process alone; its directory must exist.
    File(PathBuf),
    /// etcd, which other processes may use for the same tenants at the same time.
    Etcd(EtcdConfig),
}

/// How to reach etcd (3.5.8 or newer, for progress notifications that can be relied on), and what of it is ours.
#[derive(Clone, Debug)]
pub struct EtcdConfig {
    /// `https://host:port` or `http://host:port` of its members; at least one.
    pub endpoints: Vec<String>,
    /// What every key of ours begins with; a `/` is added when it does not end with one.
    pub prefix: String,
    /// PEM file of the CA of its serving certificates; needed for `https`.
    pub ca: Option<PathBuf>,
    /// PEM file of our client certificate.
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
    /// How often history older than this is compacted, by one of the processes; `None`: somebody else does it.
    pub compaction_interval: Option<Duration>,
}

impl EtcdConfig {
    /// The prefix when none is given.
    pub const PREFIX: &'static str = "/rowhouse";
    /// The compaction interval when none is given; that of kube-apiserver.
    pub const COMPACTION_INTERVAL: Duration = Duration::from_secs(300);

    /// Plain access to some members, everything else as by default.
    pub fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            prefix: Self::PREFIX.to_owned(),
            ca: None,
            certificate: None,
            key: None,
            compaction_interval: Some(Self::COMPACTION_INTERVAL),
        }
    }
}
