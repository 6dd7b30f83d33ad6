//! Where a pod fits: the pure half of the scheduler.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use controllers::Key;
use k8s_openapi::api::core::v1::{Container, Node, Pod, PodSpec, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use schema::quantity::Quantity;

/// Amounts by resource name; CPU in thousandths, everything else in units.
type Amounts = BTreeMap<String, i64>;

/// What the scheduler knows: nodes, and what pods take of them.
#[derive(Default)]
pub(super) struct Cluster {
    /// Pods that have no node yet.
    pub(super) waiting: BTreeSet<Key>,
    nodes: BTreeMap<String, Node>,
    placed: HashMap<Key, Placed>,
}

/// Whether a change left more room than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Freed,
    Same,
}

struct Placed {
    node: String,
    requests: Amounts,
}

impl Cluster {
    /// A node appeared or changed.
    pub(super) fn set_node(&mut self, node: Node) {
        self.nodes.insert(node.metadata.name.clone().unwrap_or_default(), node);
    }

    /// A node is gone.
    pub(super) fn remove_node(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    /// A pod takes what it requests from a node, or nothing when it has ended.
    pub(super) fn set_pod(&mut self, key: &Key, pod: &Pod) -> Room {
        let spec = pod.spec.as_ref();
        let ended = matches!(phase(pod), "Succeeded" | "Failed");
        match spec.and_then(|spec| spec.node_name.clone()) {
            Some(node) if !ended => {
                self.place(key, pod, node);
                Room::Same
            }
            // An assumed placement stays until the API has it: an older version of the pod may still arrive.
            None if !ended => Room::Same,
            _ => self.remove_pod(key),
        }
    }

    /// Assumes a placement that has been decided.
    pub(super) fn place(&mut self, key: &Key, pod: &Pod, node: String) {
        let requests = pod.spec.as_ref().map(requests).unwrap_or_default();
        self.placed.insert(key.clone(), Placed { node, requests });
    }

    /// A pod is gone, or its placement did not come about.
    pub(super) fn remove_pod(&mut self, key: &Key) -> Room {
        if self.placed.remove(key).is_some() { Room::Freed } else { Room::Same }
    }

    /// The node for a pod: among those that fit the one with the smallest share of CPU, memory and pods in use, the
    /// first by name among equals. Error: why none fits, in upstream's words.
    pub(super) fn choose(&self, pod: &Pod) -> Result<String, String> {
        let spec = pod.spec.clone().unwrap_or_default();
        let wanted = requests(&spec);
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let mut best: Option<(f64, &String)> = None;
        for (name, node) in &self.nodes {
            let used = self.used(name);
            let misfits = misfits(&spec, &wanted, node, &used);
            if misfits.is_empty() {
                let share = share(node, &used);
                if best.is_none_or(|(lowest, _)| share < lowest) {
                    best = Some((share, name));
                }
            }
            for reason in misfits {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        if let Some((_, name)) = best {
            return Ok(name.clone());
        }
        if self.nodes.is_empty() {
            return Err("no nodes available to schedule pods".to_owned());
        }
        let mut counted: Vec<String> = reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        counted.sort();
        Err(format!("0/{} nodes are available: {}.", self.nodes.len(), counted.join(", ")))
    }

    fn used(&self, node: &str) -> Amounts {
        let mut used = Amounts::new();
        for placed in self.placed.values().filter(|placed| placed.node == node) {
            add(&mut used, &placed.requests);
            *used.entry("pods".to_owned()).or_default() += 1;
        }
        used
    }
}

/// `status.phase` of a pod.
pub(super) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

fn misfits(spec: &PodSpec, wanted: &Amounts, node: &Node, used: &Amounts) -> Vec<String> {
    let node_spec = node.spec.clone().unwrap_or_default();
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    if node_spec.unschedulable == Some(true) && !tolerated(tolerations, &cordon) {
        return vec!["node(s) were unschedulable".to_owned()];
    }
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let selector = spec.node_selector.iter().flatten();
    if selector.into_iter().any(|(key, value)| labels.get(key) != Some(value)) {
        return vec!["node(s) didn't match Pod's node affinity/selector".to_owned()];
    }
    let taints = node_spec.taints.unwrap_or_default();
    let repels = |taint: &&Taint| taint.effect != "PreferNoSchedule" && !tolerated(tolerations, taint);
    if taints.iter().any(|taint| repels(&taint)) {
        return vec!["node(s) had untolerated taint(s)".to_owned()];
    }
    let allocatable = allocatable(node);
    let free =
        |name: &str| allocatable.get(name).copied().unwrap_or_default() - used.get(name).copied().unwrap_or_default();
    let mut reasons = Vec::new();
    if free("pods") < 1 {
        reasons.push("Too many pods".to_owned());
    }
    for (name, amount) in wanted {
        if *amount > free(name) {
            reasons.push(format!("Insufficient {name}"));
        }
    }
    reasons
}

/// Whether one of the tolerations covers a taint (upstream: `Toleration.ToleratesTaint`).
fn tolerated(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        let key = toleration.key.as_deref().unwrap_or_default();
        let effect = toleration.effect.as_deref().unwrap_or_default();
        (effect.is_empty() || effect == taint.effect)
            && (key.is_empty() || key == taint.key)
            && match toleration.operator.as_deref() {
                Some("Exists") => true,
                None | Some("" | "Equal") => {
                    toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default()
                }
                Some(_) => false,
            }
    })
}

fn share(node: &Node, used: &Amounts) -> f64 {
    let allocatable = allocatable(node);
    let of = |name: &str| {
        let all = allocatable.get(name).copied().unwrap_or_default();
        #[allow(clippy::cast_precision_loss, reason = "a score, not an account")]
        let share = used.get(name).copied().unwrap_or_default() as f64 / all.max(1) as f64;
        share
    };
    of("cpu") + of("memory") + of("pods")
}

fn allocatable(node: &Node) -> Amounts {
    let amounts = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    amounts.map(amounts_of).unwrap_or_default()
}

/// What a pod takes (upstream: `PodRequests`): its containers and sidecars together, or its largest init container.
fn requests(spec: &PodSpec) -> Amounts {
    let mut total = Amounts::new();
    let of = |container: &Container| {
        let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        requests.map(amounts_of).unwrap_or_default()
    };
    for container in &spec.containers {
        add(&mut total, &of(container));
    }
    for container in spec.init_containers.iter().flatten() {
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut total, &of(container));
        }
    }
    for container in spec.init_containers.iter().flatten() {
        for (name, amount) in of(container) {
            let entry = total.entry(name).or_default();
            *entry = amount.max(*entry);
        }
    }
    add(&mut total, &spec.overhead.as_ref().map(amounts_of).unwrap_or_default());
    total.retain(|_, amount| *amount > 0);
    total
}

fn amounts_of(texts: &BTreeMap<String, Text>) -> Amounts {
    let amount = |name: &str, text: &Text| {
        // The API server has validated them; one beyond an i64 fits nowhere.
        let Ok(quantity) = text.0.parse::<Quantity>() else { return 0 };
        let amount = if name == "cpu" { quantity.milli_value() } else { quantity.value() };
        amount.unwrap_or(i64::MAX)
    };
    texts.iter().map(|(name, text)| (name.clone(), amount(name, text))).collect()
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let entry = total.entry(name.clone()).or_default();
        *entry = entry.saturating_add(*amount);
    }
}

#[cfg(test)]
mod tests;
