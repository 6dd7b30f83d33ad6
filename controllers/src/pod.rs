//! A view of pods: what controllers and endpoints ask of them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::informer::Raw;
use crate::object::{Condition, Meta, condition, nullable, parse_time};

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// A pod as far as controllers read it.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) raw: Arc<Raw>,
    pub(crate) meta: Meta,
    pub(crate) spec: Spec,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec {
    pub(crate) node_name: String,
    pub(crate) hostname: String,
    pub(crate) subdomain: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) init_containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) restart_policy: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) ports: Vec<ContainerPort>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ContainerPort {
    pub(crate) name: String,
    pub(crate) container_port: i32,
    pub(crate) protocol: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) phase: String,
    pub(crate) reason: String,
    #[serde(rename = "podIP")]
    pub(crate) pod_ip: String,
    #[serde(rename = "podIPs", deserialize_with = "nullable")]
    pub(crate) pod_ips: Vec<PodIp>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) conditions: Vec<Condition>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PodIp {
    pub(crate) ip: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ContainerStatus {
    pub(crate) name: String,
    pub(crate) restart_count: i32,
    #[serde(deserialize_with = "nullable")]
    pub(crate) state: ContainerState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ContainerState {
    pub(crate) terminated: Option<Terminated>,
}

/// How a container has ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Terminated {
    pub(crate) exit_code: i32,
    #[serde(deserialize_with = "nullable")]
    pub(crate) finished_at: String,
}

#[derive(Deserialize)]
struct Parts {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

impl Pod {
    /// The view of a watched pod. Errors: wrong types.
    pub(crate) fn view(raw: Arc<Raw>) -> Result<Self, serde_json::Error> {
        let Parts { metadata: meta, spec, status } = raw.view()?;
        Ok(Self { raw, meta, spec, status })
    }

    /// Neither finished nor on its way out.
    pub(crate) fn is_active(&self) -> bool {
        !self.is_terminal() && !self.raw.is_deleting()
    }

    /// Finished, for good or bad.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// On its way out and not finished yet.
    pub(crate) fn is_terminating(&self) -> bool {
        !self.is_terminal() && self.raw.is_deleting()
    }

    /// How far the pod has come: pending, unknown, running.
    pub(crate) fn stage(&self) -> i32 {
        match self.status.phase.as_str() {
            "Unknown" => 1,
            "Running" => 2,
            _ => 0,
        }
    }

    fn ready_condition(&self) -> Option<&Condition> {
        condition(&self.status.conditions, "Ready").filter(|c| c.status == "True")
    }

    /// Whether the pod is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready_condition().is_some()
    }

    /// Since when the pod is ready.
    pub(crate) fn ready_since(&self) -> Option<Timestamp> {
        parse_time(&self.ready_condition()?.last_transition_time)
    }

    /// When the pod last became ready or unready.
    pub(crate) fn ready_changed(&self) -> Option<Timestamp> {
        parse_time(&condition(&self.status.conditions, "Ready")?.last_transition_time)
    }

    /// Whether the pod has an address and has not finished, so that it can be behind a Service.
    pub(crate) fn is_reachable(&self) -> bool {
        !self.is_terminal() && (!self.status.pod_ip.is_empty() || !self.status.pod_ips.is_empty())
    }

    /// When the pod will have been ready for so many seconds; `None` if it is not ready.
    pub(crate) fn available_at(&self, min_ready_seconds: i32) -> Option<Timestamp> {
        let wait = jiff::SignedDuration::from_secs(min_ready_seconds.into());
        self.ready_since()?.checked_add(wait).ok()
    }

    /// Whether the pod has been ready for at least so many seconds.
    pub(crate) fn is_available(&self, min_ready_seconds: i32, now: Timestamp) -> bool {
        self.is_ready() && (min_ready_seconds == 0 || self.available_at(min_ready_seconds).is_some_and(|at| at <= now))
    }

    /// When the pod was created.
    pub(crate) fn created(&self) -> Option<Timestamp> {
        parse_time(&self.meta.creation_timestamp)
    }

    /// What it costs to delete this pod, compared with others of its set; 0 when absent or malformed.
    pub(crate) fn deletion_cost(&self) -> i32 {
        let Some(text) = self.meta.annotations.get(DELETION_COST) else { return 0 };
        // No leading plus sign or zeros: upstream accepts one spelling per number.
        text.parse().ok().filter(|cost: &i32| cost.to_string() == *text).unwrap_or_default()
    }

    /// Most restarts of a container, and most restarts of a sidecar.
    pub(crate) fn restarts(&self) -> (i32, i32) {
        let most = |statuses: &mut dyn Iterator<Item = &ContainerStatus>| {
            statuses.map(|s| s.restart_count).max().unwrap_or_default().max(0)
        };
        let is_sidecar = |name: &str| {
            let always = |c: &Container| c.name == name && c.restart_policy.as_deref() == Some("Always");
            self.spec.init_containers.iter().any(always)
        };
        let sidecars = self.status.init_container_statuses.iter();
        (most(&mut self.status.container_statuses.iter()), most(&mut sidecars.filter(|s| is_sidecar(&s.name))))
    }
}

fn keep(object: &mut Map<String, Value>, fields: &[&str]) {
    object.retain(|key, _| fields.contains(&key.as_str()));
}

fn each<'a>(object: &'a mut Map<String, Value>, field: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn prune_container(status: &mut Map<String, Value>) {
    keep(status, &["name", "restartCount", "state"]);
    let state = status.remove("state").unwrap_or_default();
    if let Some(ended) = state["terminated"].as_object() {
        let mut ended = ended.clone();
        keep(&mut ended, &["exitCode", "finishedAt"]);
        status.insert("state".to_owned(), serde_json::json!({ "terminated": ended }));
    }
}

/// Of the volumes only the names of ephemeral ones stay.
fn prune_volumes(spec: &mut Map<String, Value>) {
    let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) else { return };
    volumes.retain(|volume| volume.get("ephemeral").is_some_and(|ephemeral| !ephemeral.is_null()));
    if volumes.is_empty() {
        spec.remove("volumes");
    } else {
        each(spec, "volumes").for_each(|volume| keep(volume, &["name"]));
    }
}

/// Leaves of a pod what [`Pod`] reads; about a quarter of it.
pub(crate) fn prune(pod: &mut Value) {
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
        let fields = ["nodeName", "hostname", "subdomain", "containers", "initContainers", "volumes"];
        keep(spec, &fields);
        prune_volumes(spec);
        for field in ["containers", "initContainers"] {
            each(spec, field).for_each(|container| keep(container, &["name", "ports", "restartPolicy"]));
        }
    }
    if let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) {
        let fields = ["phase", "reason", "podIP", "podIPs", "conditions", "containerStatuses", "initContainerStatuses"];
        keep(status, &fields);
        for field in ["containerStatuses", "initContainerStatuses"] {
            each(status, field).for_each(prune_container);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_view_survives_pruning() {
        let mut pod = json!({
            "metadata": {"name": "a", "namespace": "n", "annotations": {DELETION_COST: "-7"},
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "node", "volumes": [{"name": "v"}], "containers": [
                {"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": 80}]}],
                "initContainers": [{"name": "s", "restartPolicy": "Always"}, {"name": "i"}]},
            "status": {"phase": "Running", "hostIP": "1.1.1.1", "podIP": "10.0.0.1",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"}],
                "containerStatuses": [{"name": "c", "restartCount": 3, "image": "i", "state": {"terminated":
                    {"exitCode": 7, "reason": "Error", "finishedAt": "2026-01-01T00:02:00Z"}}}],
                "initContainerStatuses": [{"name": "s", "restartCount": 5}, {"name": "i", "restartCount": 9}]},
        });
        prune(&mut pod);
        assert!(!pod.to_string().contains("image") && !pod.to_string().contains("volumes"));
        let pod = Pod::view(Arc::new(Raw::from_value(&pod).unwrap())).unwrap();
        assert_eq!((pod.deletion_cost(), pod.restarts()), (-7, (3, 5)));
        let ended = pod.status.container_statuses[0].state.terminated.as_ref().unwrap();
        assert_eq!((ended.exit_code, ended.finished_at.as_str()), (7, "2026-01-01T00:02:00Z"));
        let at = |text: &str| text.parse().unwrap();
        assert!(pod.is_available(0, at("2026-01-01T00:01:00Z")));
        assert!(!pod.is_available(30, at("2026-01-01T00:01:29Z")));
        assert!(pod.is_available(30, at("2026-01-01T00:01:30Z")));
        assert!(pod.is_active() && !pod.is_terminating());
    }

    #[test]
    fn deletion_cost_has_one_spelling() {
        for (text, want) in [("5", 5), ("+5", 0), ("05", 0), ("x", 0), ("-1", -1), ("99999999999", 0)] {
            let pod = json!({"metadata": {"name": "a", "annotations": {DELETION_COST: text}}});
            let pod = Pod::view(Arc::new(Raw::from_value(&pod).unwrap())).unwrap();
            assert_eq!(pod.deletion_cost(), want, "{text}");
        }
    }
}
