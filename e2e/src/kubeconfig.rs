//! Kubeconfig files for the host.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::pki::Issued;

/// Writes a kubeconfig for a user with a client certificate. JSON, which is YAML.
pub(crate) fn write(path: &Path, server: &str, authority: &Path, user: &Issued) -> PathBuf {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "host",
        "clusters": [{"name": "host", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "admin", "user": {"client-certificate": user.certificate, "client-key": user.key}}],
        "contexts": [{"name": "host", "context": {"cluster": "host", "user": "admin"}}],
    });
    std::fs::write(path, format!("{config:#}")).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path.to_owned()
}
