//! Views of what all objects share: metadata, conditions, owner references.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::core::ApiResource;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

/// Reads `null` as the default, as Go does.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The part of `metadata` that controllers read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Meta {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) generation: i64,
    #[serde(deserialize_with = "nullable")]
    pub(crate) creation_timestamp: String,
    pub(crate) deletion_timestamp: Option<String>,
    pub(crate) deletion_grace_period_seconds: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) finalizers: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// One entry of `status.conditions`; times are kept as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Condition {
    pub(crate) r#type: String,
    pub(crate) status: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub(crate) last_probe_time: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub(crate) last_update_time: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub(crate) last_transition_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
}

/// The condition of a type, if there is one.
pub(crate) fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.r#type == kind)
}

/// A time as `metav1.Time` writes it: whole seconds, UTC.
pub(crate) fn timestamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads such a time; `None` for absent or unreadable ones.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// The `ownerReferences` entry of a controlling owner.
pub(crate) fn controller_reference(kind: &ApiResource, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": kind.api_version, "kind": kind.kind, "name": name, "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// A number for a merge patch: zero is left out of the object, as `omitempty` does.
pub(crate) fn unless_zero(number: i64) -> Value {
    if number == 0 { Value::Null } else { json!(number) }
}
