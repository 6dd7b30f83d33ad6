//! Values seen through their schema: which are leaves, maps or lists, what identifies an item, what a value owns.

use std::collections::{BTreeMap, BTreeSet};

use schema::{ListType, Node, Scalar, SlotKind};
use serde_json::{Map, Value};

use super::path::{Element, Leaf};
use super::set::Set;
use crate::golang;

/// What is known of the type at a place.
#[derive(Clone, Copy)]
pub(super) enum Type<'a> {
    /// The schema says.
    Known(Node<'a>),
    /// Nothing is known: objects merge field by field, lists are single values (`__untyped_deduced_` upstream).
    Deduced,
}

/// What a value is to apply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// One value, owned as a whole.
    Leaf,
    /// An object or map whose fields are owned one by one.
    Map,
    /// A list whose items are owned one by one.
    List(&'a ListType),
}

impl<'a> Type<'a> {
    /// What a value is here. Only where nothing is known does it depend on the value.
    pub(super) fn form(self, value: &Value) -> Form<'a> {
        let node = match self {
            Type::Known(node) if !matches!(node.slot().kind, SlotKind::Any) => node,
            _ => return if value.is_object() || value.is_null() { Form::Map } else { Form::Leaf },
        };
        match node.list_type() {
            Some(list) if *list != ListType::Atomic => Form::List(list),
            _ if node.atomic() => Form::Leaf,
            _ => Form::Map,
        }
    }

    /// The type of a field.
    pub(super) fn field(self, name: &str) -> Type<'a> {
        match self {
            Type::Known(node) => node.field(name).map_or(Type::Deduced, Type::Known),
            Type::Deduced => Type::Deduced,
        }
    }

    /// The type of the items of a list.
    pub(super) fn items(self) -> Type<'a> {
        match self {
            Type::Known(node) => node.items().map_or(Type::Deduced, Type::Known),
            Type::Deduced => Type::Deduced,
        }
    }

    /// The type one step on.
    pub(super) fn step(self, element: &Element) -> Type<'a> {
        match element {
            Element::Field(name) => self.field(name),
            _ => self.items(),
        }
    }

    /// Whether an object here declares a field of that name.
    pub(super) fn declares(self, name: &str) -> bool {
        match self {
            Type::Known(node) => node.object().is_some_and(|object| object.properties.contains_key(name)),
            Type::Deduced => false,
        }
    }

    fn allows_unknown(self) -> bool {
        match self {
            Type::Known(node) => match node.object() {
                Some(object) => object.preserve_unknown || object.properties.is_empty(),
                None => true,
            },
            Type::Deduced => true,
        }
    }
}

/// What identifies an item of a list: its keys, with the defaults of missing ones, or itself in a set.
///
/// # Errors
/// The item cannot be identified; the text is upstream's.
pub(super) fn identify(list: &ListType, items: Type<'_>, item: &Value) -> Result<Element, String> {
    let ListType::Map(keys) = list else {
        return match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            scalar => Ok(Element::Value(Leaf(scalar.clone()))),
        };
    };
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut found = BTreeMap::new();
    for key in keys {
        if let Some(value) = fields.get(key).cloned().or_else(|| key_default(items, key)) {
            found.insert(key.clone(), Leaf(value));
        }
    }
    if found.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| schema::field::go_quote(key)).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            keys.join(" ")
        ));
    }
    Ok(Element::Key(found))
}

/// What a missing key stands for: its default, or the zero value of a Go field that is always there, which upstream's
/// generated schema gives as default.
fn key_default(items: Type<'_>, key: &str) -> Option<Value> {
    let Type::Known(place) = items.field(key) else { return None };
    let slot = place.slot();
    let always = slot.go.as_ref().is_some_and(|go| !go.pointer && !go.omitempty);
    let zero = || match &slot.kind {
        SlotKind::Scalar(Scalar::String) => Some(Value::from("")),
        SlotKind::Scalar(Scalar::Bool) => Some(Value::from(false)),
        SlotKind::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double) => Some(Value::from(0)),
        _ => None,
    };
    slot.default.clone().or_else(|| if always { zero() } else { None })
}

/// The fields of an object; nothing for null and for what is not an object.
pub(super) fn fields_of(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

/// The items of a list; nothing for null and for what is not a list.
pub(super) fn items_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Everything a value says: what applying it comes to own.
pub(super) fn field_set(ty: Type<'_>, value: &Value) -> Set {
    let mut set = Set::default();
    own(ty, value, &mut Vec::new(), &mut set);
    set
}

fn own(ty: Type<'_>, value: &Value, path: &mut Vec<Element>, set: &mut Set) {
    match ty.form(value) {
        Form::Leaf => set.insert(path),
        Form::Map => {
            for (name, value) in fields_of(Some(value)).into_iter().flatten() {
                path.push(Element::Field(name.clone()));
                own(ty.field(name), value, path, set);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                if empty || !ty.declares(name) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Form::List(list) => {
            let mut seen = BTreeSet::new();
            let mut repeated = BTreeSet::new();
            let items = items_of(Some(value));
            let elements: Vec<Option<Element>> =
                items.iter().map(|item| identify(list, ty.items(), item).ok()).collect();
            for element in elements.iter().flatten() {
                if !seen.insert(element) {
                    repeated.insert(element);
                }
            }
            for (element, item) in elements.iter().zip(items) {
                let Some(element) = element else { continue };
                path.push(element.clone());
                if !repeated.contains(element) {
                    own(ty.items(), item, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
    }
}

/// A set with the declared fields on the way to its members: the form in which fields are removed.
pub(super) fn with_named_parents(ty: Type<'_>, set: &Set) -> Set {
    let mut members = set.members.clone();
    let mut children = BTreeMap::new();
    for (element, child) in &set.children {
        if let Element::Field(name) = element
            && ty.declares(name)
        {
            members.insert(element.clone());
        }
        children.insert(element.clone(), with_named_parents(ty.step(element), child));
    }
    Set { members, children }
}

/// Ownership recorded below what the schema now treats as one value becomes ownership of that value.
pub(super) fn reconcile(ty: Type<'_>, set: &Set) -> Set {
    let mut reconciled = Set { members: set.members.clone(), children: BTreeMap::new() };
    for (element, child) in &set.children {
        let below = ty.step(element);
        let collapses = match below {
            Type::Known(node) => node.atomic() && !matches!(node.slot().kind, SlotKind::Any | SlotKind::Scalar(_)),
            Type::Deduced => false,
        };
        if collapses {
            reconciled.members.insert(element.clone());
        } else {
            reconciled.children.insert(element.clone(), reconcile(below, child));
        }
    }
    reconciled
}

/// Items of a stored object that cannot be identified, as `path: text`: such an object cannot be merged into. Repeated
/// items can.
pub(super) fn unidentified(ty: Type<'_>, value: &Value) -> Vec<String> {
    validate(ty, value).into_iter().filter(|complaint| complaint.contains(": element ")).collect()
}

/// Complaints about a configuration that does not fit its schema, as `path: text`.
pub(super) fn validate(ty: Type<'_>, value: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    check(ty, value, &mut String::new(), &mut complaints);
    complaints
}

fn check(ty: Type<'_>, value: &Value, path: &mut String, complaints: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    let Type::Known(node) = ty else { return };
    let mut complain = |text: String| {
        complaints.push(if path.is_empty() { text } else { format!("{path}: {text}") });
    };
    match &node.slot().kind {
        SlotKind::Any => {}
        SlotKind::Scalar(scalar) => {
            if let Some(text) = misfit(*scalar, value) {
                complain(text);
            }
        }
        SlotKind::Object(_) | SlotKind::Map { .. } => {
            let Value::Object(fields) = value else {
                return complain(format!("expected map, got {}", golang::wrapped(value)));
            };
            for (name, value) in fields {
                let length = path.len();
                path.push('.');
                path.push_str(name);
                let undeclared = node.object().is_some() && !ty.declares(name) && !ty.allows_unknown();
                if undeclared {
                    complaints.push(format!("{path}: field not declared in schema"));
                } else {
                    check(ty.field(name), value, path, complaints);
                }
                path.truncate(length);
                if undeclared {
                    return;
                }
            }
        }
        SlotKind::List { list, .. } => {
            let Value::Array(items) = value else {
                return complain(format!("expected list, got {}", golang::wrapped(value)));
            };
            check_items(ty, list, items, path, complaints);
        }
    }
}

fn check_items(ty: Type<'_>, list: &ListType, items: &[Value], path: &mut String, complaints: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let element = if *list == ListType::Atomic {
            Element::Index(i64::try_from(index).unwrap_or(i64::MAX))
        } else {
            match identify(list, ty.items(), item) {
                Ok(element) => element,
                Err(error) => {
                    complaints.push(format!("{path}: element {index}: {error}"));
                    return;
                }
            }
        };
        let shown = element.to_string();
        if !seen.insert(element) {
            complaints.push(format!("{path}: duplicate entries for key {shown}"));
        }
        let length = path.len();
        path.push_str(&shown);
        check(ty.items(), item, path, complaints);
        path.truncate(length);
    }
}

fn misfit(scalar: Scalar, value: &Value) -> Option<String> {
    let fits = match scalar {
        Scalar::String | Scalar::Bytes => value.is_string(),
        Scalar::Bool => value.is_boolean(),
        Scalar::Int32 | Scalar::Int64 | Scalar::Double => value.is_number(),
        Scalar::Quantity | Scalar::IntOrString | Scalar::Time | Scalar::MicroTime | Scalar::Duration => {
            !value.is_object() && !value.is_array()
        }
    };
    if fits {
        return None;
    }
    Some(match scalar {
        Scalar::String | Scalar::Bytes => format!("expected string, got {}", golang::wrapped_syntax(value)),
        Scalar::Bool => format!("expected boolean, got {}", golang::wrapped(value)),
        Scalar::Int32 | Scalar::Int64 | Scalar::Double => {
            format!("expected numeric (int or float), got {}", golang::type_name(value))
        }
        _ => format!("expected any scalar, got {}", golang::wrapped(value)),
    })
}
