//! RuntimeClass (upstream: `plugin/pkg/admission/runtimeclass`): overhead and scheduling of a pod's runtime class.

use std::sync::Arc;

use schema::quantity::Quantity;
use serde_json::{Value, json};
use store::{Collection, Object};

use super::{concerns, forbidden, tolerations};
use crate::respond::Error;
use crate::write::Context;

fn class(context: &Context<'_>, pod: &Value) -> Result<Option<Arc<Object>>, Error> {
    let Some(name) = pod["spec"]["runtimeClassName"].as_str() else { return Ok(None) };
    let found = context.api.store.get(context.tenant, &Collection::new("node.k8s.io", "runtimeclasses"), "", name);
    match found {
        Some(class) => Ok(Some(class)),
        None => {
            let name = schema::field::go_quote(name);
            Err(forbidden(context, pod, format!("pod rejected: RuntimeClass {name} not found")))
        }
    }
}

/// Gives a new pod what its class says. Errors: 403.
pub(super) fn mutate(context: &Context<'_>, pod: &mut Value, old: Option<&Value>) -> Result<(), Error> {
    if old.is_some() || !concerns(context, "", "pods") {
        return Ok(());
    }
    let Some(class) = class(context, pod)?.map(|class| class.value()) else { return Ok(()) };
    if class["overhead"].is_object() {
        let (given, wanted) = (&pod["spec"]["overhead"], &class["overhead"]["podFixed"]);
        if given.as_object().is_some_and(|given| !given.is_empty()) && !same(given, wanted) {
            return Err(mismatch(context, pod));
        }
        if wanted.is_object() {
            pod["spec"]["overhead"] = wanted.clone();
        }
    }
    let scheduling = &class["scheduling"];
    for (key, value) in scheduling["nodeSelector"].as_object().into_iter().flatten() {
        let wanted = value.as_str().unwrap_or_default();
        if let Some(given) = pod["spec"]["nodeSelector"][key].as_str().filter(|given| *given != wanted) {
            let message = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; pod.spec.nodeSelector[{key}] = {given}"
            );
            return Err(forbidden(context, pod, message));
        }
        if !pod["spec"]["nodeSelector"].is_object() {
            pod["spec"]["nodeSelector"] = json!({});
        }
        pod["spec"]["nodeSelector"][key] = value.clone();
    }
    if scheduling.is_object() {
        let own = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
        let added = scheduling["tolerations"].as_array().cloned().unwrap_or_default();
        let merged = tolerations::merge(&own, &added);
        if !merged.is_empty() {
            pod["spec"]["tolerations"] = Value::from(merged);
        }
    }
    Ok(())
}

/// The overhead of a new pod is that of its class. Errors: 403.
pub(super) fn judge(context: &Context<'_>, pod: &Value, old: Option<&Value>) -> Result<(), Error> {
    if old.is_some() || !concerns(context, "", "pods") {
        return Ok(());
    }
    let class = class(context, pod)?.map(|class| class.value()).unwrap_or_default();
    if class["overhead"].is_object() {
        let fits = same(&pod["spec"]["overhead"], &class["overhead"]["podFixed"]);
        return if fits { Ok(()) } else { Err(mismatch(context, pod)) };
    }
    if pod["spec"]["overhead"].is_null() {
        return Ok(());
    }
    let message = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
    Err(forbidden(context, pod, message.to_owned()))
}

fn mismatch(context: &Context<'_>, pod: &Value) -> Error {
    let message = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
    forbidden(context, pod, message.to_owned())
}

/// Whether two lists of amounts are equal.
fn same(a: &Value, b: &Value) -> bool {
    let amounts = |value: &Value| -> Vec<(String, Option<Quantity>)> {
        let entries = value.as_object().into_iter().flatten();
        entries.map(|(name, amount)| (name.clone(), Quantity::of(amount))).collect()
    };
    amounts(a) == amounts(b)
}
