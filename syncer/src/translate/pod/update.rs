//! What may change on a pod the host already has.

use serde_json::{Map, Value};
use tenancy::Host;

use super::resources;
use crate::json;

/// Fields of a pod's spec that Kubernetes lets change in place and that follow the tenant.
const SPEC: &[&str] = &["activeDeadlineSeconds", "schedulingGates", "tolerations"];

/// The form to apply to an existing host pod: metadata as translated now; of the spec what was applied when the pod was
/// made, with the few fields that may change. Everything else is frozen, because what it was made from has moved on
/// (services of the namespace, the operator's isolation), and the host would refuse a change. Resources have been resized
/// before this is applied.
pub fn update(now: &Host<Value>, applied: &Host<Value>, live: &Host<Value>) -> Host<Value> {
    let mut spec = json::object(&applied.0, "/spec").cloned().unwrap_or_default();
    resources::note(&mut spec, now, live);
    let (Host(now), Host(live)) = (now, live);
    let mut out = now.clone();
    for field in SPEC {
        match (*field, now.pointer(&format!("/spec/{field}"))) {
            // Gates only ever go away; tolerations only ever come.
            ("schedulingGates", None) => drop(spec.remove(*field)),
            (_, None) => {}
            ("tolerations", Some(wanted)) => add_tolerations(&mut spec, wanted, json::items(live, "/spec/tolerations")),
            (_, Some(value)) => drop(spec.insert((*field).to_owned(), value.clone())),
        }
    }
    if !json::items(live, "/spec/schedulingGates").is_empty() {
        steer(&mut spec, now);
    }
    for list in ["containers", "initContainers"] {
        let wanted = json::items(now, &format!("/spec/{list}"));
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let name = json::text(container, "/name").to_owned();
            let image = wanted.iter().find(|one| json::text(one, "/name") == name).and_then(|one| one.get("image"));
            if let (Some(container), Some(image)) = (container.as_object_mut(), image) {
                container.insert("image".into(), image.clone());
            }
        }
    }
    if let Some(out) = out.as_object_mut() {
        out.insert("spec".into(), Value::Object(spec));
    }
    Host(out)
}

/// A pod no scheduler has looked at yet may be given to fewer nodes.
fn steer(spec: &mut Map<String, Value>, now: &Value) {
    json::set(spec, "nodeSelector", now.pointer("/spec/nodeSelector").cloned());
    let Some(nodes) = now.pointer("/spec/affinity/nodeAffinity") else { return };
    if let Some(affinity) = spec.entry("affinity").or_insert_with(|| Value::Object(Map::new())).as_object_mut() {
        affinity.insert("nodeAffinity".into(), nodes.clone());
    }
}

/// The list is one value to server-side apply, and the host has added its own defaults to it: what is there stays.
fn add_tolerations(spec: &mut Map<String, Value>, wanted: &Value, live: &[Value]) {
    let missing = wanted.as_array().into_iter().flatten().filter(|toleration| !live.contains(toleration));
    let missing: Vec<Value> = missing.cloned().collect();
    if !missing.is_empty() {
        spec.insert("tolerations".into(), Value::Array([live, &missing].concat()));
    }
}
