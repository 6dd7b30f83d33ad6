//! Keeps tenants and their objects in step with the host cluster.
//!
//! ```text
//!   fleet watch ─┐                                                ┌─► host (server-side apply)
//!                ├─ observe ─► keys ─► pair ─► plan ─► apply ─────┤
//!    host watch ─┘      (fair per tenant)       ▲                 └─► status of the tenant's object
//!                                               │
//!                                           translate
//!
//!   Tenant (host) ─► tenants ─► PKI, route, kubeconfig Secret, host namespace ─► place: from now on it is synced
//! ```

mod config;
mod run;

pub mod lease;

mod tenants;

mod alerts;
mod places;

mod observe;
pub mod side;

pub mod pair;
pub mod plan;
pub mod translate;

mod apply;
mod born;
mod classes;
mod companion;
mod expect;
mod held;
mod limits;
mod mirror;
mod namespaces;
mod nodes;
mod objects;
mod references;
mod report;
mod step;
mod sync;

pub mod account;
mod json;
pub mod kinds;
pub mod metrics;

pub use config::{Advertise, Config, Install};
pub use run::run;
// The lab makes a pretend host the way tenants are made.
pub use tenants::{kubeconfig, pki};
