//! Strategic merge patch: a merge patch that knows from the schema which lists merge and by which key.
//!
//! The rules are those of apimachinery's `util/strategicpatch`. Directives a patch may hold, beside plain fields:
//!
//! | directive | where | meaning |
//! |---|---|---|
//! | `$patch: replace` | object, item of a merging list | what the patch says here is all there is |
//! | `$patch: delete` | object, item of a merging list | the object becomes empty, the item goes |
//! | `$retainKeys: [..]` | object | other fields of the object go |
//! | `$deleteFromPrimitiveList/x: [..]` | beside list `x` | these values go from `x` |
//! | `$setElementOrder/x: [..]` | beside list `x` | items of `x` take this order, others keep their place among them |

mod list;
mod order;
#[cfg(test)]
mod tests;

use schema::{Node, SlotKind};
use serde_json::{Map, Value};

use crate::PatchError;
use crate::golang::{json_kind, plain, type_name};

type Fields = Map<String, Value>;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// Merges a strategic merge patch into a document whose schema starts at `node`.
///
/// Fields the schema does not know merge as a merge patch would, as long as no rule for a list or object is needed.
/// Nulls and directives nested in newly added items of merging lists stay, as upstream leaves them, for decoding to judge.
///
/// # Errors
/// The document is unchanged then. `BadRequest` for malformed directives, `Unprocessable` for lists of lists, `Internal`
/// where upstream answers 500 (a missing merge key, mixed item types, unknown directives).
pub fn strategic(node: Node<'_>, doc: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let patch = match patch {
        Value::Object(fields) => fields.clone(),
        Value::Null => return Ok(()),
        other => {
            return Err(PatchError::BadRequest(format!(
                "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                json_kind(other)
            )));
        }
    };
    let original = doc.as_object().cloned().unwrap_or_default();
    *doc = Value::Object(merge_object(original, patch, Some(node))?);
    Ok(())
}

fn internal(text: String) -> PatchError {
    PatchError::Internal(text)
}

fn bad_type(expected: &Value, actual: &Value) -> PatchError {
    internal(format!("expected a {}, but received a {}", type_name(expected), type_name(actual)))
}

fn no_merge_key(item: &Value, key: &str) -> PatchError {
    internal(format!("map: {} does not contain declared merge key: {key}", plain(item)))
}

fn unknown_directive(directive: &Value, holder: &Fields) -> PatchError {
    internal(format!("unknown patch type: {} in map: {}", plain(directive), plain(&Value::Object(holder.clone()))))
}

fn merge_object(mut original: Fields, mut patch: Fields, node: Option<Node<'_>>) -> Result<Fields, PatchError> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Fields::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    set_orders(&mut original, &mut patch, node)?;
    for (key, value) in patch {
        if key.starts_with(DELETE_FROM_LIST) {
            let name = suffix(&key, DELETE_FROM_LIST)?;
            delete_from_list(&mut original, name, &value, node)?;
        } else if value.is_null() {
            original.remove(&key);
        } else {
            merge_field(&mut original, key, value, node)?;
        }
    }
    Ok(original)
}

fn merge_field(original: &mut Fields, key: String, mut value: Value, node: Option<Node<'_>>) -> Result<(), PatchError> {
    let merged = match (original.get_mut(&key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let place = lookup(node, &key)?;
            match place {
                Some(place) if place.slot().patch.replace => Some(Value::Object(new)),
                place => Some(Value::Object(merge_object(std::mem::take(old), new, place)?)),
            }
        }
        (Some(Value::Array(old)), Value::Array(new)) => {
            let place = lookup_list(node, &key)?;
            Some(Value::Array(list::merge(std::mem::take(old), new, place)?))
        }
        (_, other) => {
            value = other;
            drop_nulls(&mut value);
            without_directives(value)
        }
    };
    match merged {
        Some(merged) => original.insert(key, merged),
        None => original.remove(&key),
    };
    Ok(())
}

fn delete_from_list(
    original: &mut Fields,
    name: &str,
    values: &Value,
    node: Option<Node<'_>>,
) -> Result<(), PatchError> {
    if values.is_null() {
        original.remove(name);
        return Ok(());
    }
    match (original.get_mut(name), values) {
        (Some(Value::Array(items)), Value::Array(values)) => {
            let place = lookup_list(node, name)?;
            let kept = list::delete(std::mem::take(items), values, place)?;
            *items = kept;
        }
        (Some(Value::Object(_)), Value::Object(_)) => {
            return Err(PatchError::BadRequest("invalid patch format of primitive list".to_owned()));
        }
        // A value of another type than the field's is ignored upstream too.
        _ => {}
    }
    Ok(())
}

fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<(), PatchError> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let malformed = || PatchError::BadRequest("invalid patch format of retainKeys".to_owned());
    let keys: Vec<&str> = directive.as_array().ok_or_else(malformed)?.iter().filter_map(Value::as_str).collect();
    let keys: std::collections::HashSet<&str> = keys.into_iter().collect();
    for (key, value) in patch.iter() {
        let directive = key.starts_with(DELETE_FROM_LIST) || key.starts_with(SET_ORDER);
        if !value.is_null() && !directive && !keys.contains(key.as_str()) {
            return Err(malformed());
        }
    }
    original.retain(|key, _| keys.contains(key.as_str()));
    Ok(())
}

fn set_orders(original: &mut Fields, patch: &mut Fields, node: Option<Node<'_>>) -> Result<(), PatchError> {
    let directives: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let order = patch.remove(&directive).unwrap_or(Value::Null);
        let Value::Array(order) = order else { return Err(bad_type(&Value::Array(Vec::new()), &order)) };
        let name = suffix(&directive, SET_ORDER)?;
        let live = optional_list(original.get(name))?;
        let wanted = optional_list(patch.get(name))?;
        let place = lookup_list(node, name)?;
        order::check(wanted.map(Vec::as_slice).unwrap_or_default(), &order, place.key())?;
        let merged = match (live, wanted) {
            (Some(live), None) => live.clone(),
            (None, Some(wanted)) => match without_directives(Value::Array(wanted.clone())) {
                Some(Value::Array(items)) => items,
                _ => continue,
            },
            (Some(live), Some(wanted)) => list::merge(live.clone(), wanted.clone(), place)?,
            (None, None) => continue,
        };
        let live = live.map(Vec::as_slice).unwrap_or_default();
        let kind = list::item_kind(&[live, wanted.map(Vec::as_slice).unwrap_or_default()])?;
        let ordered = match place.key().filter(|_| kind == type_name(&Value::Object(Fields::new()))) {
            Some(key) => {
                let server = order::after_deletions(live, wanted.map(Vec::as_slice).unwrap_or_default(), key);
                order::arrange(merged, &order, &server, Some(key))?
            }
            None => order::arrange(merged, &order, live, None)?,
        };
        original.insert(name.to_owned(), Value::Array(ordered));
        patch.remove(name);
    }
    Ok(())
}

fn optional_list(value: Option<&Value>) -> Result<Option<&Vec<Value>>, PatchError> {
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => Err(bad_type(&Value::Array(Vec::new()), other)),
    }
}

fn suffix<'k>(key: &'k str, prefix: &str) -> Result<&'k str, PatchError> {
    match key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) {
        Some(name) => Ok(name),
        None if prefix == SET_ORDER => {
            Err(PatchError::BadRequest("invalid patch format of setElementOrder list".to_owned()))
        }
        None => Err(PatchError::BadRequest("invalid patch format of primitive list".to_owned())),
    }
}

/// A value to be added, without nulls: they would remove fields that are not there.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// A value without the objects that carry a `$patch` directive; None when it is one itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => Some(Value::Object(
            fields.into_iter().filter_map(|(key, value)| Some((key, without_directives(value)?))).collect(),
        )),
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

/// The schema at a field that must merge, or upstream's complaint that there is none.
fn lookup<'a>(node: Option<Node<'a>>, key: &str) -> Result<Option<Node<'a>>, PatchError> {
    let Some(node) = node else { return Ok(None) };
    if let Some(object) = node.object() {
        let name = object.name.rsplit('.').next().unwrap_or_default();
        return match node.field(key) {
            Some(place) => Ok(Some(place)),
            None => Err(internal(format!("unable to find api field in struct {name} for the json field \"{key}\""))),
        };
    }
    let kind = match &node.slot().kind {
        SlotKind::Map { .. } => "map",
        SlotKind::List { .. } => "slice",
        SlotKind::Any => {
            let name = node.slot().go.as_ref().and_then(|go| go.go_type.rsplit('.').next()).unwrap_or_default();
            return Err(internal(format!("unable to find api field in struct {name} for the json field \"{key}\"")));
        }
        SlotKind::Object(_) | SlotKind::Scalar(_) => "struct",
    };
    Err(internal(format!("merging an object in json but data type is not struct, instead is: {kind}")))
}

fn lookup_list<'a>(node: Option<Node<'a>>, key: &str) -> Result<list::Rule<'a>, PatchError> {
    match lookup(node, key)? {
        Some(place) if place.items().is_none() => {
            Err(internal("expected slice or array type, but got: struct".to_owned()))
        }
        place => Ok(list::Rule::of(place)),
    }
}
