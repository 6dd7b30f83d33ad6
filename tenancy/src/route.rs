//! What apiproxy must know of a tenant to serve it: written by the syncer through the fleet view, kept in the store
//! under [`crate::TenantId::SYSTEM`], so that a restart needs neither the host API nor the syncer.

use serde::{Deserialize, Serialize};

use crate::{SyncFromHost, TenantId, TenantName};

/// API group of [`Route`].
pub const GROUP: &str = "fleet.rowhouse.dev";
/// API version of [`Route`].
pub const VERSION: &str = "v1alpha1";
/// Plural resource name of [`Route`]; cluster-scoped, present only in the fleet view, named by the bare tenant id.
pub const RESOURCE: &str = "routes";
/// Kind of [`Route`].
pub const KIND: &str = "Route";

/// A certificate and its private key, both PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyPair {
    /// The certificate; empty for a bare key.
    #[serde(default)]
    pub certificate: String,
    /// The private key, PKCS#8 PEM. Never logged: `Debug` leaves it out.
    pub key: String,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The most a tenant may store; None: as much as the server gives everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Caps {
    /// Objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// Bytes of their JSON and index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// `spec` of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteSpec {
    /// Name of the tenant: path prefix `/tenants/<name>`, first label of its SNI name, host namespace.
    pub tenant: TenantName,
    /// The tenant CA: signs client certificates and the serving certificate.
    pub ca: KeyPair,
    /// Serving certificate for SNI and the dedicated listener; the chain may carry the CA.
    pub serving: KeyPair,
    /// Signing keys of service-account tokens (ES256, PKCS#8 PEM); the first signs, all verify.
    pub service_account_keys: Vec<KeyPair>,
    /// TCP port of the tenant's dedicated listener, where pods reach it. None: no listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// ClusterIP of the tenant's API Service on the host; becomes `default/kubernetes` in the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_ip: Option<String>,
    /// The most the tenant may store.
    #[serde(default)]
    pub caps: Caps,
    /// Users with cluster-admin rights in the tenant, beside members of `system:masters`.
    #[serde(default)]
    pub admin_users: Vec<String>,
    /// Groups with cluster-admin rights in the tenant.
    #[serde(default)]
    pub admin_groups: Vec<String>,
    /// Which classes of the host the tenant sees.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub sight: SyncFromHost,
}

fn is_usual(sight: &SyncFromHost) -> bool {
    *sight == SyncFromHost::default()
}

/// A route: the record under which apiproxy serves one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Id of the tenant; `metadata.name` of the object.
    pub id: TenantId,
    /// What to serve.
    pub spec: RouteSpec,
}
