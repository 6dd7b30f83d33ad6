//! ReplicationControllers.

use serde_json::Value;

use super::pod::defaults::template;
use crate::json::{at, child, dig, fill, put, size};
use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) static REPLICATION_CONTROLLER: Strategy = Strategy {
    plural: "replicationcontrollers",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"replicas":0}"#),
    generation: Generation::On(&["spec"]),
    default,
    fields: &[("status.replicas", |obj| dig(obj, "status.replicas").as_i64().unwrap_or(0).to_string())],
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let labels = dig(obj, "spec.template.metadata.labels").clone();
    let spec = child(obj, "spec");
    fill(spec, "replicas", 1);
    template(spec);
    if labels.is_object() {
        if size(spec, "selector") == 0 {
            put(spec, "selector", labels.clone());
        }
        if size(at(obj, "metadata"), "labels") == 0 {
            put(child(obj, "metadata"), "labels", labels);
        }
    }
}
