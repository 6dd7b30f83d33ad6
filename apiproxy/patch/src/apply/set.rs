//! Sets of field paths.
//!
//! A set is a tree: `members` are paths that end here, `children` have paths going on below. A path may do both: an
//! item of a list is a member (somebody owns that it exists) and has children (its fields).

use std::collections::{BTreeMap, BTreeSet};

use super::path::Element;

/// A set of field paths. No child is ever empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) members: BTreeSet<Element>,
    pub(super) children: BTreeMap<Element, Set>,
}

impl Set {
    /// Adds one path, not its parents. The empty path is nobody's and is not kept.
    pub(super) fn insert(&mut self, path: &[Element]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// The set of one path of fields, such as `metadata.name`.
    pub(super) fn of_fields<'p>(paths: impl IntoIterator<Item = &'p str>) -> Set {
        let mut set = Set::default();
        for path in paths {
            let path: Vec<Element> = path.split('.').map(|name| Element::Field(name.to_owned())).collect();
            set.insert(&path);
        }
        set
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// Whether a path is in the set itself.
    pub(super) fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.has(rest)),
        }
    }

    /// What is in either.
    pub(super) fn union(&self, other: &Set) -> Set {
        let mut union = self.clone();
        union.absorb(other);
        union
    }

    fn absorb(&mut self, other: &Set) {
        self.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().absorb(child);
        }
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Set) -> Set {
        let members = self.members.intersection(&other.members).cloned().collect();
        let children = self
            .children
            .iter()
            .filter_map(|(element, child)| Some((element, child.intersection(other.children.get(element)?))))
            .filter(|(_, child)| !child.is_empty())
            .map(|(element, child)| (element.clone(), child))
            .collect();
        Set { members, children }
    }

    /// What is in this and not in the other. Paths below one of the other stay.
    pub(super) fn difference(&self, other: &Set) -> Set {
        self.without(other, Below::Stays)
    }

    /// What is in this, and neither in the other nor below one of the other's paths.
    pub(super) fn recursive_difference(&self, other: &Set) -> Set {
        self.without(other, Below::Goes)
    }

    fn without(&self, other: &Set, below: Below) -> Set {
        let members = self.members.difference(&other.members).cloned().collect();
        let children = self
            .children
            .iter()
            .filter(|(element, _)| below == Below::Stays || !other.members.contains(element))
            .map(|(element, child)| match other.children.get(element) {
                Some(gone) => (element.clone(), child.without(gone, below)),
                None => (element.clone(), child.clone()),
            })
            .filter(|(_, child)| !child.is_empty())
            .collect();
        Set { members, children }
    }

    /// What a list of patterns matches, `*` standing for any one step; everything below a match is included, and so are
    /// members on the way to it.
    pub(super) fn matching(&self, patterns: &[Vec<&str>]) -> Set {
        if patterns.iter().any(Vec::is_empty) {
            return self.clone();
        }
        let below = |element: &Element| -> Vec<Vec<&str>> {
            let fits = |step: &str| step == "*" || *element == Element::Field(step.to_owned());
            patterns.iter().filter(|pattern| fits(pattern[0])).map(|pattern| pattern[1..].to_vec()).collect()
        };
        let members = self.members.iter().filter(|element| !below(element).is_empty()).cloned().collect();
        let children = self
            .children
            .iter()
            .map(|(element, child)| (element, child, below(element)))
            .filter(|(_, _, patterns)| !patterns.is_empty())
            .map(|(element, child, patterns)| (element.clone(), child.matching(&patterns)))
            .filter(|(_, child)| !child.is_empty())
            .collect();
        Set { members, children }
    }

    /// Every path: those that end at a level before those that go on, as upstream lists them.
    pub(super) fn paths(&self) -> Vec<Vec<Element>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Vec<Element>, paths: &mut Vec<Vec<Element>>) {
        for element in &self.members {
            prefix.push(element.clone());
            paths.push(prefix.clone());
            prefix.pop();
        }
        for (element, child) in &self.children {
            prefix.push(element.clone());
            child.collect(prefix, paths);
            prefix.pop();
        }
    }
}

/// What happens to paths below a path that is taken away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Stays,
    Goes,
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::path::Leaf;
    use super::*;

    fn any_element() -> impl Strategy<Value = Element> {
        let leaf = prop_oneof![
            (-2i64..3).prop_map(|n| json!(n)),
            "[a<\"]{0,2}".prop_map(|text| json!(text)),
            Just(json!(null))
        ];
        let leaf = leaf.prop_map(Leaf);
        prop_oneof![
            "[a-c.:]{1,2}".prop_map(Element::Field),
            prop::collection::btree_map("[a-b]", leaf.clone(), 1..3).prop_map(Element::Key),
            leaf.prop_map(Element::Value),
            (-1i64..3).prop_map(Element::Index),
        ]
    }

    /// Arbitrary sets of a few levels.
    pub(in super::super) fn any_set() -> impl Strategy<Value = Set> {
        prop::collection::vec(prop::collection::vec(any_element(), 1..4), 0..8).prop_map(|paths| {
            let mut set = Set::default();
            paths.iter().for_each(|path| set.insert(path));
            set
        })
    }

    proptest! {
        #[test]
        fn laws(a in any_set(), b in any_set(), c in any_set()) {
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert_eq!(a.intersection(&b), b.intersection(&a));
            prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
            prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
            prop_assert!(a.difference(&b).intersection(&b).is_empty());
            prop_assert_eq!(a.difference(&b.union(&c)), a.difference(&b).difference(&c));
            prop_assert!(a.recursive_difference(&b).difference(&a.difference(&b)).is_empty());
            prop_assert_eq!(a.union(&a), a.clone());
            prop_assert!(a.difference(&a).is_empty());
            prop_assert!(a.paths().iter().all(|path| a.has(path)));
            prop_assert!(b.paths().iter().all(|path| a.has(path) == a.intersection(&b).has(path)));
        }
    }

    #[test]
    fn recursion_and_patterns() {
        let set = Set::of_fields(["spec", "spec.a.b", "spec.a.c", "status.x"]);
        assert_eq!(set.recursive_difference(&Set::of_fields(["spec.a"])), Set::of_fields(["spec", "status.x"]));
        assert_eq!(set.recursive_difference(&Set::of_fields(["spec"])), Set::of_fields(["status.x"]));
        assert_eq!(set.difference(&Set::of_fields(["spec.a"])), set);
        assert_eq!(set.matching(&[vec!["spec", "*", "b"]]), Set::of_fields(["spec", "spec.a.b"]));
        assert_eq!(set.matching(&[vec!["spec"]]), Set::of_fields(["spec", "spec.a.b", "spec.a.c"]));
        assert_eq!(set.matching(&[]), Set::default());
    }
}
