//! Virtual values in files and the Secret that carries them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{Identity, Refused};
use crate::json;

/// What a pod's companion Secret must hold. Keys are stable for a pod: they follow the order of its volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Companion {
    /// Files with known content, by key: virtual names, labels, annotations.
    pub files: BTreeMap<String, String>,
    /// Tokens of the tenant's API, by key.
    pub tokens: BTreeMap<String, TokenRequest>,
}

/// A token a pod mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Audience; None for the API's own.
    pub audience: Option<String>,
    /// Wanted lifetime in seconds.
    pub expiration_seconds: i64,
}

impl Companion {
    /// Whether the pod needs no companion.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.tokens.is_empty()
    }

    /// Adds a file and returns its key.
    pub(super) fn add_file(&mut self, content: String) -> String {
        let key = format!("file-{}", self.files.len());
        self.files.insert(key.clone(), content);
        key
    }

    /// Adds a token and returns its key.
    pub(super) fn add_token(&mut self, request: TokenRequest) -> String {
        let key = format!("token-{}", self.tokens.len());
        self.tokens.insert(key.clone(), request);
        key
    }
}

/// The virtual value of a downward API field; None for fields whose value the host knows (addresses, node name).
///
/// # Errors
/// [`Refused`] for fields that upstream does not offer either.
pub(super) fn value(who: Identity<'_>, pod: &Value, field_path: &str, at: &str) -> Result<Option<String>, Refused> {
    let account = || match json::text(pod, "/spec/serviceAccountName") {
        "" => "default",
        name => name,
    };
    let value = match field_path {
        "metadata.name" => who.name.to_owned(),
        "metadata.namespace" => who.namespace.to_owned(),
        "metadata.uid" => who.uid.to_owned(),
        "metadata.labels" => lines(json::object(pod, "/metadata/labels")),
        "metadata.annotations" => lines(json::object(pod, "/metadata/annotations")),
        "spec.serviceAccountName" => account().to_owned(),
        "spec.nodeName" | "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => return Ok(None),
        other => match subscript(other) {
            Some(("metadata.labels", key)) => entry(pod, "/metadata/labels", key),
            Some(("metadata.annotations", key)) => entry(pod, "/metadata/annotations", key),
            _ => return Err(Refused::new(at, &format!("the field {other:?} is not available to pods"))),
        },
    };
    Ok(Some(value))
}

/// `metadata.labels['key']` → (`metadata.labels`, `key`).
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (field, rest) = path.split_once("['")?;
    Some((field, rest.strip_suffix("']")?))
}

fn entry(pod: &Value, pointer: &str, key: &str) -> String {
    json::object(pod, pointer).and_then(|map| map.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A map as the downward API writes it: `key="value"`, one per line, sorted by key.
fn lines(map: Option<&Map<String, Value>>) -> String {
    let line = |(key, value): (&String, &Value)| format!("{key}={}", quote(value.as_str().unwrap_or_default()));
    map.into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
}

/// Quotes text as Go's `%q` does.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Splits downward API files: those with virtual values become items of the companion Secret, the rest stay.
///
/// # Errors
/// As [`value`].
pub(super) fn split_files(
    who: Identity<'_>,
    pod: &Value,
    files: &[Value],
    at: &str,
    companion: &mut Companion,
) -> Result<(Vec<Value>, Vec<Value>), Refused> {
    let (mut from_secret, mut from_host) = (Vec::new(), Vec::new());
    for (index, file) in files.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let field_path = json::text(file, "/fieldRef/fieldPath");
        if field_path.is_empty() {
            from_host.push(file.clone());
            continue;
        }
        match value(who, pod, field_path, &format!("{at}.fieldRef.fieldPath"))? {
            // Upstream offers no file of a host value; if it did, the host would know it.
            None => from_host.push(file.clone()),
            Some(content) => {
                let mut item = json!({ "key": companion.add_file(content), "path": json::text(file, "/path") });
                if let (Some(item), Some(mode)) =
                    (item.as_object_mut(), file.get("mode").filter(|mode| !mode.is_null()))
                {
                    item.insert("mode".into(), mode.clone());
                }
                from_secret.push(item);
            }
        }
    }
    Ok((from_secret, from_host))
}
