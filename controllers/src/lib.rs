//! What kube-controller-manager does, for all tenants at once.
//!
//! ```text
//!   fleet watch ─► Informer (one per kind) ─► Queue (fair per tenant, one per controller) ─► decide (pure) ─► Objects
//! ```
//!
//! Every controller sees the objects of every tenant through one API, the fleet view, and is written as an ordinary
//! namespaced controller. What it may observe and what it writes is upstream's behaviour.

mod amount;
mod claim;
pub mod client;
mod cluster_role;
mod crew;
mod cron_job;
mod deployment;
mod disruption;
mod endpoint_slices;
mod endpoints;
mod ephemeral;
pub mod events;
mod expectations;
#[cfg(test)]
mod fake;
mod history;
pub mod informer;
mod job;
mod key;
mod kinds;
mod mirroring;
mod object;
mod pod;
mod pod_gc;
pub mod queue;
mod replica_set;
mod root_ca;
mod run;
mod selection;
mod selector;
mod service;
mod service_account;
mod stateful_set;
mod step;
mod template;
mod tokens;
mod trigger;
mod ttl;
mod written;

pub use key::{Key, plain, sibling};
pub use run::{Config, Which, run};
pub use selection::{Unknown, select};
