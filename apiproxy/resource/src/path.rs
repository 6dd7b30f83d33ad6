//! Paths of fields, built as a chain on the stack and written out only when something is wrong.

use std::fmt;

/// One step of a path, linked to the steps before it.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Item(&'a str, usize),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The path that starts with a field; dots may separate several.
    pub(crate) const fn root(field: &'a str) -> Path<'a> {
        Path { parent: None, step: Step::Field(field) }
    }

    /// A field under this one; dots may separate several.
    pub(crate) const fn child(&'a self, field: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Field(field) }
    }

    /// An item of a list field under this one.
    pub(crate) const fn item(&'a self, field: &'a str, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Item(field, index) }
    }

    /// An item of the list here.
    pub(crate) const fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// A key of the map here.
    pub(crate) const fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Key(key) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        let dot = if self.parent.is_some_and(|parent| !parent.is_empty()) { "." } else { "" };
        match self.step {
            Step::Field("") => Ok(()),
            Step::Field(name) => write!(f, "{dot}{name}"),
            Step::Item(name, index) => write!(f, "{dot}{name}[{index}]"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

impl Path<'_> {
    fn is_empty(&self) -> bool {
        self.parent.is_none() && matches!(self.step, Step::Field(""))
    }
}

impl From<&Path<'_>> for String {
    fn from(path: &Path<'_>) -> String {
        path.to_string()
    }
}

impl From<Path<'_>> for String {
    fn from(path: Path<'_>) -> String {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_like_upstream() {
        let root = Path::root("spec.template");
        let container = root.item("containers", 2);
        let ports = container.child("ports");
        assert_eq!(ports.index(0).child("name").to_string(), "spec.template.containers[2].ports[0].name");
        assert_eq!(container.child("limits").key("cpu").to_string(), "spec.template.containers[2].limits[cpu]");
    }
}
