//! The strategy of a kind: what happens to an object between decoding and the store (upstream's `rest.*Strategy`).

use std::collections::HashMap;
use std::sync::LazyLock;

use schema::field::Error;
use serde_json::{Value, json};

use crate::json::{at, child, dig, drop_field, int, object, put, same, take_over};
use crate::meta::{self, NameRule};
use crate::{Errors, kinds};

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every object has a namespace.
    Namespaced,
    /// No object has one.
    Cluster,
    /// Not known here; the namespace is not checked.
    Any,
}

/// What the status of a kind is to ordinary writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// There is no status subresource: whatever is there is part of the object.
    Open,
    /// Owned by the status subresource; created as this JSON.
    Reset(&'static str),
    /// Owned by the status subresource on update, free on create (nodes).
    Kept,
    /// Owned by the status subresource; created absent (custom resources, DRA requests).
    Dropped,
}

/// When `metadata.generation` moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// Not set by the server.
    Unset,
    /// 1 on create; one more whenever one of these fields changes.
    On(&'static [&'static str]),
    /// 1 on create; one more whenever anything but metadata (and an owned status) changes.
    OnAll,
    /// Decided by the kind's own hooks.
    Own,
}

/// What a write to the status subresource may do to metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusMeta {
    /// Labels, annotations and the rest may change with it.
    Free,
    /// `ResetObjectMetaForStatus`: labels, annotations, finalizers and owners stay.
    Reset,
    /// Only managedFields may change.
    Old,
}

/// A selectable field and how its value is read.
pub(crate) type Selectable = (&'static str, fn(&Value) -> String);

/// How one kind is defaulted, prepared and validated. Made by this crate only: see [`strategy`] and [`of`].
pub struct Strategy {
    pub(crate) group: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) scope: Scope,
    pub(crate) name_rule: NameRule,
    pub(crate) status: Status,
    pub(crate) status_meta: StatusMeta,
    pub(crate) generation: Generation,
    pub(crate) create_on_update: bool,
    pub(crate) unconditional_update: bool,
    pub(crate) default: fn(&str, &mut Value),
    pub(crate) fold: fn(&mut Value),
    pub(crate) prepare_create: fn(&mut Value),
    pub(crate) prepare_update: fn(&mut Value, &Value),
    pub(crate) prepare_status: fn(&mut Value, &Value),
    pub(crate) validate: fn(&Value, &mut Errors),
    pub(crate) validate_update: fn(&Value, &Value, &mut Errors),
    pub(crate) validate_status: fn(&Value, &Value, &mut Errors),
    pub(crate) warnings: fn(&Value, Option<&Value>, &mut Vec<String>),
    pub(crate) fields: &'static [Selectable],
}

/// The strategy of a kind nothing special is known of; entries start from it.
pub(crate) const BASE: Strategy = Strategy {
    group: "",
    plural: "",
    scope: Scope::Any,
    name_rule: NameRule::DnsSubdomain,
    status: Status::Open,
    status_meta: StatusMeta::Free,
    generation: Generation::Unset,
    create_on_update: false,
    unconditional_update: true,
    default: |_, _| (),
    fold: |_| (),
    prepare_create: |_| (),
    prepare_update: |_, _| (),
    prepare_status: |_, _| (),
    validate: |_, _| (),
    validate_update: |_, _, _| (),
    validate_status: |_, _, _| (),
    warnings: |_, _, _| (),
    fields: &[],
};

static PLAIN: Strategy = BASE;
static CUSTOM: Strategy =
    Strategy { generation: Generation::OnAll, unconditional_update: false, status_meta: StatusMeta::Old, ..BASE };
static CUSTOM_WITH_STATUS: Strategy = Strategy {
    generation: Generation::OnAll,
    unconditional_update: false,
    status: Status::Dropped,
    status_meta: StatusMeta::Old,
    ..BASE
};

static BY_NAME: LazyLock<HashMap<(&'static str, &'static str), &'static Strategy>> =
    LazyLock::new(|| kinds::ALL.iter().map(|entry| ((entry.group, entry.plural), *entry)).collect());

/// The strategy of a built-in kind, by the group it is stored in and its plural name; one without special care for
/// kinds that need none. For custom resources use [`of`].
pub fn strategy(group: &str, plural: &str) -> &'static Strategy {
    BY_NAME.get(&(group, plural)).copied().unwrap_or(&PLAIN)
}

/// The strategy of any served resource, custom ones included.
pub fn of(resource: &schema::Resource) -> &'static Strategy {
    match &resource.custom {
        None => strategy(&resource.storage_group, &resource.plural),
        Some(custom) if custom.status => &CUSTOM_WITH_STATUS,
        Some(_) => &CUSTOM,
    }
}

impl Strategy {
    /// Fills upstream's imperative defaults (`SetDefaults_*`), after the schema's own. `version` is the version the
    /// object is written in. Idempotent.
    pub fn default(&self, version: &str, obj: &mut Value) {
        (self.default)(version, obj);
    }

    /// Moves what is only for writing (`stringData`) to where it is stored, as upstream's conversion from the wire does:
    /// before ownership of fields is recorded, so that nobody owns a field that is not there. Idempotent.
    pub fn fold(&self, obj: &mut Value) {
        (self.fold)(obj);
    }

    /// Prepares an object for its creation: status dropped where a status subresource owns it, generation, and what the
    /// kind derives (a pod's phase and QoS class, a namespace's finalizer). Upstream's `PrepareForCreate`.
    pub fn prepare_create(&self, obj: &mut Value) {
        match self.status {
            Status::Open | Status::Kept => (),
            Status::Reset(zero) => {
                put(obj, "status", serde_json::from_str::<Value>(zero).unwrap_or_else(|_| json!({})));
            }
            Status::Dropped => drop_field(obj, "status"),
        }
        if self.generation != Generation::Unset {
            put(child(obj, "metadata"), "generation", 1);
        }
        (self.prepare_create)(obj);
    }

    /// Prepares an update: the old status is kept where a subresource owns it, the generation follows the spec.
    /// Upstream's `PrepareForUpdate`.
    pub fn prepare_update(&self, new: &mut Value, old: &Value) {
        if self.status != Status::Open {
            take_over(new, old, "status");
        }
        keep_generation(new, old);
        (self.prepare_update)(new, old);
        let changed = match self.generation {
            Generation::Unset | Generation::Own => false,
            Generation::On(fields) => fields.iter().any(|field| !same(dig(new, field), dig(old, field))),
            Generation::OnAll => self.differs(new, old),
        };
        if changed {
            bump_generation(new, old);
        }
    }

    /// Prepares a write to the status subresource: everything but status (and, for most kinds, metadata) is the old one.
    pub fn prepare_status(&self, new: &mut Value, old: &Value) {
        if let (Value::Object(fields), Some(before)) = (&mut *new, old.as_object()) {
            let ours = |key: &str| matches!(key, "apiVersion" | "kind" | "metadata" | "status");
            fields.retain(|key, _| ours(key));
            fields.extend(before.iter().filter(|(key, _)| !ours(key)).map(|(key, value)| (key.clone(), value.clone())));
        }
        self.status_metadata(new, old);
        keep_generation(new, old);
        (self.prepare_status)(new, old);
    }

    /// What is wrong with a new object; metadata included. Name generation is done before.
    pub fn validate_create(&self, obj: &Value) -> Vec<Error> {
        let mut errors = Vec::new();
        meta::check_create(obj, self.scope, self.name_rule, &mut errors);
        (self.validate)(obj, &mut errors);
        errors
    }

    /// What is wrong with an update; metadata included.
    pub fn validate_update(&self, new: &Value, old: &Value) -> Vec<Error> {
        let mut errors = meta::validate_update(new, old);
        (self.validate_update)(new, old, &mut errors);
        errors
    }

    /// What is wrong with a write to the status subresource.
    pub fn validate_status(&self, new: &Value, old: &Value) -> Vec<Error> {
        let mut errors = meta::validate_update(new, old);
        (self.validate_status)(new, old, &mut errors);
        errors
    }

    /// Upstream's warnings about an object to be written; `old` when it is an update.
    pub fn warnings(&self, new: &Value, old: Option<&Value>) -> Vec<String> {
        let mut warnings = Vec::new();
        (self.warnings)(new, old, &mut warnings);
        warnings
    }

    /// Whether PUT to a name that does not exist creates the object.
    pub fn create_on_update(&self) -> bool {
        self.create_on_update
    }

    /// Whether an update without `metadata.resourceVersion` is taken as unconditional; a Conflict otherwise.
    pub fn unconditional_update(&self) -> bool {
        self.unconditional_update
    }

    /// Fields of the kind that field selectors may name, besides name and namespace, with their values ("" when absent).
    /// See [`crate::fields::values`] for any resource.
    pub fn fields(&self, obj: &Value) -> Vec<(&'static str, String)> {
        self.fields.iter().map(|(name, read)| (*name, read(obj))).collect()
    }

    /// The rule for names of objects of this kind.
    pub fn name_rule(&self) -> NameRule {
        self.name_rule
    }

    fn differs(&self, new: &Value, old: &Value) -> bool {
        let owned = |key: &str| key == "metadata" || (key == "status" && self.status != Status::Open);
        let keys =
            |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        keys(new).into_iter().chain(keys(old)).any(|key| !owned(&key) && !same(at(new, &key), at(old, &key)))
    }

    fn status_metadata(&self, new: &mut Value, old: &Value) {
        let before = at(old, "metadata");
        let meta = child(new, "metadata");
        match self.status_meta {
            StatusMeta::Free => (),
            StatusMeta::Reset => {
                let fields =
                    ["deletionTimestamp", "selfLink", "labels", "annotations", "finalizers", "ownerReferences"];
                fields.iter().for_each(|field| take_over(meta, before, field));
            }
            StatusMeta::Old => {
                let mut kept = before.clone();
                for field in ["managedFields", "resourceVersion"] {
                    take_over(&mut kept, meta, field);
                }
                *meta = kept;
            }
        }
        object(meta);
    }
}

/// Clients cannot set the generation: an update starts from the old one (`rest.BeforeUpdate`).
fn keep_generation(new: &mut Value, old: &Value) {
    take_over(child(new, "metadata"), at(old, "metadata"), "generation");
}

/// One generation more than the old object.
pub(crate) fn bump_generation(new: &mut Value, old: &Value) {
    let generation = int(at(old, "metadata"), "generation").unwrap_or(0).saturating_add(1);
    put(child(new, "metadata"), "generation", generation);
}
