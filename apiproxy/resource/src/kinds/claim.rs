//! PersistentVolumeClaims.

use serde_json::{Value, json};

use super::pod::defaults::{claim_spec, resource_list};
use crate::json::{at, child, fill_text, put, set, text};
use crate::strategy::{BASE, Status};
use crate::{Scope, Strategy};

pub(super) static CLAIM: Strategy = Strategy {
    plural: "persistentvolumeclaims",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"phase":"Pending"}"#),
    default,
    prepare_create: data_sources,
    prepare_update: |new, _| data_sources(new),
    ..BASE
};

/// Defaults of a claim, also of the claim templates of StatefulSets.
pub(super) fn default(_version: &str, obj: &mut Value) {
    claim_spec(child(obj, "spec"));
    let status = child(obj, "status");
    fill_text(status, "phase", "Pending");
    resource_list(status, "capacity");
    resource_list(status, "allocatedResources");
}

/// `dataSource` and `dataSourceRef` say the same for objects of the claim's namespace (`NormalizeDataSources`).
fn data_sources(obj: &mut Value) {
    let spec = child(obj, "spec");
    match (set(spec, "dataSource").cloned(), set(spec, "dataSourceRef").cloned()) {
        (Some(source), None) => put(spec, "dataSourceRef", source),
        (None, Some(reference)) if text(&reference, "namespace").is_empty() => {
            let mut source = json!({"kind": at(&reference, "kind"), "name": at(&reference, "name")});
            if let Some(group) = set(&reference, "apiGroup") {
                put(&mut source, "apiGroup", group.clone());
            }
            put(spec, "dataSource", source);
        }
        _ => (),
    }
}
