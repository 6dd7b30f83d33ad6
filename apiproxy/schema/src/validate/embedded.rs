//! `apiVersion`, `kind` and `metadata` of resources embedded in custom resources (`apiserver/schema/objectmeta`).

use serde_json::Value;

use crate::crd::at;
use crate::field::Error;
use crate::{Node, name};

/// Errors of all embedded resources below the root.
pub(super) fn check(root: Node<'_>, value: &Value) -> Vec<Error> {
    let mut errors = Vec::new();
    walk(root, value, "", &mut errors);
    errors
}

fn walk(node: Node<'_>, value: &Value, path: &str, errors: &mut Vec<Error>) {
    match value {
        Value::Object(fields) => {
            if node.slot().limits.as_ref().is_some_and(|limits| limits.embedded_resource) {
                resource(value, path, errors);
            }
            for (name, value) in fields {
                let Some(child) = node.field(name) else { continue };
                let path = match (path.is_empty(), node.object().is_some()) {
                    (true, _) => name.clone(),
                    (false, true) => format!("{path}.{name}"),
                    (false, false) => format!("{path}[{name}]"),
                };
                walk(child, value, &path, errors);
            }
        }
        Value::Array(items) => {
            let Some(child) = node.items() else { return };
            for (index, item) in items.iter().enumerate() {
                walk(child, item, &format!("{path}[{index}]"), errors);
            }
        }
        _ => {}
    }
}

fn resource(value: &Value, path: &str, errors: &mut Vec<Error>) {
    for field in ["apiVersion", "kind"] {
        let at = format!("{path}.{field}");
        match value.get(field) {
            None => errors.push(Error::required(at, "")),
            Some(Value::String(text)) if text.is_empty() => errors.push(Error::invalid(at, "", "must not be empty")),
            Some(Value::String(text)) if field == "apiVersion" => {
                if text.matches('/').count() > 1 {
                    let detail = format!("unexpected GroupVersion string: {text}");
                    errors.push(Error::invalid(at, text.as_str(), detail));
                }
            }
            Some(Value::String(text)) => {
                let wrong = name::label_1035(&text.to_lowercase());
                if !wrong.is_empty() {
                    let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                    errors.push(Error::invalid(at, text.as_str(), detail));
                }
            }
            Some(other) => errors.push(Error::invalid(at, other.clone(), "must be a string")),
        }
    }
    metadata(value, &format!("{path}.metadata"), errors);
}

fn metadata(value: &Value, path: &str, errors: &mut Vec<Error>) {
    let text = |field: &str| at(value, &["metadata", field]).and_then(Value::as_str);
    if let Some(name) = text("name") {
        let wrong = path_segment(name);
        errors.extend(wrong.into_iter().map(|detail| Error::invalid(format!("{path}.name"), name, detail)));
    }
    if let Some(namespace) = text("namespace") {
        let wrong = name::label_1123(namespace);
        errors.extend(wrong.into_iter().map(|detail| Error::invalid(format!("{path}.namespace"), namespace, detail)));
    }
    let pairs = |field: &str| at(value, &["metadata", field]).and_then(Value::as_object).into_iter().flatten();
    for (key, value) in pairs("labels") {
        let at = format!("{path}.labels");
        errors.extend(name::label_key(key).into_iter().map(|detail| Error::invalid(at.clone(), key.as_str(), detail)));
        if let Some(value) = value.as_str() {
            errors.extend(name::label_value(value).into_iter().map(|detail| Error::invalid(at.clone(), value, detail)));
        }
    }
    for (key, _) in pairs("annotations") {
        let wrong = name::label_key(&key.to_lowercase());
        let at = format!("{path}.annotations");
        errors.extend(wrong.into_iter().map(|detail| Error::invalid(at.clone(), key.as_str(), detail)));
    }
}

/// Names that could not stand in a path.
fn path_segment(name: &str) -> Vec<String> {
    if matches!(name, "." | "..") {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"].into_iter().filter(|bad| name.contains(bad)).map(|bad| format!("may not contain '{bad}'")).collect()
}
