//! PodDisruptionBudgets.

use schema::field::Error;
use serde_json::Value;

use super::workload::{SPEC, at_most_all, int_or_percent, not_negative};
use crate::go::{self, Field};
use crate::json::{at, opt_text, set};
use crate::strategy::{BASE, Generation, Status};
use crate::{Errors, Path, Scope, Strategy, selector};

pub(super) static DISRUPTION_BUDGET: Strategy = Strategy {
    group: "policy",
    plural: "poddisruptionbudgets",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":0,"expectedPods":0}"#),
    generation: Generation::On(&["spec"]),
    unconditional_update: false,
    validate,
    validate_update: |new, _, errors| validate(new, errors),
    validate_status: |new, _, errors| {
        for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            not_negative(at(new, "status"), field, &Path::root("status"), errors);
        }
    },
    ..BASE
};

/// A budget's spec as upstream's errors show it.
const SHOWN: [Field; 4] = [
    Field::leaf("MinAvailable", "minAvailable"),
    Field::leaf("Selector", "selector"),
    Field::leaf("MaxUnavailable", "maxUnavailable"),
    Field::leaf("UnhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicy"),
];

fn validate(obj: &Value, errors: &mut Errors) {
    let spec = at(obj, "spec");
    if set(spec, "minAvailable").is_some() && set(spec, "maxUnavailable").is_some() {
        let detail = "minAvailable and maxUnavailable cannot be both set";
        errors.push(Error::invalid(SPEC, spec.clone(), detail).showing(go::shown(spec, &SHOWN)));
    }
    for field in ["minAvailable", "maxUnavailable"] {
        int_or_percent(spec, field, &SPEC, errors);
        at_most_all(spec, field, &SPEC, errors);
    }
    selector::validate(at(spec, "selector"), &SPEC.child("selector"), errors);
    const POLICIES: [&str; 2] = ["AlwaysAllow", "IfHealthyBudget"];
    if let Some(policy) = opt_text(spec, "unhealthyPodEvictionPolicy").filter(|policy| !POLICIES.contains(policy)) {
        errors.push(Error::not_supported(SPEC.child("unhealthyPodEvictionPolicy"), policy, &POLICIES));
    }
}
