//! Rows of the other core kinds: namespaces, nodes, config maps, secrets, quotas and so on.

use serde_json::Value;

use super::{Print, or};
use crate::json::{at, dig, entries, flag, list, size, text};
use schema::quantity::Quantity;

/// A row of a core kind.
pub(super) fn row(plural: &str, print: &Print<'_>) -> Option<Vec<Value>> {
    let obj = print.obj;
    let mut cells = vec![print.name()];
    match plural {
        "namespaces" => cells.extend([text(print.status(), "phase").into(), print.age()]),
        "secrets" => cells.extend([text(obj, "type").into(), size(obj, "data").into(), print.age()]),
        "configmaps" => cells.extend([(size(obj, "data") + size(obj, "binaryData")).into(), print.age()]),
        "serviceaccounts" => cells.push(print.age()),
        "nodes" => cells.extend(node(print)),
        "resourcequotas" => cells.extend(quota(print)),
        "componentstatuses" => {
            let healthy = list(obj, "conditions").iter().find(|condition| text(condition, "type") == "Healthy");
            let (status, message, error) = healthy.map_or(("Unknown", "", ""), |condition| {
                let status = if text(condition, "status") == "True" { "Healthy" } else { "Unhealthy" };
                (status, text(condition, "message"), text(condition, "error"))
            });
            cells.extend([status, message, error].map(Value::from));
        }
        _ => return None,
    }
    Some(cells)
}

fn node(print: &Print<'_>) -> Vec<Value> {
    let status = print.status();
    let info = at(status, "nodeInfo");
    let ready = list(status, "conditions").iter().find(|condition| text(condition, "type") == "Ready");
    let mut state = match ready.map(|condition| text(condition, "status")) {
        None => "Unknown",
        Some("True") => "Ready",
        Some(_) => "NotReady",
    }
    .to_owned();
    if flag(print.spec(), "unschedulable") {
        state.push_str(",SchedulingDisabled");
    }
    let mut roles: Vec<&str> = entries(at(print.obj, "metadata"), "labels")
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    let address = |kind: &str| {
        let found = list(status, "addresses").iter().find(|address| text(address, "type") == kind);
        found.map_or("<none>", |address| text(address, "address")).to_owned()
    };
    let mut kernel = match text(info, "kernelVersion") {
        "" => "<unknown>".to_owned(),
        kernel => kernel.to_owned(),
    };
    if !text(info, "architecture").is_empty() {
        kernel = format!("{kernel} ({})", text(info, "architecture"));
    }
    vec![
        state.into(),
        or(&roles.join(","), "<none>"),
        print.age(),
        text(info, "kubeletVersion").into(),
        address("InternalIP").into(),
        address("ExternalIP").into(),
        or(text(info, "osImage"), "<unknown>"),
        kernel.into(),
        or(text(info, "containerRuntimeVersion"), "<unknown>"),
    ]
}

fn quota(print: &Print<'_>) -> Vec<Value> {
    let status = print.status();
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    let mut names: Vec<&str> = entries(status, "hard").map(|(name, _)| name).collect();
    names.sort_unstable();
    for name in names {
        let amount = |list: &str| Quantity::of(at(dig(status, list), name)).unwrap_or(Quantity::ZERO);
        let line = format!("{name}: {}/{}", amount("used"), amount("hard"));
        if name.starts_with("limits.") { limits.push(line) } else { requests.push(line) }
    }
    vec![requests.join(", ").into(), limits.join(", ").into(), print.age()]
}
