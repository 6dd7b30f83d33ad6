//! One served resource: its names, scope, verbs and schema. Built-in and custom resources have the same form.

use crate::Schema;

/// A resource as discovery shows it and every stage of a request uses it.
#[derive(Clone, Debug)]
pub struct Resource {
    /// API group; empty for core.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Kind of one object.
    pub kind: String,
    /// Kind of a list.
    pub list_kind: String,
    /// Plural name, lower case: the path segment.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Namespaced or cluster-scoped.
    pub namespaced: bool,
    /// Short names.
    pub short_names: Vec<String>,
    /// Categories (`all`).
    pub categories: Vec<String>,
    /// Verbs, in upstream's order. A resource without `get` and `list` stores nothing (reviews).
    pub verbs: Vec<String>,
    /// Subresources.
    pub subresources: Vec<Subresource>,
    /// Fields a field selector may name besides `metadata.name` and `metadata.namespace`, dotted without leading dot
    /// (`spec.nodeName`).
    pub selectable_fields: Vec<String>,
    /// Printed columns.
    pub columns: Vec<Column>,
    /// Group under which objects are stored; differs from `group` only for resources served in several groups (events).
    pub storage_group: String,
    /// Version of the stored form; requests in other versions of a built-in kind are converted.
    pub storage_version: String,
    /// The shape of an object.
    pub schema: Schema,
    /// Facts only custom resources have; None for built-in ones.
    pub custom: Option<Custom>,
}

/// Facts of a custom resource.
#[derive(Clone, Debug, Default)]
pub struct Custom {
    /// Uid of its CustomResourceDefinition.
    pub crd_uid: String,
    /// Whether the status subresource is on.
    pub status: bool,
    /// Scale subresource: specReplicasPath, statusReplicasPath, labelSelectorPath (dotted, without leading dot).
    pub scale: Option<(String, String, Option<String>)>,
    /// `spec.preserveUnknownFields`, or no schema: nothing is pruned.
    pub preserve_unknown: bool,
    /// A warning sent with every request (`deprecationWarning`).
    pub deprecation: Option<String>,
    /// Whether the version is being served.
    pub served: bool,
}

/// A subresource of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// Path segment, such as `status`.
    pub name: String,
    /// Group of the kind it takes, when it differs from its parent's.
    pub group: String,
    /// Version of the kind it takes.
    pub version: String,
    /// Kind it takes and answers with.
    pub kind: String,
    /// Verbs.
    pub verbs: Vec<String>,
}

/// A printed column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `date`.
    pub type_: String,
    /// `name` for the first column.
    pub format: String,
    /// 0 is always shown, above only with `-o wide`.
    pub priority: i32,
    /// Help text, from upstream.
    pub description: String,
    /// Path of the cell for custom resources.
    pub json_path: Option<String>,
}
