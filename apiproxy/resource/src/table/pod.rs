//! The row of a pod.

use std::collections::HashSet;

use serde_json::Value;

use super::{Print, or, since};
use crate::json::{at, flag, int, list, set, text};

/// Restarts counted so far, and when the last was.
#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<String>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += int(status, "restartCount").unwrap_or(0);
        let finished = text(at(at(status, "lastState"), "terminated"), "finishedAt");
        let later = |last: &String| match (last.parse::<jiff::Timestamp>(), finished.parse::<jiff::Timestamp>()) {
            (Ok(last), Ok(finished)) => finished > last,
            _ => false,
        };
        if !finished.is_empty() && self.last.as_ref().is_none_or(later) {
            self.last = Some(finished.to_owned());
        }
    }
}

fn sidecar_names(spec: &Value) -> HashSet<&str> {
    let sidecars = list(spec, "initContainers").iter().filter(|c| text(c, "restartPolicy") == "Always");
    sidecars.map(|c| text(c, "name")).collect()
}

/// How initialisation stands.
struct Initialising {
    reason: Option<String>,
    restarts: Restarts,
    sidecar_restarts: Restarts,
    ready: usize,
}

fn initialising(spec: &Value, status: &Value) -> Initialising {
    let mut found =
        Initialising { reason: None, restarts: Restarts::default(), sidecar_restarts: Restarts::default(), ready: 0 };
    let total = list(spec, "initContainers").len();
    let sidecars = sidecar_names(spec);
    for (index, container) in list(status, "initContainerStatuses").iter().enumerate() {
        let sidecar = sidecars.contains(text(container, "name"));
        found.restarts.add(container);
        if sidecar {
            found.sidecar_restarts.add(container);
        }
        let state = at(container, "state");
        let waiting = text(at(state, "waiting"), "reason");
        let reason = match set(state, "terminated") {
            Some(ended) if int(ended, "exitCode").unwrap_or(0) == 0 => continue,
            _ if sidecar && flag(container, "started") => {
                found.ready += usize::from(flag(container, "ready"));
                continue;
            }
            Some(ended) => format!("Init:{}", ended_reason(ended)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
            None => format!("Init:{index}/{total}"),
        };
        found.reason = Some(reason);
        break;
    }
    found
}

fn ended_reason(ended: &Value) -> String {
    let signal = int(ended, "signal").unwrap_or(0);
    match text(ended, "reason") {
        "" if signal != 0 => format!("Signal:{signal}"),
        "" => format!("ExitCode:{}", int(ended, "exitCode").unwrap_or(0)),
        reason => reason.to_owned(),
    }
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(status, "conditions").iter().find(|condition| text(condition, "type") == kind)
}

fn is_true(status: &Value, kind: &str) -> bool {
    condition(status, kind).is_some_and(|condition| text(condition, "status") == "True")
}

/// What running containers say; the reason they give, if any.
fn running(status: &Value, restarts: &mut Restarts, ready: &mut usize, reason: &mut String) {
    let (mut has_running, mut error) = (false, String::new());
    for container in list(status, "containerStatuses").iter().rev() {
        restarts.add(container);
        let state = at(container, "state");
        let waiting = text(at(state, "waiting"), "reason");
        if !waiting.is_empty() {
            *reason = waiting.to_owned();
        } else if let Some(ended) = set(state, "terminated") {
            *reason = ended_reason(ended);
            if int(ended, "exitCode").unwrap_or(0) != 0 {
                error.clone_from(reason);
            }
        } else if flag(container, "ready") && set(state, "running").is_some() {
            has_running = true;
            *ready += 1;
        }
    }
    if reason == "Completed" {
        if has_running && is_true(status, "Ready") {
            *reason = "Running".to_owned();
        } else if !error.is_empty() {
            *reason = error;
        } else if has_running {
            *reason = "NotReady".to_owned();
        }
    }
}

/// Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates.
pub(super) fn row(print: &Print<'_>) -> Vec<Value> {
    let (spec, status) = (print.spec(), print.status());
    let phase = text(status, "phase");
    let own = text(status, "reason");
    let mut reason = if own.is_empty() { phase.to_owned() } else { own.to_owned() };
    if condition(status, "PodScheduled").is_some_and(|condition| text(condition, "reason") == "SchedulingGated") {
        reason = "SchedulingGated".to_owned();
    }
    let sidecars = list(spec, "initContainers").iter().filter(|c| text(c, "restartPolicy") == "Always").count();
    let total = list(spec, "containers").len() + sidecars;
    let init = initialising(spec, status);
    let (mut restarts, mut ready) = (init.restarts, init.ready);
    let is_initialising = init.reason.is_some();
    if let Some(init) = init.reason {
        reason = init;
    }
    if !is_initialising || is_true(status, "Initialized") {
        restarts = init.sidecar_restarts;
        running(status, &mut restarts, &mut ready, &mut reason);
    }
    if print.deleted() {
        if own == "NodeLost" {
            reason = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            reason = "Terminating".to_owned();
        }
    }
    let restarts = match restarts.last {
        Some(last) if restarts.count != 0 => format!("{} ({} ago)", restarts.count, since(&last, print.now)),
        _ => restarts.count.to_string(),
    };
    let ip = list(status, "podIPs").first().map_or("", |ip| text(ip, "ip"));
    vec![
        print.name(),
        format!("{ready}/{total}").into(),
        reason.into(),
        restarts.into(),
        print.age(),
        or(ip, "<none>"),
        or(text(spec, "nodeName"), "<none>"),
        or(text(status, "nominatedNodeName"), "<none>"),
        gates(spec, status).into(),
    ]
}

fn gates(spec: &Value, status: &Value) -> String {
    let gates = list(spec, "readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let mut seen: HashSet<&str> = HashSet::new();
    let conditions = list(status, "conditions").iter().filter(|condition| seen.insert(text(condition, "type")));
    let met: HashSet<&str> = conditions
        .filter(|condition| text(condition, "status") == "True")
        .map(|condition| text(condition, "type"))
        .collect();
    let open = gates.iter().filter(|gate| met.contains(text(gate, "conditionType"))).count();
    format!("{open}/{}", gates.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(pod: &Value) -> (String, String, String) {
        let now = "2026-01-02T00:00:00Z".parse().expect("a time");
        let cells = row(&Print { obj: pod, now });
        let cell = |index: usize| cells[index].as_str().unwrap_or("").to_owned();
        (cell(1), cell(2), cell(3))
    }

    fn want(ready: &str, status: &str, restarts: &str) -> (String, String, String) {
        (ready.to_owned(), status.to_owned(), restarts.to_owned())
    }

    #[test]
    fn says_how_a_pod_is() {
        let spec = json!({"containers": [{"name": "a"}, {"name": "b"}]});
        assert_eq!(status(&json!({"spec": spec, "status": {"phase": "Pending"}})), want("0/2", "Pending", "0"));
        let containers = json!([
            {"name": "a", "ready": true, "restartCount": 2, "state": {"running": {}},
             "lastState": {"terminated": {"finishedAt": "2026-01-01T23:00:00Z"}}},
            {"name": "b", "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
        let pod = json!({"spec": spec, "status": {"phase": "Running", "containerStatuses": containers}});
        assert_eq!(status(&pod), want("1/2", "CrashLoopBackOff", "3 (60m ago)"));
        let gone = json!({"metadata": {"deletionTimestamp": "x"}, "spec": spec, "status": {"phase": "Running"}});
        assert_eq!(status(&gone), want("0/2", "Terminating", "0"));
    }

    #[test]
    fn says_how_initialisation_stands() {
        let spec = json!({"containers": [{"name": "a"}], "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]});
        let pod = |init: &Value| json!({"spec": spec, "status": {"phase": "Pending", "initContainerStatuses": init}});
        assert_eq!(
            status(&pod(&json!([{"name": "i", "restartCount": 0, "state": {"running": {}}}]))),
            want("0/2", "Init:0/2", "0")
        );
        assert_eq!(
            status(&pod(&json!([{"name": "i", "restartCount": 3, "state": {"terminated": {"exitCode": 2}}}]))),
            want("0/2", "Init:ExitCode:2", "3")
        );
        assert_eq!(
            status(&pod(&json!([{"name": "i", "restartCount": 0, "state": {"terminated": {"exitCode": 0}}},
                {"name": "s", "started": true, "ready": true, "restartCount": 1, "state": {"running": {}}}]))),
            want("1/2", "Pending", "1")
        );
    }
}
