//! What the host knows of a running pod, as the tenant sees it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tenancy::{Host, Virtual};

use super::super::Refused;
use super::super::names::Names;
use super::super::rules::Rule::{Into, Keep, Ours, Rewrite};
use super::super::rules::{Handler, Outcome, Rewriter, Rule, Shape, Unknown, walk};
use crate::json;

const TEXT: Rule = Rewrite(Handler::Text, None, "host names become virtual names");
const STATUSES: Rule = Rewrite(
    Handler::ContainerStatuses,
    Some(&CONTAINER_STATUS),
    "containers the tenant asked for; none that the host adds",
);
const NO_DEVICES: &str = "left out: no resource claims yet";

/// `status` of a pod, from the host to the tenant.
pub static POD_STATUS: Shape = Shape {
    type_name: "core.v1.PodStatus",
    fields: &[
        ("allocatedResources", Keep),
        ("conditions", Into(&CONDITION)),
        ("containerStatuses", STATUSES),
        ("ephemeralContainerStatuses", STATUSES),
        ("extendedResourceClaimStatus", Ours(NO_DEVICES)),
        ("hostIP", Keep),
        ("hostIPs", Keep),
        ("initContainerStatuses", STATUSES),
        ("message", TEXT),
        ("nodeAllocatableResourceClaimStatuses", Ours(NO_DEVICES)),
        ("nominatedNodeName", Keep),
        ("observedGeneration", Ours("the virtual generation, once the host has seen what the tenant wants")),
        ("phase", Keep),
        ("podIP", Keep),
        ("podIPs", Keep),
        ("qosClass", Ours("the tenant's own: defaults of the host namespace do not change it")),
        ("reason", Keep),
        ("resize", Keep),
        ("resourceClaimStatuses", Ours(NO_DEVICES)),
        ("resources", Into(&RESOURCES)),
        ("startTime", Keep),
    ],
};
static CONDITION: Shape = Shape {
    type_name: "core.v1.PodCondition",
    fields: &[
        ("lastProbeTime", Keep),
        ("lastTransitionTime", Keep),
        ("message", TEXT),
        ("observedGeneration", Ours("as the pod's")),
        ("reason", Keep),
        ("status", Keep),
        ("type", Keep),
    ],
};
static CONTAINER_STATUS: Shape = Shape {
    type_name: "core.v1.ContainerStatus",
    fields: &[
        ("allocatedResources", Keep),
        ("allocatedResourcesStatus", Ours("left out: names devices of the node")),
        ("containerID", Keep),
        ("image", Keep),
        ("imageID", Keep),
        ("lastState", Into(&STATE)),
        ("name", Keep),
        ("ready", Keep),
        ("resources", Into(&RESOURCES)),
        ("restartCount", Keep),
        ("started", Keep),
        ("state", Into(&STATE)),
        ("stopSignal", Keep),
        ("user", Into(&USER)),
        ("volumeMounts", Rewrite(Handler::MountStatuses, Some(&MOUNT), "volumes the tenant asked for")),
    ],
};
static STATE: Shape = Shape {
    type_name: "core.v1.ContainerState",
    fields: &[("running", Into(&RUNNING)), ("terminated", Into(&TERMINATED)), ("waiting", Into(&WAITING))],
};
static RUNNING: Shape = Shape { type_name: "core.v1.ContainerStateRunning", fields: &[("startedAt", Keep)] };
static WAITING: Shape =
    Shape { type_name: "core.v1.ContainerStateWaiting", fields: &[("message", TEXT), ("reason", Keep)] };
static TERMINATED: Shape = Shape {
    type_name: "core.v1.ContainerStateTerminated",
    fields: &[
        ("containerID", Keep),
        ("exitCode", Keep),
        ("finishedAt", Keep),
        ("message", Keep),
        ("reason", Keep),
        ("signal", Keep),
        ("startedAt", Keep),
    ],
};
static RESOURCES: Shape = Shape {
    type_name: "core.v1.ResourceRequirements",
    fields: &[("claims", Ours(NO_DEVICES)), ("limits", Keep), ("requests", Keep)],
};
static USER: Shape = Shape { type_name: "core.v1.ContainerUser", fields: &[("linux", Into(&LINUX_USER))] };
static LINUX_USER: Shape = Shape {
    type_name: "core.v1.LinuxContainerUser",
    fields: &[("gid", Keep), ("supplementalGroups", Keep), ("uid", Keep)],
};
static MOUNT: Shape = Shape {
    type_name: "core.v1.VolumeMountStatus",
    fields: &[
        ("mountPath", Keep),
        ("name", Keep),
        ("readOnly", Keep),
        ("recursiveReadOnly", Keep),
        ("volumeStatus", Into(&VOLUME_STATUS)),
    ],
};
static VOLUME_STATUS: Shape = Shape { type_name: "core.v1.VolumeStatus", fields: &[("image", Into(&IMAGE_STATUS))] };
static IMAGE_STATUS: Shape = Shape { type_name: "core.v1.ImageVolumeStatus", fields: &[("imageRef", Keep)] };

/// Whether the host has seen everything the tenant wants of the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Nothing waits to be written to the host.
    Yes,
    /// The host runs an earlier form.
    No,
}

/// The status of the virtual pod: the host's by table, except what the tenant owns (conditions of its readiness gates,
/// the quality of service class).
pub fn status_to_virtual(
    own: &Virtual<Value>,
    host: &Host<Value>,
    names: &Names,
    observed: Observed,
) -> Virtual<Value> {
    let (Virtual(own), Host(host)) = (own, host);
    let mut rewriter = StatusRewriter { names, containers: containers(own) };
    let status = host.get("status").unwrap_or(&Value::Null);
    // Towards the tenant nothing is refused: the rewriter has no such answer and unknown fields are left out.
    let mut out = match walk(&POD_STATUS, status, "status", Unknown::LeaveOut, &mut rewriter) {
        Ok(Value::Object(out)) => out,
        _ => Map::new(),
    };
    let class = own.pointer("/status/qosClass").or_else(|| host.pointer("/status/qosClass"));
    json::set(&mut out, "qosClass", class.filter(|class| !class.is_null()).cloned());
    let before = own.pointer("/status/observedGeneration");
    let generation = if observed == Observed::Yes { own.pointer("/metadata/generation") } else { before };
    let generation = generation.filter(|_| host.pointer("/status/observedGeneration").is_some());
    json::set(&mut out, "observedGeneration", generation.cloned());
    let gates = gates(own);
    let mut conditions: Vec<Value> = match out.remove("conditions") {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    conditions.retain(|condition| !gates.contains(json::text(condition, "/type")));
    if let Some(generation) = &generation {
        for condition in conditions.iter_mut().filter_map(Value::as_object_mut) {
            condition.insert("observedGeneration".into(), (*generation).clone());
        }
    }
    let ours = json::items(own, "/status/conditions").iter();
    conditions.extend(ours.filter(|condition| gates.contains(json::text(condition, "/type"))).cloned());
    json::set(&mut out, "conditions", (!conditions.is_empty()).then_some(Value::Array(conditions)));
    Virtual(Value::Object(out))
}

/// The conditions of a pod's readiness gates as the tenant has set them, reduced to what the host needs. They go the
/// other way: the tenant's controllers set them, the kubelet waits for them.
pub fn gate_conditions(own: &Virtual<Value>) -> Vec<Value> {
    let Virtual(own) = own;
    let gates = gates(own);
    let reduced = |condition: &Value| {
        let mut out = json!({ "type": json::text(condition, "/type"), "status": json::text(condition, "/status") });
        if let (Some(out), Some(time)) = (out.as_object_mut(), condition.get("lastTransitionTime")) {
            out.insert("lastTransitionTime".into(), time.clone());
        }
        out
    };
    let conditions = json::items(own, "/status/conditions").iter();
    conditions.filter(|condition| gates.contains(json::text(condition, "/type"))).map(reduced).collect()
}

/// Condition types a kubelet or scheduler sets: no readiness gate takes them over.
const HOST_CONDITIONS: &[&str] = &[
    "ContainersReady",
    "DisruptionTarget",
    "Initialized",
    "PodReadyToStartContainers",
    "PodResizeInProgress",
    "PodResizePending",
    "PodScheduled",
    "Ready",
];

fn gates(pod: &Value) -> BTreeSet<&str> {
    let gates = json::items(pod, "/spec/readinessGates").iter();
    gates.map(|gate| json::text(gate, "/conditionType")).filter(|gate| !HOST_CONDITIONS.contains(gate)).collect()
}

/// Names of the pod's containers, each with the names of the volumes it mounts.
fn containers(pod: &Value) -> Vec<(&str, BTreeSet<&str>)> {
    let lists = ["/spec/initContainers", "/spec/containers", "/spec/ephemeralContainers"];
    let mounts = |container| json::items(container, "/volumeMounts").iter().map(|mount| json::text(mount, "/name"));
    let all = lists.into_iter().flat_map(|list| json::items(pod, list));
    all.map(|container| (json::text(container, "/name"), mounts(container).collect())).collect()
}

struct StatusRewriter<'a> {
    names: &'a Names,
    containers: Vec<(&'a str, BTreeSet<&'a str>)>,
}

impl StatusRewriter<'_> {
    fn list(
        &mut self,
        value: &Value,
        shape: &Shape,
        at: &str,
        wanted: impl Fn(&Self, &str) -> bool,
    ) -> Result<Outcome, Refused> {
        let mut kept = Vec::new();
        for item in value.as_array().into_iter().flatten() {
            if wanted(self, json::text(item, "/name")) {
                kept.push(walk(shape, item, at, Unknown::LeaveOut, self)?);
            }
        }
        Ok(if kept.is_empty() { Outcome::Nothing } else { Outcome::Value(Value::Array(kept)) })
    }
}

impl Rewriter for StatusRewriter<'_> {
    fn rewrite(
        &mut self,
        handler: Handler,
        value: &Value,
        parent: &Map<String, Value>,
        at: &str,
    ) -> Result<Outcome, Refused> {
        match handler {
            Handler::Text => Ok(Outcome::Value(json!(self.names.to_virtual(value.as_str().unwrap_or_default())))),
            Handler::ContainerStatuses => {
                let known = |this: &Self, name: &str| this.containers.iter().any(|(container, _)| *container == name);
                self.list(value, &CONTAINER_STATUS, at, known)
            }
            Handler::MountStatuses => {
                let container = parent.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                let known = move |this: &Self, name: &str| {
                    this.containers.iter().any(|(own, mounts)| *own == container && mounts.contains(name))
                };
                self.list(value, &MOUNT, at, known)
            }
            _ => Ok(Outcome::Nothing),
        }
    }
}
