//! Both sides as they are: one watch per kind and side, whatever the number of tenants.

use controllers::informer::{Informer, ManagedFields, Selector};
use kube::Client;
use kube::core::ApiResource;
use serde_json::{Value, json};
use tenancy::{Host, Virtual};

use crate::kinds;
use crate::pair::{Pair, Synced};
use crate::side::{Key, unfleet};
use crate::tenants::ours;
use crate::translate::Place;
use crate::translate::applied::prune_to_print;
use crate::translate::config::Kind;
use crate::translate::endpoint_slice::{BY_SELECTOR, KEPT_BY};

/// The two informers of one kind.
#[derive(Clone)]
pub(crate) struct Sides {
    /// The fleet view.
    pub(crate) own: Informer,
    /// Our objects on the host.
    pub(crate) host: Informer,
}

/// The informers of everything that is synced.
#[derive(Clone)]
pub(crate) struct Observed {
    /// Pods, complete on both sides.
    pub(crate) pods: Sides,
    /// Services, complete on both sides.
    pub(crate) services: Sides,
    /// ConfigMaps: metadata of the tenants', metadata and fingerprint of ours.
    pub(crate) config_maps: Sides,
    /// Secrets, likewise: no data stays in memory.
    pub(crate) secrets: Sides,
    /// PersistentVolumeClaims, complete on both sides.
    pub(crate) claims: Sides,
    /// Ingresses; of ours, what is applied and the status.
    pub(crate) ingresses: Sides,
    /// NetworkPolicies; of ours, what is applied.
    pub(crate) network_policies: Sides,
    /// PodDisruptionBudgets; of ours, what is applied.
    pub(crate) disruption_budgets: Sides,
    /// EndpointSlices that no selector makes; of ours, what is applied.
    pub(crate) endpoint_slices: Sides,
    /// PersistentVolumes of the tenants.
    pub(crate) volumes: Informer,
    /// Nodes: those of the host without what changes all the time, and the tenants' view of them.
    pub(crate) nodes: Sides,
}

impl Observed {
    /// Starts watching. Must be called inside a tokio runtime.
    pub(crate) fn start(fleet: &Client, host: &Client) -> Self {
        let all = Selector::default();
        let complete = |kind: &ApiResource| Sides {
            own: Informer::start(fleet.clone(), kind, &all, None),
            host: Informer::start(host.clone(), kind, &ours(ManagedFields::Keep), None),
        };
        let reduced = |kind: &ApiResource| Sides {
            own: Informer::start(fleet.clone(), kind, &all, Some(prune_to_metadata)),
            host: Informer::start(host.clone(), kind, &ours(ManagedFields::Keep), Some(prune_to_print)),
        };
        let followed = |kind: &ApiResource, selector: &Selector, prune: fn(&mut Value)| Sides {
            own: Informer::start(fleet.clone(), kind, selector, None),
            host: Informer::start(host.clone(), kind, &ours(ManagedFields::Keep), Some(prune)),
        };
        let kept_by_hand = Selector { labels: Some(format!("{KEPT_BY}!={BY_SELECTOR}")), ..Selector::default() };
        Self {
            claims: complete(&kinds::CLAIMS),
            ingresses: followed(&kinds::INGRESSES, &all, prune_to_print_and_status),
            network_policies: followed(&kinds::NETWORK_POLICIES, &all, prune_to_print),
            disruption_budgets: followed(&kinds::DISRUPTION_BUDGETS, &all, prune_to_print),
            endpoint_slices: followed(&kinds::ENDPOINT_SLICES, &kept_by_hand, prune_to_print),
            volumes: Informer::start(fleet.clone(), &kinds::VOLUMES, &all, None),
            pods: complete(&kinds::PODS),
            services: complete(&kinds::SERVICES),
            config_maps: reduced(&kinds::CONFIG_MAPS),
            secrets: reduced(&kinds::SECRETS),
            nodes: Sides {
                own: Informer::start(fleet.clone(), &kinds::NODES, &all, None),
                host: Informer::start(host.clone(), &kinds::NODES, &all, Some(prune_node)),
            },
        }
    }

    /// The informers of ConfigMaps or Secrets.
    pub(crate) fn config(&self, kind: Kind) -> &Sides {
        match kind {
            Kind::ConfigMap => &self.config_maps,
            Kind::Secret => &self.secrets,
        }
    }
}

impl Sides {
    /// Both sides of one object; None before both have been read.
    pub(crate) fn pair(&self, place: &Place, key: &Key) -> Option<Pair> {
        let synced = Synced::of(&self.own, &self.host)?;
        Some(Pair::new(&synced, self.own_side(key), self.host_side(place, key)))
    }

    /// Both sides, with the tenant's read by somebody else.
    pub(crate) fn pair_with(&self, place: &Place, key: &Key, own: Option<Virtual<Value>>) -> Option<Pair> {
        let synced = Synced::of(&self.own, &self.host)?;
        Some(Pair::new(&synced, own, self.host_side(place, key)))
    }

    /// The tenant's object.
    pub(crate) fn own_side(&self, key: &Key) -> Option<Virtual<Value>> {
        self.own.get(&key.fleet_namespace(), &key.name).map(|raw| unfleet(raw.value()))
    }

    /// The host object at the place of the twin.
    pub(crate) fn host_side(&self, place: &Place, key: &Key) -> Option<Host<Value>> {
        let Host((namespace, name)) = key.host(place);
        self.host.get(&namespace, &name).map(|raw| Host(raw.value()))
    }
}

/// Of the tenants' configuration only who it is: contents are read when they are needed.
fn prune_to_metadata(object: &mut Value) {
    let field = |name: &str| object.pointer(&format!("/metadata/{name}")).cloned();
    let kept = ["name", "namespace", "uid", "resourceVersion", "deletionTimestamp"];
    let metadata = kept.iter().filter_map(|name| Some(((*name).to_owned(), field(name)?))).collect();
    *object = json!({ "metadata": Value::Object(metadata) });
}

/// Of our object on the host what we have applied, and what the host says about it.
fn prune_to_print_and_status(object: &mut Value) {
    let status = object.get("status").cloned();
    prune_to_print(object);
    if let (Some(object), Some(status)) = (object.as_object_mut(), status) {
        object.insert("status".into(), status);
    }
}

/// Of a node only what tenants may see: heartbeats, images and volumes change all the time.
fn prune_node(node: &mut Value) {
    for (pointer, fields) in [
        ("/metadata", &["annotations", "managedFields"][..]),
        ("/status", &["images", "volumesInUse", "volumesAttached", "config"][..]),
    ] {
        if let Some(object) = node.pointer_mut(pointer).and_then(Value::as_object_mut) {
            fields.iter().for_each(|field| drop(object.remove(*field)));
        }
    }
    let conditions = node.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        condition.remove("lastHeartbeatTime");
    }
}
