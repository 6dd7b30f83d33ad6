//! Merging a configuration into an object, and taking paths out of one.

use std::collections::{BTreeMap, BTreeSet};

use schema::ListType;
use serde_json::{Map, Value};

use super::path::Element;
use super::set::Set;
use super::typed::{Form, Type, fields_of, identify, items_of};

/// The object with everything the configuration says. Nothing is removed. Lists take the configuration's order, items it
/// does not name keep their place among the others. None when nothing is left to say (an empty map merged with another).
pub(super) fn merge(ty: Type<'_>, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    let decisive = config.or(live)?;
    match ty.form(decisive) {
        Form::Leaf => Some(decisive.clone()),
        Form::Map => {
            let (a, b) = (fields_of(live), fields_of(config));
            if a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty) {
                return Some(decisive.clone());
            }
            let names: BTreeSet<&String> = a.into_iter().chain(b).flat_map(Map::keys).collect();
            let mut merged = Map::new();
            for name in names {
                let (a, b) = (a.and_then(|a| a.get(name)), b.and_then(|b| b.get(name)));
                if let Some(value) = merge(ty.field(name), a, b) {
                    merged.insert(name.clone(), value);
                }
            }
            Some(Value::Object(merged)).filter(|merged| merged.as_object().is_some_and(|fields| !fields.is_empty()))
        }
        Form::List(list) => {
            let (a, b) = (items_of(live), items_of(config));
            if a.is_empty() && b.is_empty() {
                return Some(decisive.clone());
            }
            let merged = Items::new(ty, list, a, b).merge();
            if merged.is_empty() { None } else { Some(Value::Array(merged)) }
        }
    }
}

/// Two lists being merged.
struct Items<'a> {
    ty: Type<'a>,
    left: Vec<(Element, &'a Value)>,
    right: Vec<(Element, &'a Value)>,
    /// The item to merge with, by element; null where the live list repeats the element.
    left_by: BTreeMap<Element, &'a Value>,
    right_by: BTreeMap<Element, &'a Value>,
}

impl<'a> Items<'a> {
    fn new(ty: Type<'a>, list: &ListType, left: &'a [Value], right: &'a [Value]) -> Self {
        let index = |items: &'a [Value]| -> Vec<(Element, &'a Value)> {
            items.iter().filter_map(|item| Some((identify(list, ty.items(), item).ok()?, item))).collect()
        };
        let (left, right) = (index(left), index(right));
        let mut left_by = BTreeMap::new();
        for (element, item) in &left {
            left_by.entry(element.clone()).and_modify(|found| *found = &Value::Null).or_insert(*item);
        }
        let right_by = right.iter().map(|(element, item)| (element.clone(), *item)).collect();
        Items { ty, left, right, left_by, right_by }
    }

    fn item(&self, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
        merge(self.ty.items(), live, config)
    }

    /// Upstream's interleaving: walk both lists, take live-only items where they stand, and whenever the next item both
    /// lists share comes up, take it in the configuration's order.
    fn merge(&self) -> Vec<Value> {
        let mut merged = Vec::with_capacity(self.left.len().max(self.right.len()));
        let mut shared =
            self.right.iter().map(|(element, _)| element).filter(|element| self.left_by.contains_key(element));
        let mut next_shared = shared.next();
        let mut taken: BTreeSet<&Element> = BTreeSet::new();
        let (mut l, mut r) = (0, 0);
        while l < self.left.len() || r < self.right.len() {
            if let (Some((a, _)), Some((b, _))) = (self.left.get(l), self.right.get(r)) {
                if a == b {
                    taken.insert(a);
                    merged.extend(self.item(self.left_by.get(a).copied(), self.right_by.get(a).copied()));
                    l += 1;
                    r += 1;
                    next_shared = shared.next();
                    continue;
                }
                if self.right_by.contains_key(a) && next_shared.is_some_and(|next| next != a) {
                    l += 1;
                    continue;
                }
            }
            if let Some((a, item)) = self.left.get(l) {
                if !self.right_by.contains_key(a) {
                    merged.extend(self.item(Some(item), None));
                    l += 1;
                    continue;
                }
                if taken.contains(a) {
                    l += 1;
                }
            }
            if let Some((b, item)) = self.right.get(r) {
                taken.insert(b);
                merged.extend(self.item(self.left_by.get(b).copied(), Some(item)));
                r += 1;
                if next_shared == Some(b) {
                    next_shared = shared.next();
                }
            }
        }
        merged
    }
}

/// The value without the paths of a set. Null where nothing is left, as upstream leaves it.
pub(super) fn remove(ty: Type<'_>, value: &Value, gone: &Set) -> Value {
    match ty.form(value) {
        Form::Leaf if value.is_object() || value.is_array() => Value::Null,
        Form::Leaf => value.clone(),
        Form::Map => {
            let mut kept = Map::new();
            for (name, value) in fields_of(Some(value)).into_iter().flatten() {
                let element = Element::Field(name.clone());
                if gone.members.contains(&element) {
                    continue;
                }
                let value = match gone.children.get(&element) {
                    Some(below) => remove(ty.field(name), value, below),
                    None => value.clone(),
                };
                kept.insert(name.clone(), value);
            }
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        Form::List(list) => {
            let mut kept = Vec::new();
            for item in items_of(Some(value)) {
                let element = identify(list, ty.items(), item).ok();
                if element.as_ref().is_some_and(|element| gone.members.contains(element)) {
                    continue;
                }
                kept.push(match element.and_then(|element| gone.children.get(&element)) {
                    Some(below) => remove(ty.items(), item, below),
                    None => item.clone(),
                });
            }
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
    }
}
