//! What kube-controller-manager does, for all tenants at once.
//!
//! ```text
//!   fleet watch ─► Informer (one per kind) ─► Queue (fair per tenant, one per controller) ─► decide (pure) ─► Objects
//! ```
//!
//! Every controller sees the objects of every tenant through one API, the fleet view, and is written as an ordinary
//! namespaced controller. What it may observe and what it writes is upstream's behaviour.

mod claim;
pub mod client;
mod deployment;
mod endpoint_slices;
mod endpoints;
pub mod events;
mod expectations;
#[cfg(test)]
mod fake;
pub mod informer;
mod key;
mod kinds;
mod object;
mod pod;
pub mod queue;
mod replica_set;
mod root_ca;
mod run;
mod selection;
mod selector;
mod service;
mod service_account;
mod step;
mod trigger;

pub use key::{Key, plain, sibling};
pub use run::{Config, Which, run};
pub use selection::{Unknown, select};
