//! Query options of writes: `dryRun`, `fieldManager`, `fieldValidation`, `force`.

use http::HeaderMap;
use patch::apply::{Manager, Operation, Reset};
use schema::Resource;
use schema::field;
use serde_json::Value;

use super::update::Part;
use crate::read::group_version;
use crate::request::Info;
use crate::respond::Error;

/// What happens to fields the schema does not know (KEP-2885).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    /// Dropped silently.
    Ignore,
    /// Dropped, with a warning each (the default).
    Warn,
    /// The request fails.
    Strict,
}

/// Whether a write is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Stored.
    Persist,
    /// `dryRun=All`: everything but the commit.
    DryRun,
}

/// Options of one write.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) effect: Effect,
    pub(crate) validation: Validation,
    /// Who owns the fields this write changes.
    pub(crate) manager: Manager,
    /// `force` of server-side apply.
    pub(crate) force: bool,
    /// Whether `fieldManager` was given (apply requires it).
    pub(crate) manager_named: bool,
}

/// Longest manager name (upstream: `FieldManagerMaxLength`).
const MAX_MANAGER: usize = 128;

impl Options {
    /// Reads the options. Errors: 422 as `CreateOptions`, `UpdateOptions`, `PatchOptions` or `DeleteOptions`.
    pub(crate) fn parse(info: &Info, headers: &HeaderMap, resource: &Resource) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let mut effect = Effect::Persist;
        for value in info.query.all("dryRun") {
            if value == "All" {
                effect = Effect::DryRun;
            } else {
                errors.push(field::Error::not_supported("dryRun", serde_json::json!([value]), &["All"]));
            }
        }
        let validation = match info.query.get("fieldValidation") {
            "Ignore" => Validation::Ignore,
            "" | "Warn" => Validation::Warn,
            "Strict" => Validation::Strict,
            other => {
                errors.push(field::Error::not_supported("fieldValidation", other, &["", "Ignore", "Strict", "Warn"]));
                Validation::Warn
            }
        };
        let named = info.query.get("fieldManager");
        if named.len() > MAX_MANAGER {
            errors.push(field::Error::too_long("fieldManager", MAX_MANAGER));
        }
        if let Some((at, c)) = named.char_indices().find(|(_, c)| c.is_control()) {
            let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(c));
            errors.push(field::Error::invalid("fieldManager", named, detail));
        }
        if !errors.is_empty() {
            let kind = match info.verb {
                "create" => "CreateOptions",
                "update" => "UpdateOptions",
                "patch" => "PatchOptions",
                _ => "DeleteOptions",
            };
            return Err(Error::Invalid {
                group: "meta.k8s.io".to_owned(),
                kind: kind.to_owned(),
                name: String::new(),
                errors,
            });
        }
        let manager = Manager {
            name: if named.is_empty() { from_agent(headers) } else { named.to_owned() },
            operation: operation(headers),
            api_version: group_version(resource),
            subresource: info.subresource.clone(),
        };
        Ok(Self { effect, validation, manager, force: info.query.flag("force"), manager_named: !named.is_empty() })
    }
}

/// Apply patches own what they say, all other writes what they change.
fn operation(headers: &HeaderMap) -> Operation {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let apply = content_type.is_some_and(|text| text.starts_with("application/apply-patch+yaml"));
    if apply { Operation::Apply } else { Operation::Update }
}

/// The manager of clients that name none: their user agent up to the first slash (upstream: `prefixFromUserAgent`).
fn from_agent(headers: &HeaderMap) -> String {
    let agent = headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let prefix: String = agent.split('/').next().unwrap_or_default().chars().take(MAX_MANAGER).collect();
    if prefix.is_empty() { "unknown".to_owned() } else { prefix }
}

impl Options {
    /// Records who changed what. Apply has done so itself.
    pub(crate) fn track(&self, resource: &Resource, part: Part, old: Option<&Value>, new: &mut Value, now: &str) {
        if self.manager.operation == Operation::Update && part != Part::System {
            patch::apply::track(resource.schema.node(), old, new, &self.manager, now, reset(resource, part));
        }
        if let Some(old) = old {
            patch::apply::keep_times(old, new);
        }
    }
}

/// What the strategy of a kind takes back from a write to a part, so that nobody comes to own it.
pub(crate) fn reset(resource: &Resource, part: Part) -> Reset<'static> {
    let has_status = resource.subresources.iter().any(|sub| sub.name == "status");
    match part {
        Part::Main if has_status => Reset::Fields(&["status"]),
        Part::Main | Part::Bare | Part::System => Reset::NOTHING,
        Part::Status if resource.custom.is_some() => Reset::AllBut(&["status"]),
        Part::Status => Reset::Fields(&["spec", "metadata.labels"]),
    }
}
