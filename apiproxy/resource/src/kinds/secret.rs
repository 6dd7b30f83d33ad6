//! Secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schema::field::Error;
use serde_json::Value;

use crate::json::{at, dig, entries, fill_text, flag, put, text};
use crate::strategy::BASE;
use crate::{Errors, Path, Scope, Strategy, format, meta};

pub(super) static SECRET: Strategy = Strategy {
    plural: "secrets",
    scope: Scope::Namespaced,
    default: |_, obj| fill_text(obj, "type", "Opaque"),
    fold: write_only,
    prepare_update,
    validate,
    validate_update: |new, old, errors| {
        meta::immutable(&Path::root(""), "type", new, old, errors);
        frozen(new, old, &["data"], errors);
        validate(new, errors);
    },
    fields: &[("type", |secret| text(secret, "type").to_owned())],
    ..BASE
};

/// `stringData` is write-only: it becomes data.
fn write_only(obj: &mut Value) {
    let plain: Vec<(String, String)> = entries(obj, "stringData")
        .map(|(key, value)| (key.to_owned(), STANDARD.encode(value.as_str().unwrap_or(""))))
        .collect();
    for (key, value) in plain {
        put(crate::json::child(obj, "data"), &key, value);
    }
    crate::json::drop_field(obj, "stringData");
}

fn prepare_update(new: &mut Value, old: &Value) {
    if text(new, "type").is_empty() {
        put(new, "type", text(old, "type"));
    }
}

/// Upstream's limit for the data of a Secret or ConfigMap, in bytes.
pub(super) const MAX_SIZE: usize = 1024 * 1024;

/// How many bytes a base64 value holds.
pub(super) fn bytes_of(value: &Value) -> usize {
    let text = value.as_str().unwrap_or("").as_bytes();
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// Nothing changes once `immutable` is set.
pub(super) fn frozen(new: &Value, old: &Value, fields: &[&str], errors: &mut Errors) {
    if !flag(old, "immutable") {
        return;
    }
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if !flag(new, "immutable") {
        errors.push(Error::forbidden("immutable", DETAIL));
    }
    for field in fields.iter().filter(|field| !crate::json::same_at(new, old, field)) {
        errors.push(Error::forbidden(*field, DETAIL));
    }
}

fn validate(obj: &Value, errors: &mut Errors) {
    let path = Path::root("data");
    let mut total = 0;
    for (key, value) in entries(obj, "data") {
        format::invalid_each(&path.key(key), key, format::config_key(key), errors);
        total += bytes_of(value);
    }
    if total > MAX_SIZE {
        errors.push(Error::too_long(path, MAX_SIZE));
    }
    let data = at(obj, "data");
    let mut need = |key: &str| {
        if data.get(key).is_none() {
            errors.push(Error::required(path.key(key), ""));
        }
    };
    match text(obj, "type") {
        "kubernetes.io/service-account-token" => {
            const KEY: &str = "kubernetes.io/service-account.name";
            if text(dig(obj, "metadata.annotations"), KEY).is_empty() {
                errors.push(Error::required(Path::root("metadata.annotations").key(KEY), ""));
            }
        }
        "kubernetes.io/dockercfg" => json_key(data, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => json_key(data, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth" if data.get("username").is_none() && data.get("password").is_none() => {
            need("username");
            need("password");
        }
        "kubernetes.io/ssh-auth" if text(data, "ssh-privatekey").is_empty() => {
            errors.push(Error::required(path.key("ssh-privatekey"), ""));
        }
        "kubernetes.io/tls" => {
            need("tls.crt");
            need("tls.key");
        }
        _ => (),
    }
}

/// A key that must hold a JSON object.
fn json_key(data: &Value, key: &str, errors: &mut Errors) {
    let path = Path::root("data");
    let Some(value) = data.get(key) else {
        errors.push(Error::required(path.key(key), ""));
        return;
    };
    let bytes = STANDARD.decode(value.as_str().unwrap_or("")).unwrap_or_default();
    if let Some(detail) = not_an_object(&bytes) {
        errors.push(Error::invalid(path.key(key), "<secret contents redacted>", detail));
    }
}

/// What Go's scanner says of text that starts no value, or starts a literal and goes on otherwise.
fn scan(text: &str) -> String {
    for literal in ["true", "false", "null"] {
        if text.chars().next() == literal.chars().next() {
            let wrong = text.chars().zip(literal.chars()).find(|(found, wanted)| found != wanted);
            if let Some((found, wanted)) = wrong {
                return format!("invalid character '{found}' in literal {literal} (expecting '{wanted}')");
            }
            let rest = text.chars().nth(literal.len()).unwrap_or(' ');
            return format!("invalid character '{rest}' after top-level value");
        }
    }
    let first = text.chars().next().unwrap_or(' ');
    format!("invalid character '{first}' looking for beginning of value")
}

/// What Go's JSON decoder says of bytes that are no JSON object, as near as it matters.
fn not_an_object(bytes: &[u8]) -> Option<String> {
    let kind = match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(_) | Value::Null) => return None,
        Ok(Value::Array(_)) => "array",
        Ok(Value::String(_)) => "string",
        Ok(Value::Number(_)) => "number",
        Ok(Value::Bool(_)) => "bool",
        Err(error) if error.is_eof() => return Some("unexpected end of JSON input".to_owned()),
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            return Some(scan(text.trim_start()));
        }
    };
    Some(format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"))
}
