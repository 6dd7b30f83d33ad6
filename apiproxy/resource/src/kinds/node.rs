//! Nodes.

use super::pod::defaults::resource_list;
use crate::json::{at, child, flag, put, set};
use crate::strategy::{BASE, Status};
use crate::{Scope, Strategy};

pub(super) static NODE: Strategy = Strategy {
    plural: "nodes",
    scope: Scope::Cluster,
    status: Status::Kept,
    default: |_, obj| {
        let status = child(obj, "status");
        resource_list(status, "capacity");
        resource_list(status, "allocatable");
        if let (None, Some(capacity)) = (set(status, "allocatable"), set(status, "capacity").cloned()) {
            put(status, "allocatable", capacity);
        }
    },
    fields: &[("spec.unschedulable", |node| flag(at(node, "spec"), "unschedulable").to_string())],
    ..BASE
};
