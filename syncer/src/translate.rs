//! The only place where an object crosses from a tenant to the host or back. Pure: no IO, no clock.
//!
//! ```text
//!   Virtual ──► to_host ───────────► Host        by table: keep, rewrite, ours, deny; a field without a rule is refused
//!   Virtual ◄── status_to_virtual ── Host        by table: what a newer host adds is left out, host names are replaced
//! ```

pub mod addresses;
pub mod applied;
pub mod claim;
pub mod class;
pub mod config;
pub mod disruption_budget;
pub mod endpoint_slice;
pub mod event;
pub mod ingress;
pub mod metadata;
pub mod names;
pub mod network_policy;
pub mod node;
pub mod pod;
pub mod rules;
pub mod selector;
pub mod service;
pub mod volume;

use serde_json::Value;
use tenancy::{Host, Isolation, SyncPolicy, TenantId, TenantName};

/// Where objects of a kind are born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The tenant makes them; the host twin follows.
    Tenant,
    /// The host makes them; tenants see a twin.
    Host,
}

/// Where a tenant lives on the host, as far as translation depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The tenant.
    pub id: TenantId,
    /// Its name.
    pub name: TenantName,
    /// Namespace of its host objects.
    pub host_namespace: String,
    /// ClusterIP of its API Service. None until the host has given one: no pod is made before.
    pub service_ip: Option<String>,
    /// Address of the tenant's own DNS. None: pods ask the host's.
    pub resolver: Option<String>,
    /// The operator's walls.
    pub isolation: Isolation,
    /// Which kinds cross.
    pub sync: SyncPolicy,
}

/// Identity of a virtual object inside its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Virtual namespace; empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// Virtual name.
    pub name: &'a str,
    /// Uid of the virtual object.
    pub uid: &'a str,
}

/// A translated object, and what was left out of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// What to apply to the host.
    pub object: Host<Value>,
    /// What was left out and may surprise: told to the tenant in a Warning event.
    pub notes: Vec<String>,
}

/// There is no honest translation. Shown to the tenant, so it has virtual names only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}{}{reason}", if field.is_empty() { "" } else { ": " })]
pub struct Refused {
    /// Path of the field, such as `spec.volumes[0].nfs`; empty when the object as a whole is refused.
    pub field: String,
    /// Why, for the tenant.
    pub reason: String,
}

impl Refused {
    /// A refusal of a field.
    pub fn new(field: &str, reason: &str) -> Self {
        Self { field: field.to_owned(), reason: reason.to_owned() }
    }
}
