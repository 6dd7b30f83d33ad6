//! The pods of Jobs: what they get beside their template.

use kube::core::ApiResource;
use serde_json::{Value, json};

use super::indexes::{FAILURES, IGNORED_FAILURES, INDEX, failures_before};
use super::look::Look;
use super::policy::judge;
use super::view::TRACKING;
use crate::crew::pod_from;
use crate::informer::Raw;

const VARIABLE: &str = "JOB_COMPLETION_INDEX";
/// Longest prefix of a generated name (`names.MaxGeneratedNameLength`).
const PREFIX_MAX: usize = 58;

/// A pod of a Job, of an index in an indexed one.
pub(super) fn pod(kind: &ApiResource, owner: &Raw, look: &Look<'_>, index: Option<i32>) -> Value {
    let mut pod = pod_from(kind, owner, &look.job.spec.template);
    let mut finalizers = pod["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == TRACKING) {
        finalizers.push(json!(TRACKING));
    }
    pod["metadata"]["finalizers"] = Value::Array(finalizers);
    let Some(index) = index else { return pod };
    for list in ["initContainers", "containers"] {
        pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(add_variable);
    }
    pod["metadata"]["generateName"] = json!(prefix(owner.name(), index));
    pod["metadata"]["annotations"][INDEX] = json!(index.to_string());
    pod["metadata"]["labels"][INDEX] = json!(index.to_string());
    pod["spec"]["hostname"] = json!(format!("{}-{index}", owner.name()));
    if look.job.is_limited_per_index() {
        let (counted, ignored) = failures(look, index);
        pod["metadata"]["annotations"][FAILURES] = json!(counted.to_string());
        if ignored > 0 {
            pod["metadata"]["annotations"][IGNORED_FAILURES] = json!(ignored.to_string());
        }
    }
    pod
}

/// The name of an index: `<job>-<index>-`, the job's part cut to fit.
fn prefix(job: &str, index: i32) -> String {
    let end = format!("-{index}-");
    let room = PREFIX_MAX - end.len();
    let mut cut = job.len().min(room);
    while !job.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{end}", &job[..cut])
}

fn add_variable(container: &mut Value) {
    let mut variables = container["env"].as_array().cloned().unwrap_or_default();
    if variables.iter().any(|variable| variable["name"] == VARIABLE) {
        return;
    }
    let path = format!("metadata.labels['{INDEX}']");
    variables.push(json!({"name": VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": path}}}));
    container["env"] = Value::Array(variables);
}

/// How often an index has failed: the count of the pod that is replaced, and that pod.
fn failures(look: &Look<'_>, index: i32) -> (i32, i32) {
    let Some(replaced) = look.waiting.get(&index) else { return (0, 0) };
    let (counted, ignored) = failures_before(replaced);
    if judge(look.job.spec.pod_failure_policy.as_ref(), replaced).counts() {
        (counted.saturating_add(1), ignored)
    } else {
        (counted, ignored.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn names_of_indexes() {
        assert_eq!(prefix("job", 3), "job-3-");
        let long = prefix(&"a".repeat(63), 12);
        assert_eq!((long.len(), long.ends_with("a-12-")), (58, true));
    }
}
