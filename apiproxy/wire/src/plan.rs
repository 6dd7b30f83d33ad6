//! The schema table as both directions need it: the fields of each message in the order of their numbers.
//!
//! Go's inlined structs are messages of their own on the wire and flat in JSON: a [`Member::Group`]. A volume's
//! `emptyDir` for example is field 2 of the group in field 2 of `Volume`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use schema::table::Table;
use schema::{ObjectType, Scalar, Schema, Slot, SlotKind, TypeIndex};

use crate::write;

/// Name of the type that the unions of CRD schemas hold.
const JSON_SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
/// Lists that are a message around a repeated field, so that nil and empty differ (`+protobuf.nullable=true`).
const WRAPPERS: [&str; 2] = ["v1.Verbs", "v1.ExtraValue"];

/// A message by its place in [`Plans`].
pub(crate) type MessageIndex = usize;

/// Every message of the table.
pub(crate) struct Plans {
    plans: Vec<Plan>,
}

/// One message.
#[derive(Default)]
pub(crate) struct Plan {
    /// The JSON fields.
    pub(crate) fields: Vec<Field>,
    /// What the message consists of, by number.
    pub(crate) members: Vec<Member>,
    names: HashMap<Box<str>, usize>,
}

/// A field of JSON and wire.
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    pub(crate) number: u32,
    pub(crate) shape: Shape,
    /// The Go field is a pointer: nothing is written for a zero value.
    optional: bool,
    /// What is written, tag included, when JSON lacks the field.
    pub(crate) absent: Box<[u8]>,
}

/// Part of a message.
pub(crate) enum Member {
    /// A field by its place in [`Plan::fields`].
    Field(usize),
    /// An inlined struct.
    Group(u32, Vec<Member>),
}

/// How a value looks on the wire.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Text,
    Bytes,
    Bool,
    Int,
    Double,
    Quantity,
    IntOrString,
    Time,
    MicroTime,
    Duration,
    /// `{1: bytes of JSON}`: RawExtension, FieldsV1, JSON.
    Json,
    /// `{1: schema}` or `{2: repeated schema}`.
    SchemaOrList,
    /// `{1: bool, 2: schema}`.
    SchemaOrBool,
    /// `{1: schema}` or `{2: repeated text}`.
    SchemaOrTexts,
    Message(MessageIndex),
    List(Box<Shape>),
    Map(Box<Shape>),
    /// `{1: repeated}`.
    Wrapped(Box<Shape>),
}

impl Plans {
    /// The plans of the built-in kinds; made on first use (a few milliseconds), then shared.
    pub(crate) fn builtin() -> &'static Plans {
        static PLANS: LazyLock<Plans> = LazyLock::new(Plans::compile);
        &PLANS
    }

    pub(crate) fn get(&self, index: MessageIndex) -> &Plan {
        &self.plans[index]
    }

    /// The message of a kind. None: there is no such kind, or it has no protobuf form.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<MessageIndex> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let schema = Table::builtin().kind(group, version, kind)?;
        let SlotKind::Object(index) = schema.root.kind else { return None };
        let index = index.0 as usize;
        self.plans.get(index).filter(|plan| !plan.members.is_empty()).map(|_| index)
    }

    /// The message that the unions of CRD schemas hold, and its schema.
    pub(crate) fn json_schema(&self) -> Option<(MessageIndex, &'static Schema)> {
        static FOUND: LazyLock<Option<(MessageIndex, Schema)>> = LazyLock::new(|| {
            let (_, any) = Table::builtin().kinds().next()?;
            let at = any.graph.types.iter().position(|object| object.name == JSON_SCHEMA)?;
            let root = Arc::new(Slot::of(SlotKind::Object(TypeIndex(u32::try_from(at).ok()?))));
            Some((at, Schema { graph: Arc::clone(&any.graph), root }))
        });
        FOUND.as_ref().map(|(index, schema)| (*index, schema))
    }

    fn compile() -> Self {
        let mut plans = Plans { plans: Vec::new() };
        let mut kinds = HashSet::new();
        for (_, schema) in Table::builtin().kinds() {
            if let SlotKind::Object(index) = schema.root.kind {
                kinds.insert(index.0 as usize);
            }
        }
        if let Some((_, schema)) = Table::builtin().kinds().next() {
            // Kinds inline `TypeMeta`, which the envelope carries instead.
            let types = schema.graph.types.iter().enumerate();
            plans.plans = types.map(|(index, object)| Plan::of(object, kinds.contains(&index))).collect();
        }
        let mut absent: HashMap<MessageIndex, Vec<u8>> = HashMap::new();
        for index in 0..plans.plans.len() {
            plans.zero(index, &mut absent);
        }
        plans
    }

    /// Fills in what absent fields of a message are written as; returns the message with all fields absent. Structs
    /// that are no pointers cannot contain themselves, so this ends.
    fn zero(&mut self, index: MessageIndex, known: &mut HashMap<MessageIndex, Vec<u8>>) -> Vec<u8> {
        if let Some(zero) = known.get(&index) {
            return zero.clone();
        }
        for at in 0..self.plans[index].fields.len() {
            let field = &self.plans[index].fields[at];
            if field.optional {
                continue;
            }
            let (number, shape) = (field.number, field.shape.clone());
            if let Shape::Message(inner) = shape {
                self.zero(inner, known);
            }
            let mut absent = Vec::new();
            write::zero_field(self, number, &shape, &mut absent);
            self.plans[index].fields[at].absent = absent.into();
        }
        let mut zero = Vec::new();
        self.plans[index].write_absent(&mut zero);
        known.insert(index, zero.clone());
        zero
    }
}

impl Plan {
    fn of(object: &ObjectType, typed: bool) -> Self {
        let mut plan = Plan::default();
        for (name, slot) in &object.properties {
            let Some(go) = slot.go.as_ref().filter(|go| go.proto != 0) else { continue };
            if typed && matches!(name.as_str(), "apiVersion" | "kind") {
                continue;
            }
            let at = plan.fields.len();
            plan.names.insert(name.as_str().into(), at);
            plan.fields.push(Field {
                name: name.as_str().into(),
                number: go.proto,
                shape: Shape::of(slot),
                optional: go.pointer,
                absent: Box::default(),
            });
            let path: Vec<u32> = go.inlined.iter().map(|(number, _)| *number).collect();
            plan.place(&path, at);
        }
        plan.sort();
        plan
    }

    fn place(&mut self, path: &[u32], at: usize) {
        let mut members = &mut self.members;
        for number in path {
            let found = members.iter().position(|member| matches!(member, Member::Group(n, _) if n == number));
            let found = found.unwrap_or_else(|| {
                members.push(Member::Group(*number, Vec::new()));
                members.len() - 1
            });
            let Member::Group(_, inner) = &mut members[found] else { return };
            members = inner;
        }
        members.push(Member::Field(at));
    }

    fn sort(&mut self) {
        fn by_number(members: &mut [Member], fields: &[Field]) {
            members.sort_by_key(|member| member.number(fields));
            for member in members {
                if let Member::Group(_, inner) = member {
                    by_number(inner, fields);
                }
            }
        }
        by_number(&mut self.members, &self.fields);
    }

    /// The field of a JSON name.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The member of a number, among members of this plan.
    pub(crate) fn numbered<'m>(&self, members: &'m [Member], number: u32) -> Option<&'m Member> {
        let at = members.binary_search_by_key(&number, |member| member.number(&self.fields));
        at.ok().map(|at| &members[at])
    }

    /// Writes the message with all fields absent.
    pub(crate) fn write_absent(&self, out: &mut Vec<u8>) {
        write::members(self, &self.members, &|_| None, out);
    }
}

impl Member {
    fn number(&self, fields: &[Field]) -> u32 {
        match self {
            Member::Field(at) => fields[*at].number,
            Member::Group(number, _) => *number,
        }
    }
}

impl Shape {
    fn of(slot: &Slot) -> Self {
        let go_type = slot.go.as_ref().map_or("", |go| go.go_type.as_str());
        match &slot.kind {
            SlotKind::Object(index) => Shape::Message(index.0 as usize),
            SlotKind::List { items, .. } if WRAPPERS.contains(&go_type) => Shape::Wrapped(Box::new(Shape::of(items))),
            SlotKind::List { items, .. } => Shape::List(Box::new(Shape::of(items))),
            SlotKind::Map { values, .. } => Shape::Map(Box::new(Shape::of(values))),
            SlotKind::Scalar(scalar) => Shape::of_scalar(*scalar),
            SlotKind::Any => match go_type {
                "v1.JSONSchemaPropsOrArray" => Shape::SchemaOrList,
                "v1.JSONSchemaPropsOrBool" => Shape::SchemaOrBool,
                "v1.JSONSchemaPropsOrStringArray" => Shape::SchemaOrTexts,
                _ => Shape::Json,
            },
        }
    }

    fn of_scalar(scalar: Scalar) -> Self {
        match scalar {
            Scalar::String => Shape::Text,
            Scalar::Bytes => Shape::Bytes,
            Scalar::Bool => Shape::Bool,
            Scalar::Int32 | Scalar::Int64 => Shape::Int,
            Scalar::Double => Shape::Double,
            Scalar::Quantity => Shape::Quantity,
            Scalar::IntOrString => Shape::IntOrString,
            Scalar::Time => Shape::Time,
            Scalar::MicroTime => Shape::MicroTime,
            Scalar::Duration => Shape::Duration,
        }
    }
}
