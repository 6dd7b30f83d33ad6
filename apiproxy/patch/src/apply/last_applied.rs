//! The annotation of `kubectl apply` from before server-side apply.
//!
//! Only for the manager `kubectl`: fields that the annotation shows to be kubectl's own are no conflict, so that objects
//! can move from client-side to server-side apply, and an annotation that is there follows what is applied.

use serde_json::{Map, Value};

use super::compare::compare;
use super::typed::{Type, field_set, validate};
use super::update::Conflicts;
use crate::golang;

/// The manager kubectl applies as.
pub(super) const KUBECTL: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Most bytes all annotations of an object may have together (`TotalAnnotationSizeLimitB`).
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// The conflicts that stay when fields kubectl applied from the client side, and nobody changed since, do not count.
pub(super) fn remaining(ty: Type<'_>, live: &Value, api_version: &str, conflicts: Conflicts) -> Conflicts {
    let last: Value = match annotation(live).and_then(|text| serde_json::from_str(text).ok()) {
        Some(last) => last,
        None => return conflicts,
    };
    let version = last.get("apiVersion").and_then(Value::as_str);
    if version != Some(api_version) || !validate(ty, &last).is_empty() {
        return conflicts;
    }
    let changes = compare(ty, &last, live);
    let unchanged =
        field_set(ty, &last).difference(&changes.modified).difference(&changes.added).difference(&changes.removed);
    conflicts.into_iter().filter(|(_, path)| !unchanged.has(path)).collect()
}

/// Writes the configuration to the annotation, when the object has one. One that would be too large is removed.
pub(super) fn refresh(object: &mut Value, config: &Value) {
    if annotation(object).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = annotations_mut(&mut config) {
        annotations.remove(ANNOTATION);
    }
    let text = format!("{}\n", golang::json_text(&config));
    if let Some(annotations) = annotations_mut(object) {
        annotations.insert(ANNOTATION.to_owned(), Value::String(text));
        let size: usize = annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
        if size > MAX_ANNOTATIONS {
            annotations.remove(ANNOTATION);
        }
    }
}

fn annotation(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())
}

fn annotations_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.get_mut("metadata")?.get_mut("annotations")?.as_object_mut()
}
