//! What a replica set wants: how many pods to create or which to delete, and its status. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Family;
use crate::informer::Raw;
use crate::object::{Condition, Meta, condition, nullable, timestamp, unless_zero};
use crate::pod::Pod;
use crate::selector::LabelSelector;

/// Most pods created or deleted in one step (upstream's `BurstReplicas`).
const BURST: usize = 500;
const REPLICA_FAILURE: &str = "ReplicaFailure";

/// A replica set or replication controller as far as its controller reads it.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) meta: Meta,
    pub(crate) replicas: i32,
    pub(crate) min_ready_seconds: i32,
    pub(crate) selector: LabelSelector,
    pub(crate) template: Value,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) replicas: i32,
    pub(crate) fully_labeled_replicas: i32,
    pub(crate) ready_replicas: i32,
    pub(crate) available_replicas: i32,
    pub(crate) terminating_replicas: Option<i32>,
    pub(crate) observed_generation: i64,
    #[serde(deserialize_with = "nullable")]
    pub(crate) conditions: Vec<Condition>,
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
    min_ready_seconds: i32,
    #[serde(default)]
    selector: Value,
    #[serde(default)]
    template: Value,
}

impl Set {
    /// A set that does not exist yet.
    pub(crate) fn new(name: String) -> Self {
        Self {
            meta: Meta { name, ..Meta::default() },
            replicas: 0,
            min_ready_seconds: 0,
            selector: LabelSelector::default(),
            template: Value::Null,
            status: Status::default(),
        }
    }

    /// The view of a watched set. Errors: wrong types.
    pub(crate) fn view(family: Family, raw: &Raw) -> Result<Self, serde_json::Error> {
        let Parts { metadata: meta, spec, status } = raw.view()?;
        let selector = match family {
            Family::ReplicaSet => spec.selector,
            Family::ReplicationController => json!({ "matchLabels": spec.selector }),
        };
        Ok(Self {
            meta,
            replicas: spec.replicas.unwrap_or(1),
            min_ready_seconds: spec.min_ready_seconds,
            selector: serde_json::from_value::<Option<LabelSelector>>(selector)?.unwrap_or_default(),
            template: spec.template,
            status,
        })
    }
}

/// What to do about the number of pods.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Nothing.
    Keep,
    /// Create so many.
    Create(usize),
    /// Delete these, by name.
    Delete(Vec<String>),
}

/// Compares the number of active pods with the wanted one. `related` are the active pods of all sets with the same
/// controller: of two pods the one with more of them on its node goes first.
pub(crate) fn scale(set: &Set, active: &[Pod], related: &[Pod], now: Timestamp) -> Scale {
    let wanted = usize::try_from(set.replicas).unwrap_or_default();
    if active.len() < wanted {
        return Scale::Create((wanted - active.len()).min(BURST));
    }
    let excess = (active.len() - wanted).min(BURST);
    if excess == 0 {
        return Scale::Keep;
    }
    let mut on_node: HashMap<&str, usize> = HashMap::new();
    for pod in related.iter().filter(|pod| pod.is_active()) {
        *on_node.entry(&pod.spec.node_name).or_default() += 1;
    }
    let neighbours = |pod: &Pod| on_node.get(pod.spec.node_name.as_str()).copied().unwrap_or_default();
    let mut pods: Vec<&Pod> = active.iter().collect();
    pods.sort_by_cached_key(|pod| rank(pod, neighbours(pod), now));
    Scale::Delete(pods[..excess].iter().map(|pod| pod.meta.name.clone()).collect())
}

/// Position in the order of deletion (`ActivePodsWithRanks`): unassigned, pending, not ready, cheap, crowded, recently
/// ready, often restarted, young pods go first. Ages count by powers of two, so that not always the youngest goes; the
/// uid decides between equals.
fn rank(pod: &Pod, neighbours: usize, now: Timestamp) -> impl Ord + use<> {
    let (restarts, sidecar_restarts) = pod.restarts();
    (
        !pod.spec.node_name.is_empty(),
        pod.stage(),
        pod.is_ready(),
        pod.deletion_cost(),
        Reverse(neighbours),
        age(pod.ready_since().filter(|_| pod.is_ready()), now),
        Reverse((restarts, sidecar_restarts)),
        age(pod.created(), now),
        pod.meta.uid.clone(),
    )
}

/// Logarithm of an age; smaller than any for an unknown one.
fn age(since: Option<Timestamp>, now: Timestamp) -> i32 {
    let Some(since) = since else { return -2 };
    let nanoseconds = now.as_nanosecond() - since.as_nanosecond();
    u128::try_from(nanoseconds).ok().and_then(u128::checked_ilog2).map_or(-1, u32::cast_signed)
}

/// What went wrong while scaling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

/// The status that follows from the pods (`calculateStatus`).
pub(crate) fn status(
    family: Family,
    set: &Set,
    active: &[Pod],
    terminating: usize,
    failure: Option<&Failure>,
    now: Timestamp,
) -> Status {
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let labels = set.template["metadata"]["labels"].as_object();
    let fully_labeled = |pod: &&Pod| {
        labels.into_iter().flatten().all(|(key, value)| pod.meta.labels.get(key).map(String::as_str) == value.as_str())
    };
    let mut conditions = set.status.conditions.clone();
    match (failure, condition(&conditions, REPLICA_FAILURE)) {
        (Some(Failure(message)), None) => {
            let wanted = usize::try_from(set.replicas).unwrap_or_default();
            let reason = if active.len() < wanted { "FailedCreate" } else { "FailedDelete" };
            conditions.push(Condition {
                r#type: REPLICA_FAILURE.to_owned(),
                status: "True".to_owned(),
                last_transition_time: timestamp(now),
                reason: reason.to_owned(),
                message: message.clone(),
                ..Condition::default()
            });
        }
        (None, Some(_)) => conditions.retain(|c| c.r#type != REPLICA_FAILURE),
        _ => {}
    }
    Status {
        replicas: count(active.len()),
        fully_labeled_replicas: count(active.iter().filter(fully_labeled).count()),
        ready_replicas: count(active.iter().filter(|pod| pod.is_ready()).count()),
        available_replicas: count(active.iter().filter(|p| p.is_available(set.min_ready_seconds, now)).count()),
        terminating_replicas: (family == Family::ReplicaSet).then(|| count(terminating)),
        observed_generation: set.meta.generation,
        conditions,
    }
}

/// The merge patch that writes a status; only onto the version it was computed from.
pub(crate) fn status_patch(set: &Set, status: &Status) -> Value {
    let conditions = if status.conditions.is_empty() { Value::Null } else { json!(status.conditions) };
    let mut patch = json!({
        "metadata": {"uid": set.meta.uid, "resourceVersion": set.meta.resource_version},
        "status": {
            "replicas": status.replicas,
            "fullyLabeledReplicas": unless_zero(status.fully_labeled_replicas.into()),
            "readyReplicas": unless_zero(status.ready_replicas.into()),
            "availableReplicas": unless_zero(status.available_replicas.into()),
            "observedGeneration": unless_zero(status.observed_generation),
            "conditions": conditions,
        },
    });
    if let Some(terminating) = status.terminating_replicas {
        // A pointer in Go: zero is written.
        patch["status"]["terminatingReplicas"] = json!(terminating);
    }
    patch
}

/// When to look again because a ready pod becomes available by the passing of time alone.
pub(crate) fn next_check(set: &Set, status: &Status, active: &[Pod], now: Timestamp) -> Option<std::time::Duration> {
    if set.min_ready_seconds <= 0 || status.ready_replicas == status.available_replicas {
        return None;
    }
    let waits = active.iter().filter_map(|pod| pod.available_at(set.min_ready_seconds)).filter(|at| *at > now);
    let soonest = waits.min().and_then(|at| std::time::Duration::try_from(at.duration_since(now)).ok());
    let fallback = std::time::Duration::from_secs(set.min_ready_seconds.unsigned_abs().into());
    Some(soonest.unwrap_or(fallback))
}
