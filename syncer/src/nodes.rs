//! The tenants' views of nodes: a tenant sees the nodes its pods run on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use controllers::client::Part;
use controllers::informer::{Change, Raw};
use controllers::queue::Outcome;
use serde_json::{Value, json};
use tenancy::{Host, TenantId, fleet, labels};

use crate::apply::{Writer, Written};
use crate::json;
use crate::kinds;
use crate::observe::Observed;
use crate::places::Places;
use crate::side::Key;
use crate::translate::Place;
use crate::translate::node::{is_visible, to_virtual};

/// A node younger than this stays although the tenant's pods have left it: pods come and go.
const LINGER: Duration = Duration::from_secs(60);

/// How many host pods of each tenant run on each node.
#[derive(Default)]
pub(crate) struct NodeUse {
    counts: Mutex<HashMap<TenantId, HashMap<String, usize>>>,
}

impl NodeUse {
    /// Takes in a change of a host pod; gives the nodes whose use has begun or ended.
    pub(crate) fn follow(&self, change: &Change) -> Vec<Key> {
        let (before, now) = (change.old.as_deref().and_then(node_of), change.new.as_deref().and_then(node_of));
        if before == now {
            return Vec::new();
        }
        let mut changed = Vec::new();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((tenant, node)) = now {
            let count = counts.entry(tenant).or_default().entry(node.clone()).or_default();
            *count += 1;
            if *count == 1 {
                changed.push(Key::new(tenant, "", &node));
            }
        }
        if let Some((tenant, node)) = before {
            let nodes = counts.entry(tenant).or_default();
            let left = nodes.get_mut(&node).map(|count| {
                *count = count.saturating_sub(1);
                *count
            });
            if left == Some(0) {
                nodes.remove(&node);
                changed.push(Key::new(tenant, "", &node));
            }
            if nodes.is_empty() {
                counts.remove(&tenant);
            }
        }
        changed
    }

    /// Whether the tenant has a pod on the node.
    pub(crate) fn contains(&self, key: &Key) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&key.tenant).is_some_and(|nodes| nodes.contains_key(&*key.name))
    }

    /// Tenants with pods on a node.
    pub(crate) fn tenants(&self, node: &str) -> Vec<TenantId> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().filter(|(_, nodes)| nodes.contains_key(node)).map(|(tenant, _)| *tenant).collect()
    }
}

fn node_of(pod: &Raw) -> Option<(TenantId, String)> {
    let tenant = TenantId::parse(pod.label(labels::TENANT)?).ok()?;
    let value = pod.value();
    let node = json::text(&value, "/spec/nodeName");
    (!node.is_empty()).then(|| (tenant, node.to_owned()))
}

/// Brings one tenant's view of one node up to date.
pub(crate) async fn step(key: &Key, usage: &NodeUse, observed: &Observed, places: &Places, writer: &Writer) -> Outcome {
    let Some(place) = places.get(key.tenant) else { return Outcome::Done };
    if !(observed.nodes.own.is_synced() && observed.nodes.host.is_synced() && observed.pods.host.is_synced()) {
        return Outcome::Retry;
    }
    let name = fleet::join(key.tenant, &key.name);
    let there = observed.nodes.own.get("", &name);
    let node = observed.nodes.host.get("", &key.name).map(|raw| Host(raw.value()));
    let wanted = node.as_ref().filter(|node| usage.contains(key) && is_visible(&place, node));
    let written = match (there, wanted) {
        (None, None) => return Outcome::Done,
        // A node the tenant has made itself is left alone.
        (Some(there), _) if there.label(labels::MANAGED_BY) != Some(labels::MANAGER) => return Outcome::Done,
        (Some(there), None) if node.is_some() && lingers(&there.value()) => return Outcome::After(LINGER),
        (Some(there), None) => writer.delete_cluster_scoped(&kinds::NODES, &name, there.uid()).await,
        (there, Some(node)) => match write(writer, &place, &name, node, there.map(|raw| raw.value()).as_ref()).await {
            Some(written) => written,
            None => return Outcome::Done,
        },
    };
    match written {
        Written::Failed(error) => {
            tracing::debug!(%key, %error, "node not written");
            Outcome::Retry
        }
        _ => Outcome::Done,
    }
}

/// Whether the view is young.
fn lingers(there: &Value) -> bool {
    let since = json::text(there, "/metadata/creationTimestamp").parse::<jiff::Timestamp>().ok();
    let age = since.map(|since| jiff::Timestamp::now().duration_since(since));
    age.and_then(|age| Duration::try_from(age).ok()).is_some_and(|age| age < LINGER)
}

async fn write(
    writer: &Writer,
    place: &Place,
    name: &str,
    node: &Host<Value>,
    there: Option<&Value>,
) -> Option<Written> {
    let mut wanted = to_virtual(place, node).0;
    wanted["metadata"]["name"] = json!(name);
    let labels_of = |object: &Value| object.pointer("/metadata/labels").cloned();
    let is_same = |field: &str| there.and_then(|there| there.get(field)) == wanted.get(field);
    let same_object = is_same("spec") && there.and_then(labels_of) == labels_of(&wanted);
    let mut object = wanted.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if !same_object {
        match writer.apply_virtual(&kinds::NODES, "", Part::Object, &object).await {
            Written::Done(_) => {}
            other => return Some(other),
        }
    }
    if same_object && is_same("status") {
        return None;
    }
    let status =
        json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name }, "status": wanted["status"] });
    Some(writer.apply_virtual(&kinds::NODES, "", Part::Status, &status).await)
}
