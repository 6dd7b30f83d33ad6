//! StorageObjectInUseProtection (upstream: `plugin/pkg/admission/storage/storageobjectinuseprotection`): claims and volumes
//! stay while they are used. `lifecycle::protection` takes the finalizers away again.

use serde_json::{Value, json};

use super::concerns;
use crate::lifecycle::protection::{CLAIM, VOLUME};
use crate::write::Context;

/// Gives new claims and volumes their finalizer.
pub(super) fn mutate(context: &Context<'_>, value: &mut Value, old: Option<&Value>) {
    if old.is_some() || !value["metadata"].is_object() {
        return;
    }
    let finalizer = if concerns(context, "", "persistentvolumeclaims") {
        CLAIM
    } else if concerns(context, "", "persistentvolumes") {
        VOLUME
    } else {
        return;
    };
    let mut all = value["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !all.iter().any(|one| one == finalizer) {
        all.push(json!(finalizer));
        value["metadata"]["finalizers"] = Value::from(all);
    }
}
