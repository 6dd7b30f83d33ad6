//! Namespaces.

use serde_json::{Value, json};

use crate::json::{at, child, fill_text, object, put, take_over, text};
use crate::strategy::{BASE, Status};
use crate::{NameRule, Scope, Strategy};

pub(super) static NAMESPACE: Strategy = Strategy {
    plural: "namespaces",
    scope: Scope::Cluster,
    name_rule: NameRule::DnsLabel,
    status: Status::Reset(r#"{"phase":"Active"}"#),
    default,
    prepare_create,
    prepare_update: |new, old| take_over(child(new, "spec"), at(old, "spec"), "finalizers"),
    fields: &[("status.phase", |namespace| text(at(namespace, "status"), "phase").to_owned())],
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let name = text(at(obj, "metadata"), "name").to_owned();
    if !name.is_empty() {
        put(child(child(obj, "metadata"), "labels"), "kubernetes.io/metadata.name", name);
    }
    fill_text(child(obj, "status"), "phase", "Active");
}

fn prepare_create(obj: &mut Value) {
    let finalizers = object(child(obj, "spec")).entry("finalizers").or_insert(Value::Null);
    match finalizers {
        Value::Array(names) => {
            if !names.contains(&json!("kubernetes")) {
                names.push(json!("kubernetes"));
            }
        }
        finalizers => *finalizers = json!(["kubernetes"]),
    }
    default("v1", obj);
}
