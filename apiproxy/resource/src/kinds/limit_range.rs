//! LimitRanges.

use std::collections::{BTreeSet, HashSet};

use schema::field::Error;
use serde_json::{Map, Value};

use super::pod::amounts::{container_resource, overcommits, resource_name};
use super::pod::defaults::resource_list;
use super::workload::SPEC;
use crate::json::{at, child, entries, items_mut, list, object, put, size, text};
use crate::strategy::BASE;
use crate::{Errors, NameRule, Path, Scope, Strategy, format, meta};
use schema::quantity::Quantity;

pub(super) static LIMIT_RANGE: Strategy = Strategy {
    plural: "limitranges",
    scope: Scope::Namespaced,
    create_on_update: true,
    default,
    validate,
    validate_update: |new, _, errors| {
        meta::check_create(new, Scope::Namespaced, NameRule::DnsSubdomain, errors);
        validate(new, errors);
    },
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    for item in items_mut(child(obj, "spec"), "limits") {
        for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            resource_list(item, field);
        }
        if text(item, "type") == "Container" {
            merge(item, "default", "max");
            merge(item, "defaultRequest", "default");
            merge(item, "defaultRequest", "min");
        }
    }
}

/// Entries of `from` that `into` lacks.
fn merge(item: &mut Value, into: &str, from: &str) {
    let source: Map<String, Value> = item.get(from).and_then(Value::as_object).cloned().unwrap_or_default();
    let target = object(child(item, into));
    for (name, amount) in source {
        target.entry(name).or_insert(amount);
    }
    if target.is_empty() {
        put(item, into, Value::Null);
        crate::json::drop_field(item, into);
    }
}

fn validate(obj: &Value, errors: &mut Errors) {
    let mut types: HashSet<&str> = HashSet::new();
    for (index, limit) in list(at(obj, "spec"), "limits").iter().enumerate() {
        let path = SPEC.item("limits", index);
        let kind = text(limit, "type");
        let wrong = format::qualified_name(kind);
        if wrong.is_empty() && !kind.contains('/') && !matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim") {
            let detail = "must be a standard limit type or fully qualified";
            errors.push(Error::invalid(path.child("type"), kind, detail));
        }
        format::invalid_each(&path.child("type"), kind, wrong, errors);
        if !types.insert(kind) {
            errors.push(Error::duplicate(path.child("type"), kind));
        }
        item(limit, kind, &path, errors);
    }
}

fn item(limit: &Value, kind: &str, path: &Path<'_>, errors: &mut Errors) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        let here = path.child(field);
        if kind == "Pod" && matches!(field, "default" | "defaultRequest") {
            if size(limit, field) > 0 {
                errors.push(Error::forbidden(here, "may not be specified when `type` is 'Pod'"));
            }
            continue;
        }
        for (name, _) in entries(limit, field) {
            if matches!(kind, "Pod" | "Container") {
                container_resource(name, &here.key(name), errors);
            } else {
                resource_name(name, &here.key(name), errors);
            }
            names.insert(name);
        }
    }
    let storage = |field: &str| at(limit, field).get("storage").is_some();
    if kind == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.push(Error::required(path.child("limits"), detail));
    }
    names.iter().for_each(|name| bounds(limit, name, path, errors));
}

/// The bounds and defaults of one resource must be in order.
fn bounds(limit: &Value, name: &str, path: &Path<'_>, errors: &mut Errors) {
    let amount = |field: &str| Quantity::of(at(at(limit, field), name));
    let [min, max, default, request, ratio] =
        ["min", "max", "default", "defaultRequest", "maxLimitRequestRatio"].map(amount);
    let (min, max, default, request) = (min.as_ref(), max.as_ref(), default.as_ref(), request.as_ref());
    let mut ordered =
        |low: Option<&Quantity>, high: Option<&Quantity>, words: [&str; 2], field: &str, shown: Option<&Quantity>| {
            if let (Some(low), Some(high), Some(shown)) = (low, high, shown)
                && low > high
            {
                let detail = format!("{} value {low} is greater than {} value {high}", words[0], words[1]);
                errors.push(Error::invalid(path.child(field).key(name), shown.to_string(), detail));
            }
        };
    ordered(min, max, ["min", "max"], "min", min);
    ordered(min, request, ["min", "default request"], "defaultRequest", request);
    ordered(request, max, ["default request", "max"], "defaultRequest", request);
    ordered(request, default, ["default request", "default limit"], "defaultRequest", request);
    ordered(min, default, ["min", "default"], "default", min);
    ordered(default, max, ["default", "max"], "default", max);
    if let Some(ratio) = ratio.filter(|ratio| ratio.milli_value().is_some_and(|thousandths| thousandths < 1000)) {
        let detail = format!("ratio {ratio} is less than 1");
        errors.push(Error::invalid(path.child("maxLimitRequestRatio").key(name), ratio.to_string(), detail));
    }
    if let (false, Some(default), Some(request)) = (overcommits(name), default, request)
        && default != request
    {
        let detail = format!("default value {default} must equal to defaultRequest value {request} in {name}");
        errors.push(Error::invalid(path.child("defaultRequest").key(name), request.to_string(), detail));
    }
}
