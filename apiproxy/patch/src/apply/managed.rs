//! `metadata.managedFields`: who owns what, and since when.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::set::Set;
use super::{Manager, Operation, fields};

/// What tells entries apart. An applier is one whatever version it applies in; an updater is another in each version.
/// The order is upstream's of manager identifiers, in which conflicts are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    name: String,
    operation: Operation,
    /// Empty for appliers.
    api_version: String,
    subresource: String,
}

impl Id {
    pub(super) fn of(manager: &Manager) -> Id {
        let name = if manager.name.is_empty() { "unknown".to_owned() } else { manager.name.clone() };
        Id::new(name, manager.operation, &manager.api_version, manager.subresource.clone())
    }

    pub(super) fn new(name: String, operation: Operation, api_version: &str, subresource: String) -> Id {
        let api_version = match operation {
            Operation::Apply => String::new(),
            Operation::Update => api_version.to_owned(),
        };
        Id { name, operation, api_version, subresource }
    }

    /// The manager in the words of conflicts: `"kubectl" with subresource "scale" using apps/v1`.
    pub(super) fn shown(&self) -> String {
        let mut shown = schema::field::go_quote(&self.name);
        if !self.subresource.is_empty() {
            shown.push_str(&format!(" with subresource {}", schema::field::go_quote(&self.subresource)));
        }
        if self.operation == Operation::Update {
            shown.push_str(&format!(" using {}", self.api_version));
        }
        shown
    }
}

/// What one manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) set: Set,
    pub(super) api_version: String,
}

/// All managers of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Managed {
    pub(super) managers: BTreeMap<Id, Owned>,
    pub(super) times: BTreeMap<Id, String>,
}

/// Most updaters an object remembers one by one; older ones are bundled (`DefaultMaxUpdateManagers`).
const MAX_UPDATERS: usize = 10;
/// Name of the bundle.
const BUNDLE: &str = "ancient-changes";

impl Managed {
    /// Reads the entries of an object.
    ///
    /// # Errors
    /// An entry that is not one, in upstream's words.
    pub(super) fn decode(entries: Option<&Value>) -> Result<Managed, String> {
        let mut managed = Managed::default();
        let entries = match entries {
            None | Some(Value::Null) => return Ok(managed),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err("managedFields must be a list".to_owned()),
        };
        for (index, entry) in entries.iter().enumerate() {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            if text("apiVersion").is_empty() {
                return Err("apiVersion must not be empty".to_owned());
            }
            match text("fieldsType") {
                "FieldsV1" => {}
                "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
                other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {index}")),
            }
            let set = fields::decode(entry.get("fieldsV1").unwrap_or(&Value::Null))
                .map_err(|error| format!("error decoding set: {error}"))?;
            let id = Id::new(text("manager").to_owned(), operation, text("apiVersion"), text("subresource").to_owned());
            managed.times.remove(&id);
            if !text("time").is_empty() {
                managed.times.insert(id.clone(), text("time").to_owned());
            }
            managed.managers.insert(id, Owned { set, api_version: text("apiVersion").to_owned() });
        }
        Ok(managed)
    }

    /// The entries as an object holds them; None when there are none. Appliers come first, then the oldest.
    pub(super) fn encode(&self) -> Option<Value> {
        if self.managers.is_empty() {
            return None;
        }
        let mut entries: Vec<(&Id, &Owned)> = self.managers.iter().collect();
        entries.sort_by(|(a, a_owned), (b, b_owned)| {
            let by_time = || self.seconds(a).cmp(&self.seconds(b));
            a.operation
                .cmp(&b.operation)
                .then_with(by_time)
                .then_with(|| a.name.cmp(&b.name))
                .then_with(|| a_owned.api_version.cmp(&b_owned.api_version))
                .then_with(|| a.subresource.cmp(&b.subresource))
        });
        let entries = entries.into_iter().map(|(id, owned)| {
            let mut entry = Map::new();
            let mut put = |name: &str, text: &str| {
                if !text.is_empty() {
                    entry.insert(name.to_owned(), json!(text));
                }
            };
            put("manager", &id.name);
            put("operation", id.operation.as_str());
            put("apiVersion", &owned.api_version);
            put("time", self.times.get(id).map(String::as_str).unwrap_or_default());
            put("fieldsType", "FieldsV1");
            put("subresource", &id.subresource);
            entry.insert("fieldsV1".to_owned(), fields::encode(&owned.set));
            Value::Object(entry)
        });
        Some(Value::Array(entries.collect()))
    }

    /// Unix time of an entry; 0 without one.
    fn seconds(&self, id: &Id) -> i64 {
        let parsed = self.times.get(id).and_then(|time| time.parse::<jiff::Timestamp>().ok());
        parsed.map(jiff::Timestamp::as_second).unwrap_or_default()
    }

    /// Bundles the oldest updaters when there are too many, one bundle for each API version.
    pub(super) fn cap(&mut self) {
        let mut updaters: Vec<Id> =
            self.managers.keys().filter(|id| id.operation == Operation::Update).cloned().collect();
        let mut left = updaters.len();
        updaters.sort_by_key(|id| (self.seconds(id), id.clone()));
        let mut first_of_version: BTreeMap<String, Id> = BTreeMap::new();
        for updater in updaters {
            if left <= MAX_UPDATERS {
                return;
            }
            let Some(owned) = self.managers.get(&updater).cloned() else { continue };
            let Some(first) = first_of_version.get(&owned.api_version) else {
                first_of_version.insert(owned.api_version, updater);
                continue;
            };
            let bundle = Id::new(BUNDLE.to_owned(), Operation::Update, &owned.api_version, String::new());
            if !self.managers.contains_key(&bundle)
                && let Some(first) = self.managers.remove(first)
            {
                self.managers.insert(bundle.clone(), first);
            }
            if let Some(bundled) = self.managers.get_mut(&bundle) {
                bundled.set = bundled.set.union(&owned.set);
            }
            if updater != bundle {
                self.managers.remove(&updater);
            }
            left -= 1;
            match self.times.get(&updater).cloned() {
                Some(time) => self.times.insert(bundle, time),
                None => self.times.remove(&bundle),
            };
        }
    }
}

/// Whether the entries a client sent ask to forget all ownership: an empty list, or a list of one empty entry.
pub(super) fn is_reset(entries: Option<&Value>) -> bool {
    match entries.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([Value::Object(entry)]) => {
            entry.values().all(|value| value.is_null() || value.as_str().is_some_and(str::is_empty))
        }
        _ => false,
    }
}
