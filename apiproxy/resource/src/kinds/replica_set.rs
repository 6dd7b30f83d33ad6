//! ReplicaSets.

use serde_json::Value;

use super::pod::defaults::template;
use crate::json::{child, dig, fill};
use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) static REPLICA_SET: Strategy = Strategy {
    group: "apps",
    plural: "replicasets",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"replicas":0}"#),
    generation: Generation::On(&["spec"]),
    default,
    fields: &[("status.replicas", |obj| dig(obj, "status.replicas").as_i64().unwrap_or(0).to_string())],
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill(spec, "replicas", 1);
    template(spec);
}
