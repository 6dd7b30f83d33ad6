//! PodDisruptionBudgets.

use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) static DISRUPTION_BUDGET: Strategy = Strategy {
    group: "policy",
    plural: "poddisruptionbudgets",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":0,"expectedPods":0}"#),
    generation: Generation::On(&["spec"]),
    unconditional_update: false,
    ..BASE
};
