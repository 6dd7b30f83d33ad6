//! PersistentVolumes.

use serde_json::Value;

use super::pod::defaults::{host_path, resource_list};
use crate::json::{at, child, fill, fill_text, put, set, take_over, text};
use crate::strategy::{BASE, Status};
use crate::{Scope, Strategy};

pub(super) static VOLUME: Strategy = Strategy {
    plural: "persistentvolumes",
    scope: Scope::Cluster,
    status: Status::Reset(r#"{"phase":"Pending"}"#),
    default,
    prepare_create: |obj| put(child(obj, "status"), "lastPhaseTransitionTime", now()),
    prepare_status,
    fields: &[("name", |obj| text(at(obj, "metadata"), "name").to_owned())],
    ..BASE
};

fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    fill(spec, "volumeMode", "Filesystem");
    host_path(spec);
    resource_list(spec, "capacity");
    fill_text(child(obj, "status"), "phase", "Pending");
}

/// The time of the last change of phase is the server's unless the client gives a new one.
fn prepare_status(new: &mut Value, old: &Value) {
    let before = at(old, "status");
    let status = child(new, "status");
    let unset = set(status, "lastPhaseTransitionTime").is_none();
    if text(status, "phase") == text(before, "phase") {
        if unset {
            take_over(status, before, "lastPhaseTransitionTime");
        }
    } else if unset || at(status, "lastPhaseTransitionTime") == at(before, "lastPhaseTransitionTime") {
        put(status, "lastPhaseTransitionTime", now());
    }
}
