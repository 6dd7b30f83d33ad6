//! Rows of the kinds that run a cluster: RBAC, admission, certificates, leases, classes, flow control.

use serde_json::Value;

use super::workload::number;
use super::{Print, human_duration, or};
use crate::json::{at, dig, flag, int, list, opt_text, set, size, text};
use crate::scale::selector_text;

/// A row of such a kind.
pub(super) fn row(plural: &str, print: &Print<'_>) -> Option<Vec<Value>> {
    let (obj, spec) = (print.obj, print.spec());
    let mut cells = vec![print.name()];
    match plural {
        "rolebindings" | "clusterrolebindings" => cells.extend(binding(print)),
        "leases" => cells.extend([text(spec, "holderIdentity").into(), print.age()]),
        "leasecandidates" => {
            cells
                .extend(["leaseName", "binaryVersion", "emulationVersion"].map(|field| Value::from(text(spec, field))));
            cells.push(print.age());
        }
        "priorityclasses" => cells.extend([
            number(obj, "value"),
            flag(obj, "globalDefault").into(),
            print.age(),
            text(obj, "preemptionPolicy").into(),
        ]),
        "runtimeclasses" => cells.extend([text(obj, "handler").into(), print.age()]),
        "validatingwebhookconfigurations" | "mutatingwebhookconfigurations" => {
            cells.extend([size(obj, "webhooks").into(), print.age()]);
        }
        "validatingadmissionpolicies" | "mutatingadmissionpolicies" => {
            let rules = if plural.starts_with('v') { "validations" } else { "mutations" };
            let kind = set(spec, "paramKind")
                .map_or("<unset>".to_owned(), |kind| format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind")));
            cells.extend([size(spec, rules).into(), kind.into(), print.age()]);
        }
        "validatingadmissionpolicybindings" | "mutatingadmissionpolicybindings" => {
            cells.extend([text(spec, "policyName").into(), parameter(spec).into(), print.age()]);
        }
        "certificatesigningrequests" => cells.extend(signing_request(print)),
        "clustertrustbundles" => cells.push(or(text(spec, "signerName"), "<none>")),
        "flowschemas" => cells.extend(flow_schema(print)),
        "prioritylevelconfigurations" => cells.extend(priority_level(print)),
        "customresourcedefinitions" => cells.push(at(at(obj, "metadata"), "creationTimestamp").clone()),
        "apiservices" => cells.extend(api_service(print)),
        "storageversionmigrations" => cells.extend(migration(print)),
        _ => return None,
    }
    Some(cells)
}

fn binding(print: &Print<'_>) -> Vec<Value> {
    let role = at(print.obj, "roleRef");
    let mut cells = vec![format!("{}/{}", text(role, "kind"), text(role, "name")).into(), print.age()];
    for kind in ["User", "Group", "ServiceAccount"] {
        let names: Vec<String> = list(print.obj, "subjects")
            .iter()
            .filter(|subject| text(subject, "kind") == kind)
            .map(|subject| match kind {
                "ServiceAccount" => format!("{}/{}", text(subject, "namespace"), text(subject, "name")),
                _ => text(subject, "name").to_owned(),
            })
            .collect();
        cells.push(names.join(", ").into());
    }
    cells
}

fn parameter(spec: &Value) -> String {
    let Some(reference) = set(spec, "paramRef") else { return "<unset>".to_owned() };
    match (text(reference, "name"), text(reference, "namespace")) {
        ("", _) => set(reference, "selector").map_or("<unset>".to_owned(), selector_text),
        (name, "") => format!("*/{name}"),
        (name, namespace) => format!("{namespace}/{name}"),
    }
}

fn signing_request(print: &Print<'_>) -> Vec<Value> {
    let (spec, status) = (print.spec(), print.status());
    let has = |kind: &str| list(status, "conditions").iter().any(|condition| text(condition, "type") == kind);
    let mut state = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }
    .to_owned();
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !text(status, "certificate").is_empty() {
        state.push_str(",Issued");
    }
    let duration = int(spec, "expirationSeconds").map_or("<none>".to_owned(), human_duration);
    vec![
        print.age(),
        or(text(spec, "signerName"), "<none>"),
        text(spec, "username").into(),
        duration.into(),
        state.into(),
    ]
}

fn flow_schema(print: &Print<'_>) -> Vec<Value> {
    let spec = print.spec();
    let dangling = list(print.status(), "conditions").iter().find(|condition| text(condition, "type") == "Dangling");
    vec![
        text(at(spec, "priorityLevelConfiguration"), "name").into(),
        number(spec, "matchingPrecedence"),
        opt_text(at(spec, "distinguisherMethod"), "type").unwrap_or("<none>").into(),
        print.age(),
        dangling.map_or("?", |condition| text(condition, "status")).into(),
    ]
}

fn priority_level(print: &Print<'_>) -> Vec<Value> {
    let spec = print.spec();
    let none = || Value::from("<none>");
    let limited = at(spec, "limited");
    let queuing = dig(limited, "limitResponse.queuing");
    let count = |holder: &Value, field: &str| if holder.is_null() { none() } else { number(holder, field) };
    vec![
        text(spec, "type").into(),
        count(limited, "nominalConcurrencyShares"),
        count(queuing, "queues"),
        count(queuing, "handSize"),
        count(queuing, "queueLengthLimit"),
        print.age(),
    ]
}

fn api_service(print: &Print<'_>) -> Vec<Value> {
    let service = set(print.spec(), "service")
        .map_or("Local".to_owned(), |service| format!("{}/{}", text(service, "namespace"), text(service, "name")));
    let found = list(print.status(), "conditions").iter().find(|condition| text(condition, "type") == "Available");
    let available =
        found.map_or("Unknown".to_owned(), |condition| match (text(condition, "status"), text(condition, "reason")) {
            (status @ "True", _) | (status, "") => status.to_owned(),
            (status, reason) => format!("{status} ({reason})"),
        });
    vec![service.into(), available.into(), print.age()]
}

fn migration(print: &Print<'_>) -> Vec<Value> {
    let resource = at(print.spec(), "resource");
    let group = text(resource, "group");
    let dot = if group.is_empty() { "" } else { "." };
    let known = |kind: &str| matches!(kind, "Running" | "Failed" | "Succeeded");
    let state = list(print.status(), "conditions")
        .iter()
        .rfind(|condition| text(condition, "status") == "True" && known(text(condition, "type")));
    vec![
        format!("{}{dot}{group}", text(resource, "resource")).into(),
        state.map_or("Unknown", |condition| text(condition, "type")).into(),
    ]
}
