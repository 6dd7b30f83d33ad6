//! Lists of a strategic merge patch: merged by key, as sets of scalars, or replaced.

use std::collections::{HashMap, HashSet};

use schema::{Node, PatchRule, SlotKind};
use serde_json::Value;

use super::{DIRECTIVE, bad_type, internal, merge_object, no_merge_key, order, unknown_directive};
use crate::PatchError;
use crate::golang::{plain, type_name};

/// How the items at a place merge.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a> {
    patch: Option<&'a PatchRule>,
    items: Option<Node<'a>>,
}

impl<'a> Rule<'a> {
    /// The rule of the list at a place; an unknown list is replaced.
    pub(super) fn of(place: Option<Node<'a>>) -> Self {
        Rule { patch: place.map(|place| &place.slot().patch), items: place.and_then(Node::items) }
    }

    /// The field that tells items apart.
    pub(super) fn key(self) -> Option<&'a str> {
        self.patch?.merge_key.as_deref()
    }

    fn merges(self) -> bool {
        self.patch.is_some_and(|patch| patch.merge)
    }
}

/// What identifies an item: the text of its merge key, or of itself when it is a scalar.
pub(super) fn identity(item: &Value, key: Option<&str>) -> Option<String> {
    let value = match key {
        Some(key) => item.as_object()?.get(key)?,
        None => item,
    };
    // Objects and lists cannot be compared in Go either; upstream panics there.
    if value.is_object() || value.is_array() { None } else { Some(value.to_string()) }
}

/// The Go type all items share.
pub(super) fn item_kind(lists: &[&[Value]]) -> Result<&'static str, PatchError> {
    let mut kind = None;
    for item in lists.iter().copied().flatten() {
        match kind {
            None if item.is_array() => {
                return Err(PatchError::Unprocessable("lists of lists are not supported".to_owned()));
            }
            None => kind = Some(type_name(item)),
            Some(kind) if kind != type_name(item) => {
                let shown: Vec<Value> = lists.iter().map(|list| Value::from(list.to_vec())).collect();
                return Err(internal(format!("list element types are not identical: {}", plain(&Value::from(shown)))));
            }
            Some(_) => {}
        }
    }
    kind.ok_or_else(|| internal("no elements in any of the given slices".to_owned()))
}

/// Merges a list of the patch into the list of the document.
pub(super) fn merge(original: Vec<Value>, patch: Vec<Value>, rule: Rule<'_>) -> Result<Vec<Value>, PatchError> {
    if !rule.merges() {
        return Ok(patch);
    }
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    if item_kind(&[&original, &patch])? != type_name(&Value::Object(serde_json::Map::new())) {
        let mut merged = original.clone();
        merged.extend(patch.iter().cloned());
        return order::arrange(distinct(merged), &patch, &original, None);
    }
    let Some(key) = rule.key() else {
        return Err(internal(format!("cannot merge lists without merge key for {}", items_kind(rule))));
    };
    let (original, patch) = special_items(original, patch, key)?;
    let merged = plain_items(original.clone(), &patch, key, rule.items)?;
    order::arrange(merged, &patch, &original, Some(key))
}

fn items_kind(rule: Rule<'_>) -> &'static str {
    match rule.items.map(|items| &items.slot().kind) {
        Some(SlotKind::Map { .. }) => "map",
        Some(SlotKind::List { .. }) => "slice",
        Some(SlotKind::Scalar(_)) => "string",
        _ => "struct",
    }
}

/// Removes values from a list of scalars.
pub(super) fn delete(items: Vec<Value>, values: &[Value], rule: Rule<'_>) -> Result<Vec<Value>, PatchError> {
    if items.is_empty() && values.is_empty() {
        return Ok(items);
    }
    if item_kind(&[&items, values])? == type_name(&Value::Object(serde_json::Map::new())) {
        return merge(items, values.to_vec(), rule);
    }
    let gone: HashSet<String> = values.iter().filter_map(|value| identity(value, None)).collect();
    let kept: Vec<Value> =
        items.into_iter().filter(|item| identity(item, None).is_none_or(|id| !gone.contains(&id))).collect();
    order::arrange(kept.clone(), values, &kept, None)
}

/// Scalars without repetition. As upstream's, the last of the list takes the place of a repetition; the order is settled
/// afterwards.
fn distinct(items: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| identity(item, None).is_none_or(|id| seen.insert(id))).collect()
}

/// Carries out the `$patch` items: what is left of the document's list, and the plain items of the patch.
fn special_items(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut plain_items = Vec::new();
    let mut replace = false;
    let mut gone = HashSet::new();
    for item in patch {
        let Some(fields) = item.as_object() else {
            return Err(bad_type(&Value::Object(serde_json::Map::new()), &item));
        };
        let Some(directive) = fields.get(DIRECTIVE) else {
            plain_items.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") if fields.contains_key(key) => {
                gone.extend(identity(&item, Some(key)));
            }
            Some("delete") => return Err(no_merge_key(&item, key)),
            Some("replace") => replace = true,
            Some("merge") => return Err(internal("merging lists cannot yet be specified in the patch".to_owned())),
            _ => return Err(unknown_directive(directive, fields)),
        }
    }
    if replace {
        return Ok((plain_items, Vec::new()));
    }
    original.retain(|item| identity(item, Some(key)).is_none_or(|id| !gone.contains(&id)));
    Ok((original, plain_items))
}

/// Merges the items of the patch into those of the same key, and adds the others.
fn plain_items(
    mut items: Vec<Value>,
    patch: &[Value],
    key: &str,
    node: Option<Node<'_>>,
) -> Result<Vec<Value>, PatchError> {
    let mut places: HashMap<String, usize> = HashMap::new();
    for (place, item) in items.iter().enumerate() {
        if let Some(id) = identity(item, Some(key)) {
            places.entry(id).or_insert(place);
        }
    }
    for item in patch {
        let id = identity(item, Some(key)).ok_or_else(|| no_merge_key(item, key))?;
        match places.get(&id).and_then(|place| items.get_mut(*place)) {
            Some(Value::Object(old)) => {
                let new = item.as_object().cloned().unwrap_or_default();
                *old = merge_object(std::mem::take(old), new, node)?;
            }
            _ => {
                places.insert(id, items.len());
                items.push(item.clone());
            }
        }
    }
    Ok(items)
}
