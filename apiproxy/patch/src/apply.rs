//! Server-side apply: merging configurations of several managers, with ownership of fields.
//!
//! ```text
//!   apply   live + configuration ─► merge ─► prune what this manager no longer says ─► conflicts? ─► managedFields
//!   track   old, new ─► compare ─► changed fields go to the manager, and from all others ─► managedFields
//! ```
//! The rules are those of structured-merge-diff v6 and of apimachinery's `util/managedfields`.
//!
//! Sets recorded in another `apiVersion` of the same kind are compared as they are: built-in kinds served in several
//! versions name the fields alike, and custom resources without conversion are the same in all versions. Upstream
//! converts the object to that version first.

mod compare;
mod fields;
mod last_applied;
mod managed;
mod merge;
mod path;
mod set;
#[cfg(test)]
mod tests;
mod typed;
mod update;
mod zero;

use schema::Node;
use serde_json::{Map, Value};

use self::managed::{Id, Managed, is_reset};
use self::typed::Type;
use self::update::{Change, Force, Ownership};

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Create, update, and every other patch.
    Update,
}

impl Operation {
    /// The word in `managedFields`.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// `fieldManager` of the request, or what stands before the first `/` of its user agent; `unknown` when empty.
    pub name: String,
    /// How it writes. [`apply`] and [`track`] set it themselves, whatever it says.
    pub operation: Operation,
    /// `apiVersion` of the request, such as `apps/v1`.
    pub api_version: String,
    /// Subresource of the request, such as `status`; empty for the object itself.
    pub subresource: String,
}

/// Fields the strategy of a resource takes back after a write, so that nobody comes to own them. Paths are dotted field
/// names without leading dot.
#[derive(Clone, Copy, Debug)]
pub enum Reset<'a> {
    /// These fields and all below them: `status` of most kinds; `spec` and `metadata.labels` for a status subresource.
    Fields(&'a [&'a str]),
    /// All but these; `*` stands for any one step (`spec.containers.*.resources` for `pods/resize`).
    AllBut(&'a [&'a str]),
}

impl Reset<'_> {
    /// Nothing is taken back.
    pub const NOTHING: Reset<'static> = Reset::Fields(&[]);
}

/// A field somebody else owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who owns it, as messages say it: `"kubectl" using apps/v1`.
    pub manager: String,
    /// Which field: `.spec.template.spec.containers[name="web"].image`.
    pub field: String,
}

impl Conflict {
    /// `message` of the cause (reason `FieldManagerConflict`) of the Status.
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager)
    }
}

/// Why nothing was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields of the configuration with other values: 409 `Conflict`, one cause each. Display is the message.
    #[error("{}", conflict_message(.0))]
    Conflict(Vec<Conflict>),
    /// The configuration cannot be applied here: 400 `BadRequest`.
    #[error("{0}")]
    BadRequest(String),
    /// Configuration, object and schema contradict each other; upstream answers 500 without a reason.
    #[error("{0}")]
    Internal(String),
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", only.manager, only.field);
    }
    let mut lines = Vec::new();
    let mut manager = None;
    for conflict in conflicts {
        if manager != Some(&conflict.manager) {
            lines.push(format!("conflicts with {}:", conflict.manager));
            manager = Some(&conflict.manager);
        }
        lines.push(format!("- {}", conflict.field));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// Applies a configuration of a manager to the live object, or makes a new one of it. The result has its
/// `managedFields`, and is not defaulted, pruned or validated.
///
/// `now` is the time of the request, RFC 3339 in UTC with whole seconds. `reset` names what the strategy will take back.
/// Defaulting, admission and validation come after it, and [`keep_times`] last of all.
///
/// # Errors
/// [`ApplyError::Conflict`] unless `force`, and configurations that do not fit the schema.
pub fn apply(
    node: Node<'_>,
    live: Option<&Value>,
    config: &Value,
    manager: &Manager,
    force: bool,
    now: &str,
    reset: Reset<'_>,
) -> Result<Value, ApplyError> {
    let ty = Type::Known(node);
    acceptable(ty, config, manager)?;
    let mut managed = Managed::decode(live.and_then(managed_fields))
        .map_err(|error| ApplyError::Internal(format!("failed to decode managed fields: {error}")))?;
    let empty = Value::Object(Map::new());
    let live = zero::fill(node, &without_managed_fields(live.unwrap_or(&empty)));
    if let Some(complaints) = complaints(&typed::unidentified(ty, &live)) {
        let object = described(&live, manager);
        return Err(ApplyError::Internal(format!("failed to create typed live object ({object}): {complaints}")));
    }
    let ownership = Ownership { ty, reset, now };
    if managed.managers.is_empty() && text_at(&live, "uid").is_some() {
        let new = zero::fill(node, &empty);
        let before = Manager { name: "before-first-apply".to_owned(), ..manager.clone() };
        ownership.update(
            &mut managed,
            &new,
            &live,
            &Id::of(&Manager { operation: Operation::Update, ..before }),
            manager,
        );
    }
    let id = Id::of(&Manager { operation: Operation::Apply, ..manager.clone() });
    let change = Change { live: &live, config, api_version: &manager.api_version };
    let force = if force { Force::Yes } else { Force::No };
    let (mut merged, managed) = match ownership.apply(&managed, change, &id, force) {
        Err(conflicts) if manager.name == last_applied::KUBECTL => {
            let conflicts = last_applied::remaining(ty, &live, &manager.api_version, conflicts);
            if !conflicts.is_empty() {
                return Err(ApplyError::Conflict(update::shown(conflicts)));
            }
            ownership.apply(&managed, change, &id, Force::Yes)
        }
        other => other,
    }
    .map_err(|conflicts| ApplyError::Conflict(update::shown(conflicts)))?;
    zero::drop_nulls(node, &mut merged);
    if manager.name == last_applied::KUBECTL {
        last_applied::refresh(&mut merged, config);
    }
    set_managed_fields(&mut merged, managed.encode());
    Ok(merged)
}

/// What of a configuration must hold before it is looked at.
fn acceptable(ty: Type<'_>, config: &Value, manager: &Manager) -> Result<(), ApplyError> {
    if config.get("apiVersion").and_then(Value::as_str) != Some(&manager.api_version) {
        return Err(ApplyError::BadRequest(format!("invalid object type: {}", kind_text(config))));
    }
    if config.pointer("/metadata/managedFields").is_some_and(|entries| !entries.is_null()) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    match complaints(&typed::validate(ty, config)) {
        Some(complaints) => {
            let object = described(config, manager);
            Err(ApplyError::Internal(format!("failed to create typed patch object ({object}): {complaints}")))
        }
        None => Ok(()),
    }
}

fn complaints(complaints: &[String]) -> Option<String> {
    match complaints {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("errors:\n  {}", several.join("\n  "))),
    }
}

fn described(object: &Value, manager: &Manager) -> String {
    let text = |name: &str| text_at(object, name).unwrap_or_default().to_owned();
    let kind = Value::Object(Map::from_iter([
        ("apiVersion".to_owned(), Value::from(manager.api_version.as_str())),
        ("kind".to_owned(), object.get("kind").cloned().unwrap_or_default()),
    ]));
    format!("{}/{}; {}", text("namespace"), text("name"), kind_text(&kind))
}

/// Group, version and kind as Go prints them: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`.
fn kind_text(object: &Value) -> String {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let version = text("apiVersion");
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{slash}{version}, Kind={}", text("kind"))
}

fn text_at<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.get("metadata")?.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// Records in `new` who owns what after a create (`old` is None), update or patch by a manager. As upstream, call it with
/// the object decoded and defaulted, before mutating admission: what admission adds is nobody's, and what the strategy
/// takes back is named by `reset`.
///
/// `managedFields` a client sent in `new` count: none or unreadable ones keep those of `old`, an empty list (or `[{}]`)
/// forgets all ownership, and an object without any is not tracked until it is applied. Subresources cannot send any.
/// The time of an entry changes only with its set. `now` and `reset` as for [`apply`].
pub fn track(node: Node<'_>, old: Option<&Value>, new: &mut Value, manager: &Manager, now: &str, reset: Reset<'_>) {
    let kept = || Managed::decode(old.and_then(managed_fields)).unwrap_or_default();
    let sent = managed_fields(new);
    let mut managed = if !manager.subresource.is_empty() {
        kept()
    } else if is_reset(sent) {
        Managed::default()
    } else {
        Managed::decode(sent).ok().filter(|sent| !sent.managers.is_empty()).unwrap_or_else(kept)
    };
    let stored = old.is_some_and(|old| text_at(old, "uid").is_some());
    if managed.managers.is_empty() && stored {
        set_managed_fields(new, None);
        return;
    }
    let empty = Value::Object(Map::new());
    let left = zero::fill(node, &without_managed_fields(old.unwrap_or(&empty)));
    let right = zero::fill(node, &without_managed_fields(new));
    let ownership = Ownership { ty: Type::Known(node), reset, now };
    let id = Id::of(&Manager { operation: Operation::Update, ..manager.clone() });
    ownership.update(&mut managed, &left, &right, &id, manager);
    managed.cap();
    set_managed_fields(new, managed.encode());
}

/// Undoes changes of times in `managedFields` when nothing else differs between the stored and the new object, so that a
/// write without effect stays without effect. `old` and `new` must agree in `metadata.resourceVersion`.
pub fn keep_times(old: &Value, new: &mut Value) {
    let (Some(Value::Array(before)), Some(Value::Array(after))) = (managed_fields(old), managed_fields(new)) else {
        return;
    };
    let timeless = |entry: &Value| -> Value {
        let mut entry = entry.clone();
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("time");
        }
        entry
    };
    let same_entries = before.len() == after.len() && before.iter().zip(after).all(|(a, b)| timeless(a) == timeless(b));
    if same_entries && without_managed_fields(old) == without_managed_fields(new) {
        let before = Value::Array(before.clone());
        set_managed_fields(new, Some(before));
    }
}

fn managed_fields(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    set_managed_fields(&mut object, None);
    object
}

fn set_managed_fields(object: &mut Value, entries: Option<Value>) {
    let Some(object) = object.as_object_mut() else { return };
    match entries {
        Some(entries) => {
            let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("managedFields".to_owned(), entries);
            }
        }
        None => {
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
        }
    }
}
