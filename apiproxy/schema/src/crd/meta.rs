//! The shape of `metadata`, `apiVersion` and `kind` of custom resources, which are typed like those of built-in kinds.

use std::collections::BTreeMap;

use crate::{GoField, ListType, ObjectType, PatchRule, Scalar, Slot, SlotKind, TypeIndex};

const PACKAGE: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

fn field(kind: SlotKind, go_type: &str) -> Slot {
    let go = GoField { omitempty: true, go_type: go_type.to_owned(), ..GoField::default() };
    Slot { go: Some(Box::new(go)), ..Slot::of(kind) }
}

fn scalar(kind: Scalar, go_type: &str) -> Slot {
    field(SlotKind::Scalar(kind), go_type)
}

fn optional(mut slot: Slot) -> Slot {
    if let Some(go) = &mut slot.go {
        go.pointer = true;
    }
    slot
}

fn always(mut slot: Slot) -> Slot {
    if let Some(go) = &mut slot.go {
        go.omitempty = false;
    }
    slot
}

/// `apiVersion` or `kind`.
pub(super) fn type_meta() -> Slot {
    scalar(Scalar::String, "string")
}

/// Adds `ObjectMeta` and what it refers to, and says where.
pub(super) fn object_meta(types: &mut Vec<ObjectType>) -> TypeIndex {
    let mut add = |name: &str, fields: Vec<(&str, Slot)>| {
        let mut properties = BTreeMap::new();
        for (field, mut slot) in fields {
            if let Some(go) = &mut slot.go {
                name.clone_into(&mut go.owner);
            }
            properties.insert(field.to_owned(), slot);
        }
        let index = u32::try_from(types.len()).unwrap_or(u32::MAX);
        types.push(ObjectType { name: format!("{PACKAGE}.{name}"), properties, ..ObjectType::default() });
        TypeIndex(index)
    };
    let owner = add(
        "OwnerReference",
        vec![
            ("apiVersion", always(scalar(Scalar::String, "string"))),
            ("kind", always(scalar(Scalar::String, "string"))),
            ("name", always(scalar(Scalar::String, "string"))),
            ("uid", always(scalar(Scalar::String, "types.UID"))),
            ("controller", optional(scalar(Scalar::Bool, "bool"))),
            ("blockOwnerDeletion", optional(scalar(Scalar::Bool, "bool"))),
        ],
    );
    let managed = add(
        "ManagedFieldsEntry",
        vec![
            ("manager", scalar(Scalar::String, "string")),
            ("operation", scalar(Scalar::String, "v1.ManagedFieldsOperationType")),
            ("apiVersion", scalar(Scalar::String, "string")),
            ("time", optional(scalar(Scalar::Time, "v1.Time"))),
            ("fieldsType", scalar(Scalar::String, "string")),
            ("fieldsV1", optional(field(SlotKind::Any, "v1.FieldsV1"))),
            ("subresource", scalar(Scalar::String, "string")),
        ],
    );
    let texts = || {
        let values = Box::new(Slot::of(SlotKind::Scalar(Scalar::String)));
        field(SlotKind::Map { values, atomic: false }, "map[string]string")
    };
    let list = |items: SlotKind, list: ListType, go_type: &str, merge_key: Option<&str>| {
        let mut slot = field(SlotKind::List { items: Box::new(Slot::of(items)), list }, go_type);
        slot.patch = PatchRule { merge: true, merge_key: merge_key.map(str::to_owned), ..PatchRule::default() };
        slot
    };
    let mut managed_fields = list(SlotKind::Object(managed), ListType::Atomic, "[]v1.ManagedFieldsEntry", None);
    managed_fields.patch = PatchRule::default();
    let owners = ListType::Map(vec!["uid".to_owned()]);
    add(
        "ObjectMeta",
        vec![
            ("name", scalar(Scalar::String, "string")),
            ("generateName", scalar(Scalar::String, "string")),
            ("namespace", scalar(Scalar::String, "string")),
            ("selfLink", scalar(Scalar::String, "string")),
            ("uid", scalar(Scalar::String, "types.UID")),
            ("resourceVersion", scalar(Scalar::String, "string")),
            ("generation", scalar(Scalar::Int64, "int64")),
            ("creationTimestamp", scalar(Scalar::Time, "v1.Time")),
            ("deletionTimestamp", optional(scalar(Scalar::Time, "v1.Time"))),
            ("deletionGracePeriodSeconds", optional(scalar(Scalar::Int64, "int64"))),
            ("labels", texts()),
            ("annotations", texts()),
            ("ownerReferences", list(SlotKind::Object(owner), owners, "[]v1.OwnerReference", Some("uid"))),
            ("finalizers", list(SlotKind::Scalar(Scalar::String), ListType::Set, "[]string", None)),
            ("managedFields", managed_fields),
        ],
    )
}
