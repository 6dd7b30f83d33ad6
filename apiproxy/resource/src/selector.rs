//! Label selectors: validation (`k8s.io/apimachinery/pkg/apis/meta/v1/validation`) and matching.

use schema::field::Error;
use serde_json::Value;

use crate::json::{at, entries, list, set, size, text, texts};
use crate::{Errors, Path, format, meta};

/// `ValidateLabelSelector`; a null selector is fine.
pub(crate) fn validate(selector: &Value, path: &Path<'_>, errors: &mut Errors) {
    meta::labels(at(selector, "matchLabels"), &path.child("matchLabels"), errors);
    for (index, rule) in list(selector, "matchExpressions").iter().enumerate() {
        requirement(rule, &path.item("matchExpressions", index), errors);
    }
}

fn requirement(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    let operator = text(rule, "operator");
    match operator {
        "In" | "NotIn" if size(rule, "values") == 0 => {
            errors.push(Error::required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if size(rule, "values") > 0 => errors.push(Error::forbidden(
            path.child("values"),
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        )),
        "In" | "NotIn" | "Exists" | "DoesNotExist" => (),
        _ => errors.push(Error::invalid(path.child("operator"), operator, "not a valid selector operator")),
    }
    let key = text(rule, "key");
    format::invalid_each(&path.child("key"), key, format::qualified_name(key), errors);
    for (index, value) in texts(rule, "values").into_iter().enumerate() {
        format::invalid_each(&path.item("values", index), value, format::label_value(value), errors);
    }
}

/// Whether a selector can be used at all; none can.
pub(crate) fn is_valid(selector: &Value) -> bool {
    let mut errors = Errors::new();
    validate(selector, &Path::root(""), &mut errors);
    errors.is_empty()
}

/// Whether a selector names nothing (and so selects everything).
pub(crate) fn is_empty(selector: &Value) -> bool {
    size(selector, "matchLabels") == 0 && size(selector, "matchExpressions") == 0
}

/// Whether labels match a selector.
pub(crate) fn matches(selector: &Value, labels: &Value) -> bool {
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    entries(selector, "matchLabels").all(|(key, value)| label(key) == value.as_str())
        && list(selector, "matchExpressions").iter().all(|rule| {
            let found = label(text(rule, "key"));
            let listed = || found.is_some_and(|value| texts(rule, "values").contains(&value));
            match text(rule, "operator") {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

/// Whether labels match a plain map of labels, as Services and ReplicationControllers select.
pub(crate) fn matches_map(selector: &Value, labels: &Value) -> bool {
    selector.as_object().into_iter().flatten().all(|(key, value)| set(labels, key) == Some(value))
}
