//! Schema graphs and the cursor that walks them.
//!
//! Attributes such as list type, patch strategy and default belong to the *place* a type is used, not to the type, so a
//! graph has two levels: [`Slot`]s (a place: a property, the items of a list, the values of a map) and object types,
//! which slots refer to by index so that recursive kinds (JSONSchemaProps) need no special care.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// A schema: a graph of types and the slot at which an object of it starts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Schema {
    /// All types reachable from `root`.
    pub graph: Arc<Graph>,
    /// Where an object starts.
    pub root: Arc<Slot>,
}

/// An arena of object types.
#[derive(Debug, Default)]
pub struct Graph {
    /// Types by [`TypeIndex`].
    pub types: Vec<ObjectType>,
}

/// Index of an object type in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeIndex(pub u32);

/// An object with named properties.
#[derive(Clone, Debug, Default)]
pub struct ObjectType {
    /// Upstream definition name, such as `io.k8s.api.core.v1.Pod`; empty for types of custom resources.
    pub name: String,
    /// Properties by JSON name, inlined structs flattened.
    pub properties: BTreeMap<String, Slot>,
    /// Names of required properties.
    pub required: Vec<String>,
    /// `x-kubernetes-map-type: atomic`: apply treats the object as one value.
    pub atomic: bool,
    /// Fields that are not named survive (`x-kubernetes-preserve-unknown-fields`).
    pub preserve_unknown: bool,
    /// Discriminated unions (`x-kubernetes-unions`): discriminator (may be empty) and member fields.
    pub unions: Vec<(String, Vec<String>)>,
}

/// A place where a value stands.
#[derive(Clone, Debug)]
pub struct Slot {
    /// What may stand here.
    pub kind: SlotKind,
    /// Value filled in when the place is empty.
    pub default: Option<Value>,
    /// JSON null is a value here. For built-in kinds null means absent, whatever this says.
    pub nullable: bool,
    /// How strategic merge patch treats the place.
    pub patch: PatchRule,
    /// Allowed values; empty allows all.
    pub allowed: Vec<Value>,
    /// Go and protobuf facts of a built-in field.
    pub go: Option<Box<GoField>>,
    /// Value validations of custom resources (and `format` of built-in scalars).
    pub limits: Option<Box<Limits>>,
}

/// What may stand in a slot.
#[derive(Clone, Debug)]
pub enum SlotKind {
    /// An object with named properties.
    Object(TypeIndex),
    /// An object with arbitrary keys; `atomic` when apply treats it as one value.
    Map {
        /// Slot of every value.
        values: Box<Slot>,
        /// `x-kubernetes-map-type: atomic`.
        atomic: bool,
    },
    /// A list.
    List {
        /// Slot of every item.
        items: Box<Slot>,
        /// How items are told apart.
        list: ListType,
    },
    /// A leaf.
    Scalar(Scalar),
    /// Any JSON (`RawExtension`, `JSON`, `FieldsV1`, preserve-unknown-fields without properties).
    Any,
}

/// Leaf types of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// Text.
    String,
    /// Boolean.
    Bool,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer; a JSON number.
    Int64,
    /// Floating point number.
    Double,
    /// Base64 text.
    Bytes,
    /// `resource.Quantity`: text, or a number on input.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// RFC 3339 time, whole seconds.
    Time,
    /// RFC 3339 time, microseconds.
    MicroTime,
    /// Go duration text.
    Duration,
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    /// Replaced as a whole (the default).
    Atomic,
    /// Items are scalars and unique.
    Set,
    /// Items are objects told apart by these keys.
    Map(Vec<String>),
}

/// Strategic merge directives of a field (`x-kubernetes-patch-strategy`, `-merge-key`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchRule {
    /// `patchStrategy` contains `merge`.
    pub merge: bool,
    /// `patchStrategy` is `replace`: objects here do not merge, as lists do not without `merge`.
    pub replace: bool,
    /// `patchStrategy` contains `retainKeys`.
    pub retain_keys: bool,
    /// `patchMergeKey`; None for lists of scalars.
    pub merge_key: Option<String>,
}

/// Facts of the Go struct field behind a built-in property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoField {
    /// Protobuf field number; 0 when the type has no protobuf form.
    pub proto: u32,
    /// The Go field is a pointer: zero values are values.
    pub pointer: bool,
    /// `omitempty`.
    pub omitempty: bool,
    /// `omitzero`: a zero struct is left out too (`creationTimestamp`).
    pub omitzero: bool,
    /// Embedded message the property sits in on the wire, when the Go struct is inlined in JSON: (number, type name).
    pub inlined: Vec<(u32, String)>,
    /// Name of the Go struct that declares the field (`DeploymentSpec`), for upstream's decoding errors.
    pub owner: String,
    /// Go type as upstream's decoding errors print it (`int32`, `v1.PodSpec`).
    pub go_type: String,
}

/// Value validations (JSON schema vocabulary of structural schemas).
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// `format`.
    pub format: Option<String>,
    /// `pattern`.
    pub pattern: Option<String>,
    /// `minimum` and whether it is exclusive.
    pub minimum: Option<(f64, bool)>,
    /// `maximum` and whether it is exclusive.
    pub maximum: Option<(f64, bool)>,
    /// `multipleOf`.
    pub multiple_of: Option<f64>,
    /// `minLength`.
    pub min_length: Option<u64>,
    /// `maxLength`.
    pub max_length: Option<u64>,
    /// `minItems`.
    pub min_items: Option<u64>,
    /// `maxItems`.
    pub max_items: Option<u64>,
    /// `uniqueItems`.
    pub unique_items: bool,
    /// `minProperties`.
    pub min_properties: Option<u64>,
    /// `maxProperties`.
    pub max_properties: Option<u64>,
    /// `allOf`/`anyOf`/`oneOf`/`not` and other junctors, as written: validated, never used for pruning or defaulting.
    pub junctors: Vec<(String, Value)>,
    /// `x-kubernetes-embedded-resource`.
    pub embedded_resource: bool,
    /// `x-kubernetes-validations`, as written.
    pub rules: Vec<Value>,
}

impl Schema {
    /// The cursor at the start of an object.
    pub fn node(&self) -> Node<'_> {
        Node { graph: &self.graph, slot: &self.root }
    }
}

impl Slot {
    /// A slot of a kind, without attributes.
    pub fn of(kind: SlotKind) -> Self {
        Slot {
            kind,
            default: None,
            nullable: false,
            patch: PatchRule::default(),
            allowed: Vec::new(),
            go: None,
            limits: None,
        }
    }
}

/// A cursor into a schema.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    graph: &'a Graph,
    slot: &'a Slot,
}

impl<'a> Node<'a> {
    /// The place under the cursor.
    pub fn slot(self) -> &'a Slot {
        self.slot
    }

    /// The object type here, when the place holds an object with named properties.
    pub fn object(self) -> Option<&'a ObjectType> {
        match &self.slot.kind {
            SlotKind::Object(index) => self.graph.types.get(index.0 as usize),
            _ => None,
        }
    }

    /// The cursor at a property of an object, or at the value of a key of a map. None where nothing is known (`Any`,
    /// preserved unknown fields) and where the field does not exist.
    pub fn field(self, name: &str) -> Option<Node<'a>> {
        let slot = match &self.slot.kind {
            SlotKind::Object(_) => self.object()?.properties.get(name)?,
            SlotKind::Map { values, .. } => values,
            _ => return None,
        };
        Some(Node { graph: self.graph, slot })
    }

    /// The cursor at the items of a list.
    pub fn items(self) -> Option<Node<'a>> {
        match &self.slot.kind {
            SlotKind::List { items, .. } => Some(Node { graph: self.graph, slot: items }),
            _ => None,
        }
    }

    /// How the items of a list are told apart; None when the place is not a list.
    pub fn list_type(self) -> Option<&'a ListType> {
        match &self.slot.kind {
            SlotKind::List { list, .. } => Some(list),
            _ => None,
        }
    }

    /// Whether apply treats the object or map here as one value.
    pub fn atomic(self) -> bool {
        match &self.slot.kind {
            SlotKind::Object(_) => self.object().is_some_and(|object| object.atomic),
            SlotKind::Map { atomic, .. } => *atomic,
            SlotKind::List { list, .. } => *list == ListType::Atomic,
            SlotKind::Scalar(_) | SlotKind::Any => true,
        }
    }
}
