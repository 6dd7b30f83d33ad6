//! What one object counts as (upstream: `pkg/quota/v1/evaluator/core`).

use std::collections::{BTreeMap, BTreeSet};

use resource::pod::{Amounts, amounts, effective, pod_level, qos_class};
use schema::quantity::Quantity;
use serde_json::Value;

/// Infix of the names that count by storage class.
const BY_CLASS: &str = ".storageclass.storage.k8s.io/";
/// Pods must say these when a quota limits them.
const REQUIRED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
/// What is never counted: not stored, or never has been (upstream: `ignoredResources`).
const IGNORED: [(&str, &str); 3] = [("", "bindings"), ("", "events"), ("events.k8s.io", "events")];

/// How the objects of a resource are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meter {
    Pods,
    Services,
    Claims,
    /// By number only.
    Objects,
}

impl Meter {
    pub(super) fn of(group: &str, plural: &str) -> Option<Meter> {
        if IGNORED.contains(&(group, plural)) {
            return None;
        }
        Some(match (group, plural) {
            ("", "pods") => Meter::Pods,
            ("", "services") => Meter::Services,
            ("", "persistentvolumeclaims") => Meter::Claims,
            _ => Meter::Objects,
        })
    }
}

/// What kind of write an object is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// It is new.
    Create,
    /// It changes.
    Update,
    /// Its status changes: noted, never refused.
    Status,
}

/// One object as quotas see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    group: String,
    plural: String,
    meter: Meter,
    /// What it uses.
    pub(super) usage: Amounts,
    /// Which scopes it is in.
    scopes: Scopes,
    /// What its containers leave out: names of containers by required amount.
    missing: BTreeMap<&'static str, BTreeSet<String>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Scopes {
    terminating: bool,
    best_effort: bool,
    crosses_namespaces: bool,
    priority_class: String,
    attribute_classes: BTreeSet<String>,
}

/// One requirement of a quota's scopes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Requirement {
    pub(super) scope: String,
    pub(super) operator: String,
    pub(super) values: Vec<String>,
}

impl Item {
    /// The object of a resource; None when its resource is never counted.
    pub(crate) fn new(group: &str, plural: &str, object: &Value) -> Option<Self> {
        let meter = Meter::of(group, plural)?;
        let mut item = Self {
            group: group.to_owned(),
            plural: plural.to_owned(),
            meter,
            usage: Amounts::new(),
            scopes: Scopes::default(),
            missing: BTreeMap::new(),
        };
        item.count(&count_name(group, plural), 1);
        match meter {
            Meter::Pods => item.pod(object),
            Meter::Services => item.service(object),
            Meter::Claims => item.claim(object),
            Meter::Objects => {
                if let Some(alias) = alias(group, plural) {
                    item.count(alias, 1);
                }
            }
        }
        Some(item)
    }

    /// Whether a write of the object is counted (upstream: `Evaluator.Handles`).
    pub(crate) fn handles(&self, old: Option<&Item>, subresource: &str) -> Option<Operation> {
        match (self.meter, subresource, old) {
            (_, "", None) => Some(Operation::Create),
            (Meter::Pods, "", Some(old)) => {
                (old.scopes.terminating != self.scopes.terminating).then_some(Operation::Update)
            }
            (Meter::Pods, "resize", Some(_)) | (Meter::Services | Meter::Claims, "", Some(_)) => {
                Some(Operation::Update)
            }
            (Meter::Claims, "status", Some(old)) => (old != self).then_some(Operation::Status),
            _ => None,
        }
    }

    /// Whether a name in a quota limits objects of this kind.
    pub(super) fn restricts(&self, name: &str) -> bool {
        restricts(self.meter, &self.group, &self.plural, name)
    }

    /// Whether the object is in a scope.
    pub(super) fn is_in(&self, requirement: &Requirement) -> bool {
        let scopes = &self.scopes;
        let exists = requirement.operator == "Exists";
        match (self.meter, requirement.scope.as_str()) {
            (Meter::Pods, "Terminating") => scopes.terminating,
            (Meter::Pods, "NotTerminating") => !scopes.terminating,
            (Meter::Pods, "BestEffort") => scopes.best_effort,
            (Meter::Pods, "NotBestEffort") => !scopes.best_effort,
            (Meter::Pods, "CrossNamespacePodAffinity") => scopes.crosses_namespaces,
            (Meter::Pods, "PriorityClass") if exists => !scopes.priority_class.is_empty(),
            (Meter::Pods, "PriorityClass") => {
                let class = Some(scopes.priority_class.as_str()).filter(|class| !class.is_empty());
                requirement.selects(class)
            }
            (Meter::Claims, "VolumeAttributesClass") if exists => !scopes.attribute_classes.is_empty(),
            (Meter::Claims, "VolumeAttributesClass") if scopes.attribute_classes.is_empty() => {
                requirement.selects(None)
            }
            (Meter::Claims, "VolumeAttributesClass") => {
                scopes.attribute_classes.iter().any(|class| requirement.selects(Some(class)))
            }
            _ => false,
        }
    }

    /// What the object must say and does not, of the names a quota limits; in upstream's words.
    pub(super) fn complaint(&self, restricted: &[&str]) -> Option<String> {
        let missing: Vec<String> = self
            .missing
            .iter()
            .filter(|(name, _)| restricted.contains(*name))
            .map(|(name, containers)| {
                format!("{name} for: {}", containers.iter().map(String::as_str).collect::<Vec<_>>().join(","))
            })
            .collect();
        (!missing.is_empty()).then(|| format!("must specify {}", missing.join("; ")))
    }

    fn count(&mut self, name: &str, count: usize) {
        self.usage.insert(name.to_owned(), count.to_string().parse().unwrap_or(Quantity::ZERO));
    }

    fn pod(&mut self, pod: &Value) {
        let spec = &pod["spec"];
        self.scopes = Scopes {
            terminating: spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0),
            best_effort: qos_class(pod) == "BestEffort",
            crosses_namespaces: crosses_namespaces(&spec["affinity"]),
            priority_class: spec["priorityClassName"].as_str().unwrap_or_default().to_owned(),
            attribute_classes: BTreeSet::new(),
        };
        if !pod_level(pod) {
            for list in ["containers", "initContainers"] {
                spec[list].as_array().into_iter().flatten().for_each(|container| self.container(container));
            }
        }
        if ended(pod) {
            return;
        }
        self.count("pods", 1);
        let (requests, limits) = (effective(pod, "requests"), effective(pod, "limits"));
        self.usage.extend(compute(&requests, &limits));
    }

    /// Notes which of the required amounts a container leaves out.
    fn container(&mut self, container: &Value) {
        let resources = &container["resources"];
        let said = compute(&amounts(resources, "requests"), &amounts(resources, "limits"));
        for name in REQUIRED.into_iter().filter(|name| !said.contains_key(*name)) {
            let container = container["name"].as_str().unwrap_or_default().to_owned();
            self.missing.entry(name).or_default().insert(container);
        }
    }

    fn service(&mut self, service: &Value) {
        let spec = &service["spec"];
        let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
        let allocated = || ports.iter().filter(|port| port["nodePort"].as_i64().unwrap_or(0) != 0).count();
        let (node_ports, balancers) = match spec["type"].as_str() {
            Some("NodePort") => (ports.len(), 0),
            Some("LoadBalancer") if spec["allocateLoadBalancerNodePorts"] == false => (allocated(), 1),
            Some("LoadBalancer") => (ports.len(), 1),
            _ => (0, 0),
        };
        self.count("services", 1);
        self.count("services.nodeports", node_ports);
        self.count("services.loadbalancers", balancers);
    }

    fn claim(&mut self, claim: &Value) {
        let (spec, status) = (&claim["spec"], &claim["status"]);
        let class = crate::admission::storage_class(claim).to_owned();
        self.count("persistentvolumeclaims", 1);
        if !class.is_empty() {
            self.count(&format!("{class}{BY_CLASS}persistentvolumeclaims"), 1);
        }
        let asked = Quantity::of(&spec["resources"]["requests"]["storage"]);
        let allocated = Quantity::of(&status["allocatedResources"]["storage"]);
        if let Some(asked) = asked {
            let storage = allocated.filter(|allocated| *allocated > asked).unwrap_or(asked);
            if !class.is_empty() {
                self.usage.insert(format!("{class}{BY_CLASS}requests.storage"), storage.clone());
            }
            self.usage.insert("requests.storage".to_owned(), storage);
        }
        let classes = [
            &spec["volumeAttributesClassName"],
            &status["currentVolumeAttributesClassName"],
            &status["modifyVolumeStatus"]["targetVolumeAttributesClassName"],
        ];
        let named = classes.into_iter().filter_map(Value::as_str).filter(|name| !name.is_empty());
        self.scopes.attribute_classes = named.map(str::to_owned).collect();
    }
}

impl Requirement {
    /// As a label selector on the name of a class.
    fn selects(&self, class: Option<&str>) -> bool {
        let listed = class.is_some_and(|class| self.values.iter().any(|value| value == class));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => class.is_some(),
            "DoesNotExist" => class.is_none(),
            _ => false,
        }
    }
}

/// Whether a name in a quota limits objects of a resource (upstream: `MatchingResources`).
pub(super) fn restricts(meter: Meter, group: &str, plural: &str, name: &str) -> bool {
    if name.strip_prefix("count/").is_some() {
        return name == count_name(group, plural);
    }
    match meter {
        Meter::Pods => {
            REQUIRED.contains(&name)
                || matches!(
                    name,
                    "pods" | "ephemeral-storage" | "requests.ephemeral-storage" | "limits.ephemeral-storage"
                )
                || name.starts_with("hugepages-")
                || name.strip_prefix("requests.").is_some_and(|rest| rest.starts_with("hugepages-") || extended(rest))
        }
        Meter::Services => matches!(name, "services" | "services.nodeports" | "services.loadbalancers"),
        Meter::Claims => {
            let counted = |name: &str| matches!(name, "persistentvolumeclaims" | "requests.storage");
            counted(name) || name.split_once(BY_CLASS).is_some_and(|(_, rest)| counted(rest))
        }
        Meter::Objects => alias(group, plural) == Some(name),
    }
}

/// `count/deployments.apps`
fn count_name(group: &str, plural: &str) -> String {
    if group.is_empty() { format!("count/{plural}") } else { format!("count/{plural}.{group}") }
}

/// The old name for the number of some kinds.
fn alias(group: &str, plural: &str) -> Option<&'static str> {
    let known = ["configmaps", "resourcequotas", "replicationcontrollers", "secrets"];
    known.into_iter().find(|known| group.is_empty() && *known == plural)
}

/// Whether a resource is none of Kubernetes' own (upstream: `IsDRAExtendedResourceName`).
fn extended(name: &str) -> bool {
    (name.contains('/') && !name.contains("kubernetes.io/")) || name.starts_with("deviceclass.resource.kubernetes.io/")
}

/// Requests and limits under the names that quotas use.
fn compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut result = Amounts::new();
    for (name, amount) in requests {
        let plain = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if plain {
            result.insert(name.clone(), amount.clone());
        }
        if plain || extended(name) {
            result.insert(format!("requests.{name}"), amount.clone());
        }
    }
    for (name, amount) in limits {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            result.insert(format!("limits.{name}"), amount.clone());
        }
    }
    result
}

/// Whether a pod uses nothing any more (upstream: `QuotaV1Pod`).
fn ended(pod: &Value) -> bool {
    if matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded")) {
        return true;
    }
    let metadata = &pod["metadata"];
    let end = metadata["deletionTimestamp"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let (Some(end), Some(grace)) = (end, metadata["deletionGracePeriodSeconds"].as_i64()) else { return false };
    let over = end.checked_add(jiff::SignedDuration::from_secs(grace));
    over.is_ok_and(|over| jiff::Timestamp::now() > over)
}

fn crosses_namespaces(affinity: &Value) -> bool {
    let crosses = |term: &Value| {
        term["namespaces"].as_array().is_some_and(|all| !all.is_empty()) || term["namespaceSelector"].is_object()
    };
    ["podAffinity", "podAntiAffinity"].into_iter().any(|kind| {
        let terms = |field: &str| affinity[kind][field].as_array().map_or(&[][..], Vec::as_slice);
        terms("requiredDuringSchedulingIgnoredDuringExecution").iter().any(crosses)
            || terms("preferredDuringSchedulingIgnoredDuringExecution")
                .iter()
                .any(|one| crosses(&one["podAffinityTerm"]))
    })
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "literals read best as they are")]
mod tests {
    use super::super::amounts::shown;
    use super::*;
    use serde_json::json;

    fn item(plural: &str, object: Value) -> Item {
        Item::new("", plural, &object).unwrap()
    }

    #[test]
    fn objects_count_as_upstream_counts_them() {
        let pod = json!({"spec": {"containers": [{"name": "c", "resources": {
            "requests": {"cpu": "100m", "example.com/gpu": "2", "hugepages-2Mi": "4Mi"}, "limits": {"memory": "1Gi"}}}]}});
        let mut ended = pod.clone();
        ended["status"] = json!({"phase": "Succeeded"});
        let claim = json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}});
        let service = |kind: &str| json!({"spec": {"type": kind, "ports": [{"port": 1}, {"port": 2}]}});
        for (plural, object, want) in [
            (
                "pods",
                pod,
                "count/pods=1,cpu=100m,hugepages-2Mi=4Mi,limits.memory=1Gi,pods=1,requests.cpu=100m,\
                 requests.example.com/gpu=2,requests.hugepages-2Mi=4Mi",
            ),
            ("pods", ended, "count/pods=1"),
            (
                "persistentvolumeclaims",
                claim,
                "count/persistentvolumeclaims=1,fast.storageclass.storage.k8s.io/persistentvolumeclaims=1,\
                 fast.storageclass.storage.k8s.io/requests.storage=1Gi,persistentvolumeclaims=1,requests.storage=1Gi",
            ),
            (
                "services",
                service("ClusterIP"),
                "count/services=1,services=1,services.loadbalancers=0,services.nodeports=0",
            ),
            (
                "services",
                service("LoadBalancer"),
                "count/services=1,services=1,services.loadbalancers=1,services.nodeports=2",
            ),
            ("configmaps", json!({}), "configmaps=1,count/configmaps=1"),
            ("endpoints", json!({}), "count/endpoints=1"),
        ] {
            assert_eq!(shown(&item(plural, object).usage), want);
        }
        assert_eq!(
            shown(&Item::new("example.com", "widgets", &json!({})).unwrap().usage),
            "count/widgets.example.com=1"
        );
        assert_eq!(Item::new("", "events", &json!({})), None);
    }

    #[test]
    fn scopes_select() {
        let requirement = |scope: &str, operator: &str, values: &[&str]| Requirement {
            scope: scope.to_owned(),
            operator: operator.to_owned(),
            values: values.iter().map(ToString::to_string).collect(),
        };
        let pod = |spec: Value| item("pods", json!({"spec": spec}));
        let term = json!([{"namespaces": ["x"], "topologyKey": "k"}]);
        let across = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}});
        for (spec, scope, operator, values, want) in [
            (json!({}), "BestEffort", "Exists", &[][..], true),
            (json!({}), "NotBestEffort", "Exists", &[], false),
            (json!({"activeDeadlineSeconds": 5}), "Terminating", "Exists", &[], true),
            (json!({}), "NotTerminating", "Exists", &[], true),
            (json!({"priorityClassName": "a"}), "PriorityClass", "Exists", &[], true),
            (json!({"priorityClassName": "a"}), "PriorityClass", "In", &["a", "b"], true),
            (json!({"priorityClassName": "a"}), "PriorityClass", "NotIn", &["a"], false),
            (json!({}), "PriorityClass", "NotIn", &["a"], true),
            (json!({}), "PriorityClass", "DoesNotExist", &[], true),
            (json!({"affinity": across}), "CrossNamespacePodAffinity", "Exists", &[], true),
            (json!({}), "VolumeAttributesClass", "Exists", &[], false),
        ] {
            assert_eq!(
                pod(spec.clone()).is_in(&requirement(scope, operator, values)),
                want,
                "{spec} {scope} {operator}"
            );
        }
        assert!(!item("services", json!({})).is_in(&requirement("NotTerminating", "Exists", &[])));
    }

    #[test]
    fn names_belong_to_one_kind() {
        let pods = item("pods", json!({}));
        for name in
            ["pods", "count/pods", "limits.cpu", "requests.example.com/gpu", "requests.hugepages-1Gi", "hugepages-1Gi"]
        {
            assert!(pods.restricts(name), "{name}");
        }
        for name in ["services", "count/services", "requests.storage", "requests.kubernetes.io/x"] {
            assert!(!pods.restricts(name), "{name}");
        }
    }
}
