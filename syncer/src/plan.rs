//! What to do about a pair: pure decisions, one table per kind. The writer (`apply`) does what they say.

pub mod config;
pub mod object;
pub mod pod;
pub mod service;

use std::time::Duration;

use serde_json::Value;
use tenancy::{Host, Virtual};

use crate::translate::Refused;
use crate::translate::pod::Companion;

/// One thing to do. A plan is a list of them, done in order; the first that fails ends it.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Apply the companion Secret of a pod; it must be there before the pod.
    Companion {
        /// Uid of the virtual pod.
        uid: String,
        /// What it must hold.
        companion: Companion,
    },
    /// Apply a host object that is not there yet.
    Create(Host<Value>),
    /// Tell the tenant what was left out.
    Note(String),
    /// Apply a host object that differs from what it should be.
    Update(Host<Value>),
    /// Add an ephemeral container to the host pod: a strategic merge patch.
    AddEphemeral(Host<Value>),
    /// Give the host pod other resources: a strategic merge patch. When the host refuses, the plan ends.
    Resize(Host<Value>),
    /// Apply the conditions of readiness gates to the status of the host pod.
    SetGates(Vec<Value>),
    /// Delete the host object.
    DeleteHost(DeleteHost),
    /// Delete the virtual object with this uid.
    DeleteVirtual {
        /// Uid of the virtual object.
        uid: String,
        /// Grace in seconds.
        grace: i64,
        /// Why, when the tenant did not ask for it.
        because: Option<&'static str>,
    },
    /// Bind the virtual pod to the node the host has chosen.
    Bind {
        /// Name of the node.
        node: String,
    },
    /// Write the status of the virtual object.
    ReportStatus(Virtual<Value>),
    /// Fill in what the host has given out (`spec` of the virtual object).
    ReportSpec(Virtual<Value>),
    /// Show the tenant the volume behind a bound claim.
    ShowVolume(Virtual<Value>),
    /// Set the finalizers of the virtual object.
    Finalizers(Vec<String>),
    /// Tell the tenant that the object cannot run, and why.
    Refuse(Refused),
    /// Look again later.
    Wait {
        /// After this long at the latest.
        after: Duration,
        /// What for.
        until: &'static str,
    },
}

/// A delete of a host object: what exactly, how, and on what evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteHost {
    /// Uid of the host object: a precondition, another object of the same name is left alone.
    pub uid: String,
    /// Grace in seconds; None leaves it to the host object.
    pub grace: Option<i64>,
    /// The evidence.
    pub proof: Proof,
}

/// Why a host object may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The virtual object with this uid is being deleted: seen, so nothing has to be confirmed.
    Deleting,
    /// The virtual object with this uid seems to be gone: to be confirmed by a live read, and rate-limited.
    Gone(String),
    /// Nothing refers to it any more.
    Unreferenced,
    /// The virtual object is there and wants no twin.
    Unwanted,
}

/// What to do, in this order.
pub type Plan = Vec<Action>;
