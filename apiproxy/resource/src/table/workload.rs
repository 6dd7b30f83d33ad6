//! Rows of kinds with pod templates.

use serde_json::Value;

use super::{Print, human_duration, or, since};
use crate::json::{at, dig, flag, int, list, opt_flag, opt_text, size, text};
use crate::scale::selector_text;

/// A row of `apps`, `batch` or a core kind with a template.
pub(super) fn row(plural: &str, print: &Print<'_>) -> Option<Vec<Value>> {
    let mut cells = vec![print.name()];
    match plural {
        "deployments" => cells.extend(deployment(print)),
        "replicasets" | "replicationcontrollers" => {
            let (spec, status) = (print.spec(), print.status());
            cells.extend([number(spec, "replicas"), number(status, "replicas"), number(status, "readyReplicas")]);
            cells.push(print.age());
            cells.extend(containers(at(spec, "template")));
            cells.push(or(&selector_text(at(spec, "selector")), "<none>"));
        }
        "statefulsets" => {
            let (spec, status) = (print.spec(), print.status());
            cells.push(ratio(int(status, "readyReplicas"), int(spec, "replicas")));
            cells.push(print.age());
            cells.extend(containers(at(spec, "template")));
        }
        "daemonsets" => cells.extend(daemon_set(print)),
        "jobs" => cells.extend(job(print)),
        "cronjobs" => cells.extend(cron_job(print)),
        "podtemplates" => {
            let template = at(print.obj, "template");
            cells.extend(containers(template));
            cells.push(or(&selector_text(dig(template, "metadata.labels")), "<none>"));
        }
        "controllerrevisions" => {
            let owner =
                list(at(print.obj, "metadata"), "ownerReferences").iter().find(|owner| flag(owner, "controller"));
            let name = owner.map_or("<none>".to_owned(), |owner| {
                let group = text(owner, "apiVersion").split_once('/').map_or("", |(group, _)| group);
                let dot = if group.is_empty() { "" } else { "." };
                format!("{}{dot}{group}/{}", text(owner, "kind"), "").to_lowercase() + text(owner, "name")
            });
            cells.extend([name.into(), number(print.obj, "revision"), print.age()]);
        }
        _ => return None,
    }
    Some(cells)
}

/// An integer cell; 0 when absent.
pub(super) fn number(holder: &Value, field: &str) -> Value {
    int(holder, field).unwrap_or(0).into()
}

fn ratio(ready: Option<i64>, wanted: Option<i64>) -> Value {
    format!("{}/{}", ready.unwrap_or(0), wanted.unwrap_or(0)).into()
}

/// Names and images of a template's containers.
fn containers(template: &Value) -> [Value; 2] {
    let containers = list(at(template, "spec"), "containers");
    ["name", "image"].map(|field| containers.iter().map(|c| text(c, field)).collect::<Vec<_>>().join(",").into())
}

fn deployment(print: &Print<'_>) -> Vec<Value> {
    let (spec, status) = (print.spec(), print.status());
    let mut cells = vec![
        ratio(int(status, "readyReplicas"), int(spec, "replicas")),
        number(status, "updatedReplicas"),
        number(status, "availableReplicas"),
        print.age(),
    ];
    cells.extend(containers(at(spec, "template")));
    cells.push(selector_text(at(spec, "selector")).into());
    cells
}

fn daemon_set(print: &Print<'_>) -> Vec<Value> {
    let (spec, status) = (print.spec(), print.status());
    let fields = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    ];
    let mut cells: Vec<Value> = fields.iter().map(|field| number(status, field)).collect();
    cells.push(or(&selector_text(dig(spec, "template.spec.nodeSelector")), "<none>"));
    cells.push(print.age());
    cells.extend(containers(at(spec, "template")));
    cells.push(or(&selector_text(at(spec, "selector")), "<none>"));
    cells
}

fn job(print: &Print<'_>) -> Vec<Value> {
    let (spec, status) = (print.spec(), print.status());
    let is = |kind: &str| {
        let found = list(status, "conditions").iter().find(|condition| text(condition, "type") == kind);
        found.is_some_and(|condition| text(condition, "status") == "True")
    };
    let state = match () {
        () if is("Complete") => "Complete",
        () if is("Failed") => "Failed",
        () if print.deleted() => "Terminating",
        () if is("Suspended") => "Suspended",
        () if is("FailureTarget") => "FailureTarget",
        () if is("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    let succeeded = int(status, "succeeded").unwrap_or(0);
    let parallelism = int(spec, "parallelism").unwrap_or(0);
    let completions = match int(spec, "completions") {
        Some(completions) => format!("{succeeded}/{completions}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    };
    let time = |field: &str| text(status, field).parse::<jiff::Timestamp>();
    let duration = match (time("startTime"), time("completionTime")) {
        (Err(_), _) => String::new(),
        (Ok(start), Ok(end)) => human_duration(end.duration_since(start).as_secs()),
        (Ok(start), Err(_)) => human_duration(print.now.duration_since(start).as_secs()),
    };
    let mut cells: Vec<Value> = vec![state.into(), completions.into(), duration.into(), print.age()];
    cells.extend(containers(at(spec, "template")));
    cells.push(or(&selector_text(at(spec, "selector")), "<none>"));
    cells
}

fn cron_job(print: &Print<'_>) -> Vec<Value> {
    let (spec, status) = (print.spec(), print.status());
    let suspend = match opt_flag(spec, "suspend") {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = opt_text(status, "lastScheduleTime").map_or("<none>".to_owned(), |time| since(time, print.now));
    let job = dig(spec, "jobTemplate.spec");
    let mut cells: Vec<Value> = vec![
        text(spec, "schedule").into(),
        opt_text(spec, "timeZone").unwrap_or("<none>").into(),
        suspend.into(),
        size(status, "active").into(),
        last.into(),
        print.age(),
    ];
    cells.extend(containers(at(job, "template")));
    cells.push(or(&selector_text(at(job, "selector")), "<none>"));
    cells
}
