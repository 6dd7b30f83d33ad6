//! Deployments.

use serde_json::{Value, json};

use super::pod::defaults::template;
use crate::json::{at, child, fill, fill_text, take_over, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) static DEPLOYMENT: Strategy = Strategy {
    group: "apps",
    plural: "deployments",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    generation: Generation::On(&["spec", "metadata.annotations"]),
    default,
    prepare_status: |new, old| take_over(child(new, "metadata"), at(old, "metadata"), "labels"),
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill(spec, "replicas", 1);
    let strategy = child(spec, "strategy");
    fill_text(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = child(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", json!("25%"));
        fill(rolling, "maxSurge", json!("25%"));
    }
    fill(spec, "revisionHistoryLimit", 10);
    fill(spec, "progressDeadlineSeconds", 600);
    template(spec);
}
