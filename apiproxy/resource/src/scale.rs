//! The `scale` subresource: an object seen as an `autoscaling/v1` Scale.

use schema::Resource;
use schema::field::Error;
use serde_json::{Map, Value, json};

use crate::format;
use crate::json::{at, dig, entries, int, list, object, put, text, texts};

/// An object as a Scale. `spec.replicas` absent reads as 0, as upstream's conversion does for custom resources; built-in
/// kinds have it defaulted.
pub fn read(resource: &Resource, obj: &Value) -> Value {
    let meta = at(obj, "metadata");
    let mut kept = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = meta.get(field) {
            kept.insert(field.to_owned(), value.clone());
        }
    }
    let (spec_path, status_path, selector) = match resource.custom.as_ref().and_then(|custom| custom.scale.as_ref()) {
        Some((spec, status, selector)) => {
            let selector = selector.as_deref().map(|path| dig(obj, path).as_str().unwrap_or("").to_owned());
            (spec.as_str(), status.as_str(), selector.unwrap_or_default())
        }
        None => ("spec.replicas", "status.replicas", selector_text(dig(obj, "spec.selector"))),
    };
    let mut spec = json!({});
    if let Some(replicas) = dig(obj, spec_path).as_i64().filter(|replicas| *replicas != 0) {
        spec = json!({"replicas": replicas});
    }
    let mut status = json!({"replicas": dig(obj, status_path).as_i64().unwrap_or(0)});
    if !selector.is_empty() {
        put(&mut status, "selector", selector);
    }
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": kept, "spec": spec, "status": status})
}

/// Puts the replicas of a Scale into an object. Its resourceVersion is the caller's business.
pub fn write(resource: &Resource, obj: &mut Value, scale: &Value) {
    let replicas = int(at(scale, "spec"), "replicas").unwrap_or(0);
    let path = resource.custom.as_ref().and_then(|custom| custom.scale.as_ref()).map_or("spec.replicas", |s| &s.0);
    let mut place = obj;
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        if steps.peek().is_none() {
            put(place, step, replicas);
            return;
        }
        place = object(place).entry(step).or_insert(Value::Null);
    }
}

/// What is wrong with a Scale (`ValidateScale`).
pub fn validate(scale: &Value) -> Vec<Error> {
    let mut errors = crate::meta::validate_create(scale, true, crate::NameRule::DnsSubdomain);
    let replicas = int(at(scale, "spec"), "replicas").unwrap_or(0);
    if replicas < 0 {
        errors.push(Error::invalid("spec.replicas", replicas, "must be greater than or equal to 0"));
    }
    errors
}

/// A label selector in the text form of the API: `a=b,c in (d,e),!f`. A plain map is the old form of
/// ReplicationControllers. A selector that is not one reads as empty.
pub fn selector_text(selector: &Value) -> String {
    let structured = selector.get("matchLabels").is_some_and(Value::is_object)
        || selector.get("matchExpressions").is_some_and(Value::is_array);
    let mut parts: Vec<(String, String)> = Vec::new();
    let labels: Box<dyn Iterator<Item = (&str, &Value)>> = if structured {
        Box::new(entries(selector, "matchLabels"))
    } else {
        Box::new(selector.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value)))
    };
    for (key, value) in labels {
        parts.push((key.to_owned(), format!("{key}={}", value.as_str().unwrap_or(""))));
    }
    for rule in list(selector, "matchExpressions") {
        let key = text(rule, "key");
        if !format::qualified_name(key).is_empty() {
            return String::new();
        }
        let mut values = texts(rule, "values");
        values.sort_unstable();
        let written = match text(rule, "operator") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return String::new(),
        };
        parts.push((key.to_owned(), written));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    parts.into_iter().map(|(_, written)| written).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_read_like_upstreams() {
        for (selector, want) in [
            (json!({"matchLabels": {"b": "2", "a": "1"}}), "a=1,b=2"),
            (json!({"b": "2"}), "b=2"),
            (
                json!({"matchExpressions": [{"key": "z", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}],
                "matchLabels": {"d": "1"}}),
                "!c,d=1,z in (x,y)",
            ),
            (json!({}), ""),
            (Value::Null, ""),
        ] {
            assert_eq!(selector_text(&selector), want);
        }
    }
}
