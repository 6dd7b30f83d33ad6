//! The row of an event, in either of its forms.

use serde_json::Value;

use super::{Print, since};
use crate::json::{at, int, set, text};

fn first_of<'a>(values: &[&'a str]) -> &'a str {
    values.iter().copied().find(|value| !value.is_empty()).unwrap_or("")
}

/// Last Seen, Type, Reason, Object, Subobject, Source, Message, First Seen, Count, Name.
pub(super) fn row(print: &Print<'_>) -> Vec<Value> {
    let event = print.obj;
    let either = |new: &str, old: &str| first_of(&[text(event, new), text(event, old)]).to_owned();
    let time = |time: &str| since(time, print.now);
    let first = time(first_of(&[&either("firstTimestamp", "deprecatedFirstTimestamp"), text(event, "eventTime")]));
    let last = either("lastTimestamp", "deprecatedLastTimestamp");
    let mut last = if last.is_empty() { first.clone() } else { time(&last) };
    let mut count = int(event, "count").or_else(|| int(event, "deprecatedCount")).unwrap_or(0);
    if let Some(series) = set(event, "series") {
        last = time(text(series, "lastObservedTime"));
        count = int(series, "count").unwrap_or(0);
    } else if count == 0 {
        count = 1;
    }
    let object = set(event, "involvedObject").unwrap_or_else(|| at(event, "regarding"));
    let kind = text(object, "kind").to_lowercase();
    let target = match text(object, "name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let source = set(event, "source").unwrap_or_else(|| at(event, "deprecatedSource"));
    let reporting = either("reportingComponent", "reportingController");
    let component = first_of(&[text(source, "component"), &reporting]).to_owned();
    let instance = first_of(&[text(source, "host"), text(event, "reportingInstance")]);
    let source = if instance.is_empty() { component } else { format!("{component}, {instance}") };
    let message = either("message", "note");
    vec![
        last.into(),
        text(event, "type").into(),
        text(event, "reason").into(),
        target.into(),
        text(object, "fieldPath").into(),
        source.into(),
        message.trim().into(),
        first.into(),
        count.into(),
        print.name(),
    ]
}
