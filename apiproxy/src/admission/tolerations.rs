//! DefaultTolerationSeconds (upstream: `plugin/pkg/admission/defaulttolerationseconds`), and how tolerations are merged.

use serde_json::{Value, json};

use super::concerns;
use crate::write::Context;

/// How long a pod stays on a node that is not ready or not reachable.
const SECONDS: i64 = 300;
const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Pods stay a while on a node that fails, unless they say otherwise.
pub(super) fn mutate(context: &Context<'_>, pod: &mut Value) {
    if !concerns(context, "", "pods") || !pod["spec"].is_object() {
        return;
    }
    let mut tolerations = pod["spec"]["tolerations"].as_array().cloned().unwrap_or_default();
    let missing = TAINTS.iter().filter(|taint| !tolerations.iter().any(|one| tolerates(one, taint)));
    let missing: Vec<Value> = missing
        .map(|taint| json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}))
        .collect();
    if !missing.is_empty() {
        tolerations.extend(missing);
        pod["spec"]["tolerations"] = Value::from(tolerations);
    }
}

fn text<'v>(toleration: &'v Value, field: &str) -> &'v str {
    toleration[field].as_str().unwrap_or_default()
}

fn tolerates(toleration: &Value, taint: &str) -> bool {
    let (key, effect) = (text(toleration, "key"), text(toleration, "effect"));
    (key.is_empty() || key == taint) && (effect.is_empty() || effect == "NoExecute")
}

/// Both lists in one, without what another entry covers (upstream: `tolerations.MergeTolerations`).
pub(super) fn merge(first: &[Value], second: &[Value]) -> Vec<Value> {
    let all: Vec<&Value> = first.iter().chain(second).collect();
    let mut merged: Vec<Value> = Vec::new();
    for (index, one) in all.iter().enumerate() {
        let before = merged.iter().any(|kept| covers(kept, one));
        // Of equal ones the first stays.
        let later = all[index + 1..].iter().any(|other| !resource_equal(other, one) && covers(other, one));
        if !before && !later {
            merged.push((*one).clone());
        }
    }
    merged
}

fn resource_equal(a: &Value, b: &Value) -> bool {
    let seconds = |one: &Value| one["tolerationSeconds"].as_i64();
    ["key", "operator", "value", "effect"].iter().all(|field| text(a, field) == text(b, field))
        && seconds(a) == seconds(b)
}

/// Whether `wide` tolerates whatever `narrow` does.
fn covers(wide: &Value, narrow: &Value) -> bool {
    if resource_equal(wide, narrow) {
        return true;
    }
    let any_key = text(wide, "key").is_empty() && text(wide, "operator") == "Exists";
    if text(narrow, "key") != text(wide, "key") && !any_key {
        return false;
    }
    if text(narrow, "effect") != text(wide, "effect") && !text(wide, "effect").is_empty() {
        return false;
    }
    if text(wide, "effect") == "NoExecute"
        && let Some(most) = wide["tolerationSeconds"].as_i64()
        && narrow["tolerationSeconds"].as_i64().is_none_or(|seconds| seconds > most)
    {
        return false;
    }
    match text(wide, "operator") {
        "" | "Equal" => text(narrow, "operator") == "Equal" && text(narrow, "value") == text(wide, "value"),
        "Exists" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_keeps_the_wider() {
        let exists = |key: &str, effect: &str| json!({"key": key, "operator": "Exists", "effect": effect});
        let equal = |key: &str, value: &str| json!({"key": key, "operator": "Equal", "value": value});
        let timed = json!({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5});
        for (first, second, want) in [
            (vec![exists("a", "")], vec![exists("a", "NoExecute")], vec![exists("a", "")]),
            (vec![exists("a", "NoExecute")], vec![exists("a", "")], vec![exists("a", "")]),
            (vec![equal("a", "1")], vec![equal("a", "2")], vec![equal("a", "1"), equal("a", "2")]),
            (vec![equal("a", "1")], vec![equal("a", "1")], vec![equal("a", "1")]),
            (vec![timed.clone()], vec![exists("a", "NoExecute")], vec![exists("a", "NoExecute")]),
            (vec![timed.clone()], vec![exists("b", "NoExecute")], vec![timed.clone(), exists("b", "NoExecute")]),
            (vec![timed], vec![json!({"operator": "Exists"})], vec![json!({"operator": "Exists"})]),
        ] {
            assert_eq!(merge(&first, &second), want, "{first:?} {second:?}");
        }
    }
}
