//! A place in a schema, compiled or as written below a junctor, seen the same way by the walk.

use std::borrow::Cow;

use serde_json::Value;

use crate::crd::{flag, limits_of, list, strings, text};
use crate::{Limits, Node, Scalar, SlotKind};

/// Where a value stands.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// In the structural part of the schema.
    Node(Node<'a>),
    /// Below `allOf`, `anyOf`, `oneOf` or `not`.
    Raw(&'a Value),
}

impl<'a> Place<'a> {
    /// Allowed JSON types; empty allows all.
    pub(super) fn types(self) -> Vec<&'a str> {
        match self {
            Place::Node(node) => match &node.slot().kind {
                SlotKind::Object(_) | SlotKind::Map { .. } => vec!["object"],
                SlotKind::List { .. } => vec!["array"],
                SlotKind::Scalar(Scalar::Bool) => vec!["boolean"],
                SlotKind::Scalar(Scalar::Int32 | Scalar::Int64) => vec!["integer"],
                SlotKind::Scalar(Scalar::Double) => vec!["number"],
                SlotKind::Scalar(Scalar::IntOrString) => vec!["integer", "string"],
                SlotKind::Scalar(_) => vec!["string"],
                SlotKind::Any => Vec::new(),
            },
            Place::Raw(schema) if flag(schema, &["x-kubernetes-int-or-string"]) => vec!["integer", "string"],
            Place::Raw(schema) => Some(text(schema, &["type"])).filter(|kind| !kind.is_empty()).into_iter().collect(),
        }
    }

    pub(super) fn nullable(self) -> bool {
        match self {
            Place::Node(node) => node.slot().nullable,
            Place::Raw(schema) => flag(schema, &["nullable"]),
        }
    }

    /// Allowed values; empty allows all.
    pub(super) fn allowed(self) -> &'a [Value] {
        match self {
            Place::Node(node) => &node.slot().allowed,
            Place::Raw(schema) => list(schema, &["enum"]),
        }
    }

    pub(super) fn limits(self) -> Cow<'a, Limits> {
        match self {
            Place::Node(node) => match &node.slot().limits {
                Some(limits) => Cow::Borrowed(limits),
                None => Cow::Owned(Limits::default()),
            },
            Place::Raw(schema) => Cow::Owned(limits_of(schema)),
        }
    }

    pub(super) fn required(self) -> Vec<String> {
        match self {
            Place::Node(node) => node.object().map(|object| object.required.clone()).unwrap_or_default(),
            Place::Raw(schema) => strings(schema, &["required"]),
        }
    }

    /// The place of a named property or of the values of a map.
    pub(super) fn field(self, name: &str) -> Option<Place<'a>> {
        match self {
            Place::Node(node) => {
                let child = node.field(name)?;
                if name == "metadata" && child.object().is_some_and(|object| object.name.ends_with(".ObjectMeta")) {
                    // Typed when it was decoded; only what restricts it further is left to check.
                    let restricted = child.slot().limits.as_ref()?.junctors.first()?;
                    return restricted.1.get(0).map(Place::Raw);
                }
                Some(Place::Node(child))
            }
            Place::Raw(schema) => {
                if let Some(property) = schema.get("properties").and_then(|properties| properties.get(name)) {
                    return Some(Place::Raw(property));
                }
                schema.get("additionalProperties").filter(|schema| schema.is_object()).map(Place::Raw)
            }
        }
    }

    pub(super) fn items(self) -> Option<Place<'a>> {
        match self {
            Place::Node(node) => node.items().map(Place::Node),
            Place::Raw(schema) => schema.get("items").filter(|schema| schema.is_object()).map(Place::Raw),
        }
    }
}
