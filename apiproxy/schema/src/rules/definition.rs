//! Checks the rules of a CustomResourceDefinition's schema when it is created or updated.

use serde_json::{Map, Value, json};

use super::check::Checker;
use super::on_large_stack;
use super::program::{located, names, parse};
use super::types::{Type, declared};
use crate::crd::{at, flag, list, text};
use crate::field::{Error, ErrorKind};

/// Turns of comprehensions that one rule may take (`StaticEstimatedCostLimit`, counting turns only).
const MAX_TURNS: u64 = 10_000_000;
/// Size a list without limit is assumed to have.
const UNBOUNDED: u64 = 1_000_000;
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// Where a schema stands.
#[derive(Clone)]
struct Place {
    path: String,
    root: bool,
    /// How many values of the schema one object can have.
    count: u64,
    /// The path of the list or map above which old and new values cannot be told to belong together.
    uncorrelated: Option<String>,
}

/// Errors of all rules below a schema. With `compile` false only their form is checked, as upstream does when the schema
/// has other errors.
pub(crate) fn check_definition(schema: &Value, path: &str, compile: bool) -> Vec<Error> {
    let place = Place { path: path.to_owned(), root: true, count: 1, uncorrelated: None };
    on_large_stack(|| {
        let mut errors = Vec::new();
        walk(schema, &place, compile, &mut errors);
        errors
    })
    .unwrap_or_else(|| vec![Error::new(ErrorKind::Internal, path, Value::Null, "rules could not be checked")])
}

fn walk(schema: &Value, place: &Place, compile: bool, errors: &mut Vec<Error>) {
    for (index, rule) in list(schema, &["x-kubernetes-validations"]).iter().enumerate() {
        let path = format!("{}.x-kubernetes-validations[{index}]", place.path);
        let before = errors.len();
        form(schema, rule, &path, errors);
        if compile && errors.len() == before {
            expression(schema, rule, place, &path, errors);
        }
    }
    let count = |field: &str| schema.get(field).and_then(Value::as_u64).unwrap_or(UNBOUNDED).max(1);
    for (name, property) in at(schema, &["properties"]).and_then(Value::as_object).into_iter().flatten() {
        let atomic = text(schema, &["x-kubernetes-map-type"]) == "atomic";
        let below = Place {
            path: format!("{}.properties[{name}]", place.path),
            root: false,
            count: place.count,
            uncorrelated: place.uncorrelated.clone().or_else(|| atomic.then(|| place.path.clone())),
        };
        walk(property, &below, compile, errors);
    }
    if let Some(values) = at(schema, &["additionalProperties"]).filter(|values| values.is_object()) {
        let below = Place {
            path: format!("{}.additionalProperties", place.path),
            root: false,
            count: place.count.saturating_mul(count("maxProperties")),
            uncorrelated: place.uncorrelated.clone(),
        };
        walk(values, &below, compile, errors);
    }
    if let Some(items) = at(schema, &["items"]).filter(|items| items.is_object()) {
        let keyed = text(schema, &["x-kubernetes-list-type"]) == "map";
        let below = Place {
            path: format!("{}.items", place.path),
            root: false,
            count: place.count.saturating_mul(count("maxItems")),
            uncorrelated: place.uncorrelated.clone().or_else(|| (!keyed).then(|| place.path.clone())),
        };
        walk(items, &below, compile, errors);
    }
}

/// What a rule must look like before anybody compiles it.
fn form(schema: &Value, rule: &Value, path: &str, errors: &mut Vec<Error>) {
    let given = |field: &str| text(rule, &[field]);
    let breaks = |text: &str| text.contains(['\n', '\r']);
    let (source, message) = (given("rule").trim(), given("message").trim());
    if source.is_empty() {
        errors.push(Error::required(format!("{path}.rule"), "rule is not specified"));
    } else if !given("message").is_empty() && message.is_empty() {
        errors.push(Error::invalid(format!("{path}.message"), given("message"), "must be non-empty if specified"));
    } else if breaks(message) {
        errors.push(Error::invalid(format!("{path}.message"), given("message"), "must not contain line breaks"));
    } else if breaks(source) && message.is_empty() {
        let detail = "message must be specified if rule contains line breaks";
        errors.push(Error::required(format!("{path}.message"), detail));
    }
    if !given("messageExpression").is_empty() && given("messageExpression").trim().is_empty() {
        let detail = "messageExpression must be non-empty if specified";
        errors.push(Error::required(format!("{path}.messageExpression"), detail));
    }
    let reason = given("reason");
    if !reason.is_empty() && !REASONS.contains(&reason) {
        errors.push(Error::not_supported(format!("{path}.reason"), reason, &REASONS));
    }
    let below = given("fieldPath");
    if !below.is_empty() {
        let invalid = |detail: &str| Error::invalid(format!("{path}.fieldPath"), below, detail);
        if below.trim().is_empty() {
            errors.push(invalid("must be non-empty if specified"));
        }
        if breaks(below) {
            errors.push(invalid("must not contain line breaks"));
        }
        if !leads_to_field(schema, below) {
            errors.push(invalid("must be a valid path"));
        }
    }
}

/// Whether `.a.b` or `['a'].b` names a field of a schema.
fn leads_to_field(schema: &Value, path: &str) -> bool {
    let mut here = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let name;
        if let Some(after) = rest.strip_prefix("['") {
            let Some((quoted, after)) = after.split_once("']") else { return false };
            (name, rest) = (quoted, after);
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            (name, rest) = after.split_at(end);
        } else {
            return false;
        }
        let named = at(here, &["properties", name]);
        let values = at(here, &["additionalProperties"]).filter(|values| values.is_object());
        match named.or(values) {
            Some(found) => here = found,
            None => return false,
        }
    }
    true
}

/// A rule as upstream's internal form shows it.
fn shown(rule: &Value) -> Value {
    let text = |field: &str| Value::from(crate::crd::text(rule, &[field]));
    let value = |field: &str| rule.get(field).cloned().unwrap_or(Value::Null);
    let fields = [
        ("Rule", text("rule")),
        ("Message", text("message")),
        ("MessageExpression", text("messageExpression")),
        ("Reason", value("reason")),
        ("FieldPath", text("fieldPath")),
        ("OptionalOldSelf", value("optionalOldSelf")),
    ];
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<String, Value>>())
}

fn expression(schema: &Value, rule: &Value, place: &Place, path: &str, errors: &mut Vec<Error>) {
    let own = declared(schema, place.root);
    let optional = flag(rule, &["optionalOldSelf"]);
    let old = if optional { Type::Optional(std::sync::Arc::new(own.clone())) } else { own.clone() };
    let compile = |source: &str, wanted: &Type, what: &str| -> Result<(bool, u64), String> {
        let parsed = parse(source).map_err(|why| format!("compilation failed: {why}"))?;
        let mut checker = Checker::new(vec![("self".to_owned(), own.clone()), ("oldSelf".to_owned(), old.clone())]);
        let found = checker.check(&parsed.expr).map_err(|error| {
            let offset = parsed.info.offset_for(error.id).map_or(0, |(start, _)| start as usize);
            let (line, column) = position(source, offset);
            format!("compilation failed: {}", located(source, line, column, &error.message))
        })?;
        if !found.fits(wanted) {
            return Err(what.to_owned());
        }
        Ok((names(&parsed.expr, "oldSelf"), checker.most_turns))
    };
    let source = text(rule, &["rule"]);
    match compile(source, &Type::Bool, "cel expression must evaluate to a bool") {
        Err(why) => errors.push(Error::invalid(format!("{path}.rule"), shown(rule), why)),
        Ok((uses_old, turns)) => {
            let turns = turns.saturating_mul(place.count);
            if turns > MAX_TURNS {
                errors.push(Error::forbidden(format!("{path}.rule"), too_expensive(turns)));
            }
            match &place.uncorrelated {
                Some(above) if uses_old => {
                    let detail =
                        format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {above}");
                    errors.push(Error::invalid(format!("{path}.rule"), source, detail));
                }
                _ if !uses_old && rule.get("optionalOldSelf").is_some_and(|given| !given.is_null()) => {
                    let detail = "may not be set if oldSelf is not used in rule";
                    errors.push(Error::invalid(format!("{path}.optionalOldSelf"), json!(optional), detail));
                }
                _ => {}
            }
        }
    }
    let message = text(rule, &["messageExpression"]);
    if !message.is_empty()
        && let Err(why) = compile(message, &Type::String, "messageExpression must evaluate to a string")
    {
        let why = why.replacen("compilation failed", "messageExpression compilation failed", 1);
        errors.push(Error::invalid(format!("{path}.messageExpression"), shown(rule), why));
    }
}

fn too_expensive(turns: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // A factor for people.
    let factor = turns as f64 / MAX_TURNS as f64;
    let factor = if factor > 100.0 { "more than 100x".to_owned() } else { format!("{factor:.1}x") };
    format!(
        "estimated rule cost exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, \
         maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// Line and column of a byte offset, both from 1.
fn position(source: &str, offset: usize) -> (isize, isize) {
    let before = source.get(..offset.min(source.len())).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (isize::try_from(line).unwrap_or(1), isize::try_from(column).unwrap_or(1))
}
