//! Which slices a Service should have. Pure (upstream `k8s.io/endpointslice`, `reconciler.go`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::MANAGED_BY;
use crate::key::plain;
use crate::object::{Meta, nullable, timestamp};
use crate::pod::Pod;
use crate::service::{Family, HEADLESS, Service, addresses};
use crate::trigger;

/// Most endpoints of a slice (upstream's `--max-endpoints-per-slice`).
pub(super) const ENDPOINTS_MAX: usize = 100;
/// Label with the name of the Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label with the name of the controller.
pub(super) const MANAGED_BY_LABEL: &str = "endpointslice.kubernetes.io/managed-by";

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Endpoint {
    #[serde(deserialize_with = "nullable")]
    pub(super) addresses: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) conditions: Conditions,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ref: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Conditions {
    pub(super) ready: Option<bool>,
    pub(super) serving: Option<bool>,
    pub(super) terminating: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
struct Target {
    kind: String,
    namespace: String,
    name: String,
    uid: String,
}

impl Endpoint {
    /// What makes two endpoints the same one, whatever its state.
    fn identity(&self) -> (Vec<String>, Option<String>, Option<(String, String)>) {
        let mut addresses = self.addresses.clone();
        addresses.sort();
        let target = self.target_ref.as_ref().map(|target| (target.namespace.clone(), target.name.clone()));
        (addresses, self.hostname.clone(), target)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Port {
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) port: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_protocol: Option<String>,
}

/// A slice there is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Slice {
    #[serde(rename = "metadata")]
    pub(super) meta: Meta,
    pub(super) address_type: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) ports: Vec<Port>,
    #[serde(deserialize_with = "nullable")]
    pub(super) endpoints: Vec<Endpoint>,
    /// Whether the Service owns it; one of an earlier Service of the name is left to the garbage collector.
    #[serde(skip)]
    pub(super) owned: bool,
}

/// What a slice should be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) family: Family,
    pub(super) ports: Vec<Port>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) labels: BTreeMap<String, String>,
}

/// What to write.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) creates: Vec<Wanted>,
    pub(super) updates: Vec<(Slice, Wanted)>,
    pub(super) deletes: Vec<Slice>,
}

/// Compares the slices with what the pods ask for. `zone` tells the zone of a node.
pub(super) fn plan(service: &Service, pods: &[Pod], slices: Vec<Slice>, zone: &dyn Fn(&str) -> Option<String>) -> Plan {
    let families = service.families();
    let mut plan = Plan::default();
    let mut by_family: BTreeMap<Family, Vec<Slice>> = families.iter().map(|family| (*family, Vec::new())).collect();
    for slice in slices {
        match by_family.iter_mut().find(|(family, _)| family.as_str() == slice.address_type) {
            Some((_, slices)) => slices.push(slice),
            None => plan.deletes.push(slice),
        }
    }
    for (family, slices) in by_family {
        one_family(&mut plan, service, pods, slices, family, zone);
    }
    plan
}

fn one_family(
    plan: &mut Plan,
    service: &Service,
    pods: &[Pod],
    slices: Vec<Slice>,
    family: Family,
    zone: &dyn Fn(&str) -> Option<String>,
) {
    let mut wanted: BTreeMap<Vec<Port>, Vec<Endpoint>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.is_reachable()) {
        let endpoints = wanted.entry(ports(service, pod)).or_default();
        endpoints.extend(endpoint(service, pod, family, zone).filter(|endpoint| !endpoint.addresses.is_empty()));
    }
    let count = slices.len();
    let mut group =
        Group { family, labels: labels(service), creates: Vec::new(), updates: Vec::new(), deletes: Vec::new() };
    let mut held: BTreeMap<Vec<Port>, Vec<Slice>> = BTreeMap::new();
    for slice in slices {
        if slice.owned {
            let mut ports = slice.ports.clone();
            ports.sort();
            held.entry(ports).or_default().push(slice);
        } else {
            group.deletes.push(slice);
        }
    }
    for (ports, endpoints) in wanted {
        let slices = held.remove(&ports).unwrap_or_default();
        group.fit(&ports, endpoints, slices);
    }
    group.deletes.extend(held.into_values().flatten());
    if group.deletes.len() == count && group.creates.is_empty() {
        group.placeholder();
    }
    group.reuse();
    plan.creates.append(&mut group.creates);
    plan.updates.append(&mut group.updates);
    plan.deletes.append(&mut group.deletes);
}

/// The slices of one family while they are planned.
struct Group {
    family: Family,
    labels: BTreeMap<String, String>,
    creates: Vec<Wanted>,
    updates: Vec<(Slice, Wanted)>,
    deletes: Vec<Slice>,
}

impl Group {
    fn wanted(&self, ports: &[Port], endpoints: Vec<Endpoint>) -> Wanted {
        Wanted { family: self.family, ports: ports.to_vec(), endpoints, labels: self.labels.clone() }
    }

    /// Puts the endpoints with one set of ports into slices, changing as few slices as possible: what is in place
    /// stays; new ones go where something changes anyway, then into one slice with room, then into new ones.
    fn fit(&mut self, ports: &[Port], endpoints: Vec<Endpoint>, slices: Vec<Slice>) {
        let mut missing: Vec<(_, Endpoint)> = endpoints.into_iter().map(|e| (e.identity(), e)).collect();
        let mut seen = BTreeSet::new();
        missing.retain(|(identity, _)| seen.insert(identity.clone()));
        let mut unchanged = Vec::new();
        let mut changed: Vec<(Slice, Vec<Endpoint>)> = Vec::new();
        for slice in slices {
            let mut kept = Vec::new();
            for held in &slice.endpoints {
                let identity = held.identity();
                if let Some(at) = missing.iter().position(|(wanted, _)| *wanted == identity) {
                    kept.push(missing.remove(at).1);
                }
            }
            if kept.is_empty() && !slice.endpoints.is_empty() {
                self.deletes.push(slice);
            } else if kept != slice.endpoints || !same_labels(&slice.meta.labels, &self.labels) {
                changed.push((slice, kept));
            } else {
                unchanged.push((slice, kept));
            }
        }
        let mut missing: Vec<Endpoint> = missing.into_iter().map(|(_, endpoint)| endpoint).collect();
        changed.sort_by_key(|(_, endpoints)| std::cmp::Reverse(endpoints.len()));
        for (_, endpoints) in &mut changed {
            let room = ENDPOINTS_MAX.saturating_sub(endpoints.len()).min(missing.len());
            endpoints.extend(missing.drain(..room));
        }
        if !missing.is_empty() && missing.len() < ENDPOINTS_MAX {
            let fits = |(_, endpoints): &&(Slice, Vec<Endpoint>)| endpoints.len() + missing.len() <= ENDPOINTS_MAX;
            let fullest = unchanged.iter().filter(fits).max_by_key(|(_, endpoints)| endpoints.len());
            let at = fullest.and_then(|(best, _)| unchanged.iter().position(|(s, _)| s.meta.name == best.meta.name));
            if let Some((slice, mut endpoints)) = at.map(|at| unchanged.remove(at)) {
                endpoints.append(&mut missing);
                changed.push((slice, endpoints));
            }
        }
        for chunk in missing.chunks(ENDPOINTS_MAX) {
            self.creates.push(self.wanted(ports, chunk.to_vec()));
        }
        for (slice, endpoints) in changed {
            let wanted = self.wanted(ports, endpoints);
            self.updates.push((slice, wanted));
        }
    }

    /// A Service without any endpoint has one empty slice, so that consumers can tell it from one not looked at yet.
    fn placeholder(&mut self) {
        let wanted = self.wanted(&[], Vec::new());
        if let [held] = &self.deletes[..]
            && held.owned
            && held.endpoints.is_empty()
            && held.ports.is_empty()
            && held.meta.labels == wanted.labels
        {
            self.deletes.clear();
        } else {
            self.creates.push(wanted);
        }
    }

    /// Changes slices that would be deleted into those that would be created.
    fn reuse(&mut self) {
        let mut kept = Vec::new();
        for slice in std::mem::take(&mut self.deletes) {
            match if slice.owned { self.creates.pop() } else { None } {
                Some(wanted) => self.updates.push((slice, wanted)),
                None => kept.push(slice),
            }
        }
        self.deletes = kept;
    }
}

/// Whether labels are as wanted, the controllers' own aside.
fn same_labels(held: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    let own = |key: &str| [SERVICE_NAME, MANAGED_BY_LABEL, HEADLESS].contains(&key);
    held.iter().filter(|(key, _)| !own(key)).eq(wanted.iter().filter(|(key, _)| !own(key)))
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.meta.labels.clone();
    labels.remove(HEADLESS);
    if service.is_headless() {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(SERVICE_NAME.to_owned(), service.meta.name.clone());
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
    labels
}

fn ports(service: &Service, pod: &Pod) -> Vec<Port> {
    let mut ports: Vec<Port> = service
        .spec
        .ports
        .iter()
        .filter_map(|port| {
            Some(Port {
                name: port.name.clone(),
                protocol: port.protocol.clone(),
                port: Some(port.in_pod(pod)?),
                app_protocol: port.app_protocol.clone(),
            })
        })
        .collect();
    ports.sort();
    ports
}

fn endpoint(service: &Service, pod: &Pod, family: Family, zone: &dyn Fn(&str) -> Option<String>) -> Option<Endpoint> {
    let serving = pod.is_ready();
    let terminating = pod.raw.is_deleting();
    let node = Some(pod.spec.node_name.clone()).filter(|node| !node.is_empty());
    Some(Endpoint {
        addresses: addresses(pod, family),
        conditions: Conditions {
            // A pod on its way out is never "ready", for those who know no other condition.
            ready: Some(service.spec.publish_not_ready_addresses || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        },
        hostname: service.names(pod).then(|| pod.spec.hostname.clone()),
        target_ref: Some(Target {
            kind: "Pod".to_owned(),
            namespace: plain(&pod.meta.namespace).to_owned(),
            name: pod.meta.name.clone(),
            uid: pod.meta.uid.clone(),
        }),
        zone: node.as_deref().and_then(zone),
        node_name: node,
    })
}

/// The annotation with the time of the change; null removes it.
fn annotations(trigger: Option<Timestamp>) -> Value {
    json!({ trigger::ANNOTATION: trigger.map(timestamp) })
}

/// Body of a slice to create; `owner` is the reference to the Service.
pub(super) fn body(service: &Service, wanted: &Wanted, owner: &Value, trigger: Option<Timestamp>) -> Value {
    let mut metadata = json!({
        "generateName": crate::crew::generate_name(&service.meta.name),
        "labels": wanted.labels,
        "ownerReferences": [owner],
    });
    if trigger.is_some() {
        metadata["annotations"] = annotations(trigger);
    }
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": wanted.family.as_str(),
        "endpoints": wanted.endpoints,
        "ports": wanted.ports,
    })
}

/// Merge patch of a slice to change; only onto the version that was observed.
pub(super) fn patch(slice: &Slice, wanted: &Wanted, trigger: Option<Timestamp>) -> Value {
    let mut labels = json!(wanted.labels);
    for key in slice.meta.labels.keys().filter(|key| !wanted.labels.contains_key(*key)) {
        labels[key] = Value::Null;
    }
    json!({
        "metadata": {
            "uid": slice.meta.uid,
            "resourceVersion": slice.meta.resource_version,
            "labels": labels,
            "annotations": annotations(trigger),
        },
        "endpoints": wanted.endpoints,
        "ports": wanted.ports,
    })
}
