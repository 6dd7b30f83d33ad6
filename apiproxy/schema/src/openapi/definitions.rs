//! Schema graphs as named OpenAPI schemas.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::Form;
use crate::table::{GroupVersionKind, META};
use crate::{Graph, Limits, ListType, ObjectType, Resource, Scalar, Schema, Slot, SlotKind, Table, TypeIndex};

/// Definitions collected for one document, by name.
#[derive(Debug)]
pub(super) struct Definitions {
    form: Form,
    schemas: BTreeMap<String, Value>,
}

/// Where a slot stands, which decides the default its Go type implies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Field,
    Item,
}

const META_V1: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const APIEXTENSIONS_V1: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

impl Definitions {
    pub(super) fn new(form: Form) -> Self {
        Self { form, schemas: BTreeMap::new() }
    }

    pub(super) fn into_schemas(self) -> BTreeMap<String, Value> {
        self.schemas
    }

    /// A reference to the objects of a resource; defines them.
    pub(super) fn object(&mut self, resource: &Resource) -> Value {
        if resource.custom.is_none() {
            return self.schema(&resource.schema);
        }
        let name = custom_name(resource, &resource.kind);
        if !self.schemas.contains_key(&name) {
            let mut schema = match self.slot(&resource.schema.graph, &resource.schema.root, Position::Item) {
                Value::Object(schema) => schema,
                _ => Map::new(),
            };
            schema.insert("type".to_owned(), json!("object"));
            let metadata = self.machinery("ObjectMeta");
            if let Some(properties) = schema.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
                properties.insert("apiVersion".to_owned(), json!({"type": "string"}));
                properties.insert("kind".to_owned(), json!({"type": "string"}));
                properties.insert("metadata".to_owned(), metadata);
            }
            schema.insert("x-kubernetes-group-version-kind".to_owned(), json!([gvk(resource, &resource.kind)]));
            self.schemas.insert(name.clone(), Value::Object(schema));
        }
        self.reference(&name)
    }

    /// A reference to the list of a resource; defines it.
    pub(super) fn list(&mut self, resource: &Resource) -> Value {
        if resource.custom.is_none() {
            return self.kind(&resource.group, &resource.version, &resource.list_kind);
        }
        let name = custom_name(resource, &resource.list_kind);
        let (items, metadata) = (self.object(resource), self.machinery("ListMeta"));
        self.schemas.entry(name.clone()).or_insert_with(|| {
            json!({
                "type": "object",
                "required": ["items"],
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": metadata,
                    "items": {"type": "array", "items": items},
                },
                "x-kubernetes-group-version-kind": [gvk(resource, &resource.list_kind)],
            })
        });
        self.reference(&name)
    }

    /// A reference to a built-in kind; defines it. Any object when the kind is unknown.
    pub(super) fn kind(&mut self, group: &str, version: &str, kind: &str) -> Value {
        match Table::builtin().kind(group, version, kind) {
            Some(schema) => self.schema(&schema),
            None => json!({"type": "object"}),
        }
    }

    /// A reference to a type of the API machinery (`ObjectMeta`, `Status`); defines it.
    pub(super) fn machinery(&mut self, name: &str) -> Value {
        let graph = builtin_graph();
        let full = format!("{META_V1}.{name}");
        let index = (0..).zip(&graph.types).find_map(|(index, one)| (one.name == full).then_some(TypeIndex(index)));
        match index {
            Some(index) => self.named(graph, index),
            None => self.leaf(&full, &json!({"type": "object"})),
        }
    }

    fn schema(&mut self, schema: &Schema) -> Value {
        self.slot(&schema.graph, &schema.root, Position::Field)
    }

    fn reference(&self, name: &str) -> Value {
        match self.form {
            Form::V2 => json!({"$ref": format!("#/definitions/{name}")}),
            Form::V3 => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }

    /// A reference to a type with a name; an inlined schema of one without.
    fn named(&mut self, graph: &Graph, index: TypeIndex) -> Value {
        let Some(object) = graph.types.get(index.0 as usize) else { return json!({"type": "object"}) };
        if object.name.is_empty() {
            return Value::Object(self.properties(graph, object));
        }
        if !self.schemas.contains_key(&object.name) {
            let object = canonical(graph, object);
            // The empty entry ends the recursion of recursive types.
            self.schemas.insert(object.name.clone(), Value::Null);
            let mut schema = self.properties(graph, object);
            let kinds = kinds_of(&object.name);
            if !kinds.is_empty() {
                schema.insert("x-kubernetes-group-version-kind".to_owned(), Value::Array(kinds));
            }
            self.schemas.insert(object.name.clone(), Value::Object(schema));
        }
        self.reference(&object.name)
    }

    fn properties(&mut self, graph: &Graph, object: &ObjectType) -> Map<String, Value> {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        if !object.required.is_empty() {
            schema.insert("required".to_owned(), json!(object.required));
        }
        if !object.properties.is_empty() {
            let mut properties = Map::new();
            for (name, slot) in &object.properties {
                properties.insert(name.clone(), self.slot(graph, slot, Position::Field));
            }
            schema.insert("properties".to_owned(), Value::Object(properties));
        }
        if object.atomic {
            schema.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
        }
        if object.preserve_unknown {
            schema.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
        }
        if !object.unions.is_empty() {
            let unions: Vec<Value> = object.unions.iter().map(|(name, fields)| union(name, fields)).collect();
            schema.insert("x-kubernetes-unions".to_owned(), Value::Array(unions));
        }
        schema
    }

    fn slot(&mut self, graph: &Graph, slot: &Slot, position: Position) -> Value {
        let mut schema = match &slot.kind {
            SlotKind::Object(index) => self.named(graph, *index),
            SlotKind::Map { values, atomic } => {
                let mut schema =
                    json!({"type": "object", "additionalProperties": self.slot(graph, values, Position::Item)});
                if *atomic {
                    schema["x-kubernetes-map-type"] = json!("atomic");
                }
                schema
            }
            SlotKind::List { items, list } => {
                let mut schema = json!({"type": "array", "items": self.slot(graph, items, Position::Item)});
                list_type(&mut schema, list);
                schema
            }
            SlotKind::Scalar(scalar) => self.scalar(slot, *scalar),
            SlotKind::Any => self.any(slot),
        };
        if self.form == Form::V2 && slot.go.is_none() && vague(slot) {
            // Upstream says nothing of such places in v2, for the sake of clients that validate.
            schema = json!({"x-kubernetes-preserve-unknown-fields": true});
        }
        let mut extra = Map::new();
        if let Some(default) = slot.default.clone().or_else(|| implied_default(slot, position))
            && self.form == Form::V3
        {
            extra.insert("default".to_owned(), default);
        }
        if !slot.allowed.is_empty() {
            extra.insert("enum".to_owned(), Value::Array(slot.allowed.clone()));
        }
        if slot.nullable && slot.go.is_none() && self.form == Form::V3 {
            extra.insert("nullable".to_owned(), json!(true));
        }
        patch_rule(slot, &mut extra);
        if let Some(object) = object_of(graph, slot)
            && canonical(graph, object).atomic != object.atomic
        {
            extra.insert("x-kubernetes-map-type".to_owned(), json!(if object.atomic { "atomic" } else { "granular" }));
        }
        if let Some(limits) = &slot.limits {
            self.limits(limits, &mut extra);
        }
        self.with(schema, extra)
    }

    /// Adds attributes to a schema. Beside a reference v3 ignores them, so the reference becomes a part.
    fn with(&self, mut schema: Value, mut extra: Map<String, Value>) -> Value {
        if extra.is_empty() {
            return schema;
        }
        let is_reference = schema.get("$ref").is_some();
        match (&mut schema, self.form) {
            (Value::Object(_), Form::V3) if is_reference => {
                extra.insert("allOf".to_owned(), json!([schema]));
                Value::Object(extra)
            }
            (Value::Object(known), _) => {
                known.extend(extra);
                schema
            }
            _ => schema,
        }
    }

    fn scalar(&mut self, slot: &Slot, scalar: Scalar) -> Value {
        let text = |format: &str| json!({"type": "string", "format": format});
        let (name, schema) = match scalar {
            Scalar::String => return json!({"type": "string"}),
            Scalar::Bool => return json!({"type": "boolean"}),
            Scalar::Int32 => return json!({"type": "integer", "format": "int32"}),
            Scalar::Int64 if slot.go.is_none() => return json!({"type": "integer"}),
            Scalar::Int64 => return json!({"type": "integer", "format": "int64"}),
            Scalar::Double if slot.go.is_none() => return json!({"type": "number"}),
            Scalar::Double => return json!({"type": "number", "format": "double"}),
            Scalar::Bytes => return text("byte"),
            Scalar::IntOrString if slot.go.is_none() => return json!({"x-kubernetes-int-or-string": true}),
            Scalar::Time if slot.go.is_none() => return text("date-time"),
            Scalar::Quantity if self.form == Form::V3 => (
                "io.k8s.apimachinery.pkg.api.resource.Quantity",
                json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            ),
            Scalar::Quantity => ("io.k8s.apimachinery.pkg.api.resource.Quantity", json!({"type": "string"})),
            Scalar::IntOrString if self.form == Form::V3 => (
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
                json!({"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}),
            ),
            Scalar::IntOrString => ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", text("int-or-string")),
            Scalar::Time => ("io.k8s.apimachinery.pkg.apis.meta.v1.Time", text("date-time")),
            Scalar::MicroTime => ("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", text("date-time")),
            Scalar::Duration => ("io.k8s.apimachinery.pkg.apis.meta.v1.Duration", json!({"type": "string"})),
        };
        self.leaf(name, &schema)
    }

    fn any(&mut self, slot: &Slot) -> Value {
        let Some(go) = &slot.go else { return json!({"x-kubernetes-preserve-unknown-fields": true}) };
        match go.go_type.as_str() {
            "runtime.RawExtension" => {
                self.leaf("io.k8s.apimachinery.pkg.runtime.RawExtension", &json!({"type": "object"}))
            }
            "v1.FieldsV1" => self.leaf(&format!("{META_V1}.FieldsV1"), &json!({"type": "object"})),
            other => match other.strip_prefix("v1.JSON") {
                Some(_) => self.leaf(&format!("{APIEXTENSIONS_V1}.{}", &other["v1.".len()..]), &json!({})),
                None => json!({}),
            },
        }
    }

    fn leaf(&mut self, name: &str, schema: &Value) -> Value {
        self.schemas.entry(name.to_owned()).or_insert_with(|| schema.clone());
        self.reference(name)
    }

    fn limits(&self, limits: &Limits, out: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        };
        put("format", limits.format.as_ref().map(|it| json!(it)));
        put("pattern", limits.pattern.as_ref().map(|it| json!(it)));
        put("minimum", limits.minimum.map(|(bound, _)| number(bound)));
        put("exclusiveMinimum", limits.minimum.filter(|(_, exclusive)| *exclusive).map(|_| json!(true)));
        put("maximum", limits.maximum.map(|(bound, _)| number(bound)));
        put("exclusiveMaximum", limits.maximum.filter(|(_, exclusive)| *exclusive).map(|_| json!(true)));
        put("multipleOf", limits.multiple_of.map(number));
        put("minLength", limits.min_length.map(|it| json!(it)));
        put("maxLength", limits.max_length.map(|it| json!(it)));
        put("minItems", limits.min_items.map(|it| json!(it)));
        put("maxItems", limits.max_items.map(|it| json!(it)));
        put("uniqueItems", limits.unique_items.then_some(Value::Bool(true)));
        put("minProperties", limits.min_properties.map(|it| json!(it)));
        put("maxProperties", limits.max_properties.map(|it| json!(it)));
        put("x-kubernetes-embedded-resource", limits.embedded_resource.then_some(Value::Bool(true)));
        put("x-kubernetes-validations", (!limits.rules.is_empty()).then(|| json!(limits.rules)));
        if self.form == Form::V3 {
            for (name, junctor) in &limits.junctors {
                put(name, Some(junctor.clone()));
            }
        }
    }
}

fn object_of<'a>(graph: &'a Graph, slot: &Slot) -> Option<&'a ObjectType> {
    match slot.kind {
        SlotKind::Object(index) => graph.types.get(index.0 as usize).filter(|object| !object.name.is_empty()),
        _ => None,
    }
}

/// The type as it is defined: a few places override the map type of theirs, and have a variant of it in the graph.
fn canonical<'a>(graph: &'a Graph, object: &'a ObjectType) -> &'a ObjectType {
    // Types are in the order of their names, variants after what they vary.
    let first = graph.types.partition_point(|one| one.name < object.name);
    graph.types.get(first).filter(|one| one.name == object.name).unwrap_or(object)
}

/// The definition name of a kind of a custom resource: the group reversed, version, kind.
pub(super) fn custom_name(resource: &Resource, kind: &str) -> String {
    let mut parts: Vec<&str> = resource.group.split('.').collect();
    parts.reverse();
    parts.extend([resource.version.as_str(), kind]);
    parts.join(".")
}

fn gvk(resource: &Resource, kind: &str) -> Value {
    json!({"group": resource.group, "version": resource.version, "kind": kind})
}

fn builtin_graph() -> &'static Graph {
    static ROOT: LazyLock<Option<Schema>> = LazyLock::new(|| Table::builtin().kind(META.0, META.1, "Status"));
    static NONE: LazyLock<Graph> = LazyLock::new(Graph::default);
    ROOT.as_ref().map_or(&NONE, |schema| &schema.graph)
}

/// Kinds with a definition, as upstream lists them. Of the kinds that exist everywhere, upstream lists all versions of
/// the options that are bodies of requests and of watch events, and core's of the others.
fn kinds_of(definition: &str) -> Vec<Value> {
    static KINDS: LazyLock<BTreeMap<&'static str, Vec<GroupVersionKind>>> =
        LazyLock::new(|| Table::builtin().kinds_by_definition());
    let mut all = Vec::new();
    for one in KINDS.get(definition).map_or(&[][..], Vec::as_slice) {
        let mut add = |group: &str, version: &str| {
            all.push(json!({"group": group, "version": version, "kind": one.kind}));
        };
        if (one.group.as_str(), one.version.as_str()) != META {
            add(&one.group, &one.version);
        } else if matches!(one.kind.as_str(), "DeleteOptions" | "WatchEvent") {
            for group in Table::builtin().groups() {
                group.versions.iter().for_each(|version| add(&group.name, version));
            }
        } else {
            add("", "v1");
        }
    }
    all
}

fn union(discriminator: &str, fields: &[String]) -> Value {
    let fields: BTreeMap<&String, String> = fields
        .iter()
        .map(|field| {
            let mut letters = field.chars();
            let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
            (field, first + letters.as_str())
        })
        .collect();
    let mut out = json!({ "fields-to-discriminateBy": fields });
    if !discriminator.is_empty() {
        out["discriminator"] = json!(discriminator);
    }
    out
}

fn list_type(schema: &mut Value, list: &ListType) {
    let word = match list {
        ListType::Atomic => "atomic",
        ListType::Set => "set",
        ListType::Map(keys) => {
            schema["x-kubernetes-list-map-keys"] = json!(keys);
            "map"
        }
    };
    schema["x-kubernetes-list-type"] = json!(word);
}

fn patch_rule(slot: &Slot, out: &mut Map<String, Value>) {
    let patch = &slot.patch;
    let words: Vec<&str> = [(patch.merge, "merge"), (patch.replace, "replace"), (patch.retain_keys, "retainKeys")]
        .into_iter()
        .filter_map(|(on, word)| on.then_some(word))
        .collect();
    if !words.is_empty() {
        out.insert("x-kubernetes-patch-strategy".to_owned(), json!(words.join(",")));
    }
    if let Some(key) = &patch.merge_key {
        out.insert("x-kubernetes-patch-merge-key".to_owned(), json!(key));
    }
}

/// Whether v2 has no words for a place of a custom resource.
fn vague(slot: &Slot) -> bool {
    slot.nullable || matches!(slot.kind, SlotKind::Any | SlotKind::Scalar(Scalar::IntOrString))
}

/// The default that upstream's generator derives from the Go type: structs and scalars that are always written.
fn implied_default(slot: &Slot, position: Position) -> Option<Value> {
    let go = slot.go.as_ref().filter(|go| !go.pointer)?;
    let written = position == Position::Item || !go.omitempty;
    match &slot.kind {
        SlotKind::Object(_) => Some(json!({})),
        SlotKind::Scalar(Scalar::String) if written => Some(json!("")),
        SlotKind::Scalar(Scalar::Bool) if written => Some(json!(false)),
        SlotKind::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double) if written => Some(json!(0)),
        _ => None,
    }
}

/// A bound as written: whole numbers without a fraction.
#[allow(clippy::cast_possible_truncation)]
fn number(bound: f64) -> Value {
    if bound.fract() == 0.0 && bound.abs() < 9e15 { json!(bound as i64) } else { json!(bound) }
}
