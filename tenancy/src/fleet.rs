//! Names in the fleet view, where one API serves all tenants of a store.
//!
//! A namespace reads `<tenant id>:<namespace>`, the name of a cluster-scoped object `<tenant id>:<name>`. The colon
//! cannot occur in a namespace; in a cluster-scoped name it can (`system:masters`), so the *first* colon separates.
//!
//! ```
//! use tenancy::{TenantId, fleet};
//! let id = TenantId::from_uid("7a9c");
//! let joined = fleet::join(id, "system:node");
//! assert_eq!(fleet::split(&joined), Some((id, "system:node")));
//! assert_eq!(fleet::split("kube-system"), None);
//! ```

use crate::TenantId;

/// URL prefix of the fleet view.
pub const PREFIX: &str = "/fleet";

/// The fleet name of a tenant's namespace or cluster-scoped object.
pub fn join(tenant: TenantId, name: &str) -> String {
    format!("{tenant}:{name}")
}

/// Splits a fleet name. `None` when it is not one.
pub fn split(joined: &str) -> Option<(TenantId, &str)> {
    let (id, name) = joined.split_once(':')?;
    Some((TenantId::parse(id).ok()?, name))
}
