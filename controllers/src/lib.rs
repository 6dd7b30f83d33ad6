//! What kube-controller-manager does, for all tenants at once.
//!
//! ```text
//!   fleet watch ─► Informer (one per kind) ─► Queue (fair per tenant, one per controller) ─► decide (pure) ─► Objects
//! ```
//!
//! Every controller sees the objects of every tenant through one API, the fleet view, and is written as an ordinary
//! namespaced controller. What it may observe and what it writes is upstream's behaviour.

pub mod client;
pub mod events;
#[cfg(test)]
mod fake;
pub mod informer;
mod key;
pub mod queue;

pub use key::{Key, plain, sibling};
