//! NetworkPolicies.

use serde_json::{Value, json};

use crate::json::{child, fill, items_mut, put, size};
use crate::strategy::{BASE, Generation};
use crate::{Scope, Strategy};

pub(super) static NETWORK_POLICY: Strategy = Strategy {
    group: "networking.k8s.io",
    plural: "networkpolicies",
    scope: Scope::Namespaced,
    generation: Generation::On(&["spec"]),
    default,
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    for direction in ["ingress", "egress"] {
        for rule in items_mut(spec, direction) {
            for port in items_mut(rule, "ports") {
                fill(port, "protocol", "TCP");
            }
        }
    }
    if size(spec, "policyTypes") == 0 {
        let types = if size(spec, "egress") > 0 { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        put(spec, "policyTypes", types);
    }
}
