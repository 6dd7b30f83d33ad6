//! Priority (upstream: `plugin/pkg/admission/priority`): the priority class of a pod becomes numbers in it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use store::Collection;

use super::{concerns, forbidden};
use crate::respond::Error;
use crate::write::Context;

const GROUP: &str = "scheduling.k8s.io";

/// The priority classes of a tenant.
pub(super) struct Priorities {
    classes: HashMap<String, Class>,
    default: Option<String>,
}

struct Class {
    value: i64,
    preemption: String,
}

fn compile(objects: &[Value]) -> Priorities {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let value = |object: &Value| object["value"].as_i64().unwrap_or(0);
    let preemption = |object: &Value| object["preemptionPolicy"].as_str().unwrap_or_default().to_owned();
    let defaults = objects.iter().filter(|object| object["globalDefault"] == true);
    Priorities {
        // Of several, which races can make, the lowest counts (upstream: `getDefaultPriorityClass`).
        default: defaults.min_by_key(|object| value(object)).map(name),
        classes: objects
            .iter()
            .map(|object| (name(object), Class { value: value(object), preemption: preemption(object) }))
            .collect(),
    }
}

fn priorities(context: &Context<'_>) -> Arc<Priorities> {
    let collection = Collection::new(GROUP, "priorityclasses");
    context.api.admission.priorities.get(context.api, context.tenant, &collection, "", compile)
}

/// Writes priority and preemption policy into a new pod; keeps them in one that is changed. Errors: 403 for a class that
/// does not exist, and for numbers that are not those of the class.
pub(super) fn mutate(context: &Context<'_>, pod: &mut Value, old: Option<&Value>) -> Result<(), Error> {
    if !concerns(context, "", "pods") || !pod["spec"].is_object() {
        return Ok(());
    }
    if let Some(old) = old {
        for key in ["priority", "preemptionPolicy"] {
            if pod["spec"][key].is_null() && !old["spec"][key].is_null() {
                pod["spec"][key] = old["spec"][key].clone();
            }
        }
        return Ok(());
    }
    let known = priorities(context);
    let asked = pod["spec"]["priorityClassName"].as_str().unwrap_or_default();
    let name = if asked.is_empty() { known.default.as_deref().unwrap_or_default() } else { asked }.to_owned();
    let (value, preemption) = match known.classes.get(&name) {
        Some(class) => (class.value, class.preemption.as_str()),
        None if name.is_empty() => (0, "PreemptLowerPriority"),
        None => return Err(forbidden(context, pod, format!("no PriorityClass with name {name} was found"))),
    };
    if let Some(given) = pod["spec"]["priority"].as_i64().filter(|given| *given != value) {
        let message = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        );
        return Err(forbidden(context, pod, message));
    }
    let given = pod["spec"]["preemptionPolicy"].as_str().unwrap_or_default();
    if !given.is_empty() && !preemption.is_empty() && given != preemption {
        let message = format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {preemption} from the given PriorityClass name"
        );
        return Err(forbidden(context, pod, message));
    }
    if !name.is_empty() {
        pod["spec"]["priorityClassName"] = json!(name);
    }
    pod["spec"]["priority"] = json!(value);
    if !preemption.is_empty() {
        pod["spec"]["preemptionPolicy"] = json!(preemption);
    }
    Ok(())
}

/// There is one default at most. Errors: 403.
pub(super) fn judge(context: &Context<'_>, class: &Value, old: Option<&Value>) -> Result<(), Error> {
    if !concerns(context, GROUP, "priorityclasses") || class["globalDefault"] != true {
        return Ok(());
    }
    let known = priorities(context);
    let Some(default) = &known.default else { return Ok(()) };
    if old.is_some() && class["metadata"]["name"] == default.as_str() {
        return Ok(());
    }
    let message = format!("PriorityClass {default} is already marked as default. Only one default can exist");
    Err(forbidden(context, class, message))
}
