//! The fleet kubeconfig on the host: where the syncer finds the way to the fleet view. Written by the apiproxy because
//! it alone knows its authority and its token, and again whenever it is not there any more.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daemon::ObjectRef;
use http::{Request, Uri};
use kube::Client;
use serde_json::{Value, json};
use tenancy::fleet;

/// Key of the kubeconfig in the Secret.
const KEY: &str = "kubeconfig";
/// Field manager of the Secret.
const MANAGER: &str = "rowhouse-apiproxy";
/// How often the Secret is looked at.
const LOOK: Duration = Duration::from_secs(60);
/// Pause after a failure. The syncer waits for this Secret.
const RETRY: Duration = Duration::from_secs(2);

/// Where the fleet kubeconfig goes, and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    /// The Secret.
    pub(crate) secret: ObjectRef,
    /// URL of the fleet listener.
    pub(crate) url: Uri,
}

impl Publication {
    /// The kubeconfig. JSON, which is YAML.
    pub(crate) fn kubeconfig(&self, authority: &str, token: &str) -> String {
        let server = format!("{}{}", self.url.to_string().trim_end_matches('/'), fleet::PREFIX);
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fleet",
            "clusters": [{"name": "fleet", "cluster": {
                "server": server, "certificate-authority-data": STANDARD.encode(authority) } }],
            "users": [{"name": "syncer", "user": {"token": token}}],
            "contexts": [{"name": "fleet", "context": {"cluster": "fleet", "user": "syncer"}}],
        })
        .to_string()
    }
}

/// Keeps the Secret as it should be.
pub(crate) struct Publisher {
    host: Client,
    secret: ObjectRef,
    data: String,
}

impl Publisher {
    /// A publisher of one kubeconfig.
    pub(crate) fn new(host: Client, secret: ObjectRef, kubeconfig: String) -> Self {
        Self { host, secret, data: STANDARD.encode(kubeconfig) }
    }

    /// Works for ever. Tenants are served without it, so that failures are reported and nothing more.
    pub(crate) async fn run(self) {
        loop {
            let pause = match self.publish().await {
                Ok(()) => LOOK,
                Err(error) => {
                    let error = daemon::causes(&error);
                    tracing::warn!(secret = %self.secret, error, "the fleet kubeconfig cannot be published, will try again");
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn publish(&self) -> Result<(), kube::Error> {
        let path = format!("/api/v1/namespaces/{}/secrets/{}", self.secret.namespace, self.secret.name);
        let read = Request::get(&path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        match self.host.request::<Value>(read).await {
            Ok(there) if there["data"][KEY] == *self.data => return Ok(()),
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": self.secret.name, "namespace": self.secret.namespace},
            "data": {KEY: self.data},
        });
        let write = Request::patch(format!("{path}?fieldManager={MANAGER}&force=true"))
            .header("content-type", "application/apply-patch+yaml")
            .body(secret.to_string().into_bytes());
        self.host.request::<Value>(write.map_err(kube::Error::HttpError)?).await?;
        tracing::info!(secret = %self.secret, "fleet kubeconfig published");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubeconfig_leads_to_the_fleet() {
        let publication = Publication { secret: "a/b".parse().unwrap(), url: "https://x:8444".parse().unwrap() };
        let config: Value = serde_json::from_str(&publication.kubeconfig("CA", "secret")).unwrap();
        assert_eq!(config["clusters"][0]["cluster"]["server"], "https://x:8444/fleet");
        assert_eq!(config["users"][0]["user"]["token"], "secret");
    }
}
