//! The words of Rowhouse: tenant names and ids, host names, labels, the `Tenant` API. No IO, no async.
//!
//! ```text
//!   Tenant (host API)  ──►  TenantId  ──►  fleet names   "<id>:<namespace>"
//!                      ╰─►  TenantName ─►  host names    rowhouse-<tenant> / <name>-<namespace>-<hash>
//! ```

mod crd;
pub mod fleet;
pub mod host;
mod id;
pub mod labels;
mod name;
pub mod route;
mod side;
mod tenant;
pub mod units;

pub use crd::tenant_crd;
pub use id::{TenantId, TenantIdError};
pub use name::{MAX_TENANT_NAME, TenantName, TenantNameError};
pub use side::{Host, Virtual};
pub use tenant::*;
