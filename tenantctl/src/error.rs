//! What can go wrong, said so that the next step is clear.

use std::path::PathBuf;

/// Why a command failed. The text names the cause and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable kubeconfig of the host.
    #[error(
        "no kubeconfig for the host: {0}\nGive --kubeconfig FILE or --context NAME, set KUBECONFIG, or start a lab: tenantctl up"
    )]
    Kubeconfig(String),
    /// The host did not answer.
    #[error(
        "the host API does not answer: {0}\nCheck that the cluster of your kubeconfig runs; for a lab: tenantctl up"
    )]
    Unreachable(String),
    /// The host knows no tenants.
    #[error("the host has no Tenant API\nStart Rowhouse against it: tenantctl up --kubeconfig FILE")]
    NotInstalled,
    /// The host refused.
    #[error("the host refused ({reason}): {message}")]
    Refused {
        /// Reason of the host's `Status`.
        reason: String,
        /// Message of the host's `Status`.
        message: String,
    },
    /// The host refused a tenant of a file.
    #[error("tenant {name:?}: the host refused ({reason}): {message}")]
    Tenant {
        /// The tenant.
        name: String,
        /// Reason of the host's `Status`.
        reason: String,
        /// Message of the host's `Status`.
        message: String,
    },
    /// There is no such tenant.
    #[error("there is no tenant {0:?}\nSee what there is: tenantctl list")]
    NoTenant(String),
    /// There is one already.
    #[error("there is a tenant {0:?} already\nSee it: tenantctl get {0}")]
    Exists(String),
    /// The tenant says that it failed.
    #[error("tenant {name:?} failed: {reason}: {message}\nDetails: tenantctl get {name}")]
    Failed {
        /// The tenant.
        name: String,
        /// Reason of the condition.
        reason: String,
        /// Message of the condition.
        message: String,
    },
    /// Nothing happened in time.
    #[error("gave up waiting for tenant {name:?}: {state}\nIt may still get there: tenantctl get {name}")]
    TimedOut {
        /// The tenant.
        name: String,
        /// What it said last.
        state: String,
    },
    /// The tenant has no kubeconfig yet.
    #[error("tenant {name:?} has no kubeconfig yet: {state}\nSee: tenantctl get {name}")]
    NotReady {
        /// The tenant.
        name: String,
        /// What it says of itself.
        state: String,
    },
    /// A file of the user cannot be read, understood or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Somebody else is changing the user's kubeconfig.
    #[error("{} exists: another program is changing the kubeconfig\nTry again; if none is running, remove that file", .0.display())]
    Locked(PathBuf),
    /// Another control plane works on the data directory.
    #[error("{} is in use by another `tenantctl up`\nStop that one, or give --data-dir another directory", .0.display())]
    InUse(PathBuf),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}\nChoose another with --listen ADDR:PORT; port 0 takes any free one")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        reason: String,
    },
    /// A part of the control plane failed.
    #[error("{part}: {reason}")]
    ControlPlane {
        /// The part.
        part: &'static str,
        /// Why.
        reason: String,
    },
    /// Output could not be written; nobody reads it any more.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            // 404 without details is the API server's answer to a resource that it does not know.
            kube::Error::Api(status) if status.code == 404 && status.details.is_none() => Error::NotInstalled,
            kube::Error::Api(status) => Error::Refused { reason: status.reason, message: status.message },
            other => Error::Unreachable(causes(&other)),
        }
    }
}

/// The exit code of an error; see `tenantctl --help`.
pub fn exit_code(error: &Error) -> u8 {
    match error {
        Error::NoTenant(_) => 3,
        Error::Failed { .. } => 4,
        Error::TimedOut { .. } => 5,
        _ => 1,
    }
}

/// An error and its causes in one line: clients wrap the interesting one deep inside.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !texts.iter().any(|earlier| earlier.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}
