//! HorizontalPodAutoscalers.

use serde_json::{Value, json};

use crate::json::{child, fill, put, set, size, text};
use crate::strategy::{BASE, Status};
use crate::{Scope, Strategy};

pub(super) static AUTOSCALER: Strategy = Strategy {
    group: "autoscaling",
    plural: "horizontalpodautoscalers",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"desiredReplicas":0,"currentMetrics":null}"#),
    default,
    ..BASE
};

fn default(version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill(spec, "minReplicas", 1);
    if version != "v2" {
        return;
    }
    if size(spec, "metrics") == 0 {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        put(spec, "metrics", json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
    }
    if set(spec, "behavior").is_some() {
        let behavior = child(spec, "behavior");
        let up = child(behavior, "scaleUp");
        fill(up, "stabilizationWindowSeconds", 0);
        rules(up, &[("Pods", 4), ("Percent", 100)]);
        rules(child(behavior, "scaleDown"), &[("Percent", 100)]);
    }
}

fn rules(rules: &mut Value, policies: &[(&str, i64)]) {
    fill(rules, "selectPolicy", "Max");
    if text(rules, "policies").is_empty() {
        let policies: Vec<Value> =
            policies.iter().map(|(kind, value)| json!({"type": kind, "value": value, "periodSeconds": 15})).collect();
        fill(rules, "policies", policies);
    }
}
