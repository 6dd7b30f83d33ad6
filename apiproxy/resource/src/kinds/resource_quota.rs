//! ResourceQuotas.

use super::pod::defaults::resource_list;
use crate::json::child;
use crate::strategy::{BASE, Status};
use crate::{Scope, Strategy};

pub(super) static RESOURCE_QUOTA: Strategy = Strategy {
    plural: "resourcequotas",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    default: |_, obj| {
        resource_list(child(obj, "spec"), "hard");
        let status = child(obj, "status");
        resource_list(status, "hard");
        resource_list(status, "used");
    },
    ..BASE
};
