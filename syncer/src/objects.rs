//! What [`plan::object`] has to know about each of its kinds, gathered from everything that is watched; and the volumes
//! tenants see behind their claims.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use controllers::client::Part;
use controllers::events::Level;
use controllers::informer::Raw;
use controllers::queue::Outcome;
use serde_json::{Value, json};
use tenancy::{Host, SyncToHost, Virtual, fleet};

use crate::apply::Written;
use crate::born::Born;
use crate::json;
use crate::kinds;
use crate::pair::{Pair, Sides};
use crate::plan::object::{Terms, Twin, WhenOff, plan};
use crate::plan::pod::Granted;
use crate::plan::{Action, Plan};
use crate::report::REFUSED;
use crate::side::{Key, uid, unfleet};
use crate::step::Stepper;
use crate::translate::class::Class;
use crate::translate::network_policy::isolated;
use crate::translate::{Place, Refused, claim, disruption_budget, endpoint_slice, ingress, network_policy, volume};

/// Whether the Tenant lets objects of a kind reach the host.
fn is_on(kind: Born, switches: &SyncToHost) -> bool {
    match kind {
        Born::Claim => switches.persistent_volume_claims,
        Born::Ingress => switches.ingresses,
        Born::NetworkPolicy => switches.network_policies,
        Born::DisruptionBudget => switches.pod_disruption_budgets,
        Born::EndpointSlice => switches.endpoints,
        Born::Pod | Born::Service | Born::ConfigMap | Born::Secret => true,
    }
}

impl Stepper {
    /// The plan of an object of the simple kinds. None while something it depends on has not been read.
    pub(crate) fn plan_object(&self, kind: Born, place: &Place, key: &Key, pair: &Pair) -> Option<Plan> {
        if !(self.classes.is_synced() && self.namespaces.is_synced() && self.observed.volumes.is_synced()) {
            return None;
        }
        let twin = |own: &Virtual<Value>, there: Option<&Host<Value>>| {
            if is_on(kind, &place.sync.to_host) { self.twin(kind, place, key, own, there) } else { Twin::Off }
        };
        let report = |own: &Virtual<Value>, host: &Host<Value>| self.report_back(kind, key, own, host);
        let (holds, when_off) = match kind {
            Born::Claim => (Some(claim::PROTECTION), WhenOff::Keep),
            _ => (None, WhenOff::Remove),
        };
        Some(plan(pair, &Terms { twin: &twin, report: &report, holds, when_off }))
    }

    fn twin(&self, kind: Born, place: &Place, key: &Key, own: &Virtual<Value>, there: Option<&Host<Value>>) -> Twin {
        let who = key.identity(uid(&own.0));
        let offer = |class| self.classes.offer(class, &place.sync.from_host);
        let optional = |made: Result<Option<_>, Refused>, absent: Twin| match made {
            Ok(Some(made)) => Twin::Wanted(made),
            Ok(None) => absent,
            Err(refused) => Twin::Refused(refused),
        };
        match kind {
            Born::Claim => claim::to_host(place, who, own, &offer(Class::Storage), there).into(),
            Born::Ingress => ingress::to_host(place, who, own, &offer(Class::Ingress)).into(),
            Born::NetworkPolicy => {
                let namespaces = |selector: &Value| self.namespaces.matching(key.tenant, selector);
                network_policy::to_host(place, who, own, &namespaces).into()
            }
            Born::DisruptionBudget => optional(disruption_budget::to_host(place, who, own), Twin::NotYet),
            Born::EndpointSlice => {
                let known = OnceCell::new();
                let is_own =
                    |address: IpAddr| known.get_or_init(|| self.addresses(place)).contains(&address.to_canonical());
                optional(endpoint_slice::to_host(place, who, own, &is_own), Twin::None)
            }
            Born::Pod | Born::Service | Born::ConfigMap | Born::Secret => Twin::NotYet,
        }
    }

    /// Addresses of the tenant's pods; those on the host's network have the node's.
    fn addresses(&self, place: &Place) -> HashSet<IpAddr> {
        let mut found = HashSet::new();
        for raw in self.observed.pods.host.by_namespace(&place.host_namespace) {
            let pod = raw.value();
            let is_on_node = pod.pointer("/spec/hostNetwork").and_then(Value::as_bool) == Some(true);
            let is_over = matches!(json::text(&pod, "/status/phase"), "Succeeded" | "Failed");
            if !is_on_node && !is_over {
                let own = json::items(&pod, "/status/podIPs").iter().map(|one| json::text(one, "/ip"));
                found.extend(own.filter_map(|ip| ip.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical()));
            }
        }
        found
    }

    fn report_back(&self, kind: Born, key: &Key, own: &Virtual<Value>, host: &Host<Value>) -> Plan {
        let mut plan = Plan::new();
        let status = match kind {
            Born::Claim => {
                let who = key.identity(uid(&own.0));
                if claim::is_bound(host) && !json::is_deleting(&own.0) {
                    let class = self.classes.get(Class::Storage, json::text(&host.0, "/spec/storageClassName"));
                    let reclaim =
                        class.as_ref().map(|class| json::text(class, "/reclaimPolicy")).filter(|own| !own.is_empty());
                    let wanted = volume::to_virtual(who, host, reclaim);
                    let there = self.observed.volumes.get("", &fleet::join(key.tenant, &volume::volume_name(who)));
                    if there.is_none_or(|there| !volume::is_shown(&there.value(), &wanted)) {
                        plan.push(Action::ShowVolume(wanted));
                    }
                }
                plan.extend(claim::decided(who, own, host).map(Action::ReportSpec));
                claim::status_to_virtual(host)
            }
            Born::Ingress => ingress::status_to_virtual(host),
            _ => return plan,
        };
        if own.0.get("status") != Some(&status.0) {
            plan.push(Action::ReportStatus(status));
        }
        plan
    }

    /// Makes the volume behind a claim visible. Its status is a part of its own.
    pub(crate) async fn show_volume(&self, key: &Key, volume: &Virtual<Value>) -> Written {
        let mut object = volume.0.clone();
        let name = fleet::join(key.tenant, json::text(&volume.0, "/metadata/name"));
        let status = object.as_object_mut().and_then(|fields| fields.remove("status"));
        object["metadata"]["name"] = json!(name);
        match self.writer.apply_virtual(&kinds::VOLUMES, "", Part::Object, &object).await {
            Written::Done(_) => {}
            other => return other,
        }
        let status =
            json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name }, "status": status });
        self.writer.apply_virtual(&kinds::VOLUMES, "", Part::Status, &status).await
    }

    /// Looks at a tenant's volume: ours goes with its claim; one the tenant has made leads nowhere, and it is told so.
    pub(crate) async fn volume_step(&self, key: &Key) -> Outcome {
        let (volumes, claims) = (&self.observed.volumes, &self.observed.claims.own);
        if self.places.get(key.tenant).is_none() {
            return Outcome::Done;
        }
        if !(volumes.is_synced() && claims.is_synced()) {
            return Outcome::Retry;
        }
        let name = fleet::join(key.tenant, &key.name);
        let Some(there) = volumes.get("", &name) else { return Outcome::Done };
        let value = there.value();
        let is_going = json::is_deleting(&value);
        let is_ours = volume::is_ours(&value);
        if !is_ours && !is_going {
            let why = Refused::new("", "volumes of this cluster come from storage classes; this one leads nowhere");
            self.reporter.tell(&kinds::VOLUMES, key, &unfleet(value), Level::Warning, REFUSED, why.to_string());
            return Outcome::Done;
        }
        let text = |pointer: &str| json::text(&value, pointer);
        let claim = Key::new(key.tenant, text("/spec/claimRef/namespace"), text("/spec/claimRef/name"));
        let is_claim = |own: &Arc<Raw>| own.uid() == text("/spec/claimRef/uid");
        if is_ours && claims.get(&claim.fleet_namespace(), &claim.name).as_ref().is_some_and(is_claim) {
            return Outcome::Done;
        }
        let written = match (is_going, volume::released(&value)) {
            // When it is on its way, the change wakes us again.
            (false, _) => self.writer.delete_cluster_scoped(&kinds::VOLUMES, &name, there.uid()).await,
            (true, Some(left)) => self.writer.release_cluster_scoped(&kinds::VOLUMES, &name, &value, &left).await,
            (true, None) => return Outcome::Done,
        };
        match written {
            Written::Failed(error) => {
                tracing::debug!(%key, %error, "volume not let go");
                Outcome::Retry
            }
            _ => Outcome::Done,
        }
    }

    /// What a host pod carries because of the tenant's network policies and the host's priority classes.
    pub(crate) fn granted(&self, place: &Place, key: &Key, pair: &Pair) -> Granted {
        let (Sides::VirtualOnly(own) | Sides::Both(own, _)) = pair.sides() else { return Granted::default() };
        let mut granted = Granted::default();
        if is_on(Born::NetworkPolicy, &place.sync.to_host) {
            let policies = self.observed.network_policies.own.by_namespace(&key.fleet_namespace());
            let values: Vec<Value> = policies.iter().map(|raw| raw.value()).collect();
            granted.isolated = isolated(values.iter(), own);
        }
        let priority = json::text(&own.0, "/spec/priorityClassName");
        if !priority.is_empty() && self.classes.offer(Class::Priority, &place.sync.from_host).names.contains(priority) {
            granted.priority_class = Some(priority.to_owned());
        }
        granted
    }
}
