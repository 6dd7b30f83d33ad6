//! fieldsV1: a set of field paths as nested JSON objects, `.` marking an element that is a member and has children.

use serde_json::{Map, Value};

use super::path::Element;
use super::set::Set;

/// Writes a set.
pub(super) fn encode(set: &Set) -> Value {
    Value::Object(encode_level(set))
}

fn encode_level(set: &Set) -> Map<String, Value> {
    let mut level = Map::new();
    for element in &set.members {
        level.insert(element.encode(), Value::Object(Map::new()));
    }
    for (element, child) in &set.children {
        let mut below = encode_level(child);
        if set.members.contains(element) {
            below.insert(".".to_owned(), Value::Object(Map::new()));
        }
        level.insert(element.encode(), Value::Object(below));
    }
    level
}

/// Reads a set.
///
/// # Errors
/// What is not an object of objects, and keys that are not elements. Elements of unknown kinds are ignored.
pub(super) fn decode(fields: &Value) -> Result<Set, String> {
    match fields {
        Value::Null => Ok(Set::default()),
        Value::Object(level) => Ok(decode_level(level)?.0),
        _ => Err("expect { or n".to_owned()),
    }
}

/// The set at a level and below, and whether the level itself is a member.
fn decode_level(level: &Map<String, Value>) -> Result<(Set, bool), String> {
    let mut set = Set::default();
    let mut member = false;
    for (key, below) in level {
        if key == "." {
            member = true;
            continue;
        }
        let Some(element) = Element::decode(key)? else { continue };
        let (child, child_is_member) = match below {
            Value::Null => (Set::default(), true),
            Value::Object(below) => decode_level(below)?,
            _ => return Err("expect { or n".to_owned()),
        };
        if child_is_member {
            set.members.insert(element.clone());
        }
        if !child.is_empty() {
            set.children.insert(element, child);
        }
    }
    let member = member || set.is_empty();
    Ok((set, member))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::set::tests::any_set;
    use super::*;
    use crate::json::tests::any_json;

    #[test]
    fn the_usual_form() {
        let fields = json!({
            "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:ports": {
                ".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}},
        });
        let set = decode(&fields).unwrap();
        assert_eq!(encode(&set), fields);
        let paths: Vec<String> = set.paths().iter().map(|path| super::super::path::text(path)).collect();
        assert_eq!(
            paths,
            [
                ".metadata.labels",
                ".metadata.labels.app",
                ".spec.containers[name=\"web\"]",
                ".spec.containers[name=\"web\"].image",
                ".spec.containers[name=\"web\"].ports",
                ".spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"]",
                ".spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"].containerPort",
            ]
        );
    }

    #[test]
    fn what_cannot_be_read() {
        for bad in [json!([]), json!("x"), json!({"f:a": 1}), json!({"x": {}}), json!({"k:1": {}})] {
            assert!(decode(&bad).is_err(), "{bad}");
        }
        assert_eq!(decode(&json!({"z:later": {"f:a": {}}, "f:b": null})), Ok(Set::of_fields(["b"])));
    }

    proptest! {
        #[test]
        fn round_trip(set in any_set()) {
            prop_assert_eq!(decode(&encode(&set)), Ok(set));
        }

        #[test]
        fn arbitrary_json_never_panics(fields in any_json()) {
            let _ = decode(&fields);
        }
    }
}
