//! What a pod asks for in all: sums over its containers (`k8s.io/component-helpers/resource`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::{at, entries, list, set, text};
use schema::quantity::Quantity;

/// Amounts by resource name.
pub type Amounts = BTreeMap<String, Quantity>;

/// The amounts of a map field; what is no quantity is left out.
pub fn amounts(holder: &Value, field: &str) -> Amounts {
    entries(holder, field).filter_map(|(name, value)| Some((name.to_owned(), Quantity::of(value)?))).collect()
}

/// What all containers need together, `field` being `requests` or `limits`: the larger of the running ones and of any
/// step of initialisation.
pub(crate) fn aggregate(spec: &Value, field: &str) -> Amounts {
    sum(spec, |container| amounts(at(container, "resources"), field))
}

/// What a pod asks for by its spec: its containers', or what the pod itself says of cpu and memory (upstream:
/// `podRequests` and `podLimits` of LimitRanger). `field` is `requests` or `limits`.
pub fn totals(pod: &Value, field: &str) -> Amounts {
    let spec = at(pod, "spec");
    let mut total = aggregate(spec, field);
    let own = amounts(at(spec, "resources"), field);
    total.extend(own.into_iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory")));
    total
}

/// What a pod holds of its node: the larger of what it asks for and what it still has while it is resized, what the pod
/// itself says, and its overhead (upstream: `PodRequests` and `PodLimits` with `UseStatusResources`). `field` is
/// `requests` or `limits`.
pub fn effective(pod: &Value, field: &str) -> Amounts {
    let (spec, status) = (at(pod, "spec"), at(pod, "status"));
    let infeasible = list(status, "conditions")
        .iter()
        .find(|condition| text(condition, "type") == "PodResizePending")
        .is_some_and(|condition| text(condition, "reason") == "Infeasible");
    let reported = |name: &str| {
        let all = list(status, "containerStatuses").iter().chain(list(status, "initContainerStatuses"));
        all.filter(|one| text(one, "name") == name).find(|one| set(one, "resources").is_some())
    };
    let mut total = sum(spec, |container| {
        let wanted = amounts(at(container, "resources"), field);
        let sidecar = text(container, "restartPolicy") == "Always";
        let running = list(spec, "containers").iter().any(|other| std::ptr::eq(other, container));
        let Some(report) = reported(text(container, "name")).filter(|_| running || sidecar) else { return wanted };
        let mut held = if infeasible { Amounts::new() } else { wanted };
        raise(&mut held, &amounts(at(report, "resources"), field));
        if field == "requests" {
            raise(&mut held, &amounts(report, "allocatedResources"));
        }
        held
    });
    let own = amounts(at(spec, "resources"), field);
    total.extend(own.into_iter().filter(|(name, _)| is_pod_level(name)));
    let overhead = amounts(spec, "overhead");
    for (name, amount) in overhead {
        // What has no limit gets none from the overhead.
        let counts = field == "requests" || total.get(&name).is_some_and(|limit| !limit.is_zero());
        if counts {
            add(&mut total, &Amounts::from([(name, amount)]));
        }
    }
    total
}

/// Whether the pod as a whole says what it needs (upstream: `IsPodLevelResourcesSet`).
pub fn pod_level(pod: &Value) -> bool {
    let resources = at(at(pod, "spec"), "resources");
    entries(resources, "requests").chain(entries(resources, "limits")).any(|(name, _)| is_pod_level(name))
}

/// Whether a resource may be given for the pod as a whole.
pub(crate) fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

/// Sums what `own` says of each container.
fn sum(spec: &Value, own: impl Fn(&Value) -> Amounts) -> Amounts {
    let (mut running, mut sidecars, mut peak) = (Amounts::new(), Amounts::new(), Amounts::new());
    for container in list(spec, "containers") {
        add(&mut running, &own(container));
    }
    for container in list(spec, "initContainers") {
        let mut own = own(container);
        if text(container, "restartPolicy") == "Always" {
            add(&mut running, &own);
            add(&mut sidecars, &own);
            continue;
        }
        // Beside what it asks for itself, only the sidecars before it run; what they have it does not ask for is part of
        // `running` anyway.
        for (name, amount) in &mut own {
            if let Some(beside) = sidecars.get(name) {
                *amount = amount.plus(beside).unwrap_or_else(|| beside.max(amount).clone());
            }
        }
        raise(&mut peak, &own);
    }
    raise(&mut running, &peak);
    running
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = match total.get(name) {
            // What cannot be added is as large as its larger part.
            Some(before) => before.plus(amount).unwrap_or_else(|| before.max(amount).clone()),
            None => amount.clone(),
        };
        total.insert(name.clone(), sum);
    }
}

fn raise(total: &mut Amounts, floor: &Amounts) {
    for (name, amount) in floor {
        if total.get(name).is_none_or(|before| before < amount) {
            total.insert(name.clone(), amount.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(amounts: &Amounts) -> String {
        amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn sums_follow_upstream() {
        let container = |cpu: &str| json!({"name": "c", "resources": {"requests": {"cpu": cpu}}});
        let sidecar =
            |cpu: &str| json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}});
        for (spec, want) in [
            (json!({"containers": [container("1"), container("500m")]}), "cpu=1500m"),
            (json!({"containers": [container("1")], "initContainers": [container("3")]}), "cpu=3"),
            (json!({"containers": [container("1e99"), container("1m")]}), "cpu=1e99"),
            (json!({"containers": [container("1")], "initContainers": [sidecar("1"), container("2")]}), "cpu=3"),
            (json!({"containers": [container("1")], "resources": {"requests": {"cpu": "5"}}}), "cpu=5"),
        ] {
            let pod = json!({"spec": spec});
            assert_eq!(shown(&totals(&pod, "requests")), want, "{pod}");
            assert_eq!(shown(&effective(&pod, "requests")), want, "{pod}");
        }
    }

    #[test]
    fn what_is_still_held_counts() {
        let pod = |reason: &str| {
            json!({
                "spec": {
                    "overhead": {"cpu": "100m", "memory": "1Mi"},
                    "containers": [{"name": "c", "resources": {"requests": {"cpu": "3"}, "limits": {"cpu": "4"}}}],
                },
                "status": {
                    "conditions": [{"type": "PodResizePending", "reason": reason}],
                    "containerStatuses": [{"name": "c", "allocatedResources": {"cpu": "2"},
                        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "5"}}}],
                },
            })
        };
        assert_eq!(shown(&effective(&pod("Deferred"), "requests")), "cpu=3100m,memory=1Mi");
        assert_eq!(shown(&effective(&pod("Infeasible"), "requests")), "cpu=2100m,memory=1Mi");
        assert_eq!(shown(&effective(&pod("Deferred"), "limits")), "cpu=5100m");
    }
}
