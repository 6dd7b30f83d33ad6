//! What we applied before, read back from the host object: the fields our manager owns, with their live values.
//!
//! Comparing it with what we would apply now tells whether a write is needed, and sees drift too: a field that somebody
//! else took over is no longer among ours. Upstream records ownership in `metadata.managedFields` (`fieldsV1`).

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tenancy::{Host, labels};

use crate::json;

/// The applied form of a host object, or None when our manager has applied nothing to it (or the object was stored
/// without managed fields).
pub fn applied(live: &Host<Value>) -> Option<Host<Value>> {
    let Host(live) = live;
    let ours = json::items(live, "/metadata/managedFields").iter().find(|entry| {
        json::text(entry, "/manager") == labels::MANAGER
            && json::text(entry, "/operation") == "Apply"
            && json::text(entry, "/subresource").is_empty()
    })?;
    let mut out = match extract(live, ours.get("fieldsV1")?) {
        Value::Object(out) => out,
        _ => return None,
    };
    for field in ["apiVersion", "kind"] {
        json::set(&mut out, field, live.get(field).cloned());
    }
    let metadata = out.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut() {
        for field in ["name", "namespace"] {
            json::set(metadata, field, live.pointer(&format!("/metadata/{field}")).cloned());
        }
    }
    Some(Host(Value::Object(out)))
}

/// Field in which [`prune_to_print`] leaves the fingerprint of the applied form.
const PRINT: &str = "appliedPrint";

/// Reduces a host object to its metadata and a fingerprint of what we have applied to it: enough for
/// [`is_applied`], and no data of a Secret stays in memory.
pub fn prune_to_print(object: &mut Value) {
    let print = applied(&Host(object.clone())).map(|Host(applied)| fingerprint(&applied));
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
        json::set(fields, PRINT, print.map(Value::String));
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
}

/// Whether the host object is what would be applied now; `live` may have been reduced by [`prune_to_print`].
pub fn is_applied(live: &Host<Value>, now: &Host<Value>) -> bool {
    match json::text(&live.0, "/appliedPrint") {
        "" => applied(live).as_ref() == Some(now),
        print => print == fingerprint(&now.0),
    }
}

/// SHA-256 over the canonical text: the keys of JSON objects are sorted.
fn fingerprint(object: &Value) -> String {
    Sha256::digest(object.to_string().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn extract(live: &Value, fields: &Value) -> Value {
    let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
        return live.clone();
    };
    match live {
        Value::Object(object) => Value::Object(from_object(object, fields)),
        Value::Array(items) => Value::Array(from_list(items, fields)),
        leaf => leaf.clone(),
    }
}

fn from_object(object: &Map<String, Value>, fields: &Map<String, Value>) -> Map<String, Value> {
    let owned = fields.iter().filter_map(|(path, inner)| {
        let name = path.strip_prefix("f:")?;
        Some((name.to_owned(), extract(object.get(name)?, inner)))
    });
    owned.collect()
}

fn from_list(items: &[Value], fields: &Map<String, Value>) -> Vec<Value> {
    let mut out = Vec::new();
    for (index, item) in items.iter().enumerate() {
        for (path, inner) in fields {
            if let Some(key) = path.strip_prefix("k:").and_then(|key| serde_json::from_str::<Map<_, _>>(key).ok()) {
                if key.iter().all(|(name, value)| item.get(name) == Some(value)) {
                    out.push(keyed(item, inner, key));
                    break;
                }
            } else if path.strip_prefix("v:").and_then(|value| serde_json::from_str(value).ok()).as_ref() == Some(item)
            {
                out.push(item.clone());
                break;
            } else if path.strip_prefix("i:").and_then(|at| at.parse().ok()) == Some(index) {
                out.push(extract(item, inner));
                break;
            }
        }
    }
    out
}

/// An item told apart by keys carries them, owned or not.
fn keyed(item: &Value, fields: &Value, key: Map<String, Value>) -> Value {
    let mut out = extract(item, fields);
    if let Some(out) = out.as_object_mut() {
        out.extend(key);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_fields_come_back_and_others_do_not() {
        let live = Host(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web", "namespace": "host", "uid": "1",
                "labels": { "app": "web", "injected": "yes" },
                "managedFields": [
                    { "manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": { "f:status": {} } },
                    { "manager": "rowhouse", "operation": "Apply", "subresource": "status", "fieldsV1": { "f:status": {} } },
                    { "manager": "rowhouse", "operation": "Apply", "fieldsV1": {
                        "f:metadata": { "f:labels": { "f:app": {} }, "f:finalizers": { "v:\"a/b\"": {} } },
                        "f:spec": {
                            "f:containers": { "k:{\"name\":\"c\"}": {
                                ".": {}, "f:name": {}, "f:image": {},
                                "f:ports": { "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": { "f:containerPort": {} } }
                            } },
                            "f:gone": {},
                            "f:volumes": { "k:{\"name\":\"v\"}": { ".": {}, "f:emptyDir": {} } }
                        }
                    } }
                ],
                "finalizers": ["x/y", "a/b"]
            },
            "spec": {
                "nodeName": "n1",
                "containers": [
                    { "name": "sidecar", "image": "proxy" },
                    { "name": "c", "image": "nginx", "terminationMessagePath": "/dev/x",
                      "ports": [{ "containerPort": 80, "protocol": "TCP", "name": "http" }] }
                ],
                "volumes": [{ "name": "v", "emptyDir": {} }]
            },
            "status": { "phase": "Running" }
        }));
        let expected = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "web", "namespace": "host", "labels": { "app": "web" }, "finalizers": ["a/b"] },
            "spec": {
                "containers": [{ "name": "c", "image": "nginx", "ports": [{ "containerPort": 80, "protocol": "TCP" }] }],
                "volumes": [{ "name": "v", "emptyDir": {} }]
            }
        });
        assert_eq!(applied(&live), Some(Host(expected)));
    }

    #[test]
    fn a_fingerprint_stands_for_the_applied_form() {
        let full = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "s", "namespace": "h", "uid": "u", "managedFields": [
                { "manager": "rowhouse", "operation": "Apply", "fieldsV1": { "f:data": { "f:a": {} } } }] },
            "data": { "a": "c2VjcmV0", "b": "other" }
        });
        let wanted = Host(
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "namespace": "h" }, "data": { "a": "c2VjcmV0" } }),
        );
        let mut pruned = full.clone();
        prune_to_print(&mut pruned);
        assert!(!pruned.to_string().contains("c2VjcmV0") && !pruned.to_string().contains("managedFields"), "{pruned}");
        assert_eq!(pruned["metadata"]["uid"], "u");
        let mut other = wanted.clone();
        other.0["data"]["a"] = json!("bmV3");
        for live in [full, pruned] {
            assert!(is_applied(&Host(live.clone()), &wanted));
            assert!(!is_applied(&Host(live), &other));
        }
    }

    #[test]
    fn without_an_entry_of_ours_nothing_is_known() {
        assert_eq!(applied(&Host(json!({ "metadata": { "name": "web" } }))), None);
        let other = json!({ "metadata": { "managedFields": [{ "manager": "kubectl", "operation": "Apply", "fieldsV1": {} }] } });
        assert_eq!(applied(&Host(other)), None);
    }
}
