//! Runs the rules of a schema over an object.

use cel::common::types::CelOptional;
use cel::{Context, Value as CelValue};
use serde_json::Value;

use super::functions::{charge, env, grant, remaining};
use super::on_large_stack;
use super::program::{Failure, program};
use super::value::{convert, weight};
use crate::crd::{flag, text};
use crate::field::{Error, ErrorKind};
use crate::validate::{NO_FIELD, same_item};
use crate::{ListType, Node, Scalar, Schema, Slot, SlotKind};

/// Cost that the rules of one object may cause (`RuntimeCELCostBudget`).
const OBJECT_BUDGET: u64 = 10_000_000;
/// Cost that one evaluation may cause (`PerCallLimit`).
const CALL_BUDGET: u64 = 1_000_000;
/// Bytes of an evaluated message.
const MAX_MESSAGE: usize = 5 * 1024;

/// Errors of all rules. With `old` transition rules apply, and failures of values that have not changed are tolerated.
pub(crate) fn validate(schema: &Schema, value: &Value, old: Option<&Value>) -> Vec<Error> {
    if !has_rules(schema) {
        return Vec::new();
    }
    on_large_stack(|| {
        let mut run = Run { errors: Vec::new(), left: OBJECT_BUDGET, stopped: false };
        run.walk(schema.node(), value, old, "", true);
        run.errors
    })
    .unwrap_or_else(|| {
        vec![Error::new(ErrorKind::Internal, NO_FIELD, Value::Null, "validation rules could not be run")]
    })
}

/// Whether a schema has rules at all.
pub(crate) fn has_rules(schema: &Schema) -> bool {
    rules_at(&schema.root) || schema.graph.types.iter().any(|object| object.properties.values().any(rules_at))
}

fn rules_at(slot: &Slot) -> bool {
    slot.limits.as_ref().is_some_and(|limits| !limits.rules.is_empty())
        || match &slot.kind {
            SlotKind::Map { values, .. } => rules_at(values),
            SlotKind::List { items, .. } => rules_at(items),
            _ => false,
        }
}

struct Run {
    errors: Vec<Error>,
    left: u64,
    stopped: bool,
}

impl Run {
    fn walk(&mut self, node: Node<'_>, value: &Value, old: Option<&Value>, path: &str, root: bool) {
        if self.stopped {
            return;
        }
        self.rules(node, value, old, path, root);
        match value {
            Value::Object(fields) => {
                let named = node.object().is_some();
                for (name, value) in fields {
                    let Some(child) = node.field(name) else { continue };
                    let path = match (path.is_empty(), named) {
                        (true, _) => name.clone(),
                        (false, true) => format!("{path}.{name}"),
                        (false, false) => format!("{path}[{name}]"),
                    };
                    self.walk(child, value, old.and_then(|old| old.get(name)), &path, false);
                }
            }
            Value::Array(items) => {
                let Some(child) = node.items() else { return };
                for (index, item) in items.iter().enumerate() {
                    let old = match node.list_type() {
                        Some(ListType::Map(keys)) => old.and_then(|old| same_item(keys, item, old)),
                        _ => None,
                    };
                    self.walk(child, item, old, &format!("{path}[{index}]"), false);
                }
            }
            _ => {}
        }
    }

    fn rules(&mut self, node: Node<'_>, value: &Value, old: Option<&Value>, path: &str, root: bool) {
        let Some(limits) = node.slot().limits.as_ref().filter(|limits| !limits.rules.is_empty()) else { return };
        if value.is_null() {
            return;
        }
        let old = old.filter(|old| !old.is_null());
        let Some(env) = env() else { return };
        let mut context = Context::with_env(env);
        let field = if path.is_empty() { NO_FIELD } else { path };
        let cost = weight(value) + old.map_or(0, weight);
        if self.left < cost {
            return self.stop(node, field);
        }
        self.left -= cost;
        context.add_variable_as_val("self", convert(node, value, root));
        for rule in &limits.rules {
            let optional = flag(rule, &["optionalOldSelf"]);
            match old {
                Some(old) if optional => {
                    context.add_variable_as_val("oldSelf", Box::new(CelOptional::of(convert(node, old, root))));
                }
                Some(old) => context.add_variable_as_val("oldSelf", convert(node, old, root)),
                None => context.add_variable_as_val("oldSelf", Box::new(CelOptional::none())),
            }
            self.rule(rule, &context, node, value, (old, optional), field);
            if self.stopped {
                return;
            }
        }
    }

    fn rule(
        &mut self,
        rule: &Value,
        context: &Context<'_, '_>,
        node: Node<'_>,
        value: &Value,
        (old, optional): (Option<&Value>, bool),
        path: &str,
    ) {
        let source = text(rule, &["rule"]).trim();
        let compiled = match program(source) {
            Ok(compiled) => compiled,
            Err(why) => {
                let detail = format!("rule compile error: compilation failed: {why}");
                self.errors.push(Error::invalid(path, type_name(node), detail));
                return;
            }
        };
        if compiled.uses_old && old.is_none() && !optional {
            return;
        }
        let outcome = self.evaluate(|| compiled.run(context));
        let named = Some(text(rule, &["message"]).trim()).filter(|message| !message.is_empty()).unwrap_or(source);
        match outcome {
            Err(Failure::Budget) if self.left == 0 => self.stop(node, path),
            Err(Failure::Budget) => {
                let detail = format!(
                    "'{}': no further validation rules will be run due to call cost exceeds limit for rule: {named}",
                    super::functions::OUT_OF_BUDGET
                );
                self.errors.push(Error::invalid(path, type_name(node), detail));
                self.stopped = true;
            }
            Err(Failure::Error(why)) if why == "no such overload" => {
                let detail = format!(
                    "'{why}': call arguments did not match a supported operator, function or macro signature for rule: {named}"
                );
                self.errors.push(Error::invalid(path, type_name(node), detail));
            }
            Err(Failure::Error(why)) => {
                self.errors.push(Error::invalid(path, type_name(node), format!("{why} evaluating rule: {named}")));
            }
            Ok(CelValue::Bool(true)) => {}
            Ok(_) => {
                if compiled.uses_old || old != Some(value) {
                    let detail = self.message(rule, source, context);
                    self.errors.push(failed(rule, node, value, path, detail));
                }
            }
        }
    }

    /// Runs something under the budget of one call and what is left for the object.
    fn evaluate<T>(&mut self, run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let granted = self.left.min(CALL_BUDGET);
        grant(granted);
        let outcome = if charge(5).is_ok() { run() } else { Err(Failure::Budget) };
        self.left -= granted - remaining();
        outcome
    }

    fn message(&mut self, rule: &Value, source: &str, context: &Context<'_, '_>) -> String {
        let expression = text(rule, &["messageExpression"]).trim();
        if !expression.is_empty()
            && let Ok(compiled) = program(expression)
            && let Ok(CelValue::String(message)) = self.evaluate(|| compiled.run(context))
        {
            let message = message.trim();
            if !message.is_empty() && message.len() <= MAX_MESSAGE && !message.contains('\n') {
                return message.to_owned();
            }
        }
        match text(rule, &["message"]).trim() {
            "" => format!("failed rule: {source}"),
            message => message.to_owned(),
        }
    }

    fn stop(&mut self, node: Node<'_>, path: &str) {
        let detail = "validation failed due to running out of cost budget, no further validation rules will be run";
        self.errors.push(Error::invalid(path, type_name(node), detail));
        self.stopped = true;
    }
}

fn type_name(node: Node<'_>) -> &'static str {
    match &node.slot().kind {
        SlotKind::Object(_) | SlotKind::Map { .. } => "object",
        SlotKind::List { .. } => "array",
        SlotKind::Scalar(Scalar::Bool) => "boolean",
        SlotKind::Scalar(Scalar::Int32 | Scalar::Int64) => "integer",
        SlotKind::Scalar(Scalar::Double) => "number",
        SlotKind::Scalar(Scalar::IntOrString) | SlotKind::Any => "",
        SlotKind::Scalar(_) => "string",
    }
}

fn failed(rule: &Value, node: Node<'_>, value: &Value, path: &str, detail: String) -> Error {
    let below = text(rule, &["fieldPath"]).trim();
    let below = if path == NO_FIELD { below.trim_start_matches('.') } else { below };
    let field = match (path, below) {
        (path, "") => path.to_owned(),
        (NO_FIELD, below) => below.to_owned(),
        (path, below) => format!("{path}{below}"),
    };
    let compound = matches!(type_name(node), "object" | "array");
    match text(rule, &["reason"]) {
        "FieldValueForbidden" => Error::forbidden(field, detail),
        "FieldValueRequired" => Error::required(field, detail),
        "FieldValueDuplicate" if compound => Error::new(ErrorKind::Duplicate, field, Value::Null, ""),
        "FieldValueDuplicate" => Error::duplicate(field, value.clone()),
        _ if compound => Error::new(ErrorKind::InvalidOmitted, field, Value::Null, detail),
        _ => Error::invalid(field, value.clone(), detail),
    }
}
