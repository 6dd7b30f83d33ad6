//! Selectors of other pods: on the host they must not see beyond the tenant, nor beyond the namespaces they mean.

use serde_json::{Map, Value, json};
use tenancy::labels;

use super::super::metadata::reserved_selector;
use super::super::rules::Outcome;
use super::super::{Identity, Place, Refused};

/// The label selector of an affinity term. `term` tells which namespaces it means: the pod's own, a list, or all.
pub(super) fn affinity(
    place: &Place,
    who: Identity<'_>,
    selector: &Value,
    term: &Map<String, Value>,
    at: &str,
) -> Result<Outcome, Refused> {
    let listed = term.get("namespaces").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let all = term.get("namespaceSelector").is_some_and(Value::is_object);
    let mut selector = open(selector, at)?;
    if all || !listed.is_empty() {
        add_label(&mut selector, labels::TENANT, place.id.as_str());
    } else {
        for (key, value) in reserved_selector(place, who.namespace) {
            add_label(&mut selector, &key, value.as_str().unwrap_or_default());
        }
    }
    // Both together mean the union, and everything includes the list.
    if !all && !listed.is_empty() {
        let requirement = json!({ "key": labels::NAMESPACE, "operator": "In", "values": listed });
        match selector.get_mut("matchExpressions").and_then(Value::as_array_mut) {
            Some(list) => list.push(requirement),
            None => drop(selector.insert("matchExpressions".into(), json!([requirement]))),
        }
    }
    Ok(Outcome::Value(Value::Object(selector)))
}

/// The namespace selector of an affinity term: an empty one has become a selector of the whole tenant.
pub(super) fn namespace(selector: &Value, at: &str) -> Result<Outcome, Refused> {
    let empty = |value: &Value| value.as_object().map_or(value.is_null(), Map::is_empty);
    let no_items = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let says_nothing = selector.as_object().is_some_and(|fields| fields.values().all(|v| empty(v) || no_items(v)));
    if says_nothing {
        Ok(Outcome::Nothing)
    } else {
        Err(Refused::new(at, "namespaces can be named, or all of them selected with {}; labels cannot be used yet"))
    }
}

/// The label selector of a topology spread constraint, which means the pod's own namespace.
pub(super) fn spread(place: &Place, who: Identity<'_>, selector: &Value, at: &str) -> Result<Outcome, Refused> {
    let mut selector = open(selector, at)?;
    for (key, value) in reserved_selector(place, who.namespace) {
        add_label(&mut selector, &key, value.as_str().unwrap_or_default());
    }
    Ok(Outcome::Value(Value::Object(selector)))
}

/// The selector, if it asks nothing about reserved labels: an answer would tell about other namespaces.
fn open(selector: &Value, at: &str) -> Result<Map<String, Value>, Refused> {
    let Some(fields) = selector.as_object() else {
        return Err(Refused::new(at, "must be an object"));
    };
    let by_label =
        fields.get("matchLabels").and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str);
    let expressions = fields.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    let by_expression = expressions.filter_map(|one| one.get("key").and_then(Value::as_str));
    match by_label.chain(by_expression).find(|key| labels::is_reserved(key)) {
        Some(key) => Err(Refused::new(at, &format!("the label {key:?} is reserved"))),
        None => Ok(fields.clone()),
    }
}

fn add_label(selector: &mut Map<String, Value>, key: &str, value: &str) {
    match selector.get_mut("matchLabels").and_then(Value::as_object_mut) {
        Some(labels) => drop(labels.insert(key.to_owned(), json!(value))),
        None => drop(selector.insert("matchLabels".into(), json!({ key: value }))),
    }
}
