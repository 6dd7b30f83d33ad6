//! Defaults of a CustomResourceDefinition, its names, and the status that says they are accepted.

use serde_json::{Map, Value, json};

use super::{at, flag, list, strings, text};
use crate::field::Error;
use crate::name;

/// Fills in what upstream defaults: singular and list kind, conversion strategy, the port of a conversion webhook's
/// service, and the first stored version.
pub fn defaults(crd: &mut Value) {
    let kind = text(crd, &["spec", "names", "kind"]).to_owned();
    let stored = list(crd, &["spec", "versions"]).iter().find(|version| flag(version, &["storage"]));
    let stored = stored.map(|version| text(version, &["name"]).to_owned());
    let Some(object) = crd.as_object_mut() else { return };
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        if !kind.is_empty()
            && let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut)
        {
            fill(names, "singular", kind.to_lowercase());
            fill(names, "listKind", format!("{kind}List"));
        }
        let conversion = spec.entry("conversion").or_insert(Value::Null);
        if conversion.is_null() {
            *conversion = json!({"strategy": "None"});
        }
        let service = conversion.pointer_mut("/webhook/clientConfig/service").and_then(Value::as_object_mut);
        if let Some(service) = service {
            let port = service.entry("port").or_insert(Value::Null);
            if port.is_null() {
                *port = Value::from(443);
            }
        }
    }
    let Some(stored) = stored else { return };
    let status = object.entry("status").or_insert(Value::Null);
    if !status.is_object() {
        *status = json!({});
    }
    let versions = &mut status["storedVersions"];
    if versions.as_array().is_none_or(Vec::is_empty) {
        *versions = json!([stored]);
    }
}

fn fill(names: &mut Map<String, Value>, field: &str, default: String) {
    if names.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
        names.insert(field.to_owned(), Value::String(default));
    }
}

/// Errors of `spec.names` or `status.acceptedNames`.
pub(super) fn check(names: &Value, path: &str) -> Vec<Error> {
    let mut errors = Vec::new();
    let label = |field: &str, value: &str, mixed: bool, errors: &mut Vec<Error>| {
        let wrong = if mixed { name::label_1035(&value.to_lowercase()) } else { name::label_1035(value) };
        if !value.is_empty() && !wrong.is_empty() {
            let wrong = wrong.join(",");
            let detail =
                if mixed { format!("may have mixed case, but should otherwise match: {wrong}") } else { wrong };
            errors.push(Error::invalid(format!("{path}.{field}"), value, detail));
        }
    };
    label("plural", text(names, &["plural"]), false, &mut errors);
    label("singular", text(names, &["singular"]), false, &mut errors);
    let (kind, list_kind) = (text(names, &["kind"]), text(names, &["listKind"]));
    label("kind", kind, true, &mut errors);
    label("listKind", list_kind, true, &mut errors);
    for (index, short) in strings(names, &["shortNames"]).iter().enumerate() {
        label(&format!("shortNames[{index}]"), short, false, &mut errors);
    }
    if !kind.is_empty() && kind == list_kind {
        let detail = "kind and listKind may not be the same";
        errors.push(Error::invalid(format!("{path}.listKind"), list_kind, detail));
    }
    for (index, category) in strings(names, &["categories"]).iter().enumerate() {
        label(&format!("categories[{index}]"), category, false, &mut errors);
    }
    errors
}

/// Whether the definition has been established: its kind and scope can no longer change.
pub fn is_established(crd: &Value) -> bool {
    list(crd, &["status", "conditions"])
        .iter()
        .any(|condition| text(condition, &["type"]) == "Established" && text(condition, &["status"]) == "True")
}

/// Sets `status.conditions`, `acceptedNames` and `storedVersions` as upstream's naming and establishing controllers do
/// together. `now` is an RFC 3339 time; `conflict` says which name is taken, with the words of
/// [`name_conflict`].
pub fn established(crd: &mut Value, now: &str, conflict: Option<(String, String)>) {
    let was_established = is_established(crd);
    let names = at(crd, &["spec", "names"]).cloned().unwrap_or_else(|| json!({}));
    let old_conditions = list(crd, &["status", "conditions"]).to_vec();
    let stored = list(crd, &["spec", "versions"]).iter().find(|version| flag(version, &["storage"]));
    let stored = stored.map(|version| text(version, &["name"]).to_owned());
    let mut versions = strings(crd, &["status", "storedVersions"]);
    if let Some(stored) = stored.filter(|stored| !versions.contains(stored)) {
        versions.push(stored);
    }
    let accepted = conflict.is_none();
    let (reason, message) = conflict.unwrap_or_else(|| ("NoConflicts".to_owned(), "no conflicts found".to_owned()));
    let mut conditions = old_conditions;
    set(&mut conditions, now, "NamesAccepted", accepted, &reason, &message);
    if accepted && !was_established {
        let message = "the initial names have been accepted";
        set(&mut conditions, now, "Established", true, "InitialNamesAccepted", message);
    } else if !was_established {
        set(&mut conditions, now, "Established", false, "NotAccepted", "not all names are accepted");
    }
    let Some(object) = crd.as_object_mut() else { return };
    let status = object.entry("status").or_insert(Value::Null);
    if !status.is_object() {
        *status = json!({});
    }
    status["conditions"] = Value::Array(conditions);
    status["storedVersions"] = json!(versions);
    if accepted {
        status["acceptedNames"] = names;
    } else if at(status, &["acceptedNames"]).is_none() {
        status["acceptedNames"] = json!({"plural": "", "kind": ""});
    }
}

fn set(conditions: &mut Vec<Value>, now: &str, kind: &str, status: bool, reason: &str, message: &str) {
    let status = if status { "True" } else { "False" };
    let old = conditions.iter().position(|condition| text(condition, &["type"]) == kind);
    let since = old
        .map(|at| &conditions[at])
        .filter(|old| text(old, &["status"]) == status)
        .map_or(now, |old| text(old, &["lastTransitionTime"]))
        .to_owned();
    let condition =
        json!({"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message});
    match old {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

/// The conflict of a definition's names with those of other definitions of its group, as the reason and message of
/// `NamesAccepted`; the last one found counts, as upstream.
pub fn name_conflict<'a>(crd: &Value, others: impl Iterator<Item = &'a Value>) -> Option<(String, String)> {
    let (own, group) = (text(crd, &["metadata", "name"]), text(crd, &["spec", "group"]));
    let (mut resources, mut kinds) = (Vec::new(), Vec::new());
    for other in others {
        if text(other, &["metadata", "name"]) == own || text(other, &["spec", "group"]) != group {
            continue;
        }
        let accepted = |field: &str| text(other, &["status", "acceptedNames", field]).to_owned();
        resources.extend([accepted("plural"), accepted("singular")]);
        resources.extend(strings(other, &["status", "acceptedNames", "shortNames"]));
        kinds.extend([accepted("kind"), accepted("listKind")]);
    }
    let taken = |name: &str, among: &[String]| {
        (!name.is_empty() && among.iter().any(|one| one == name)).then(|| format!("\"{name}\" is already in use"))
    };
    let name = |field: &str| text(crd, &["spec", "names", field]);
    let short: Vec<String> =
        strings(crd, &["spec", "names", "shortNames"]).iter().filter_map(|name| taken(name, &resources)).collect();
    let short = match short.len() {
        0 => None,
        1 => Some(short[0].clone()),
        _ => Some(format!("[{}]", short.join(", "))),
    };
    let found = [
        ("PluralConflict", taken(name("plural"), &resources)),
        ("SingularConflict", taken(name("singular"), &resources)),
        ("ShortNamesConflict", short),
        ("KindConflict", taken(name("kind"), &kinds)),
        ("ListKindConflict", taken(name("listKind"), &kinds)),
    ];
    found.into_iter().rev().find_map(|(reason, message)| Some((reason.to_owned(), message?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crd() -> Value {
        json!({"metadata": {"name": "foos.e.com"}, "spec": {"group": "e.com", "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "storage": true}]}})
    }

    #[test]
    fn definitions_are_defaulted_and_established() {
        let mut value = crd();
        defaults(&mut value);
        assert_eq!(
            value["spec"]["names"],
            json!({"plural": "foos", "kind": "Foo", "singular": "foo", "listKind": "FooList"})
        );
        assert_eq!(value["spec"]["conversion"], json!({"strategy": "None"}));
        assert_eq!(value["status"], json!({"storedVersions": ["v1"]}));
        established(&mut value, "2026-01-02T03:04:05Z", None);
        assert!(is_established(&value));
        assert_eq!(value["status"]["acceptedNames"], value["spec"]["names"]);
        assert_eq!(value["status"]["conditions"][0]["reason"], "NoConflicts");
        assert_eq!(value["status"]["conditions"][1]["reason"], "InitialNamesAccepted");
        let before = value.clone();
        established(&mut value, "2027-01-02T03:04:05Z", None);
        assert_eq!(value, before, "nothing changed, so no transition");
        value["spec"]["versions"] = json!([{"name": "v1"}, {"name": "v2", "storage": true}]);
        established(&mut value, "2027-01-02T03:04:05Z", None);
        assert_eq!(value["status"]["storedVersions"], json!(["v1", "v2"]));
    }

    #[test]
    fn taken_names_are_refused() {
        let mut first = crd();
        defaults(&mut first);
        established(&mut first, "2026-01-02T03:04:05Z", None);
        let mut second = json!({"metadata": {"name": "oofs.e.com"}, "spec": {"group": "e.com",
            "names": {"plural": "oofs", "kind": "Oof", "shortNames": ["foos"]}, "versions": [{"name": "v1", "storage": true}]}});
        let conflict = name_conflict(&second, [&first].into_iter());
        assert_eq!(conflict, Some(("ShortNamesConflict".into(), "\"foos\" is already in use".into())));
        established(&mut second, "2026-01-02T03:04:05Z", conflict);
        assert!(!is_established(&second));
        assert_eq!(second["status"]["acceptedNames"], json!({"plural": "", "kind": ""}));
        assert_eq!(name_conflict(&first, [&first, &second].into_iter()), None);
    }
}
