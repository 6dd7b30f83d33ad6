//! LimitRanges.

use serde_json::{Map, Value};

use super::pod::defaults::resource_list;
use crate::json::{child, items_mut, object, put, text};
use crate::strategy::BASE;
use crate::{Scope, Strategy};

pub(super) static LIMIT_RANGE: Strategy =
    Strategy { plural: "limitranges", scope: Scope::Namespaced, create_on_update: true, default, ..BASE };

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
