//! Pod templates: equality without the hash label, and the hash.
//!
//! Upstream hashes a Go dump of the typed template (`ComputeHash`), which depends on every Go type name and on private
//! fields, and changes with them; nobody can depend on the value. Ours is over canonical JSON, in the same alphabet and
//! with the same treatment of collisions.

use serde_json::Value;

/// The label that tells the pods of one revision from those of another.
pub(crate) const HASH_LABEL: &str = "pod-template-hash";
/// Letters of generated names (`k8s.io/apimachinery/pkg/util/rand`): no vowels, nothing to confuse.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A template as it is compared: without the hash label, and with absent, null and empty lists and maps alike.
pub(crate) fn normalised(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH_LABEL);
    }
    drop_empty(&mut template);
    if template["metadata"].is_null() {
        template["metadata"] = serde_json::json!({});
    }
    template
}

/// Fields that are maps or plain structs in Go; elsewhere `{}` is a set pointer and means something.
const MAPS: [&str; 6] = ["labels", "annotations", "nodeSelector", "limits", "requests", "resources"];

fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(drop_empty);
            object.retain(|key, value| match value {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(fields) => !(fields.is_empty() && MAPS.contains(&key.as_str())),
                _ => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

/// The value of the hash label for a template; another one for every collision counted.
pub(crate) fn hash(template: &Value, collisions: Option<i32>) -> String {
    let mut hasher = Fnv::default();
    write(&normalised(template), &mut hasher);
    if let Some(collisions) = collisions {
        hasher.write(&collisions.to_le_bytes());
        hasher.write(&[0; 4]);
    }
    let digits = hasher.0.to_string();
    digits.bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// FNV-1a… in Go's `fnv.New32a`: 32 bits.
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

/// Canonical JSON: keys in order, whatever the map type of the JSON library in this build.
fn write(value: &Value, hasher: &mut Fnv) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort();
            hasher.write(b"{");
            for key in keys {
                hasher.write(Value::from(key.as_str()).to_string().as_bytes());
                hasher.write(b":");
                write(&object[key], hasher);
                hasher.write(b",");
            }
            hasher.write(b"}");
        }
        Value::Array(items) => {
            hasher.write(b"[");
            for item in items {
                write(item, hasher);
                hasher.write(b",");
            }
            hasher.write(b"]");
        }
        scalar => hasher.write(scalar.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_are_equal_without_the_hash_label() {
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c"}]}});
        let same = [
            json!({"metadata": {"creationTimestamp": null, "labels": {"app": "a", HASH_LABEL: "x"}},
                "spec": {"containers": [{"name": "c", "env": [], "resources": {"limits": {}}}]}}),
            json!({"spec": {"containers": [{"name": "c", "command": null}]}, "metadata": {"labels": {"app": "a"}}}),
        ];
        for same in same {
            assert_eq!(normalised(&template), normalised(&same));
        }
        let pointer = json!({"metadata": {"labels": {"app": "a"}},
            "spec": {"securityContext": {}, "containers": [{"name": "c"}]}});
        assert_ne!(normalised(&template), normalised(&pointer), "a set pointer is not an absent one");
    }

    #[test]
    fn hashes_are_stable_and_change_with_collisions() {
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"b": 1, "a": [true, "x"]}});
        let first = hash(&template, None);
        // A release that changes this value restarts every Deployment's pods once: do not.
        assert_eq!(first, hash(&template, None));
        assert_ne!(first, hash(&template, Some(0)));
        assert_ne!(hash(&template, Some(0)), hash(&template, Some(1)));
        assert!(first.bytes().all(|letter| ALPHABET.contains(&letter)), "{first}");
        assert!((1..=10).contains(&first.len()));
    }

    #[test]
    fn fnv_is_upstreams() {
        let mut hasher = Fnv::default();
        hasher.write(b"foobar");
        assert_eq!(hasher.0, 0xbf9c_f968);
    }
}
