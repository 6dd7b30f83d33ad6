//! JSON merge patch, RFC 7396.

use serde_json::{Map, Value};

use crate::PatchError;
use crate::golang;

/// Merges a patch into a document: objects merge field by field, null removes a field, all else replaces.
///
/// # Errors
/// `BadRequest` when the patch is not an object; the document is then unchanged.
pub fn merge_patch(doc: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let fields = match patch {
        Value::Object(fields) => fields,
        Value::Null => return Err(PatchError::BadRequest("Invalid JSON Patch".to_owned())),
        other => {
            return Err(PatchError::BadRequest(format!(
                "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                golang::json_kind(other)
            )));
        }
    };
    merge(doc, fields);
    Ok(())
}

fn merge(doc: &mut Value, patch: &Map<String, Value>) {
    if !doc.is_object() {
        *doc = Value::Object(Map::new());
    }
    let Value::Object(target) = doc else { return };
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(fields) => merge(target.entry(name.clone()).or_insert(Value::Null), fields),
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::json::tests::any_json;

    #[test]
    fn examples_of_the_rfc() {
        for (doc, patch, want) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let mut got = doc.clone();
            merge_patch(&mut got, &patch).unwrap();
            assert_eq!(got, want, "{doc} + {patch}");
        }
    }

    #[test]
    fn a_patch_must_be_an_object() {
        let mut doc = json!({"a": 1});
        let error = merge_patch(&mut doc, &json!([1])).unwrap_err();
        assert_eq!(error.code(), 400);
        assert_eq!(
            error.message(),
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        );
        assert_eq!(merge_patch(&mut doc, &Value::Null).unwrap_err().message(), "Invalid JSON Patch");
        assert_eq!(doc, json!({"a": 1}));
    }

    proptest! {
        #[test]
        fn merging_twice_is_merging_once(doc in any_json(), patch in any_json()) {
            let mut once = doc;
            if merge_patch(&mut once, &patch).is_ok() {
                let mut twice = once.clone();
                merge_patch(&mut twice, &patch).unwrap();
                prop_assert_eq!(once, twice);
            }
        }
    }
}
