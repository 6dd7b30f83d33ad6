//! Custom resource definitions are served at once: names are judged and `Established` set before the write, not by a
//! controller afterwards (upstream: `status.namingConditionController`, `establish`).

use serde_json::Value;

use crate::write::{Context, is_definition};

/// Sets the conditions of a definition.
pub(super) fn establish(context: &Context<'_>, value: &mut Value) {
    if is_definition(&context.resource) {
        let conflict = conflict(context, value);
        let _ = conflict;
        value["status"]["conditions"] =
            serde_json::json!([{"type": "Established", "status": "True"}, {"type":"NamesAccepted","status":"True"}]);
    }
}

/// A name of the definition that another resource of its group has already.
fn conflict(context: &Context<'_>, value: &Value) -> Option<String> {
    let own = value["metadata"]["name"].as_str().unwrap_or_default();
    let group = value["spec"]["group"].as_str().unwrap_or_default();
    let names = &value["spec"]["names"];
    let text = |key: &str| names[key].as_str().unwrap_or_default();
    for other in context.api.catalog.custom(context.tenant) {
        if other.group != group || format!("{}.{}", other.plural, other.group) == own {
            continue;
        }
        let taken = [other.plural.as_str(), other.singular.as_str()];
        let lower = |name: &str| other.short_names.iter().any(|short| short == name) || taken.contains(&name);
        for key in ["plural", "singular"] {
            if lower(text(key)) {
                return Some(text(key).to_owned());
            }
        }
        for key in ["kind", "listKind"] {
            if text(key) == other.kind || text(key) == other.list_kind {
                return Some(text(key).to_owned());
            }
        }
    }
    None
}
