//! Pods.
//!
//! | # | tenant | host | plan |
//! |---|---|---|---|
//! | 1 | – | – | nothing |
//! | 2 | – | being deleted | nothing: it goes by itself |
//! | 3 | – | there | delete the host pod, after a live read |
//! | 4 | being deleted | – | finish: delete the virtual pod with grace 0 |
//! | 5 | finished | – | nothing: the record stays |
//! | 6 | bound by us | – | the host has lost the pod: delete the virtual pod, as of a lost node |
//! | 7 | bound by the tenant | – | refuse |
//! | 8 | there | – | without an address of the tenant's API: wait |
//! | 9 | there | – | translate: companion, create; or refuse |
//! | 10 | there | twin of another uid | delete the host pod, after a live read |
//! | 11 | being deleted | there | delete the host pod with the tenant's grace; report |
//! | 12 | being deleted | being deleted, slower | delete the host pod with the shorter grace; report |
//! | 13 | there | being deleted | delete the virtual pod with the host's grace; report |
//! | 14 | there | there | companion, ephemeral containers, what differs, gates, binding, status; resources last |

use std::time::Duration;

use serde_json::{Value, json};
use tenancy::{Host, Virtual};

use super::{Action, DeleteHost, Plan, Proof};
use crate::json;
use crate::pair::{Pair, Sides};
use crate::side::{Key, twin_uid, uid};
use crate::translate::names::Names;
use crate::translate::network_policy::Isolated;
use crate::translate::pod::{self, Observed, ServiceLink};
use crate::translate::{Place, Refused, applied};

/// How long to wait for the tenant's API Service before looking again; its arrival wakes the pod earlier.
const API_WAIT: Duration = Duration::from_secs(10);
/// Why a virtual pod is deleted that the host has no longer; confirmed by a live read.
pub const HOST_LOST: &str = "the pod was removed from the node it ran on";

/// What a host pod carries because of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// By network policies of its virtual namespace.
    pub isolated: Isolated,
    /// The priority class it names, if the tenant sees that class of the host.
    pub priority_class: Option<String>,
}

impl Granted {
    fn write(&self, pod: &mut Host<Value>) {
        self.isolated.mark(pod);
        if let Some(name) = &self.priority_class {
            pod.0["spec"]["priorityClassName"] = Value::from(name.as_str());
        }
    }
}

/// Decides about a pod. `services` gives the tenant's services in the pod's namespace; it is asked only when needed.
pub fn plan(place: &Place, key: &Key, pair: &Pair, services: &dyn Fn() -> Vec<ServiceLink>, granted: &Granted) -> Plan {
    match pair.sides() {
        Sides::Neither => Vec::new(),
        Sides::HostOnly(host) if json::is_deleting(&host.0) => Vec::new(),
        Sides::HostOnly(host) => vec![delete_gone(host)],
        Sides::VirtualOnly(own) => virtual_only(place, key, own, services, granted),
        Sides::Both(own, host) if uid(&own.0) != twin_uid(host) => {
            if json::is_deleting(&host.0) {
                Vec::new()
            } else {
                vec![delete_gone(host)]
            }
        }
        Sides::Both(own, host) => both(place, key, own, host, services, granted),
    }
}

fn delete_gone(host: &Host<Value>) -> Action {
    let proof = Proof::Gone(twin_uid(host).to_owned());
    Action::DeleteHost(DeleteHost { uid: uid(&host.0).to_owned(), grace: None, proof })
}

fn virtual_only(
    place: &Place,
    key: &Key,
    own: &Virtual<Value>,
    services: &dyn Fn() -> Vec<ServiceLink>,
    granted: &Granted,
) -> Plan {
    let Virtual(pod) = own;
    let own_uid = uid(pod).to_owned();
    if json::is_deleting(pod) {
        let ended = grace(pod) == Some(0);
        let finish = Action::DeleteVirtual { uid: own_uid, grace: 0, because: None };
        return if ended { Vec::new() } else { vec![finish] };
    }
    if matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed") {
        return Vec::new();
    }
    if !json::text(pod, "/spec/nodeName").is_empty() {
        return vec![if is_scheduled(pod) {
            Action::DeleteVirtual { uid: own_uid, grace: 0, because: Some(HOST_LOST) }
        } else {
            Action::Refuse(Refused::new("spec.nodeName", "nodes are chosen by the host's scheduler"))
        }];
    }
    if place.service_ip.is_none() {
        return vec![Action::Wait { after: API_WAIT, until: "the address of the tenant's API" }];
    }
    match pod::to_host(place, key.identity(&own_uid), own, &services()) {
        Err(refused) => vec![Action::Refuse(refused)],
        Ok(mut made) => {
            granted.write(&mut made.object);
            let mut plan = Vec::new();
            if !made.companion.is_empty() {
                plan.push(Action::Companion { uid: own_uid, companion: made.companion });
            }
            plan.push(Action::Create(made.object));
            plan.extend(made.notes.into_iter().map(Action::Note));
            plan
        }
    }
}

/// Whether the pod was scheduled by the host: binding sets the condition, a `nodeName` written by hand does not.
fn is_scheduled(pod: &Value) -> bool {
    json::items(pod, "/status/conditions")
        .iter()
        .any(|one| json::text(one, "/type") == "PodScheduled" && json::text(one, "/status") == "True")
}

fn grace(object: &Value) -> Option<i64> {
    object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64)
}

fn both(
    place: &Place,
    key: &Key,
    own: &Virtual<Value>,
    host: &Host<Value>,
    services: &dyn Fn() -> Vec<ServiceLink>,
    granted: &Granted,
) -> Plan {
    let own_uid = uid(&own.0).to_owned();
    let names = Names::of_pod(place, key.identity(&own_uid), &own.0);
    let (own_going, host_going) = (json::is_deleting(&own.0), json::is_deleting(&host.0));
    let (mut plan, mut late) = (Vec::new(), Vec::new());
    let mut observed = Observed::Yes;
    match (own_going, host_going) {
        (true, false) => plan.push(delete(host, grace(&own.0))),
        (true, true) if grace(&own.0) < grace(&host.0) => plan.push(delete(host, grace(&own.0))),
        (true, true) => {}
        (false, true) => {
            let grace = grace(&host.0).unwrap_or(0);
            let because = Some("the host is removing the pod from its node");
            plan.push(Action::DeleteVirtual { uid: own_uid, grace, because });
        }
        (false, false) => match pod::to_host(place, key.identity(&own_uid), own, &services()) {
            Err(refused) => {
                observed = Observed::No;
                plan.push(Action::Refuse(refused));
            }
            Ok(mut now) => {
                granted.write(&mut now.object);
                if !now.companion.is_empty() {
                    plan.push(Action::Companion { uid: own_uid, companion: now.companion });
                }
                plan.extend(debug(now.ephemeral, host));
                // A resize the host refuses must not be noted as written, and not hold up the status.
                late.extend(pod::resize(&now.object, host).map(Action::Resize));
                let list = if late.is_empty() { &mut plan } else { &mut late };
                list.extend(difference(&now.object, host).map(Action::Update));
                if !late.is_empty() || plan.iter().any(changes_host) {
                    observed = Observed::No;
                }
                plan.extend(gates(own, host));
            }
        },
    }
    plan.extend(bind(own, host));
    let status = pod::status_to_virtual(own, host, &names, observed);
    if !own_status_is(own, &status) {
        plan.push(Action::ReportStatus(status));
    }
    plan.extend(late);
    plan
}

/// Whether the host does not run what the tenant wants before this is done.
fn changes_host(action: &Action) -> bool {
    matches!(action, Action::Update(_) | Action::AddEphemeral(_) | Action::Refuse(_))
}

/// Adds the ephemeral containers the host pod does not have, one by one: what the host refuses cannot be taken back, and
/// must not keep the next one away.
fn debug(wanted: Result<Vec<Value>, Refused>, host: &Host<Value>) -> Vec<Action> {
    let there = json::items(&host.0, "/spec/ephemeralContainers");
    let is_there = |one: &Value| there.iter().any(|other| other.get("name") == one.get("name"));
    match wanted {
        Err(refused) => vec![Action::Refuse(refused)],
        Ok(wanted) => {
            let version = json::text(&host.0, "/metadata/resourceVersion");
            let patch = |one| {
                let spec = json!({ "ephemeralContainers": [one] });
                Action::AddEphemeral(Host(json!({ "metadata": { "resourceVersion": version }, "spec": spec })))
            };
            wanted.into_iter().filter(|one| !is_there(one)).map(patch).collect()
        }
    }
}

fn delete(host: &Host<Value>, grace: Option<i64>) -> Action {
    Action::DeleteHost(DeleteHost { uid: uid(&host.0).to_owned(), grace, proof: Proof::Deleting })
}

/// What to apply to the host pod, if it is not what is there.
fn difference(now: &Host<Value>, host: &Host<Value>) -> Option<Host<Value>> {
    let Some(applied) = applied::applied(host) else {
        // Nothing is known of what was applied: the metadata is safe to apply, the spec is not.
        let mut metadata = now.clone();
        if let Some(fields) = metadata.0.as_object_mut() {
            fields.remove("spec");
        }
        return Some(metadata);
    };
    let update = pod::update(now, &applied, host);
    (update != applied).then_some(update)
}

fn gates(own: &Virtual<Value>, host: &Host<Value>) -> Option<Action> {
    let wanted = pod::gate_conditions(own);
    let there = json::items(&host.0, "/status/conditions");
    let is_there = |condition: &Value| {
        there.iter().any(|one| one.get("type") == condition.get("type") && one.get("status") == condition.get("status"))
    };
    (!wanted.iter().all(is_there)).then_some(Action::SetGates(wanted))
}

fn bind(own: &Virtual<Value>, host: &Host<Value>) -> Option<Action> {
    let (bound, node) = (json::text(&own.0, "/spec/nodeName"), json::text(&host.0, "/spec/nodeName"));
    if node.is_empty() || node == bound {
        None
    } else if bound.is_empty() {
        Some(Action::Bind { node: node.to_owned() })
    } else {
        let why = format!("bound to {bound:?} inside the cluster, but the host's scheduler has chosen {node:?}");
        Some(Action::Refuse(Refused::new("spec.nodeName", &why)))
    }
}

fn own_status_is(own: &Virtual<Value>, status: &Virtual<Value>) -> bool {
    own.0.get("status").is_some_and(|there| *there == status.0)
}

#[cfg(test)]
mod tests;
