//! The way to the fleet view: a kubeconfig in a file, or in a Secret of the host that the apiproxy writes.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daemon::{Failure, ObjectRef};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Key of the kubeconfig in the Secret.
const KEY: &str = "kubeconfig";
/// Pause between looks at a Secret that is not filled yet.
const WAIT: Duration = Duration::from_millis(250);
/// Pause between looks at what is in use.
const LOOK: Duration = Duration::from_secs(30);

/// Where the kubeconfig is.
#[derive(Clone)]
pub(crate) enum Source {
    /// In a file.
    File(PathBuf),
    /// In a Secret of the host.
    Secret(Client, ObjectRef),
}

/// What leads to the fleet view.
pub(crate) struct Fleet {
    /// Settings for a client.
    pub(crate) config: Config,
    /// PEM of the authority behind it: that of the apiproxy.
    pub(crate) authority: Option<String>,
    /// What it was read from.
    text: String,
}

impl Source {
    /// The kubeconfig; waits for a Secret that is not there or still empty.
    ///
    /// Errors: a file that cannot be read, or something that is no kubeconfig.
    pub(crate) async fn wait(&self) -> Result<Fleet, Failure> {
        let mut told = false;
        loop {
            match self.read().await {
                Ok(Some(text)) => return parse(text).await.map_err(|error| format!("{self}: {error}").into()),
                Err(error) if matches!(self, Source::File(_)) => return Err(error),
                Ok(None) if told => {}
                Ok(None) => tracing::info!(from = %self, "waiting for the apiproxy to say where the fleet view is"),
                Err(error) => {
                    tracing::warn!(from = %self, %error, "the fleet kubeconfig cannot be read, will try again");
                }
            }
            told = true;
            tokio::time::sleep(WAIT).await;
        }
    }

    /// Resolves when there is another kubeconfig than the one in use. Whoever uses it starts anew then.
    pub(crate) async fn changed(&self, used: &Fleet) {
        loop {
            tokio::time::sleep(LOOK).await;
            // Whatever cannot be read now is no news.
            if self.read().await.ok().flatten().is_some_and(|text| text != used.text) {
                return;
            }
        }
    }

    async fn read(&self) -> Result<Option<String>, Failure> {
        match self {
            Source::File(path) => Ok(Some(std::fs::read_to_string(path).map_err(|error| format!("{self}: {error}"))?)),
            Source::Secret(host, at) => {
                let api: Api<Secret> = Api::namespaced(host.clone(), &at.namespace);
                let secret = api.get_opt(&at.name).await.map_err(|error| daemon::causes(&error))?;
                let data = secret.and_then(|secret| secret.data?.remove(KEY)).filter(|data| !data.0.is_empty());
                Ok(data.map(|data| String::from_utf8(data.0)).transpose()?)
            }
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::File(path) => write!(f, "the fleet kubeconfig {}", path.display()),
            Source::Secret(_, at) => write!(f, "the Secret {at}"),
        }
    }
}

async fn parse(text: String) -> Result<Fleet, Failure> {
    let kubeconfig = Kubeconfig::from_yaml(&text).map_err(|error| daemon::causes(&error))?;
    let clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
    let encoded = clusters.into_iter().find_map(|cluster| cluster.certificate_authority_data.clone());
    let authority = encoded.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let config = config.map_err(|error| daemon::causes(&error))?;
    if !config.cluster_url.path().trim_end_matches('/').ends_with(tenancy::fleet::PREFIX) {
        return Err(format!("{} is not the fleet view: its URL ends in /fleet", config.cluster_url).into());
    }
    Ok(Fleet { config, authority, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(server: &str) -> String {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: f, contexts: [{{name: f, context: {{cluster: f, user: u}}}}],
              clusters: [{{name: f, cluster: {{server: '{server}', certificate-authority-data: '{}'}}}}],
              users: [{{name: u, user: {{token: t}}}}]}}",
            STANDARD.encode("PEM")
        )
    }

    #[tokio::test]
    async fn only_the_fleet_view_will_do() {
        let fleet = parse(kubeconfig("https://x:8444/fleet")).await.unwrap();
        assert_eq!(fleet.authority.as_deref(), Some("PEM"));
        let error = parse(kubeconfig("https://x:8444")).await.err().unwrap();
        assert!(error.to_string().contains("/fleet"), "{error}");
        assert!(parse("nonsense".to_owned()).await.is_err());
        let missing = Source::File("/nowhere/fleet".into()).wait().await.err().unwrap();
        assert!(missing.to_string().contains("/nowhere/fleet"), "{missing}");
    }
}
