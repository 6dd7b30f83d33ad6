//! The next status of a pod on a simulated node: the pure half of the kubelet.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A time as Kubernetes writes it: whole seconds.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What the kubelet does next to a pod.
#[derive(Debug, PartialEq)]
pub(super) struct Play {
    /// The wanted `status` fields, for a strategic merge patch.
    pub(super) status: Value,
    /// Containers (name, image) that start with it.
    pub(super) started: Vec<(String, String)>,
}

/// The next step of a pod that has a node. `None` when its status is as it should be.
///
/// All containers run and are ready at once; init containers have succeeded. A container whose image has changed starts
/// again. Conditions of others (readiness gates) stay and count. A pod of a Job ends after it has run.
pub(super) fn play(pod: &Value, host_ip: Ipv4Addr, pod_ip: Ipv4Addr, now: Timestamp) -> Option<Play> {
    let (spec, old) = (&pod["spec"], &pod["status"]);
    if matches!(old["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let now = time(now);
    if old["phase"] == "Running"
        && let Some(code) = exit_code(pod)
    {
        return Some(Play { status: ended(pod, code, &now), started: Vec::new() });
    }
    let mut started = Vec::new();
    let mut status = json!({
        "phase": "Running",
        "hostIP": host_ip.to_string(), "hostIPs": [{"ip": host_ip.to_string()}],
        "podIP": pod_ip.to_string(), "podIPs": [{"ip": pod_ip.to_string()}],
        "startTime": old["startTime"].as_str().unwrap_or(&now),
        "conditions": conditions(pod, &now),
    });
    for (list, statuses) in [
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ] {
        let containers = spec[list].as_array().map(Vec::as_slice).unwrap_or_default();
        let wanted: Vec<Value> = containers
            .iter()
            .map(|container| {
                let finishes = list == "initContainers" && container["restartPolicy"] != "Always";
                container_status(container, &old[statuses], finishes, &now, &mut started)
            })
            .collect();
        if !wanted.is_empty() {
            status[statuses] = json!(wanted);
        }
    }
    if pod["metadata"]["generation"].is_number() {
        status["observedGeneration"] = pod["metadata"]["generation"].clone();
    }
    if includes(old, &status) { None } else { Some(Play { status, started }) }
}

/// How a pod of a Job ends: as `exit N` or `false` at the end of its command says, else well. `None` for pods that go
/// on: those of others, those that sleep, and those that would be restarted in place after failing.
fn exit_code(pod: &Value) -> Option<i64> {
    let restart = pod["spec"]["restartPolicy"].as_str().unwrap_or("Always");
    if pod["metadata"]["labels"]["batch.kubernetes.io/job-name"].is_null() || restart == "Always" {
        return None;
    }
    let container = &pod["spec"]["containers"][0];
    let lists = [&container["command"], &container["args"]];
    let texts = lists.into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let words: Vec<&str> = texts.flat_map(str::split_whitespace).collect();
    let code = match words[..] {
        _ if words.contains(&"sleep") => return None,
        [.., "false"] => 1,
        [.., "exit", code] => code.parse().ok().filter(|code| (0..256).contains(code)).unwrap_or(2),
        _ => 0,
    };
    (code == 0 || restart == "Never").then_some(code)
}

/// The last status of a pod.
fn ended(pod: &Value, code: i64, now: &str) -> Value {
    let (phase, reason, state) =
        if code == 0 { ("Succeeded", "PodCompleted", "Completed") } else { ("Failed", "PodFailed", "Error") };
    let held = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    let containers = held.into_iter().map(|mut container| {
        let since = container["state"]["running"]["startedAt"].as_str().unwrap_or(now).to_owned();
        let id = container["containerID"].clone();
        container["ready"] = json!(false);
        container["started"] = json!(false);
        // A merge patch removes what is null.
        container["state"] = json!({"running": null, "terminated": {"exitCode": code, "reason": state,
            "startedAt": since, "finishedAt": now, "containerID": id}});
        container
    });
    let unready = |kind: &str| json!({"type": kind, "status": "False", "reason": reason, "lastTransitionTime": now});
    json!({
        "phase": phase,
        "conditions": [unready("Ready"), unready("ContainersReady")],
        "containerStatuses": containers.collect::<Vec<_>>(),
    })
}

fn container_status(
    container: &Value,
    old: &Value,
    finishes: bool,
    now: &str,
    started: &mut Vec<(String, String)>,
) -> Value {
    let (name, image) =
        (container["name"].as_str().unwrap_or_default(), container["image"].as_str().unwrap_or_default());
    let old = old.as_array().into_iter().flatten().find(|status| status["name"] == name);
    let same = old.filter(|old| old["image"] == image);
    let restarts = old.and_then(|old| old["restartCount"].as_u64()).unwrap_or_default();
    if same.is_none() {
        started.push((name.to_owned(), image.to_owned()));
    }
    let since = |state: &str| {
        let earlier = same.and_then(|old| old["state"][state]["startedAt"].as_str());
        json!(earlier.unwrap_or(now))
    };
    let state = if finishes {
        let finished = same.and_then(|old| old["state"]["terminated"]["finishedAt"].as_str()).unwrap_or(now);
        json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": since("terminated"),
            "finishedAt": finished, "containerID": format!("simulated://{name}")}})
    } else {
        json!({"running": {"startedAt": since("running")}})
    };
    let resources = if container["resources"].is_object() { container["resources"].clone() } else { json!({}) };
    let mut status = json!({
        "name": name, "image": image, "imageID": format!("simulated://{image}"),
        "containerID": format!("simulated://{name}"),
        "ready": true, "started": !finishes,
        "restartCount": if same.is_none() && old.is_some() { restarts + 1 } else { restarts },
        "state": state,
    });
    // What a container has been given; the nodes of the lab always have room for more.
    if !finishes {
        if resources["requests"].is_object() {
            status["allocatedResources"] = resources["requests"].clone();
        }
        status["resources"] = resources;
    }
    status
}

/// The kubelet's own conditions; a transition has the time of `now`.
fn conditions(pod: &Value, now: &str) -> Vec<Value> {
    let all = pod["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let find = |kind: &str| all.iter().find(|condition| condition["type"] == kind);
    let gates = pod["spec"]["readinessGates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let closed: Vec<&str> = gates
        .iter()
        .filter_map(|gate| gate["conditionType"].as_str())
        .filter(|kind| find(kind).is_none_or(|condition| condition["status"] != "True"))
        .collect();
    let condition = |kind: &str, trouble: Option<(&str, String)>| {
        let status = if trouble.is_none() { "True" } else { "False" };
        let same = find(kind).filter(|old| old["status"] == status);
        let since = same.and_then(|old| old["lastTransitionTime"].as_str()).unwrap_or(now);
        let mut condition = Map::from_iter([
            ("type".to_owned(), json!(kind)),
            ("status".to_owned(), json!(status)),
            ("lastTransitionTime".to_owned(), json!(since)),
        ]);
        // A merge patch removes what is null: the trouble of before must not stay.
        let (reason, message) =
            trouble.map_or((Value::Null, Value::Null), |(reason, text)| (json!(reason), json!(text)));
        condition.insert("reason".to_owned(), reason);
        condition.insert("message".to_owned(), message);
        Value::Object(condition)
    };
    let gate = closed.first().map(|kind| {
        ("ReadinessGatesNotReady", format!("corresponding condition of pod readiness gate \"{kind}\" does not exist."))
    });
    vec![
        condition("PodReadyToStartContainers", None),
        condition("Initialized", None),
        condition("Ready", gate),
        condition("ContainersReady", None),
        condition("PodScheduled", None),
    ]
}

/// Whether `old` says everything that `wanted` says; null wants absence, conditions are found by type.
fn includes(old: &Value, wanted: &Value) -> bool {
    match (old, wanted) {
        (old, Value::Null) => old.is_null(),
        (Value::Object(old), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| includes(old.get(key).unwrap_or(&Value::Null), wanted))
        }
        (Value::Array(old), Value::Array(wanted)) => {
            let twin = |one: &Value| {
                let key = if one["type"].is_string() { "type" } else { "name" };
                old.iter().find(|other| !one[key].is_null() && other[key] == one[key])
            };
            wanted
                .iter()
                .enumerate()
                .all(|(index, one)| twin(one).or_else(|| old.get(index)).is_some_and(|other| includes(other, one)))
        }
        (old, wanted) => old == wanted,
    }
}

#[cfg(test)]
mod tests;
