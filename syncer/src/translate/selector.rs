//! Label selectors of tenants' objects: on the host they select inside the tenant only.

use serde_json::{Map, Value, json};
use tenancy::labels;

use super::metadata::reserved_selector;
use super::{Place, Refused};

/// Which of a tenant's namespaces a selector reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One virtual namespace.
    Namespace(String),
    /// These virtual namespaces; none of them when the list is empty.
    Namespaces(Vec<String>),
    /// All of the tenant.
    Tenant,
}

/// The host form of a label selector: what the tenant wrote, and the reserved labels of what it reaches.
///
/// # Errors
/// [`Refused`] when it asks about reserved labels: an answer would tell about other namespaces.
pub fn to_host(place: &Place, reach: &Reach, selector: &Value, at: &str) -> Result<Value, Refused> {
    let Some(own) = selector.as_object() else { return Err(Refused::new(at, "must be an object")) };
    let by_label =
        own.get("matchLabels").and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str);
    let expressions = own.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    let by_expression = expressions.filter_map(|one| one.get("key").and_then(Value::as_str));
    if let Some(key) = by_label.chain(by_expression).find(|key| labels::is_reserved(key)) {
        return Err(Refused::new(at, &format!("the label {key:?} is reserved")));
    }
    if let Some(field) = own.keys().find(|field| !matches!(field.as_str(), "matchLabels" | "matchExpressions")) {
        return Err(Refused::new(&format!("{at}.{field}"), "this field is not known here and cannot be translated"));
    }
    let mut required = match own.get("matchLabels").and_then(Value::as_object) {
        Some(labels) => labels.clone(),
        None => Map::new(),
    };
    let mut expressions = own.get("matchExpressions").and_then(Value::as_array).cloned().unwrap_or_default();
    match reach {
        Reach::Namespace(namespace) => required.extend(reserved_selector(place, namespace)),
        Reach::Tenant => drop(required.insert(labels::TENANT.into(), json!(place.id.as_str()))),
        Reach::Namespaces(names) => {
            required.insert(labels::TENANT.into(), json!(place.id.as_str()));
            expressions.push(if names.is_empty() {
                // Every pod of a tenant carries the label, so this is nobody: an empty list of values is not valid.
                json!({ "key": labels::NAMESPACE, "operator": "DoesNotExist" })
            } else {
                json!({ "key": labels::NAMESPACE, "operator": "In", "values": names })
            });
        }
    }
    let mut out = json!({ "matchLabels": required });
    if !expressions.is_empty() {
        out["matchExpressions"] = Value::Array(expressions);
    }
    Ok(out)
}

/// Whether a selector says nothing, and so selects everything.
pub fn is_empty(selector: &Value) -> bool {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    selector.as_object().is_none_or(|fields| fields.values().all(says_nothing))
}

/// Whether labels, looked up by `get`, are selected (upstream: `LabelSelectorAsSelector`). An unknown operator selects
/// nothing.
pub fn matches<'a>(selector: &Value, get: impl Fn(&str) -> Option<&'a str>) -> bool {
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    labels.into_iter().flatten().all(|(key, value)| get(key) == value.as_str() && value.is_string())
        && expressions.into_iter().flatten().all(|one| {
            let value = get(crate::json::text(one, "/key"));
            let listed = value.is_some_and(|value| crate::json::items(one, "/values").iter().any(|item| item == value));
            match crate::json::text(one, "/operator") {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::place;
    use super::*;

    #[test]
    fn reserved_labels_bound_every_selector() {
        let id = place().id;
        let own =
            json!({ "matchLabels": { "app": "web" }, "matchExpressions": [{ "key": "tier", "operator": "Exists" }] });
        let host = to_host(&place(), &Reach::Namespace("shop".into()), &own, "s").unwrap();
        assert_eq!(
            host["matchLabels"],
            json!({ "app": "web", "rowhouse.dev/tenant": id.as_str(), "rowhouse.dev/namespace": "shop" })
        );
        assert_eq!(host["matchExpressions"], own["matchExpressions"]);
        let host = to_host(&place(), &Reach::Tenant, &json!({}), "s").unwrap();
        assert_eq!(host, json!({ "matchLabels": { "rowhouse.dev/tenant": id.as_str() } }));
        let two = Reach::Namespaces(vec!["a".into(), "b".into()]);
        let host = to_host(&place(), &two, &json!({}), "s").unwrap();
        assert_eq!(host["matchExpressions"][0]["values"], json!(["a", "b"]));
        let host = to_host(&place(), &Reach::Namespaces(Vec::new()), &json!({}), "s").unwrap();
        assert_eq!(host["matchExpressions"][0]["operator"], "DoesNotExist");
        assert_eq!(host["matchLabels"]["rowhouse.dev/tenant"], id.as_str());
    }

    #[test]
    fn nothing_is_asked_about_others() {
        for own in [
            json!({ "matchLabels": { "rowhouse.dev/tenant": "other" } }),
            json!({ "matchExpressions": [{ "key": "rowhouse.dev/namespace", "operator": "Exists" }] }),
            json!({ "matchExpressions": [{ "key": "x.rowhouse.dev/y", "operator": "DoesNotExist" }] }),
            json!({ "fromTheFuture": {} }),
            json!("text"),
        ] {
            assert!(to_host(&place(), &Reach::Tenant, &own, "s").is_err(), "{own}");
        }
    }

    #[test]
    fn matching_is_upstreams() {
        let get = |key: &str| (key == "app").then_some("web");
        for (selector, expected) in [
            (json!({}), true),
            (json!(null), true),
            (json!({ "matchLabels": { "app": "web" } }), true),
            (json!({ "matchLabels": { "app": 1 } }), false),
            (json!({ "matchExpressions": [{ "key": "app", "operator": "In", "values": ["db", "web"] }] }), true),
            (json!({ "matchExpressions": [{ "key": "no", "operator": "NotIn", "values": ["web"] }] }), true),
            (json!({ "matchExpressions": [{ "key": "app", "operator": "DoesNotExist" }] }), false),
            (json!({ "matchExpressions": [{ "key": "app", "operator": "Perhaps" }] }), false),
        ] {
            assert_eq!(matches(&selector, get), expected, "{selector}");
        }
        assert!(is_empty(&json!({ "matchLabels": {}, "matchExpressions": [] })) && !is_empty(&json!({ "x": 1 })));
    }
}
