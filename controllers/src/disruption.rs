//! PodDisruptionBudgets: how many pods may be evicted just now (upstream `pkg/controller/disruption`). Evictions take
//! from `status.disruptionsAllowed` in the API itself.
//!
//! Pods are counted against the scale of ReplicationControllers, ReplicaSets, Deployments and StatefulSets; a budget with
//! a percentage over pods of anything else fails, as upstream for owners without a scale.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::amount::{Rounding, scaled};
use crate::client::Part;
use crate::events::{Level, Recorder, Regarding};
use crate::informer::{Change, Informer, Raw};
use crate::key::{Key, plain};
use crate::kinds;
use crate::object::{Meta, nullable, parse_time, timestamp};
use crate::pod::Pod;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::selector::LabelSelector;
use crate::step::{self, Controller, Error};

/// How long an evicted pod may take to go before it counts again (`DeletionTimeout`).
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);
const ALLOWED: &str = "DisruptionAllowed";

#[derive(Clone, Debug, Deserialize)]
struct Budget {
    #[serde(rename = "metadata")]
    meta: Meta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    min_available: Value,
    max_unavailable: Value,
    selector: Option<LabelSelector>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    disruptions_allowed: i32,
    current_healthy: i32,
    desired_healthy: i32,
    expected_pods: i32,
    #[serde(deserialize_with = "nullable")]
    disrupted_pods: BTreeMap<String, String>,
    observed_generation: i64,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

/// A `metav1.Condition`, which unlike others has all its fields always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    r#type: String,
    status: String,
    observed_generation: i64,
    last_transition_time: String,
    reason: String,
    message: String,
}

impl Budget {
    fn selects(&self, pod: &Raw) -> bool {
        // No selector selects nothing, an empty one everything.
        self.spec.selector.as_ref().is_some_and(|selector| selector.matches(|key| pod.label(key)))
    }
}

/// How large the owners of the pods want to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scale {
    /// The sum over all owners, and whether there are pods without an owner.
    Known { sum: i32, unmanaged: bool },
    /// A pod has an owner without a scale.
    Unknown { pod: String },
}

/// What follows from the pods.
#[derive(Debug, PartialEq)]
struct Verdict {
    status: Status,
    /// When to look again although nothing happens.
    again: Option<Duration>,
    /// Pods that were evicted and have not gone.
    late: Vec<String>,
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Pods expected, and pods wanted healthy (`getExpectedPodCount`). Errors: the scale is needed and unknown.
fn expected(spec: &Spec, pods: usize, scale: &Scale) -> Result<(i32, i32), String> {
    let sum = match scale {
        Scale::Known { sum, .. } => Ok(*sum),
        Scale::Unknown { pod } => Err(format!("found no controllers for pod {pod:?}")),
    };
    if !spec.max_unavailable.is_null() {
        let sum = sum?;
        return Ok((sum, (sum - scaled(&spec.max_unavailable, sum, Rounding::Up)).max(0)));
    }
    if let Some(number) = spec.min_available.as_i64() {
        return Ok((count(pods), i32::try_from(number).unwrap_or(i32::MAX)));
    }
    if spec.min_available.is_string() {
        let sum = sum?;
        return Ok((sum, scaled(&spec.min_available, sum, Rounding::Up)));
    }
    Ok((0, 0))
}

/// Decides (`trySync`).
fn judge(budget: &Budget, pods: &[Pod], expected: (i32, i32), now: Timestamp) -> Verdict {
    let (mut disrupted, mut late, mut again) = (BTreeMap::new(), Vec::new(), None);
    for pod in pods.iter().filter(|pod| !pod.raw.is_deleting()) {
        let Some(text) = budget.status.disrupted_pods.get(&pod.meta.name) else { continue };
        let Some(due) = parse_time(text).and_then(|since| since.checked_add(PATIENCE).ok()) else { continue };
        if due < now {
            late.push(pod.meta.name.clone());
            continue;
        }
        disrupted.insert(pod.meta.name.clone(), text.clone());
        let wait = Duration::try_from(due.duration_since(now)).unwrap_or_default() + Duration::from_secs(1);
        again = Some(again.map_or(wait, |again: Duration| again.min(wait)));
    }
    let healthy = |pod: &&Pod| !pod.raw.is_deleting() && !disrupted.contains_key(&pod.meta.name) && pod.is_ready();
    let current_healthy = count(pods.iter().filter(healthy).count());
    let (expected_pods, desired_healthy) = expected;
    let spare = if expected_pods <= 0 { 0 } else { (current_healthy - desired_healthy).max(0) };
    let (value, reason) = if spare > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let status = Status {
        disruptions_allowed: spare,
        current_healthy,
        desired_healthy,
        expected_pods,
        disrupted_pods: disrupted,
        observed_generation: budget.meta.generation,
        conditions: with_condition(budget, value, reason, "", budget.meta.generation, now),
    };
    Verdict { status, again, late }
}

/// The conditions with this one set.
fn with_condition(
    budget: &Budget,
    status: &str,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut conditions = budget.status.conditions.clone();
    let held = conditions.iter().position(|condition| condition.r#type == ALLOWED);
    let since = held.map(|at| &conditions[at]).filter(|held| held.status == status);
    let new = Condition {
        r#type: ALLOWED.to_owned(),
        status: status.to_owned(),
        observed_generation: generation,
        last_transition_time: since.map_or_else(|| timestamp(now), |held| held.last_transition_time.clone()),
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    match held {
        Some(at) => conditions[at] = new,
        None => conditions.push(new),
    }
    conditions
}

/// What cannot be judged may not be disrupted (`failSafe`).
fn failed(budget: &Budget, message: &str, now: Timestamp) -> Status {
    let generation = budget.status.observed_generation;
    let conditions = with_condition(budget, "False", "SyncFailed", message, generation, now);
    Status { disruptions_allowed: 0, conditions, ..budget.status.clone() }
}

#[derive(Clone)]
struct Disruption {
    context: Context,
    recorder: Recorder,
    budgets: Informer,
    pods: Informer,
    replication_controllers: Informer,
    replica_sets: Informer,
    deployments: Informer,
    stateful_sets: Informer,
}

#[derive(Deserialize)]
struct Scaled {
    spec: Replicas,
}

#[derive(Deserialize)]
struct Replicas {
    replicas: Option<i32>,
}

impl Controller for Disruption {
    const NAME: &'static str = "disruption-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.budgets.get(&key.namespace, &key.name) else { return Ok(Outcome::Done) };
        let budget: Budget = raw.view()?;
        let all = self.pods.by_namespace(raw.namespace()).into_iter().filter(|pod| budget.selects(pod));
        let pods: Vec<Pod> = all.map(Pod::view).collect::<Result<_, _>>()?;
        let now = Timestamp::now();
        let tell = |level, reason, message: String| {
            self.recorder.record(&Regarding::raw(&kinds::disruption_budgets(), &raw), level, reason, message);
        };
        if pods.is_empty() {
            tell(Level::Normal, "NoPods", "No matching pods found".to_owned());
        }
        let scale = self.scale(&pods);
        let (status, again) = match expected(&budget.spec, pods.len(), &scale) {
            Ok(expected) => {
                let counts_owners = !budget.spec.min_available.is_i64();
                if counts_owners && matches!(scale, Scale::Known { unmanaged: true, .. }) {
                    tell(Level::Warning, "UnmanagedPods", unmanaged(&budget));
                }
                let verdict = judge(&budget, &pods, expected, now);
                let (namespace, pods_kind) = (plain(raw.namespace()), kinds::pods());
                for pod in pods.iter().filter(|pod| verdict.late.contains(&pod.meta.name)) {
                    let message =
                        format!("Pod was expected by PDB {namespace}/{} to be deleted but it wasn't", raw.name());
                    let regarding = Regarding::raw(&pods_kind, &pod.raw);
                    self.recorder.record(&regarding, Level::Warning, "NotDeleted", message);
                }
                (verdict.status, verdict.again)
            }
            Err(message) => {
                let text = format!("Failed to calculate the number of expected pods: {message}");
                tell(Level::Warning, "CalculateExpectedPodCountFailed", text);
                (failed(&budget, &message, now), None)
            }
        };
        if status != budget.status {
            let patch = status_patch(&raw, &budget.status, &status);
            let key = (raw.namespace(), raw.name());
            self.context.objects.merge(&kinds::disruption_budgets(), key, Part::Status, &patch).await?;
        }
        Ok(again.map_or(Outcome::Done, Outcome::After))
    }
}

fn unmanaged(budget: &Budget) -> String {
    let selector = serde_json::to_string(&budget.spec.selector).unwrap_or_default();
    format!(
        "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the \
         status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these \
         pods please set \".spec.minAvailable\" field of the PDB to an integer value."
    )
}

/// The merge patch that writes a status; only onto the version it was computed from.
fn status_patch(raw: &Raw, held: &Status, status: &Status) -> Value {
    let mut disrupted: BTreeMap<&str, Value> =
        held.disrupted_pods.keys().map(|pod| (pod.as_str(), Value::Null)).collect();
    disrupted.extend(status.disrupted_pods.iter().map(|(pod, since)| (pod.as_str(), json!(since))));
    json!({
        "metadata": {"uid": raw.uid(), "resourceVersion": raw.resource_version()},
        "status": {
            "disruptionsAllowed": status.disruptions_allowed,
            "currentHealthy": status.current_healthy,
            "desiredHealthy": status.desired_healthy,
            "expectedPods": status.expected_pods,
            "disruptedPods": if status.disrupted_pods.is_empty() { Value::Null } else { json!(disrupted) },
            "observedGeneration": status.observed_generation,
            "conditions": status.conditions,
        },
    })
}

impl Disruption {
    /// How large the owners of these pods want to be (`getExpectedScale`).
    fn scale(&self, pods: &[Pod]) -> Scale {
        let (mut scales, mut unmanaged) = (BTreeMap::new(), false);
        for pod in pods {
            if pod.raw.controller().is_none() {
                unmanaged = true;
                continue;
            }
            let Some((uid, replicas)) = self.owner(&pod.raw) else {
                return Scale::Unknown { pod: pod.meta.name.clone() };
            };
            scales.insert(uid, replicas);
        }
        Scale::Known { sum: scales.values().copied().fold(0, i32::saturating_add), unmanaged }
    }

    /// Uid and size of what owns a pod in the end.
    fn owner(&self, pod: &Raw) -> Option<(String, i32)> {
        let find = |informer: &Informer, object: &Raw| {
            let owner = object.controller()?;
            informer.get(object.namespace(), &owner.name).filter(|found| found.uid() == &*owner.uid)
        };
        let size = |raw: Arc<Raw>| {
            let replicas = raw.view::<Scaled>().ok()?.spec.replicas.unwrap_or(1);
            Some((raw.uid().to_owned(), replicas))
        };
        let owner = pod.controller()?;
        match (&*owner.kind, owner.api_version.split_once('/').map_or("", |(group, _)| group)) {
            ("ReplicationController", "") => size(find(&self.replication_controllers, pod)?),
            ("StatefulSet", "apps") => size(find(&self.stateful_sets, pod)?),
            ("ReplicaSet", "apps" | "extensions") => {
                let set = find(&self.replica_sets, pod)?;
                match set.controller().is_some_and(|owner| &*owner.kind == "Deployment") {
                    true => size(find(&self.deployments, &set)?),
                    false => size(set),
                }
            }
            _ => None,
        }
    }

    /// The budgets to look at after a pod changed.
    fn observe(&self, change: &Change) -> Vec<Key> {
        let budgets = self.budgets.by_namespace(&change.key().namespace);
        let concerned = |raw: &&Arc<Raw>| {
            let pods = change.old.iter().chain(&change.new);
            raw.view::<Budget>().is_ok_and(|budget| pods.into_iter().any(|pod| budget.selects(pod)))
        };
        budgets.iter().filter(concerned).map(|raw| raw.key().clone()).collect()
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let controller = Disruption {
        context: context.clone(),
        recorder: context.recorder.component("controllermanager"),
        budgets: context.disruption_budgets(),
        pods: context.pods(),
        replication_controllers: context.replication_controllers(),
        replica_sets: context.replica_sets(),
        deployments: context.deployments(),
        stateful_sets: context.stateful_sets(),
    };
    controller.budgets.subscribe({
        let queue = queue.clone();
        move |change| queue.add(change.key().clone())
    });
    controller.pods.subscribe({
        let (queue, controller) = (queue.clone(), controller.clone());
        move |change| controller.observe(change).into_iter().for_each(|key| queue.add(key))
    });
    let informers = vec![
        controller.budgets.clone(),
        controller.pods.clone(),
        controller.replication_controllers.clone(),
        controller.replica_sets.clone(),
        controller.deployments.clone(),
        controller.stateful_sets.clone(),
    ];
    step::work(controller, queue, informers, shutdown)
}

#[cfg(test)]
mod tests;
