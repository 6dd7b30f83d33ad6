//! Validates custom resources against their schema, as `k8s.io/kube-openapi/pkg/validation/validate` and
//! apiextensions-apiserver do, with their messages.
//!
//! ```text
//!   walk      types, enums, limits, junctors        unchanged invalid values are tolerated (ratcheting)
//!   lists     sets and maps hold no item twice      tolerated when the old object had such an error already
//!   embedded  apiVersion, kind, metadata of embedded resources
//!   rules     x-kubernetes-validations              only when nothing above would confuse them
//! ```

mod embedded;
mod format;
mod lists;
mod pattern;
mod place;
mod walk;

use serde_json::Value;

pub(crate) use pattern::{compiled, go_regex};
pub(crate) use walk::same_item;

use crate::field::{Error, ErrorKind};
use crate::{Schema, rules};

/// The field of errors that have none, as upstream prints it.
pub(crate) const NO_FIELD: &str = "<nil>";

/// What is wrong with a custom resource, after pruning and defaulting; nothing when it is valid. With `old` this is an
/// update: values that were invalid before and have not changed are tolerated, and transition rules apply.
pub fn validate(schema: &Schema, value: &Value, old: Option<&Value>) -> Vec<Error> {
    let root = place::Place::Node(schema.node());
    let mut errors = walk::check(root, value, old, "", true).errors;
    let twice = lists::check(schema.node(), value, "");
    if !twice.is_empty() && old.is_none_or(|old| lists::check(schema.node(), old, "").is_empty()) {
        errors.extend(twice);
    }
    errors.extend(embedded::check(schema.node(), value));
    errors.extend(rule_errors(schema, value, old, &errors));
    errors
}

fn rule_errors(schema: &Schema, value: &Value, old: Option<&Value>, errors: &[Error]) -> Vec<Error> {
    use ErrorKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
    if !errors.iter().any(|error| matches!(error.kind, NotSupported | Required | TooLong | TooMany | TypeInvalid)) {
        return rules::validate(schema, value, old);
    }
    let detail = "some validation rules were not checked because the object was invalid; correct the existing errors to \
                  complete validation";
    if rules::has_rules(schema) { vec![Error::invalid(NO_FIELD, Value::Null, detail)] } else { Vec::new() }
}

/// What is wrong with a default value, given the schema of its place; paths start at the value.
pub(crate) fn default_errors(part: &Schema, value: &Value) -> Vec<Error> {
    walk::check(place::Place::Node(part.node()), value, None, "", true).errors
}

#[cfg(test)]
mod tests;
