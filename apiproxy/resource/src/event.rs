//! What only events have: stricter rules for those created through the newer API.

use schema::field::Error;
use serde_json::Value;

use crate::json::{at, text};

/// What upstream asks beside of events that are created through `events.k8s.io/v1` (`ValidateEventCreate`). Takes the
/// core form.
pub fn validate_new(event: &Value) -> Vec<Error> {
    let mut errors = Vec::new();
    if text(event, "eventTime").is_empty() {
        errors.push(Error::required("eventTime", ""));
    }
    let kind = text(event, "type");
    if !matches!(kind, "Normal" | "Warning") {
        errors.push(Error::invalid("type", "", format!("has invalid value: {kind}")));
    }
    let source = at(event, "source");
    let unset = [
        ("firstTimestamp", text(event, "firstTimestamp").is_empty()),
        ("lastTimestamp", text(event, "lastTimestamp").is_empty()),
        ("count", event.get("count").and_then(Value::as_i64).unwrap_or(0) == 0),
        ("source", text(source, "component").is_empty() && text(source, "host").is_empty()),
    ];
    for (field, _) in unset.iter().filter(|(_, unset)| !unset) {
        errors.push(Error::invalid(*field, "", "needs to be unset"));
    }
    errors
}
