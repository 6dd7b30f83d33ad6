//! A Deployment as far as its controller reads it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::amount::{Rounding, scaled};
use crate::informer::Raw;
use crate::object::{Condition, Meta, nullable, unless_zero};
use crate::selector::LabelSelector;

/// How pods are replaced.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Strategy {
    /// All old pods go before new ones come.
    Recreate,
    /// Little by little.
    RollingUpdate {
        /// How many pods beyond the wanted number.
        max_surge: Value,
        /// How many pods fewer than the wanted number.
        max_unavailable: Value,
    },
}

/// A Deployment.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) meta: Meta,
    pub(super) replicas: i32,
    pub(super) paused: bool,
    pub(super) min_ready_seconds: i32,
    /// `None`: keep all revisions.
    pub(super) revision_history_limit: Option<i32>,
    /// `None`: progress is not judged.
    pub(super) progress_deadline_seconds: Option<i32>,
    pub(super) selector: LabelSelector,
    pub(super) template: Value,
    pub(super) strategy: Strategy,
    pub(super) status: Status,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) observed_generation: i64,
    pub(super) replicas: i32,
    pub(super) updated_replicas: i32,
    pub(super) ready_replicas: i32,
    pub(super) available_replicas: i32,
    pub(super) unavailable_replicas: i32,
    pub(super) terminating_replicas: Option<i32>,
    pub(super) collision_count: Option<i32>,
    #[serde(deserialize_with = "nullable")]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Parts {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    replicas: Option<i32>,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    min_ready_seconds: i32,
    revision_history_limit: Option<i32>,
    progress_deadline_seconds: Option<i32>,
    #[serde(default, deserialize_with = "nullable")]
    selector: LabelSelector,
    #[serde(default)]
    template: Value,
    #[serde(default)]
    strategy: Value,
}

impl Deployment {
    /// The view of a watched Deployment. Errors: wrong types.
    pub(super) fn view(raw: &Raw) -> Result<Self, serde_json::Error> {
        let Parts { metadata: meta, spec, status } = raw.view()?;
        let limited = |value: Option<i32>| value.filter(|value| *value != i32::MAX);
        let rolling = &spec.strategy["rollingUpdate"];
        let strategy = match spec.strategy["type"].as_str() {
            Some("Recreate") => Strategy::Recreate,
            _ => Strategy::RollingUpdate {
                max_surge: rolling["maxSurge"].clone(),
                max_unavailable: rolling["maxUnavailable"].clone(),
            },
        };
        Ok(Self {
            meta,
            replicas: spec.replicas.unwrap_or(1).max(0),
            paused: spec.paused,
            min_ready_seconds: spec.min_ready_seconds,
            revision_history_limit: limited(spec.revision_history_limit),
            progress_deadline_seconds: limited(spec.progress_deadline_seconds),
            selector: spec.selector,
            template: spec.template,
            strategy,
            status,
        })
    }

    /// Both limits resolved (`ResolveFenceposts`): surge rounds up, unavailability down; one of them is always above
    /// zero, or nothing could ever move.
    fn fence_posts(&self) -> (i32, i32) {
        let Strategy::RollingUpdate { max_surge, max_unavailable } = &self.strategy else { return (0, 0) };
        let surge = scaled(max_surge, self.replicas, Rounding::Up);
        let unavailable = scaled(max_unavailable, self.replicas, Rounding::Down);
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }

    /// How many pods there may be beyond the wanted number.
    pub(super) fn max_surge(&self) -> i32 {
        self.fence_posts().0
    }

    /// How many pods there may be in all.
    pub(super) fn max_replicas(&self) -> i32 {
        self.replicas.saturating_add(self.max_surge())
    }

    /// How many pods fewer than wanted may be available.
    pub(super) fn max_unavailable(&self) -> i32 {
        if self.replicas == 0 { 0 } else { self.fence_posts().1.min(self.replicas) }
    }

    /// Whether the strategy is a rolling update.
    pub(super) fn is_rolling(&self) -> bool {
        matches!(self.strategy, Strategy::RollingUpdate { .. })
    }
}

/// The merge patch that writes a status; only onto the version it was computed from.
pub(super) fn status_patch(uid: &str, resource_version: &str, status: &Status) -> Value {
    let conditions = if status.conditions.is_empty() { Value::Null } else { json!(status.conditions) };
    json!({
        "metadata": {"uid": uid, "resourceVersion": resource_version},
        "status": {
            "observedGeneration": unless_zero(status.observed_generation),
            "replicas": unless_zero(status.replicas.into()),
            "updatedReplicas": unless_zero(status.updated_replicas.into()),
            "readyReplicas": unless_zero(status.ready_replicas.into()),
            "availableReplicas": unless_zero(status.available_replicas.into()),
            "unavailableReplicas": unless_zero(status.unavailable_replicas.into()),
            // Pointers in Go: zero is written, absence is not.
            "terminatingReplicas": status.terminating_replicas,
            "collisionCount": status.collision_count,
            "conditions": conditions,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_resolve_as_upstream() {
        // (replicas, maxSurge, maxUnavailable) → (surge, unavailable)
        let cases = [
            (10, json!("25%"), json!("25%"), (3, 2)),
            (1, json!("25%"), json!("25%"), (1, 0)),
            (2, json!(0), json!("1%"), (0, 1)),
            (10, json!(3), json!(20), (3, 10)),
            (0, json!("25%"), json!(1), (0, 0)),
            (4, Value::Null, Value::Null, (0, 1)),
            (4, json!("nonsense"), json!(-3), (0, 1)),
            (i32::MAX, json!("100%"), json!("100%"), (i32::MAX, i32::MAX)),
        ];
        for (replicas, max_surge, max_unavailable, want) in cases {
            let spec = json!({"replicas": replicas, "template": {}, "strategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": max_surge, "maxUnavailable": max_unavailable}}});
            let raw = Raw::from_value(&json!({"metadata": {"name": "d"}, "spec": spec})).unwrap();
            let deployment = Deployment::view(&raw).unwrap();
            assert_eq!((deployment.max_surge(), deployment.max_unavailable()), want, "{spec}");
        }
        let recreate = json!({"metadata": {"name": "d"}, "spec": {"strategy": {"type": "Recreate"}}});
        let recreate = Deployment::view(&Raw::from_value(&recreate).unwrap()).unwrap();
        assert_eq!((recreate.max_surge(), recreate.max_unavailable(), recreate.replicas), (0, 0, 1));
    }
}
