//! Events, as core/v1 stores them.

use serde_json::Value;

use crate::json::{at, text};
use crate::strategy::BASE;
use crate::{Scope, Strategy};

pub(super) static EVENT: Strategy = Strategy {
    plural: "events",
    scope: Scope::Namespaced,
    create_on_update: true,
    fields: &[
        ("involvedObject.kind", |event| involved(event, "kind")),
        ("involvedObject.namespace", |event| involved(event, "namespace")),
        ("involvedObject.name", |event| involved(event, "name")),
        ("involvedObject.uid", |event| involved(event, "uid")),
        ("involvedObject.apiVersion", |event| involved(event, "apiVersion")),
        ("involvedObject.resourceVersion", |event| involved(event, "resourceVersion")),
        ("involvedObject.fieldPath", |event| involved(event, "fieldPath")),
        ("reason", |event| text(event, "reason").to_owned()),
        ("reportingComponent", |event| text(event, "reportingComponent").to_owned()),
        ("source", source),
        ("type", |event| text(event, "type").to_owned()),
    ],
    ..BASE
};

fn involved(event: &Value, field: &str) -> String {
    text(at(event, "involvedObject"), field).to_owned()
}

fn source(event: &Value) -> String {
    match text(at(event, "source"), "component") {
        "" => text(event, "reportingComponent").to_owned(),
        component => component.to_owned(),
    }
}
