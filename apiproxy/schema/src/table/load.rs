//! Reads the generated files into the graph: the inverse of `generator/`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::{Group, Table};
use crate::{
    Column, GoField, Graph, Limits, ListType, ObjectType, PatchRule, Resource, Scalar, Schema, Slot, SlotKind,
    Subresource, TypeIndex,
};

pub(super) const TYPES: &str = include_str!("../../table/types.json");
pub(super) const KINDS: &str = include_str!("../../table/kinds.json");
pub(super) const RESOURCES: &str = include_str!("../../table/resources.json");

/// Why a table does not load. Only a wrong generator can cause it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("not the JSON the generator writes: {0}")]
    Json(#[from] serde_json::Error),
    #[error("unknown type {0}")]
    Type(String),
    #[error("unknown kind {0}")]
    Kind(String),
}

/// `generator/types.go`, `object`.
#[derive(Deserialize)]
struct RawObject {
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    atomic: bool,
    #[serde(default)]
    unions: Vec<RawUnion>,
    fields: BTreeMap<String, RawPlace>,
}

#[derive(Deserialize)]
struct RawUnion {
    #[serde(default)]
    discriminator: String,
    fields: Vec<String>,
}

/// `generator/types.go`, `place`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawPlace {
    #[serde(rename = "type")]
    type_: String,
    proto: u32,
    pointer: bool,
    always: bool,
    omitzero: bool,
    inlined: Vec<(u32, String)>,
    go: Option<String>,
    default: Option<Value>,
    list: String,
    keys: Vec<String>,
    map: String,
    patch: String,
    merge_key: Option<String>,
    #[serde(rename = "enum")]
    allowed: Vec<Value>,
    format: Option<String>,
    items: Option<Box<RawPlace>>,
}

/// `generator/resources.go`, `resourceFacts`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawResource {
    group: String,
    version: String,
    plural: String,
    kind: String,
    singular: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    verbs: Vec<String>,
    #[serde(default)]
    subresources: Vec<RawSubresource>,
    #[serde(default)]
    selectable: Vec<String>,
    storage: String,
    deprecation: Option<String>,
    #[serde(default)]
    columns: Vec<RawColumn>,
}

#[derive(Deserialize)]
struct RawSubresource {
    name: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    version: String,
    kind: String,
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct RawColumn {
    name: String,
    #[serde(rename = "type")]
    type_: String,
    #[serde(default)]
    format: String,
    #[serde(default)]
    priority: i32,
}

pub(super) fn parse(types: &str, kinds: &str, resources: &str) -> Result<Table, Error> {
    let types: BTreeMap<String, RawObject> = serde_json::from_str(types)?;
    let kinds: BTreeMap<String, String> = serde_json::from_str(kinds)?;
    let resources: Vec<RawResource> = serde_json::from_str(resources)?;
    let names = Names::of(types.keys());
    let mut graph = Graph::default();
    for (name, raw) in types {
        graph.types.push(object(&name, raw, &names)?);
    }
    let graph = Arc::new(graph);
    let mut table = Table {
        groups: Vec::new(),
        resources: Vec::new(),
        by_path: HashMap::new(),
        kinds: HashMap::new(),
        deprecations: HashMap::new(),
    };
    for (path, definition) in kinds {
        let (group_version, kind) = path.rsplit_once('/').ok_or_else(|| Error::Kind(path.clone()))?;
        let (group, version) = split_group_version(group_version);
        let root = Arc::new(Slot::of(SlotKind::Object(names.index(&definition)?)));
        let schema = Schema { graph: Arc::clone(&graph), root };
        table.kinds.insert((group.to_owned(), version.to_owned(), kind.to_owned()), schema);
    }
    for raw in resources {
        add_resource(&mut table, raw)?;
    }
    store_in_served_versions(&mut table);
    Ok(table)
}

fn add_resource(table: &mut Table, raw: RawResource) -> Result<(), Error> {
    let (storage_group, storage_version) = split_group_version(&raw.storage);
    let schema = table
        .kind(&raw.group, &raw.version, &raw.kind)
        .ok_or_else(|| Error::Kind(format!("{}/{}/{}", raw.group, raw.version, raw.kind)))?;
    match table.groups.last_mut() {
        Some(last) if last.name == raw.group => {
            if !last.versions.contains(&raw.version) {
                last.versions.push(raw.version.clone());
            }
        }
        _ => table.groups.push(Group { name: raw.group.clone(), versions: vec![raw.version.clone()] }),
    }
    if let Some(warning) = raw.deprecation {
        table.deprecations.insert((raw.group.clone(), raw.version.clone(), raw.kind.clone()), warning);
    }
    let path = (raw.group.clone(), raw.version.clone(), raw.plural.clone());
    table.by_path.insert(path, table.resources.len());
    table.resources.push(Arc::new(Resource {
        storage_group: storage_group.to_owned(),
        storage_version: storage_version.to_owned(),
        list_kind: format!("{}List", raw.kind),
        group: raw.group,
        version: raw.version,
        kind: raw.kind,
        plural: raw.plural,
        singular: raw.singular,
        namespaced: raw.namespaced,
        short_names: raw.short_names,
        categories: raw.categories,
        verbs: raw.verbs,
        subresources: raw.subresources.into_iter().map(subresource).collect(),
        selectable_fields: raw.selectable,
        columns: raw.columns.into_iter().map(column).collect(),
        schema,
        custom: None,
    }));
    Ok(())
}

/// Upstream stores a few kinds in versions it does not serve, for the sake of downgrades (`apiextensions.k8s.io/v1beta1`).
/// Here they are stored as they are served.
fn store_in_served_versions(table: &mut Table) {
    for index in 0..table.resources.len() {
        let resource = &table.resources[index];
        if table.resource(&resource.storage_group, &resource.storage_version, &resource.plural).is_none() {
            let mut served = Resource::clone(resource);
            served.storage_group.clone_from(&served.group);
            served.storage_version.clone_from(&served.version);
            table.resources[index] = Arc::new(served);
        }
    }
}

fn subresource(raw: RawSubresource) -> Subresource {
    Subresource { name: raw.name, group: raw.group, version: raw.version, kind: raw.kind, verbs: raw.verbs }
}

fn column(raw: RawColumn) -> Column {
    Column {
        name: raw.name,
        type_: raw.type_,
        format: raw.format,
        priority: raw.priority,
        description: String::new(),
        json_path: None,
    }
}

/// `apps/v1` → (`apps`, `v1`); `v1` → (``, `v1`).
fn split_group_version(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}

/// Where each definition stands in the graph.
struct Names(HashMap<String, TypeIndex>);

impl Names {
    fn of<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Names((0..).zip(names).map(|(index, name)| (name.clone(), TypeIndex(index))).collect())
    }

    fn index(&self, name: &str) -> Result<TypeIndex, Error> {
        self.0.get(name).copied().ok_or_else(|| Error::Type(name.to_owned()))
    }
}

/// Names of the generator may end in `@granular` or `@atomic`: the type where a field overrides its map type.
fn definition(name: &str) -> &str {
    name.split_once('@').map_or(name, |(definition, _)| definition)
}

fn object(name: &str, raw: RawObject, names: &Names) -> Result<ObjectType, Error> {
    let name = definition(name).to_owned();
    let owner = name.rsplit('.').next().unwrap_or_default().to_owned();
    let mut properties = BTreeMap::new();
    for (field, place) in raw.fields {
        let type_ = place.type_.clone();
        properties.insert(field, slot(&type_, place, &owner, names)?.0);
    }
    Ok(ObjectType {
        name,
        properties,
        required: raw.required,
        atomic: raw.atomic,
        preserve_unknown: false,
        unions: raw.unions.into_iter().map(|one| (one.discriminator, one.fields)).collect(),
    })
}

/// A slot and the Go type of what stands in it, as upstream's decoding errors print it.
fn slot(type_: &str, raw: RawPlace, owner: &str, names: &Names) -> Result<(Slot, String), Error> {
    let inner =
        |items: Option<Box<RawPlace>>, type_: &str| slot(type_, items.map(|it| *it).unwrap_or_default(), "", names);
    let (kind, natural) = if let Some(item) = type_.strip_prefix("[]") {
        let (items, go) = inner(raw.items, item)?;
        let list = match raw.list.as_str() {
            "set" => ListType::Set,
            "map" => ListType::Map(raw.keys),
            _ => ListType::Atomic,
        };
        (SlotKind::List { items: Box::new(items), list }, format!("[]{go}"))
    } else if let Some(value) = type_.strip_prefix("{}") {
        let (values, go) = inner(raw.items, value)?;
        (SlotKind::Map { values: Box::new(values), atomic: raw.map == "atomic" }, format!("map[string]{go}"))
    } else if let Some((kind, go)) = leaf(type_) {
        (kind, go.to_owned())
    } else {
        let mut segments = definition(type_).rsplitn(3, '.');
        let (last, package) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        (SlotKind::Object(names.index(type_)?), format!("{package}.{last}"))
    };
    let go_type = raw.go.unwrap_or(natural);
    let strategy = |name: &str| raw.patch.split(',').any(|one| one == name);
    let mut slot = Slot::of(kind);
    slot.default = raw.default;
    slot.patch = PatchRule {
        merge: strategy("merge"),
        replace: strategy("replace"),
        retain_keys: strategy("retainKeys"),
        merge_key: raw.merge_key,
    };
    slot.allowed = raw.allowed;
    slot.go = Some(Box::new(GoField {
        proto: raw.proto,
        pointer: raw.pointer,
        omitempty: !raw.always,
        omitzero: raw.omitzero,
        inlined: raw.inlined,
        owner: owner.to_owned(),
        go_type: go_type.clone(),
    }));
    slot.limits = raw.format.map(|format| Box::new(Limits { format: Some(format), ..Limits::default() }));
    Ok((slot, go_type))
}

/// The slot of a word the generator uses for a leaf, and its Go type when the generator names none.
fn leaf(word: &str) -> Option<(SlotKind, &'static str)> {
    let (scalar, go) = match word {
        "string" => (Scalar::String, "string"),
        "bool" => (Scalar::Bool, "bool"),
        "int32" => (Scalar::Int32, "int32"),
        "int64" => (Scalar::Int64, "int64"),
        "double" => (Scalar::Double, "float64"),
        "bytes" => (Scalar::Bytes, "[]uint8"),
        "quantity" => (Scalar::Quantity, "resource.Quantity"),
        "int-or-string" => (Scalar::IntOrString, "intstr.IntOrString"),
        "time" => (Scalar::Time, "v1.Time"),
        "micro-time" => (Scalar::MicroTime, "v1.MicroTime"),
        "duration" => (Scalar::Duration, "v1.Duration"),
        "any" => return Some((SlotKind::Any, "runtime.RawExtension")),
        _ => return None,
    };
    Some((SlotKind::Scalar(scalar), go))
}
