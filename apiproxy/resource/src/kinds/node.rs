//! Nodes.

use std::collections::HashSet;

use schema::field::Error;
use serde_json::Value;

use super::pod::defaults::resource_list;
use super::pod::scheduling::taint_effect;
use super::workload::SPEC;
use crate::json::{at, child, flag, list, put, set, text, texts};
use crate::strategy::{BASE, Status};
use crate::{Errors, Path, Scope, Strategy, format};

pub(super) static NODE: Strategy = Strategy {
    plural: "nodes",
    scope: Scope::Cluster,
    status: Status::Kept,
    validate: |obj, errors| {
        taints(obj, errors);
        for (index, range) in texts(at(obj, "spec"), "podCIDRs").into_iter().enumerate() {
            format::legacy_cidr(&SPEC.item("podCIDRs", index), range, errors);
        }
    },
    validate_update: update,
    default: |_, obj| {
        let status = child(obj, "status");
        resource_list(status, "capacity");
        resource_list(status, "allocatable");
        if let (None, Some(capacity)) = (set(status, "allocatable"), set(status, "capacity").cloned()) {
            put(status, "allocatable", capacity);
        }
    },
    fold: |obj| {
        // The older of two names for the same: its conversion fills the newer one.
        let range = text(at(obj, "spec"), "podCIDR").to_owned();
        if !range.is_empty() && list(at(obj, "spec"), "podCIDRs").is_empty() {
            put(child(obj, "spec"), "podCIDRs", vec![Value::from(range)]);
        }
    },
    fields: &[("spec.unschedulable", |node| flag(at(node, "spec"), "unschedulable").to_string())],
    ..BASE
};

fn taints(obj: &Value, errors: &mut Errors) {
    // The path is upstream's.
    let root = Path::root("metadata");
    let mut seen: HashSet<(&str, &str)> = HashSet::new();
    for (index, taint) in list(at(obj, "spec"), "taints").iter().enumerate() {
        let path = root.item("taints", index);
        let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
        format::invalid_each(&path.child("key"), key, format::qualified_name(key), errors);
        let wrong = format::label_value(value);
        if !wrong.is_empty() {
            errors.push(Error::invalid(path.child("value"), value, wrong.join(";")));
        }
        if effect.is_empty() {
            errors.push(Error::required(path.child("effect"), ""));
        }
        taint_effect(effect, &path.child("effect"), errors);
        if !seen.insert((key, effect)) {
            let mut error = Error::duplicate(path, taint.clone());
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
}

fn update(new: &Value, old: &Value, errors: &mut Errors) {
    let (spec, before) = (at(new, "spec"), at(old, "spec"));
    let ranges = texts(before, "podCIDRs");
    if !ranges.is_empty() && ranges != texts(spec, "podCIDRs") {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        errors.push(Error::forbidden(SPEC.child("podCIDRs"), detail));
    }
    let provider = text(before, "providerID");
    if !provider.is_empty() && provider != text(spec, "providerID") {
        let detail = "node updates may not change providerID except from \"\" to valid";
        errors.push(Error::forbidden(SPEC.child("providerID"), detail));
    }
    taints(new, errors);
}
