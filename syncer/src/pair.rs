//! Both sides of one object.
//!
//! Absence of evidence is not evidence of absence: a side that has not been read completely must not look empty. So a
//! [`Pair`] can only be made with [`Synced`], which only two informers with complete initial lists give.
//!
//! ```compile_fail
//! use syncer::pair::{Pair, Sides};
//! let pair = Pair { sides: Sides::Neither };
//! ```
//! ```compile_fail
//! let synced = syncer::pair::Synced(());
//! ```

use controllers::informer::Informer;
use serde_json::Value;
use tenancy::{Host, Virtual};

/// Evidence that both sides have been read completely.
#[derive(Clone, Copy, Debug)]
pub struct Synced(());

impl Synced {
    /// The evidence, if there is one: both initial lists are complete.
    pub fn of(own: &Informer, host: &Informer) -> Option<Self> {
        (own.is_synced() && host.is_synced()).then_some(Self(()))
    }

    /// Evidence for tests of pure code.
    #[cfg(test)]
    pub(crate) fn assumed() -> Self {
        Self(())
    }
}

/// Both sides of one object, as far as they exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    sides: Sides,
}

/// Which sides exist.
#[derive(Clone, Debug, PartialEq)]
pub enum Sides {
    /// Gone on both.
    Neither,
    /// Only the tenant has it.
    VirtualOnly(Virtual<Value>),
    /// Only the host has it.
    HostOnly(Host<Value>),
    /// Both have it; whether the host object is really the twin is for the plan to check.
    Both(Virtual<Value>, Host<Value>),
}

impl Pair {
    /// Puts both sides together.
    pub fn new(_: &Synced, own: Option<Virtual<Value>>, host: Option<Host<Value>>) -> Self {
        let sides = match (own, host) {
            (None, None) => Sides::Neither,
            (Some(own), None) => Sides::VirtualOnly(own),
            (None, Some(host)) => Sides::HostOnly(host),
            (Some(own), Some(host)) => Sides::Both(own, host),
        };
        Self { sides }
    }

    /// The sides.
    pub fn sides(&self) -> &Sides {
        &self.sides
    }
}
