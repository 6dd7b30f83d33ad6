//! What a Job says about failures (`spec.podFailurePolicy`) and about early success (`spec.successPolicy`).

use serde::Deserialize;

use super::indexes::Indexes;
use crate::key::plain;
use crate::object::nullable;
use crate::pod::{ContainerStatus, Pod, Terminated};

/// Rules about failed pods; the first that matches holds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FailurePolicy {
    #[serde(deserialize_with = "nullable")]
    rules: Vec<FailureRule>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailureRule {
    action: Action,
    on_exit_codes: Option<ExitCodes>,
    #[serde(default, deserialize_with = "nullable")]
    on_pod_conditions: Vec<Pattern>,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Action {
    /// The Job fails.
    FailJob,
    /// The index fails for good.
    FailIndex,
    /// The failure does not count.
    Ignore,
    /// The failure counts, as without a policy.
    Count,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExitCodes {
    container_name: Option<String>,
    operator: String,
    #[serde(deserialize_with = "nullable")]
    values: Vec<i32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Pattern {
    r#type: String,
    status: String,
}

impl ExitCodes {
    fn find<'a>(&self, pod: &'a Pod) -> Option<(&'a ContainerStatus, &'a Terminated)> {
        let all = pod.status.container_statuses.iter().chain(&pod.status.init_container_statuses);
        let named = all.filter(|status| self.container_name.as_ref().is_none_or(|name| *name == status.name));
        let mut ended = named.filter_map(|status| Some((status, status.state.terminated.as_ref()?)));
        ended.find(|(_, ended)| {
            let listed = self.values.contains(&ended.exit_code);
            ended.exit_code != 0
                && match self.operator.as_str() {
                    "In" => listed,
                    "NotIn" => !listed,
                    _ => false,
                }
        })
    }
}

impl FailureRule {
    /// What of the pod matches, in words for the Job's condition; `None` when nothing does.
    fn matches(&self, pod: &Pod) -> Option<String> {
        let name = format!("{}/{}", plain(&pod.meta.namespace), pod.meta.name);
        if let Some(codes) = &self.on_exit_codes {
            let (status, ended) = codes.find(pod)?;
            let (container, code) = (&status.name, ended.exit_code);
            return Some(format!("Container {container} for pod {name} failed with exit code {code}"));
        }
        let fits = |kind: &str, value: &str| {
            self.on_pod_conditions.iter().any(|pattern| pattern.r#type == kind && pattern.status == value)
        };
        let found = pod.status.conditions.iter().find(|c| fits(&c.r#type, &c.status))?;
        Some(format!("Pod {name} has condition {}", found.r#type))
    }
}

/// What a policy says of one failed pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The rule that matched.
    pub(super) action: Option<Action>,
    /// Why the Job fails, if it does.
    pub(super) fails_job: Option<String>,
}

impl Verdict {
    /// Whether the failure counts towards the limits.
    pub(super) fn counts(&self) -> bool {
        self.action != Some(Action::Ignore)
    }
}

/// Judges a failed pod (`matchPodFailurePolicy`).
pub(super) fn judge(policy: Option<&FailurePolicy>, pod: &Pod) -> Verdict {
    let rules = policy.map(|policy| policy.rules.as_slice()).unwrap_or_default();
    let matched = rules.iter().enumerate().find_map(|(at, rule)| Some((at, rule.action, rule.matches(pod)?)));
    let Some((at, action, text)) = matched else { return Verdict { action: None, fails_job: None } };
    let fails_job = (action == Action::FailJob).then(|| format!("{text} matching FailJob rule at index {at}"));
    Verdict { action: Some(action), fails_job }
}

/// Rules about early success; the first that matches holds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SuccessPolicy {
    #[serde(deserialize_with = "nullable")]
    rules: Vec<SuccessRule>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SuccessRule {
    succeeded_indexes: Option<String>,
    succeeded_count: Option<i32>,
}

impl SuccessPolicy {
    /// Whether enough has succeeded, in words for the Job's condition (`matchSuccessPolicy`).
    pub(super) fn met(&self, completions: i32, succeeded: &Indexes) -> Option<String> {
        if succeeded.total() == 0 {
            return None;
        }
        let enough = |rule: &SuccessRule| match &rule.succeeded_indexes {
            Some(text) => {
                let required = Indexes::parse(text, completions);
                let held = required.shared_with(succeeded);
                required.total() > 0
                    && (held == required.total() || rule.succeeded_count.is_some_and(|count| held >= count))
            }
            None => rule.succeeded_count.is_some_and(|count| succeeded.total() >= count),
        };
        let at = self.rules.iter().position(enough)?;
        Some(format!("Matched rules at index {at}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use std::sync::Arc;

    use super::*;
    use crate::informer::Raw;

    fn pod(exit_codes: &[(&str, i32)], condition: &str) -> Pod {
        let statuses: Vec<Value> = exit_codes
            .iter()
            .map(|(name, code)| json!({"name": name, "state": {"terminated": {"exitCode": code}}}))
            .collect();
        let pod = json!({"metadata": {"name": "p", "namespace": "n"}, "status": {"phase": "Failed",
            "containerStatuses": statuses, "initContainerStatuses": [{"name": "i", "state": {"running": {}}}],
            "conditions": [{"type": condition, "status": "True"}]}});
        Pod::view(Arc::new(Raw::from_value(&pod).unwrap())).unwrap()
    }

    #[test]
    fn failures_are_judged_by_the_first_rule() {
        let codes = |action: &str, operator: &str, values: &[i32], name: Option<&str>| {
            json!({"action": action,
                "onExitCodes": {"operator": operator, "values": values, "containerName": name}})
        };
        let disrupted =
            json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]});
        let message = "Container c for pod n/p failed with exit code 3 matching FailJob rule at index 0";
        // (rules, exit codes, condition) → action, message
        let cases = [
            (json!([codes("FailJob", "In", &[3, 4], None)]), 3, "Ready", Some(Action::FailJob), Some(message)),
            (json!([codes("FailJob", "In", &[3, 4], None)]), 5, "Ready", None, None),
            (json!([codes("FailIndex", "NotIn", &[4], None)]), 3, "Ready", Some(Action::FailIndex), None),
            (json!([codes("Count", "NotIn", &[3], None)]), 3, "Ready", None, None),
            (json!([codes("Ignore", "In", &[3], Some("other"))]), 3, "Ready", None, None),
            (json!([codes("Ignore", "In", &[3], Some("c"))]), 3, "Ready", Some(Action::Ignore), None),
            (json!([disrupted, codes("FailJob", "In", &[3], None)]), 3, "DisruptionTarget", Some(Action::Ignore), None),
            (json!([codes("FailJob", "NotIn", &[9], None)]), 0, "Ready", None, None),
            (Value::Null, 3, "Ready", None, None),
        ];
        for (rules, code, condition, action, message) in cases {
            let policy: FailurePolicy = serde_json::from_value(json!({ "rules": rules })).unwrap();
            let verdict = judge(Some(&policy), &pod(&[("c", code)], condition));
            assert_eq!((verdict.action, verdict.fails_job.as_deref()), (action, message), "{rules} {code}");
            assert_eq!(verdict.counts(), action != Some(Action::Ignore));
        }
        let fail = json!({"rules": [{"action": "FailJob", "onPodConditions": [{"type": "X", "status": "True"}]}]});
        let policy: FailurePolicy = serde_json::from_value(fail).unwrap();
        let verdict = judge(Some(&policy), &pod(&[], "X"));
        assert_eq!(verdict.fails_job.unwrap(), "Pod n/p has condition X matching FailJob rule at index 0");
        assert_eq!(judge(None, &pod(&[("c", 1)], "X")), Verdict { action: None, fails_job: None });
    }

    #[test]
    fn success_policies() {
        // (rules, succeeded) → message
        let first = Some("Matched rules at index 0");
        let cases = [
            (json!([{"succeededIndexes": "0,2-3"}]), "0,2-3", first),
            (json!([{"succeededIndexes": "0,2-3"}]), "0,2", None),
            (json!([{"succeededIndexes": "0,2-3", "succeededCount": 2}]), "0,2", first),
            (json!([{"succeededIndexes": "0,2-3", "succeededCount": 2}]), "0-1", None),
            (json!([{"succeededCount": 2}]), "7,9", first),
            (json!([{"succeededCount": 3}]), "7,9", None),
            (json!([{"succeededIndexes": "50"}, {"succeededCount": 1}]), "7", Some("Matched rules at index 1")),
            (json!([{"succeededCount": 0}]), "", None),
        ];
        for (rules, succeeded, want) in cases {
            let policy: SuccessPolicy = serde_json::from_value(json!({ "rules": rules })).unwrap();
            assert_eq!(policy.met(10, &Indexes::parse(succeeded, 10)).as_deref(), want, "{rules} {succeeded}");
        }
    }
}
