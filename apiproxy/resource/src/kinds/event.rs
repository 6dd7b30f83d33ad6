//! Events, as core/v1 stores them.

use schema::field::Error;
use serde_json::Value;

use crate::json::{at, text};
use crate::strategy::BASE;
use crate::{Errors, Path, Scope, Strategy, format};

pub(super) static EVENT: Strategy = Strategy {
    plural: "events",
    scope: Scope::Namespaced,
    create_on_update: true,
    validate,
    validate_update: |new, _, errors| validate(new, errors),
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

/// What upstream asks of events of the core group, and, when they carry `eventTime`, of the new API's
/// (`legacyValidateEvent`).
fn validate(event: &Value, errors: &mut Errors) {
    let namespace = text(at(event, "metadata"), "namespace");
    let object = involved(event, "namespace");
    let new = !text(event, "eventTime").is_empty();
    let elsewhere = match (new, object.as_str()) {
        (false, "") => !matches!(namespace, "" | "default"),
        (false, object) => object != namespace,
        (true, "") => !matches!(namespace, "default" | "kube-system"),
        (true, _) => false,
    };
    if elsewhere {
        errors.push(Error::invalid("involvedObject.namespace", object, "does not match event.namespace"));
    }
    if new {
        let controller = text(event, "reportingComponent");
        if controller.is_empty() {
            errors.push(Error::required("reportingComponent", ""));
        }
        format::invalid_each(&Path::root("reportingComponent"), controller, format::qualified_name(controller), errors);
        for (field, max) in [("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024)] {
            let value = text(event, field);
            if value.is_empty() && field != "message" {
                errors.push(Error::required(field, ""));
            }
            if value.len() > max {
                errors.push(Error::invalid(field, "", format!("can have at most {max} characters")));
            }
        }
    }
}
