//! JSON Patch, RFC 6902, as upstream's library (evanphx/json-patch v4) reads it.
//!
//! Where the library is laxer than the RFC, so is this: negative indices count from the end, `replace` of a missing
//! object field adds it, `copy` of a missing field and operations without a value stand for null.

mod pointer;
#[cfg(test)]
pub(crate) mod tests;

use serde_json::{Map, Value};

use self::pointer::{Place, Work};
use crate::PatchError;
use crate::golang;

/// Most operations of one JSON patch (`maxJSONPatchOperations` of apiserver's patch handler).
pub const MAX_OPERATIONS: usize = 10_000;
/// Most bytes that `copy` operations of one patch may add (apiserver's `JSONPatchMaxCopyBytes`).
pub const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;
/// Deepest nesting an operation may make; deeper documents could not be read back.
pub const MAX_DEPTH: usize = 100;

/// Applies a JSON patch as a whole: on error the document is as it was.
///
/// # Errors
/// `BadRequest` when the patch is not a list of operations, `TooLarge` above [`MAX_OPERATIONS`], `Unprocessable` when an
/// operation does not apply, a test fails, or the patch would grow or work the document beyond the limits.
pub fn json_patch(doc: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let operations = decode(patch)?;
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    let mut changed = doc.clone();
    let mut work = Work::default();
    for operation in operations {
        apply(&mut changed, operation, &mut work).map_err(PatchError::Unprocessable)?;
    }
    *doc = changed;
    Ok(())
}

/// Complaints of strict field validation about fields an operation does not have, in upstream's words
/// (`json patch unknown field "[0].foo"`); the patch applies without them.
pub fn json_patch_unknown_fields(patch: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, operation) in patch.as_array().into_iter().flatten().enumerate() {
        for name in operation.as_object().into_iter().flat_map(Map::keys) {
            if !["op", "path", "from", "value"].contains(&name.as_str()) {
                complaints.push(format!("json patch unknown field \"[{index}].{name}\""));
            }
        }
    }
    complaints
}

fn decode(patch: &Value) -> Result<Vec<&Map<String, Value>>, PatchError> {
    let refuse = |value: &Value, place: &str| {
        PatchError::BadRequest(format!(
            "error decoding patch: json: cannot unmarshal {} into Go {place}",
            golang::json_kind(value)
        ))
    };
    let items = match patch {
        Value::Array(items) => items,
        Value::Null => return Ok(Vec::new()),
        other => return Err(refuse(other, "value of type []handlers.jsonPatchOp")),
    };
    let mut operations = Vec::with_capacity(items.len());
    for item in items {
        let Value::Object(operation) = item else {
            return Err(refuse(item, "value of type handlers.jsonPatchOp"));
        };
        for name in ["op", "path", "from"] {
            match operation.get(name) {
                None | Some(Value::Null | Value::String(_)) => {}
                Some(other) => {
                    return Err(refuse(other, &format!("struct field jsonPatchOp.{name} of type string")));
                }
            }
        }
        operations.push(operation);
    }
    Ok(operations)
}

fn apply(doc: &mut Value, operation: &Map<String, Value>, work: &mut Work) -> Result<(), String> {
    let kind = operation.get("op").and_then(Value::as_str).unwrap_or("unknown");
    let text = |name: &str| {
        let found = operation.get(name).and_then(Value::as_str);
        found.ok_or_else(|| format!("{kind} operation missing {name} field: missing value"))
    };
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match kind {
        "add" => add(doc, kind, text("path")?, value(), work),
        "remove" => remove(doc, kind, text("path")?, work).map(drop),
        "replace" => replace(doc, text("path")?, value(), work),
        "move" => {
            let from = text("from")?;
            let moved = remove(doc, kind, from, work)?;
            add(doc, kind, text("path")?, moved, work)
        }
        "test" => test(doc, text("path")?, operation.get("value").unwrap_or(&Value::Null)),
        "copy" => {
            let found = Place::find(doc, text("from")?).ok_or_else(|| missing(kind, text("from").unwrap_or("")))?;
            let copied = found.get()?.cloned().unwrap_or(Value::Null);
            work.copied(&copied)?;
            add(doc, kind, text("path")?, copied, work)
        }
        other => Err(format!("Unexpected kind: {other}")),
    }
}

fn missing(kind: &str, path: &str) -> String {
    format!("{kind} operation does not apply: doc is missing path: \"{path}\": missing value")
}

fn add(doc: &mut Value, kind: &str, path: &str, value: Value, work: &mut Work) -> Result<(), String> {
    work.deepen(path, &value)?;
    let place = Place::find(doc, path).ok_or_else(|| missing(kind, path))?;
    place.add(value, work).map_err(|error| format!("error in {kind} for path: '{path}': {error}"))
}

fn remove(doc: &mut Value, kind: &str, path: &str, work: &mut Work) -> Result<Value, String> {
    let place = Place::find(doc, path).ok_or_else(|| missing(kind, path))?;
    place.remove(work).map_err(|error| format!("error in {kind} for path: '{path}': {error}"))
}

fn replace(doc: &mut Value, path: &str, value: Value, work: &mut Work) -> Result<(), String> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array".to_owned());
        }
        *doc = value;
        return Ok(());
    }
    work.deepen(path, &value)?;
    let place = Place::find(doc, path).ok_or_else(|| missing("replace", path))?;
    place.set(value).map_err(|_| format!("replace operation does not apply: doc is missing key: {path}: missing value"))
}

fn test(doc: &mut Value, path: &str, want: &Value) -> Result<(), String> {
    let holds = if path.is_empty() {
        doc == want
    } else {
        let place = Place::find(doc, path).ok_or_else(|| missing("test", path))?;
        let found = place.get().map_err(|error| format!("error in test for path: '{path}': {error}"))?;
        found.unwrap_or(&Value::Null) == want
    };
    if holds { Ok(()) } else { Err(format!("testing value {path} failed: test failed")) }
}
