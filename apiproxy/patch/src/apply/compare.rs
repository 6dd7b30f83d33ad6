//! What differs between two objects, as sets of paths.

use std::collections::{BTreeMap, BTreeSet};

use schema::ListType;
use serde_json::{Map, Value};

use super::path::{Element, same};
use super::set::Set;
use super::typed::{Form, Type, fields_of, identify, items_of};

/// What differs between two objects. No path is in more than one of the sets.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// In the left object only.
    pub(super) removed: Set,
    /// In both, and different.
    pub(super) modified: Set,
    /// In the right object only.
    pub(super) added: Set,
}

/// Compares two objects of one type.
pub(super) fn compare(ty: Type<'_>, left: &Value, right: &Value) -> Comparison {
    let mut walk = Walk { comparison: Comparison::default(), path: Vec::new() };
    walk.values(ty, Some(left), Some(right));
    walk.comparison
}

struct Walk {
    comparison: Comparison,
    path: Vec<Element>,
}

/// Whether a value was settled as one, or its parts were compared.
#[derive(PartialEq, Eq)]
enum Settled {
    Whole,
    Parts,
}

impl Walk {
    fn values(&mut self, ty: Type<'_>, left: Option<&Value>, right: Option<&Value>) {
        let settled = match (left, right) {
            (None, None) => return,
            (Some(value), None) | (None, Some(value)) => self.form(ty, ty.form(value), left, right),
            (Some(a), Some(b)) => {
                let (left_form, right_form) = (ty.form(a), ty.form(b));
                // Where the schema says nothing, a value may turn from object to scalar: both readings count.
                if left_form != right_form {
                    self.form(ty, left_form, left, right);
                }
                self.form(ty, right_form, left, right)
            }
        };
        if settled == Settled::Parts {
            match (left, right) {
                (None, _) => self.comparison.added.insert(&self.path),
                (_, None) => self.comparison.removed.insert(&self.path),
                _ => {}
            }
        }
    }

    fn form(&mut self, ty: Type<'_>, form: Form<'_>, left: Option<&Value>, right: Option<&Value>) -> Settled {
        match form {
            Form::Leaf => self.whole(left, right),
            Form::Map => {
                let (a, b) = (fields_of(left), fields_of(right));
                if a.is_none_or(Map::is_empty) && b.is_none_or(Map::is_empty) {
                    return self.whole(left, right);
                }
                let names: BTreeSet<&String> = a.into_iter().chain(b).flat_map(Map::keys).collect();
                for name in names {
                    let (a, b) = (a.and_then(|a| a.get(name)), b.and_then(|b| b.get(name)));
                    self.step(Element::Field(name.clone()), ty.field(name), a, b);
                }
                Settled::Parts
            }
            Form::List(list) => {
                let (a, b) = (items_of(left), items_of(right));
                if a.is_empty() && b.is_empty() {
                    return self.whole(left, right);
                }
                self.items(ty, list, a, b);
                Settled::Parts
            }
        }
    }

    fn whole(&mut self, left: Option<&Value>, right: Option<&Value>) -> Settled {
        match (left, right) {
            (None, _) => self.comparison.added.insert(&self.path),
            (_, None) => self.comparison.removed.insert(&self.path),
            (Some(a), Some(b)) if !same(a, b) => self.comparison.modified.insert(&self.path),
            _ => {}
        }
        Settled::Whole
    }

    fn step(&mut self, element: Element, ty: Type<'_>, left: Option<&Value>, right: Option<&Value>) {
        self.path.push(element);
        self.values(ty, left, right);
        self.path.pop();
    }

    fn items(&mut self, ty: Type<'_>, list: &ListType, left: &[Value], right: &[Value]) {
        let mut by_element: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for item in left {
            if let Ok(element) = identify(list, ty.items(), item) {
                by_element.entry(element).or_default().0.push(item);
            }
        }
        for item in right {
            if let Ok(element) = identify(list, ty.items(), item) {
                by_element.entry(element).or_default().1.push(item);
            }
        }
        for (element, (left, right)) in by_element {
            match (left.as_slice(), right.as_slice()) {
                ([] | [_], [] | [_]) => {
                    self.step(element, ty.items(), left.first().copied(), right.first().copied());
                }
                // Repeated items are owned as one value.
                ([_, _, ..], [_, _, ..]) => {
                    let equal = left.len() == right.len() && left.iter().zip(&right).all(|(a, b)| same(a, b));
                    if !equal {
                        self.mark(element, |comparison| &mut comparison.modified);
                    }
                }
                ([_, _, ..], _) => {
                    if let Some(item) = right.first() {
                        self.step(element.clone(), ty.items(), None, Some(item));
                    }
                    self.mark(element, |comparison| &mut comparison.removed);
                }
                (_, [_, _, ..]) => {
                    if let Some(item) = left.first() {
                        self.step(element.clone(), ty.items(), Some(item), None);
                    }
                    self.mark(element, |comparison| &mut comparison.added);
                }
            }
        }
    }

    fn mark(&mut self, element: Element, set: impl Fn(&mut Comparison) -> &mut Set) {
        self.path.push(element);
        set(&mut self.comparison).insert(&self.path);
        self.path.pop();
    }
}
