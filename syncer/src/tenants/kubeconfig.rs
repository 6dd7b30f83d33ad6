//! The kubeconfig of a tenant's administrator, and the Secret that holds it.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenancy::route::KeyPair;
use tenancy::{TenantId, TenantName, labels};

use crate::json;

/// Key of the kubeconfig in its Secret.
pub(crate) const KEY: &str = "kubeconfig";

/// Name of the Secret of a tenant.
pub(crate) fn secret_name(tenant: &TenantName) -> String {
    format!("{tenant}-kubeconfig")
}

/// A kubeconfig with one cluster, user and context, named after the tenant. JSON, which is YAML too.
pub fn render(tenant: &TenantName, server: &str, authorities: &str, client: &KeyPair) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": tenant,
        "clusters": [{ "name": tenant, "cluster": {
            "server": server, "certificate-authority-data": STANDARD.encode(authorities) } }],
        "users": [{ "name": tenant, "user": {
            "client-certificate-data": STANDARD.encode(&client.certificate), "client-key-data": STANDARD.encode(&client.key) } }],
        "contexts": [{ "name": tenant, "context": { "cluster": tenant, "user": tenant } }],
    });
    let mut text = serde_json::to_string_pretty(&config).unwrap_or_default();
    text.push('\n');
    text
}

/// The Secret.
pub(crate) fn secret(id: TenantId, tenant: &TenantName, namespace: &str, kubeconfig: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(tenant),
            "namespace": namespace,
            "labels": { labels::TENANT: id.as_str(), labels::MANAGED_BY: labels::MANAGER },
            "annotations": { labels::TENANT_NAME_ANNOTATION: tenant },
        },
        "type": "Opaque",
        "data": { KEY: STANDARD.encode(kubeconfig) },
    })
}

/// Whether a stored Secret still serves: same server and authorities, a client certificate of this CA that is not
/// about to end.
pub(crate) fn is_current(secret: &Value, server: &str, authorities: &str, ca: &KeyPair, now: SystemTime) -> bool {
    let decode = |text: &str| STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(text) = decode(json::text(secret, "/data/kubeconfig")) else { return false };
    let Ok(config) = serde_json::from_str::<Value>(&text) else { return false };
    let held = decode(json::text(&config, "/clusters/0/cluster/certificate-authority-data"));
    let client = decode(json::text(&config, "/users/0/user/client-certificate-data")).unwrap_or_default();
    json::text(&config, "/clusters/0/cluster/server") == server
        && held.as_deref() == Some(authorities)
        && super::pki::is_current(ca, &client, now)
}

#[cfg(test)]
mod tests {
    use super::super::pki;
    use super::*;

    #[test]
    fn a_kubeconfig_is_current_until_something_changes() {
        let now = SystemTime::now();
        let tenant = TenantName::parse("acme").unwrap();
        let ca = pki::authority(&tenant, now).unwrap();
        let client = pki::client(&ca, now).unwrap();
        let text = render(&tenant, "https://127.0.0.1:1/tenants/acme", &ca.certificate, &client);
        let id = TenantId::from_uid("u");
        let secret = secret(id, &tenant, "rowhouse-system", &text);
        assert_eq!(secret["metadata"]["name"], "acme-kubeconfig");
        assert!(is_current(&secret, "https://127.0.0.1:1/tenants/acme", &ca.certificate, &ca, now));
        assert!(!is_current(&secret, "https://127.0.0.1:2/tenants/acme", &ca.certificate, &ca, now));
        assert!(!is_current(&secret, "https://127.0.0.1:1/tenants/acme", "other", &ca, now));
        let other = pki::authority(&tenant, now).unwrap();
        assert!(!is_current(&secret, "https://127.0.0.1:1/tenants/acme", &ca.certificate, &other, now));
        assert!(!is_current(&json!({}), "", "", &ca, now));
    }
}
