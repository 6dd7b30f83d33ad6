//! Rows of autoscalers and disruption budgets.

use serde_json::Value;

use super::workload::number;
use super::{Print, some_of};
use crate::fields::shown;
use crate::json::{at, dig, int, list, set, text};
use schema::quantity::Quantity;

/// A row of `autoscaling` or `policy`.
pub(super) fn row(plural: &str, print: &Print<'_>) -> Option<Vec<Value>> {
    let (spec, status) = (print.spec(), print.status());
    match plural {
        "poddisruptionbudgets" => {
            let amount = |field: &str| set(spec, field).map_or("N/A".to_owned(), shown);
            Some(vec![
                print.name(),
                amount("minAvailable").into(),
                amount("maxUnavailable").into(),
                number(status, "disruptionsAllowed"),
                print.age(),
            ])
        }
        "horizontalpodautoscalers" => {
            let target = at(spec, "scaleTargetRef");
            let least = int(spec, "minReplicas").map_or("<unset>".to_owned(), |least| least.to_string());
            Some(vec![
                print.name(),
                format!("{}/{}", text(target, "kind"), text(target, "name")).into(),
                match text(print.obj, "apiVersion") {
                    "autoscaling/v1" => version_one(spec, status).into(),
                    _ => metrics(spec, status).into(),
                },
                least.into(),
                number(spec, "maxReplicas"),
                number(status, "currentReplicas"),
                print.age(),
            ])
        }
        _ => None,
    }
}

fn amount(value: &Value) -> Option<String> {
    Quantity::of(value).map(|amount| amount.to_string())
}

fn metrics(spec: &Value, status: &Value) -> String {
    let metrics = list(spec, "metrics");
    if metrics.is_empty() {
        return "<none>".to_owned();
    }
    let current = list(status, "currentMetrics");
    let shown: Vec<String> = metrics
        .iter()
        .enumerate()
        .map(|(index, metric)| one(metric, current.get(index).unwrap_or(&Value::Null)))
        .collect();
    some_of(&shown, 2, ", ")
}

/// autoscaling/v1 knows cpu only; without a target the default applies.
fn version_one(spec: &Value, status: &Value) -> String {
    let percent = |holder: &Value, field: &str| int(holder, field).map(|value| format!("{value}%"));
    let current = percent(status, "currentCPUUtilizationPercentage").unwrap_or("<unknown>".to_owned());
    let target = percent(spec, "targetCPUUtilizationPercentage").unwrap_or("80%".to_owned());
    format!("cpu: {current}/{target}")
}

fn one(metric: &Value, status: &Value) -> String {
    let unknown = || "<unknown>".to_owned();
    let (field, prefix) = match text(metric, "type") {
        "External" => ("external", String::new()),
        "Pods" => ("pods", String::new()),
        "Object" => ("object", String::new()),
        "Resource" => ("resource", format!("{}: ", text(at(metric, "resource"), "name"))),
        "ContainerResource" => ("containerResource", format!("{}: ", text(at(metric, "containerResource"), "name"))),
        _ => return "<unknown type>".to_owned(),
    };
    let target = dig(at(metric, field), "target");
    let now = dig(at(status, field), "current");
    if let Some(average) = amount(at(target, "averageValue")) {
        let current = amount(at(now, "averageValue")).unwrap_or_else(unknown);
        let suffix = if matches!(field, "external" | "object") { " (avg)" } else { "" };
        return format!("{prefix}{current}/{average}{suffix}");
    }
    if prefix.is_empty() {
        let current = amount(at(now, "value")).unwrap_or_else(unknown);
        return format!("{current}/{}", amount(at(target, "value")).unwrap_or("0".to_owned()));
    }
    let percent = |holder: &Value| int(holder, "averageUtilization").map(|value| format!("{value}%"));
    let wanted = percent(target).unwrap_or("<auto>".to_owned());
    format!("{prefix}{}/{wanted}", percent(now).unwrap_or_else(unknown))
}
