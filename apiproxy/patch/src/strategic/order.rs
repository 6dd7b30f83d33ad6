//! The order of a merged list: items the patch names in the patch's order, others in the server's, interleaved as they
//! stood on the server.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::list::identity;
use super::{DIRECTIVE, bad_type, internal, no_merge_key};
use crate::PatchError;
use crate::golang::plain;

/// Refuses a patch whose items are not in the order its own `$setElementOrder` gives.
pub(super) fn check(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), PatchError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let directive = |item: &Value| item.as_object().and_then(|fields| fields.get(DIRECTIVE)).cloned();
    let is_kept = |item: &&Value| key.is_none() || directive(item) != Some(Value::from("delete"));
    let mut items = patch.iter().filter(is_kept).peekable();
    let mut places = order.iter().peekable();
    while let (Some(item), Some(place)) = (items.peek(), places.peek()) {
        if directive(item).is_some() {
            items.next();
            continue;
        }
        if let Some(key) = key {
            has_key(item, key)?;
            has_key(place, key)?;
        }
        let id = identity(item, key);
        if id.is_some() && id == identity(place, key) {
            items.next();
        }
        places.next();
    }
    // Directives behind the last place count as misplaced too.
    if items.peek().is_some() && places.peek().is_none() {
        return Err(internal(format!(
            "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
            plain(&Value::from(patch.to_vec())),
            plain(&Value::from(order.to_vec()))
        )));
    }
    Ok(())
}

fn has_key(item: &Value, key: &str) -> Result<(), PatchError> {
    match item {
        Value::Object(fields) if fields.contains_key(key) => Ok(()),
        Value::Object(_) => Err(no_merge_key(item, key)),
        other => Err(bad_type(&Value::Object(serde_json::Map::new()), other)),
    }
}

/// Puts a merged list in order. `wanted` is the order for the items it names, `server` for all others.
pub(super) fn arrange(
    merged: Vec<Value>,
    wanted: &[Value],
    server: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, PatchError> {
    if let Some(key) = key {
        merged.iter().chain(wanted).chain(server).try_for_each(|item| has_key(item, key))?;
    }
    let wanted = positions(wanted, key);
    let server = positions(server, key);
    let place =
        |order: &HashMap<String, usize>, item: &Value| identity(item, key).and_then(|id| order.get(&id).copied());
    let (named, others): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|item| place(&wanted, item).is_some());
    let named = sorted(named, |item| place(&wanted, item));
    let others = sorted(others, |item| place(&server, item));

    let mut arranged = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    let mut named = named.into_iter().peekable();
    while let (Some(other), Some(next)) = (others.peek(), named.peek()) {
        let before = match (place(&server, other), place(&server, next)) {
            (Some(other), Some(next)) => other < next,
            _ => false,
        };
        arranged.extend(if before { others.next() } else { named.next() });
    }
    arranged.extend(named);
    arranged.extend(others);
    Ok(arranged)
}

/// The server's list as upstream sees it when it arranges a merged one: it deletes and appends in place, so items the
/// patch adds stand in the slots that deleted ones left, and count as items of the server.
pub(super) fn after_deletions(server: &[Value], patch: &[Value], key: &str) -> Vec<Value> {
    let directive = |item: &Value, name: &str| item.get(DIRECTIVE).and_then(Value::as_str) == Some(name);
    let deleted = patch.iter().filter(|item| directive(item, "delete"));
    let deleted: HashSet<String> = deleted.filter_map(|item| identity(item, Some(key))).collect();
    let gone = |item: &Value| identity(item, Some(key)).is_some_and(|id| deleted.contains(&id));
    let mut left: Vec<Value> = server.iter().filter(|item| !gone(item)).cloned().collect();
    if patch.iter().any(|item| directive(item, "replace")) {
        return left;
    }
    let mut known: HashSet<String> = left.iter().filter_map(|item| identity(item, Some(key))).collect();
    for item in patch.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        if left.len() < server.len() && identity(item, Some(key)).is_some_and(|id| known.insert(id)) {
            left.push(item.clone());
        }
    }
    left
}

fn positions(order: &[Value], key: Option<&str>) -> HashMap<String, usize> {
    let mut positions = HashMap::new();
    for (place, item) in order.iter().enumerate() {
        if let Some(id) = identity(item, key) {
            positions.entry(id).or_insert(place);
        }
    }
    positions
}

/// Items in their order. Ones without a place come first, last one first: where upstream's inconsistent comparison puts
/// them.
fn sorted(items: Vec<Value>, place: impl Fn(&Value) -> Option<usize>) -> Vec<Value> {
    let (mut placed, mut lost): (Vec<Value>, Vec<Value>) = items.into_iter().partition(|item| place(item).is_some());
    placed.sort_by_key(&place);
    lost.reverse();
    lost.append(&mut placed);
    lost
}
