//! The shape of `metadata`, `apiVersion` and `kind` of custom resources, which are typed like those of built-in kinds.

use std::collections::HashMap;

use crate::{GoField, Graph, ObjectType, Scalar, Slot, SlotKind, Table, TypeIndex};

/// `apiVersion` or `kind`.
pub(super) fn type_meta() -> Slot {
    let go = GoField { omitempty: true, go_type: "string".to_owned(), ..GoField::default() };
    Slot { go: Some(Box::new(go)), ..Slot::of(SlotKind::Scalar(Scalar::String)) }
}

/// Adds the built-in `ObjectMeta` and what it refers to, and says where.
pub(super) fn object_meta(types: &mut Vec<ObjectType>) -> TypeIndex {
    let namespace = Table::builtin().kind("", "v1", "Namespace").expect("the table has namespaces: a test loads it");
    let metadata = namespace.node().field("metadata").map(|node| node.slot().kind.clone());
    let Some(SlotKind::Object(index)) = metadata else {
        types.push(ObjectType { preserve_unknown: true, ..ObjectType::default() });
        return TypeIndex(u32::try_from(types.len() - 1).unwrap_or(u32::MAX));
    };
    copy(&namespace.graph, index, types, &mut HashMap::new())
}

fn copy(from: &Graph, index: TypeIndex, types: &mut Vec<ObjectType>, known: &mut HashMap<u32, TypeIndex>) -> TypeIndex {
    if let Some(there) = known.get(&index.0) {
        return *there;
    }
    let mut object = from.types.get(index.0 as usize).cloned().unwrap_or_default();
    let there = TypeIndex(u32::try_from(types.len()).unwrap_or(u32::MAX));
    known.insert(index.0, there);
    types.push(ObjectType::default());
    for slot in object.properties.values_mut() {
        redirect(from, slot, types, known);
    }
    types[there.0 as usize] = object;
    there
}

fn redirect(from: &Graph, slot: &mut Slot, types: &mut Vec<ObjectType>, known: &mut HashMap<u32, TypeIndex>) {
    match &mut slot.kind {
        SlotKind::Object(index) => *index = copy(from, *index, types, known),
        SlotKind::Map { values, .. } => redirect(from, values, types, known),
        SlotKind::List { items, .. } => redirect(from, items, types, known),
        SlotKind::Scalar(_) | SlotKind::Any => {}
    }
}
