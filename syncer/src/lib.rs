//! Keeps tenants and their objects in step with the host cluster.
//!
//! ```text
//!   fleet watch ─┐                                                ┌─► host (server-side apply)
//!                ├─ observe ─► keys ─► pair ─► plan ─► apply ─────┤
//!    host watch ─┘      (fair per tenant)       ▲                 └─► status of the tenant's object
//!                                               │
//!                                           translate
//!
//!   Tenant (host) ─► tenants ─► PKI, route, kubeconfig Secret, host namespace
//! ```

pub mod account;
pub mod alerts;
pub mod config;
pub mod json;
pub mod kinds;
pub mod pair;
pub mod places;
pub mod plan;
pub mod side;
pub mod tenants;
pub mod translate;
