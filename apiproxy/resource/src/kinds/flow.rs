//! FlowSchemas and PriorityLevelConfigurations.

use serde_json::Value;

use crate::json::{child, fill, fill_zero};
use crate::strategy::{BASE, Generation, Status, StatusMeta};
use crate::{Scope, Strategy};

const KIND: Strategy = Strategy {
    group: "flowcontrol.apiserver.k8s.io",
    scope: Scope::Cluster,
    status: Status::Reset("{}"),
    status_meta: StatusMeta::Old,
    generation: Generation::On(&["spec"]),
    ..BASE
};

pub(super) static FLOW_SCHEMA: Strategy = Strategy {
    plural: "flowschemas",
    default: |_, obj| fill_zero(child(obj, "spec"), "matchingPrecedence", 1000),
    ..KIND
};
pub(super) static PRIORITY_LEVEL: Strategy =
    Strategy { plural: "prioritylevelconfigurations", default: level_default, ..KIND };

fn level_default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    for (kind, shares) in [("exempt", 0), ("limited", 30)] {
        if let Some(level) = spec.get_mut(kind).filter(|level| level.is_object()) {
            fill(level, "nominalConcurrencyShares", shares);
            fill(level, "lendablePercent", 0);
            if let Some(queuing) = level.pointer_mut("/limitResponse/queuing").filter(|queuing| queuing.is_object()) {
                fill_zero(queuing, "handSize", 8);
                fill_zero(queuing, "queues", 64);
                fill_zero(queuing, "queueLengthLimit", 50);
            }
        }
    }
}
