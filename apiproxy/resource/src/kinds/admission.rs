//! Kinds of `admissionregistration.k8s.io`: webhook configurations, admission policies and their bindings.

use serde_json::{Value, json};

use crate::json::{child, fill, items_mut};
use crate::strategy::{BASE, Generation, Status, StatusMeta};
use crate::{Scope, Strategy};

const KIND: Strategy =
    Strategy { group: "admissionregistration.k8s.io", scope: Scope::Cluster, unconditional_update: false, ..BASE };

pub(super) static VALIDATING_WEBHOOKS: Strategy = Strategy {
    plural: "validatingwebhookconfigurations",
    generation: Generation::On(&["webhooks"]),
    default: |_, obj| items_mut(obj, "webhooks").iter_mut().for_each(webhook),
    ..KIND
};
pub(super) static MUTATING_WEBHOOKS: Strategy = Strategy {
    plural: "mutatingwebhookconfigurations",
    generation: Generation::On(&["webhooks"]),
    default: |_, obj| {
        for hook in items_mut(obj, "webhooks") {
            webhook(hook);
            fill(hook, "reinvocationPolicy", "Never");
        }
    },
    ..KIND
};
pub(super) static VALIDATING_POLICY: Strategy = Strategy {
    plural: "validatingadmissionpolicies",
    generation: Generation::On(&["spec"]),
    status: Status::Reset("{}"),
    status_meta: StatusMeta::Reset,
    default: policy,
    ..KIND
};
pub(super) static MUTATING_POLICY: Strategy =
    Strategy { plural: "mutatingadmissionpolicies", generation: Generation::On(&["spec"]), default: policy, ..KIND };
pub(super) static VALIDATING_BINDING: Strategy = Strategy {
    plural: "validatingadmissionpolicybindings",
    generation: Generation::On(&["spec"]),
    default: binding,
    ..KIND
};
pub(super) static MUTATING_BINDING: Strategy = Strategy {
    plural: "mutatingadmissionpolicybindings",
    generation: Generation::On(&["spec"]),
    default: binding,
    ..KIND
};

fn webhook(hook: &mut Value) {
    fill(hook, "failurePolicy", "Fail");
    matching(hook);
    fill(hook, "timeoutSeconds", 10);
    items_mut(hook, "rules").iter_mut().for_each(|rule| fill(rule, "scope", "*"));
    if let Some(service) = hook.pointer_mut("/clientConfig/service").filter(|service| service.is_object()) {
        fill(service, "port", 443);
    }
}

fn matching(holder: &mut Value) {
    fill(holder, "matchPolicy", "Equivalent");
    fill(holder, "namespaceSelector", json!({}));
    fill(holder, "objectSelector", json!({}));
}

fn match_resources(spec: &mut Value, field: &str) {
    if let Some(matched) = spec.get_mut(field).filter(|matched| matched.is_object()) {
        matching(matched);
        for rules in ["resourceRules", "excludeResourceRules"] {
            items_mut(matched, rules).iter_mut().for_each(|rule| fill(rule, "scope", "*"));
        }
    }
}

fn policy(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill(spec, "failurePolicy", "Fail");
    match_resources(spec, "matchConstraints");
}

fn binding(_version: &str, obj: &mut Value) {
    match_resources(child(obj, "spec"), "matchResources");
}
