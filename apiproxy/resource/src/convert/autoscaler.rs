//! HorizontalPodAutoscalers: what `autoscaling/v1` has no fields for travels in annotations
//! (`pkg/apis/autoscaling/v1/conversion.go`).

use serde_json::{Map, Value, json};

use crate::json::{at, child, drop_field, int, list, object, put, set, size, text};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

fn is_cpu(metric: &Value) -> bool {
    text(metric, "type") == "Resource" && text(at(metric, "resource"), "name") == "cpu"
}

fn utilization(metric: &Value, of: &str) -> Option<i64> {
    int(at(at(metric, "resource"), of), "averageUtilization")
}

/// v2 to v1.
pub(super) fn to_v1(obj: &mut Value) {
    let spec = child(obj, "spec").clone();
    let status = at(obj, "status").clone();
    drop_annotations(obj);
    let metrics = list(&spec, "metrics");
    let is_target = |metric: &&Value| is_cpu(metric) && utilization(metric, "target").is_some();
    let others: Vec<Value> = metrics.iter().filter(|metric| !is_target(metric)).map(spec_to_v1).collect();
    let current: Vec<Value> = list(&status, "currentMetrics").iter().map(status_to_v1).collect();
    annotate(obj, METRICS, &Value::from(others));
    annotate(obj, CURRENT, &Value::from(current));
    annotate(obj, BEHAVIOR, at(&spec, "behavior"));
    annotate(obj, CONDITIONS, at(&status, "conditions"));
    let new = child(obj, "spec");
    drop_field(new, "metrics");
    drop_field(new, "behavior");
    if let Some(percent) = metrics.iter().find(is_target).and_then(|metric| utilization(metric, "target")) {
        put(new, "targetCPUUtilizationPercentage", percent);
    }
    if status.is_object() {
        let new = child(obj, "status");
        drop_field(new, "currentMetrics");
        drop_field(new, "conditions");
        // Left out in v2 when it is zero, never in v1.
        object(new).entry("currentReplicas").or_insert_with(|| json!(0));
        let percents = list(&status, "currentMetrics").iter().filter(|metric| is_cpu(metric));
        if let Some(percent) = percents.filter_map(|metric| utilization(metric, "current")).next_back() {
            put(new, "currentCPUUtilizationPercentage", percent);
        }
    }
}

/// v1 to v2.
pub(super) fn to_v2(obj: &mut Value) {
    let stored = |obj: &Value, key: &str| -> Option<Value> {
        let text = at(at(at(obj, "metadata"), "annotations"), key).as_str()?;
        serde_json::from_str(text).ok()
    };
    let items = |value: Option<Value>| match value {
        Some(Value::Array(items)) => Some(items),
        _ => None,
    };
    let mut metrics: Vec<Value> = items(stored(obj, METRICS)).unwrap_or_default().iter().map(spec_to_v2).collect();
    let current: Option<Vec<Value>> =
        items(stored(obj, CURRENT)).map(|current| current.iter().map(status_to_v2).collect());
    let conditions = items(stored(obj, CONDITIONS));
    let behavior = stored(obj, BEHAVIOR).filter(|behavior| behavior.as_object().is_some_and(|map| !map.is_empty()));
    drop_annotations(obj);
    let spec = child(obj, "spec");
    let percent = int(spec, "targetCPUUtilizationPercentage");
    drop_field(spec, "targetCPUUtilizationPercentage");
    if percent.is_some() || metrics.is_empty() {
        metrics.push(cpu_target(percent.unwrap_or(80)));
    }
    put(spec, "metrics", metrics);
    if let Some(behavior) = behavior {
        put(spec, "behavior", behavior);
    }
    if at(obj, "status").is_object() {
        let status = child(obj, "status");
        let percent = int(status, "currentCPUUtilizationPercentage");
        drop_field(status, "currentCPUUtilizationPercentage");
        let only = percent.map(|percent| {
            vec![json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}})]
        });
        put(status, "currentMetrics", current.or(only).map_or(Value::Null, Value::from));
        if let Some(conditions) = conditions {
            put(status, "conditions", conditions);
        }
    }
}

fn cpu_target(percent: i64) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": percent});
    json!({"type": "Resource", "resource": {"name": "cpu", "target": target}})
}

fn drop_annotations(obj: &mut Value) {
    let meta = child(obj, "metadata");
    if set(meta, "annotations").is_some() {
        let annotations = child(meta, "annotations");
        [METRICS, CURRENT, CONDITIONS, BEHAVIOR].iter().for_each(|key| drop_field(annotations, key));
        if size(meta, "annotations") == 0 {
            drop_field(meta, "annotations");
        }
    }
}

fn annotate(obj: &mut Value, key: &str, value: &Value) {
    let empty = match value {
        Value::Array(items) => items.is_empty(),
        Value::Null => true,
        _ => false,
    };
    if !empty {
        put(child(child(obj, "metadata"), "annotations"), key, value.to_string());
    }
}

/// Where the v2 form of a source keeps what v1 has at its top.
struct Shape {
    field: &'static str,
    /// Pairs of v1 field and v2 path.
    pairs: &'static [(&'static str, &'static str)],
}

const SPECS: [Shape; 5] = [
    Shape {
        field: "resource",
        pairs: &[
            ("name", "name"),
            ("targetAverageUtilization", "target.averageUtilization"),
            ("targetAverageValue", "target.averageValue"),
        ],
    },
    Shape {
        field: "containerResource",
        pairs: &[
            ("name", "name"),
            ("container", "container"),
            ("targetAverageUtilization", "target.averageUtilization"),
            ("targetAverageValue", "target.averageValue"),
        ],
    },
    Shape {
        field: "pods",
        pairs: &[
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            ("targetAverageValue", "target.averageValue"),
        ],
    },
    Shape {
        field: "object",
        pairs: &[
            ("target", "describedObject"),
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            ("targetValue", "target.value"),
            ("averageValue", "target.averageValue"),
        ],
    },
    Shape {
        field: "external",
        pairs: &[
            ("metricName", "metric.name"),
            ("metricSelector", "metric.selector"),
            ("targetValue", "target.value"),
            ("targetAverageValue", "target.averageValue"),
        ],
    },
];

const STATUSES: [Shape; 5] = [
    Shape {
        field: "resource",
        pairs: &[
            ("name", "name"),
            ("currentAverageUtilization", "current.averageUtilization"),
            ("currentAverageValue", "current.averageValue"),
        ],
    },
    Shape {
        field: "containerResource",
        pairs: &[
            ("name", "name"),
            ("container", "container"),
            ("currentAverageUtilization", "current.averageUtilization"),
            ("currentAverageValue", "current.averageValue"),
        ],
    },
    Shape {
        field: "pods",
        pairs: &[
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            ("currentAverageValue", "current.averageValue"),
        ],
    },
    Shape {
        field: "object",
        pairs: &[
            ("target", "describedObject"),
            ("metricName", "metric.name"),
            ("selector", "metric.selector"),
            ("currentValue", "current.value"),
            ("averageValue", "current.averageValue"),
        ],
    },
    Shape {
        field: "external",
        pairs: &[
            ("metricName", "metric.name"),
            ("metricSelector", "metric.selector"),
            ("currentValue", "current.value"),
            ("currentAverageValue", "current.averageValue"),
        ],
    },
];

fn flatten(metric: &Value, shapes: &[Shape]) -> Value {
    let mut out = json!({"type": at(metric, "type")});
    for shape in shapes {
        let Some(source) = set(metric, shape.field) else { continue };
        let mut flat = Map::new();
        for (flat_name, path) in shape.pairs {
            let value = crate::json::dig(source, path);
            if !value.is_null() {
                flat.insert((*flat_name).to_owned(), value.clone());
            }
        }
        put(&mut out, shape.field, flat);
    }
    out
}

fn unflatten(metric: &Value, shapes: &[Shape]) -> Value {
    let mut out = json!({"type": at(metric, "type")});
    for shape in shapes {
        let Some(source) = set(metric, shape.field) else { continue };
        let mut deep = json!({});
        for (flat_name, path) in shape.pairs {
            let Some(value) = set(source, flat_name) else { continue };
            match path.split_once('.') {
                Some((parent, name)) => put(child(&mut deep, parent), name, value.clone()),
                None => put(&mut deep, path, value.clone()),
            }
        }
        put(&mut out, shape.field, deep);
    }
    out
}

fn spec_to_v1(metric: &Value) -> Value {
    flatten(metric, &SPECS)
}

fn status_to_v1(metric: &Value) -> Value {
    flatten(metric, &STATUSES)
}

fn spec_to_v2(metric: &Value) -> Value {
    let mut out = unflatten(metric, &SPECS);
    for shape in &SPECS {
        if let Some(target) = out.get_mut(shape.field).and_then(|source| source.get_mut("target")) {
            let has = |field: &str| set(target, field).is_some();
            let kind = match () {
                () if has("averageUtilization") => "Utilization",
                () if shape.field == "external" && has("value") => "Value",
                () if has("averageValue") => "AverageValue",
                () => "Value",
            };
            object(target).insert("type".to_owned(), kind.into());
        }
    }
    out
}

fn status_to_v2(metric: &Value) -> Value {
    unflatten(metric, &STATUSES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_alone_becomes_a_field() {
        let mut obj = json!({"metadata": {"name": "a"}, "spec": {"maxReplicas": 3, "metrics": [cpu_target(50)]}});
        to_v1(&mut obj);
        assert_eq!(
            obj,
            json!({"metadata": {"name": "a"}, "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}})
        );
        to_v2(&mut obj);
        assert_eq!(obj["spec"]["metrics"], json!([cpu_target(50)]));
    }

    #[test]
    fn the_rest_survives_a_round_trip() {
        let metrics = json!([
            {"type": "Pods", "pods": {"metric": {"name": "m", "selector": {"matchLabels": {"a": "b"}}},
                "target": {"type": "AverageValue", "averageValue": "5"}}},
            {"type": "External", "external": {"metric": {"name": "x"}, "target": {"type": "Value", "value": "7"}}},
            cpu_target(50)]);
        let status = json!({"currentReplicas": 1, "desiredReplicas": 2, "conditions": [{"type": "AbleToScale", "status": "True"}],
            "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 9, "averageValue": "3m"}}}]});
        let v2 = json!({"metadata": {"annotations": {"mine": "x"}},
            "spec": {"maxReplicas": 3, "metrics": metrics, "behavior": {"scaleDown": {"selectPolicy": "Max"}}}, "status": status});
        let mut obj = v2.clone();
        to_v1(&mut obj);
        assert_eq!(obj["status"]["currentCPUUtilizationPercentage"], 9);
        assert_eq!(obj["metadata"]["annotations"].as_object().map(Map::len), Some(5));
        to_v2(&mut obj);
        assert_eq!(obj, v2);
    }

    #[test]
    fn without_a_target_the_default_applies() {
        let mut obj = json!({"spec": {"maxReplicas": 3}});
        to_v2(&mut obj);
        assert_eq!(obj["spec"]["metrics"], json!([cpu_target(80)]));
    }
}
