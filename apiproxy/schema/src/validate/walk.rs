//! Types, enums, limits and junctors of one value and everything below it.

use serde_json::Value;

use super::place::Place;
use super::{NO_FIELD, format, pattern};
use crate::field::{Error, ErrorKind, go_quote};
use crate::{Limits, ListType};

/// Errors at and below a place, and how many checks passed; junctors report the alternative that came closest.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) errors: Vec<Error>,
    matches: usize,
}

impl Outcome {
    fn valid(&self) -> bool {
        self.errors.is_empty()
    }

    fn merge(&mut self, other: Outcome) {
        self.errors.extend(other.errors);
        self.matches += other.matches;
    }
}

/// Checks a value. `old` is what stood there before, when that can be told; with `ratchet` errors of an unchanged value
/// are dropped.
pub(super) fn check(place: Place<'_>, value: &Value, old: Option<&Value>, path: &str, ratchet: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let limits = place.limits();
    type_check(place, value, &limits, path, &mut outcome);
    if !value.is_null() {
        junctors(&limits, value, old, path, &mut outcome);
        match value {
            Value::String(text) => string(text, &limits, place, path, &mut outcome),
            Value::Number(_) => number(value, &limits, place, path, &mut outcome),
            Value::Array(items) => array(place, items, old, &limits, path, &mut outcome),
            _ => {}
        }
    }
    enumeration(place, value, path, &mut outcome);
    if let Value::Object(fields) = value {
        object(place, fields, old, &limits, path, &mut outcome);
    }
    outcome.matches += 1;
    if ratchet && !outcome.valid() && old == Some(value) {
        outcome.errors.clear();
    }
    outcome
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn in_body(path: &str, what: &str) -> String {
    format!("{path} in body {what}")
}

fn field_of(path: &str) -> String {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() { NO_FIELD.to_owned() } else { path.to_owned() }
}

fn type_check(place: Place<'_>, value: &Value, limits: &Limits, path: &str, outcome: &mut Outcome) {
    let types = place.types();
    let format = format::supported(limits.format.as_deref(), &types);
    if types.is_empty() && format.is_none() {
        return;
    }
    let invalid = |wanted: &str, found: &str| {
        let detail = in_body(path, &format!("must be of type {wanted}: {}", go_quote(found)));
        Error::new(ErrorKind::TypeInvalid, field_of(path), Value::from(found), detail)
    };
    let found = type_name(value);
    let wants = |name: &str| types.contains(&name);
    if value.is_null() {
        if !types.is_empty() && !place.nullable() {
            outcome.errors.push(invalid(&types.join(","), "null"));
        }
        return;
    }
    let whole = value.as_f64().is_some_and(|float| float.fract() == 0.0);
    let fits =
        wants(found) || (found == "number" && whole && wants("integer")) || (found == "integer" && wants("number"));
    let textual = matches!(value, Value::String(_) | Value::Array(_));
    match format {
        Some(format) if !textual && !fits => {
            let found = match found {
                "integer" => "int64",
                "number" => "float64",
                _ => "",
            };
            outcome.errors.push(invalid(format, found));
        }
        Some(_) if textual && !wants("number") && !wants("integer") => outcome.matches += 1,
        _ if !fits => outcome.errors.push(invalid(&types.join(","), found)),
        _ => outcome.matches += 1,
    }
}

fn junctors(limits: &Limits, value: &Value, old: Option<&Value>, path: &str, outcome: &mut Outcome) {
    let junctor = |name: &str| limits.junctors.iter().find(|(junctor, _)| junctor == name).map(|(_, schema)| schema);
    let parts = |name: &str| junctor(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let run = |schema| check(Place::Raw(schema), value, old, path, false);
    let failed = |what: String| Error::invalid(NO_FIELD, "", format!("{} {what}", go_quote(path)));
    let any = parts("anyOf");
    if !any.is_empty() {
        let mut closest: Option<Outcome> = None;
        let passed = any.iter().any(|schema| {
            let result = run(schema);
            let passed = result.valid();
            if !passed && closest.as_ref().is_none_or(|closest| result.matches > closest.matches) {
                closest = Some(result);
            }
            passed
        });
        if !passed {
            outcome.errors.push(failed("must validate at least one schema (anyOf)".to_owned()));
            outcome.merge(closest.unwrap_or_default());
        }
    }
    let one = parts("oneOf");
    if !one.is_empty() {
        let mut closest: Option<Outcome> = None;
        let mut passed = 0;
        for schema in one {
            let result = run(schema);
            if result.valid() {
                passed += 1;
            } else if closest.as_ref().is_none_or(|closest| result.matches > closest.matches) {
                closest = Some(result);
            }
        }
        if passed != 1 {
            let found =
                if passed == 0 { "Found none valid".to_owned() } else { format!("Found {passed} valid alternatives") };
            outcome.errors.push(failed(format!("must validate one and only one schema (oneOf). {found}")));
            if passed == 0 {
                outcome.merge(closest.unwrap_or_default());
            }
        }
    }
    let all = parts("allOf");
    let mut passed = 0;
    for schema in all {
        let result = run(schema);
        passed += usize::from(result.valid());
        outcome.merge(result);
    }
    if passed != all.len() {
        let none = if passed == 0 { ". None validated" } else { "" };
        outcome.errors.push(failed(format!("must validate all the schemas (allOf){none}")));
    }
    if junctor("not").is_some_and(|schema| run(schema).valid()) {
        outcome.errors.push(failed("must not validate the schema (not)".to_owned()));
    }
}

fn string(text: &str, limits: &Limits, place: Place<'_>, path: &str, outcome: &mut Outcome) {
    let invalid = |detail: String| Error::invalid(field_of(path), text, in_body(path, &detail));
    let length = text.chars().count() as u64;
    let wrong = if let Some(max) = limits.max_length.filter(|max| length > *max) {
        Some(Error::too_long(field_of(path), usize::try_from(max).unwrap_or(usize::MAX)))
    } else if let Some(min) = limits.min_length.filter(|min| length < *min) {
        Some(invalid(format!("should be at least {min} chars long")))
    } else {
        limits.pattern.as_deref().and_then(|wanted| match pattern::compiled(wanted) {
            Ok(regex) if regex.is_match(text) => None,
            Ok(_) => Some(invalid(format!("should match '{wanted}'"))),
            Err(why) => Some(invalid(format!("should match '{wanted}, but pattern is invalid: {why}'"))),
        })
    };
    match wrong {
        Some(error) => outcome.errors.push(error),
        None => outcome.matches += 1,
    }
    if let Some(format) = format::supported(limits.format.as_deref(), &place.types()) {
        if format::is_valid(format, text) {
            outcome.matches += 1;
        } else {
            let detail = in_body(path, &format!("must be of type {format}: {}", go_quote(text)));
            outcome.errors.push(Error::new(ErrorKind::TypeInvalid, field_of(path), Value::from(text), detail));
        }
    }
}

fn number(value: &Value, limits: &Limits, place: Place<'_>, path: &str, outcome: &mut Outcome) {
    let Some(float) = value.as_f64() else { return };
    let errors = outcome.errors.len();
    let invalid = |detail: String| Error::invalid(field_of(path), value.clone(), in_body(path, &detail));
    let format = limits.format.as_deref().unwrap_or_default();
    if place.types()[..] == ["integer"] {
        let integer = value.as_i64();
        let small = integer.is_some_and(|integer| i32::try_from(integer).is_ok());
        let named = if matches!(format, "int32" | "int64") {
            format!("with format {format}")
        } else {
            "(default format)".to_owned()
        };
        if integer.is_none() || (format == "int32" && !small) {
            let detail = format!("Checked value must be of type integer {named} in {path}");
            outcome.errors.push(Error::invalid(NO_FIELD, "", detail));
        }
    }
    if let Some(factor) = limits.multiple_of {
        let quotient = if factor < 1.0 { 1.0 / factor * float } else { float / factor };
        if factor <= 0.0 {
            let detail = format!("factor MultipleOf declared for {path} must be positive: {factor}");
            outcome.errors.push(Error::invalid(field_of(path), factor, detail));
        } else if (quotient - quotient.round()).abs() > 1e-9 * quotient.abs().max(1.0) {
            outcome.errors.push(invalid(format!("should be a multiple of {factor}")));
        }
    }
    // Upstream compares integers with the bound cut to an integer.
    let shown = |bound: f64| if value.is_f64() { bound } else { bound.trunc() };
    if let Some((bound, exclusive)) = limits.maximum {
        let bound = shown(bound);
        if float > bound || (exclusive && float >= bound) {
            let or = if exclusive { "less than" } else { "less than or equal to" };
            outcome.errors.push(invalid(format!("should be {or} {bound}")));
        }
    }
    if let Some((bound, exclusive)) = limits.minimum {
        let bound = shown(bound);
        if float < bound || (exclusive && float <= bound) {
            let or = if exclusive { "greater than" } else { "greater than or equal to" };
            outcome.errors.push(invalid(format!("should be {or} {bound}")));
        }
    }
    outcome.matches += usize::from(outcome.errors.len() == errors);
}

fn array(place: Place<'_>, items: &[Value], old: Option<&Value>, limits: &Limits, path: &str, outcome: &mut Outcome) {
    if let Some(child) = place.items() {
        for (index, item) in items.iter().enumerate() {
            let old = old.and_then(|old| counterpart(place, item, old));
            outcome.merge(check(child, item, old, &format!("{path}[{index}]"), true));
        }
    }
    let size = items.len();
    if let Some(min) = limits.min_items.filter(|min| (size as u64) < *min) {
        let detail = in_body(path, &format!("should have at least {min} items"));
        outcome.errors.push(Error::invalid(field_of(path), size, detail));
    }
    if let Some(max) = limits.max_items.filter(|max| size as u64 > *max) {
        outcome.errors.push(Error::too_many(field_of(path), size, usize::try_from(max).unwrap_or(usize::MAX)));
    }
    if limits.unique_items {
        let mut seen = std::collections::HashSet::new();
        if !items.iter().all(|item| seen.insert(item)) {
            let detail = in_body(path, "shouldn't contain duplicates");
            outcome.errors.push(Error::invalid(field_of(path), "", detail));
        }
    }
    outcome.matches += 1;
}

/// The item of the old list with the same keys; only lists of type map can tell.
pub(crate) fn same_item<'v>(keys: &[String], item: &Value, old: &'v Value) -> Option<&'v Value> {
    let old = old.as_array()?;
    item.as_object()?;
    old.iter().find(|other| other.is_object() && keys.iter().all(|key| other.get(key) == item.get(key)))
}

fn counterpart<'v>(place: Place<'_>, item: &Value, old: &'v Value) -> Option<&'v Value> {
    match place {
        Place::Node(node) => match node.list_type() {
            Some(ListType::Map(keys)) => same_item(keys, item, old),
            _ => None,
        },
        Place::Raw(_) => None,
    }
}

fn enumeration(place: Place<'_>, value: &Value, path: &str, outcome: &mut Outcome) {
    let allowed = place.allowed();
    let equal = |one: &Value| one == value || (one.is_number() && value.is_number() && one.as_f64() == value.as_f64());
    if allowed.is_empty() || (value.is_null() && place.nullable()) || allowed.iter().any(equal) {
        return;
    }
    let shown: Vec<String> =
        allowed.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    outcome.errors.push(Error::not_supported(field_of(path), value.clone(), &shown));
}

fn object(
    place: Place<'_>,
    fields: &serde_json::Map<String, Value>,
    old: Option<&Value>,
    limits: &Limits,
    path: &str,
    outcome: &mut Outcome,
) {
    let size = fields.len();
    if let Some(min) = limits.min_properties.filter(|min| (size as u64) < *min) {
        let detail = in_body(path, &format!("should have at least {min} properties"));
        outcome.errors.push(Error::invalid(field_of(path), size, detail));
    }
    if let Some(max) = limits.max_properties.filter(|max| size as u64 > *max) {
        outcome.errors.push(Error::too_many(field_of(path), size, usize::try_from(max).unwrap_or(usize::MAX)));
    }
    for (name, value) in fields {
        let Some(child) = place.field(name) else { continue };
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        outcome.merge(check(child, value, old.and_then(|old| old.get(name)), &path, true));
    }
    for name in place.required() {
        if !fields.contains_key(&name) {
            outcome.errors.push(Error::required(field_of(&format!("{path}.{name}")), ""));
        }
    }
    outcome.matches += 1;
}
