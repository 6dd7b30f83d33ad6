//! The way to the host cluster: a kubeconfig that was named, or the account of the pod.

use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::causes;

/// Why there is no way to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The named file cannot be used.
    #[error("the kubeconfig {}: {reason}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No file was named and this is not a pod.
    #[error("no kubeconfig was given and this is not a pod of a cluster: {0}")]
    NotInCluster(String),
}

/// Reads the named kubeconfig; without a name, takes the account of the pod this runs in. Never what the environment of
/// a shell happens to say: a server must not end up in somebody's other cluster.
///
/// # Errors
/// [`HostError`].
pub async fn host_config(path: Option<&Path>) -> Result<Config, HostError> {
    let Some(path) = path else {
        return Config::incluster().map_err(|error| HostError::NotInCluster(causes(&error)));
    };
    let failed = |reason: String| HostError::Kubeconfig { path: path.to_owned(), reason };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| failed(causes(&error)))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    config.map_err(|error| failed(causes(&error)))
}
