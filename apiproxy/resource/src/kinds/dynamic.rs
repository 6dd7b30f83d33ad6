//! Kinds of `resource.k8s.io` (dynamic resource allocation).

use serde_json::{Value, json};

use crate::json::{at, child, fill, fill_text, fill_zero, items_mut, text};
use crate::strategy::{BASE, Generation, Status, StatusMeta};
use crate::{Scope, Strategy};

const KIND: Strategy = Strategy { group: "resource.k8s.io", scope: Scope::Cluster, ..BASE };

pub(super) static DEVICE_CLASS: Strategy =
    Strategy { plural: "deviceclasses", generation: Generation::On(&["spec"]), ..KIND };
pub(super) static TAINT_RULE: Strategy = Strategy {
    plural: "devicetaintrules",
    generation: Generation::On(&["spec"]),
    status: Status::Reset("{}"),
    status_meta: StatusMeta::Reset,
    ..KIND
};
pub(super) static CLAIM: Strategy = Strategy {
    plural: "resourceclaims",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    status_meta: StatusMeta::Reset,
    default: |_, obj| requests(child(obj, "spec")),
    ..KIND
};
pub(super) static CLAIM_TEMPLATE: Strategy = Strategy {
    plural: "resourceclaimtemplates",
    scope: Scope::Namespaced,
    default: |_, obj| requests(child(child(obj, "spec"), "spec")),
    ..KIND
};
pub(super) static SLICE: Strategy = Strategy {
    plural: "resourceslices",
    generation: Generation::On(&["spec"]),
    default: |_, obj| {
        for device in items_mut(child(obj, "spec"), "devices") {
            items_mut(device, "taints").iter_mut().for_each(|taint| fill(taint, "timeAdded", now()));
        }
    },
    fields: &[
        ("spec.nodeName", |obj| text(at(obj, "spec"), "nodeName").to_owned()),
        ("spec.driver", |obj| text(at(obj, "spec"), "driver").to_owned()),
    ],
    ..KIND
};

fn now() -> Value {
    let now = jiff::Timestamp::now();
    json!(jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string())
}

fn requests(spec: &mut Value) {
    let Some(devices) = spec.get_mut("devices") else { return };
    for request in items_mut(devices, "requests") {
        if let Some(exactly) = request.get_mut("exactly").filter(|exactly| exactly.is_object()) {
            amount(exactly);
        }
        items_mut(request, "firstAvailable").iter_mut().for_each(amount);
    }
}

fn amount(request: &mut Value) {
    fill_text(request, "allocationMode", "ExactCount");
    if text(request, "allocationMode") == "ExactCount" {
        fill_zero(request, "count", 1);
    }
}
