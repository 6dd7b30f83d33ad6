//! EndpointSlices of Services with a selector (upstream `pkg/controller/endpointslice`). Topology hints are not written.

mod plan;
#[cfg(test)]
mod tests;
mod tracker;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::client::{self, DeleteOptions, Part};
use crate::events::{Level, Recorder, Regarding};
use crate::informer::{Informer, Raw, Selector};
use crate::key::{Key, plain, sibling};
use crate::kinds;
use crate::object::controller_reference;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::service::{Service, affected};
use crate::step::{self, Controller, Error};
use crate::trigger::TriggerTimes;

use plan::{MANAGED_BY_LABEL, Plan, SERVICE_NAME, Slice};
use tracker::Tracker;

/// Value of the managed-by label of our slices.
const MANAGED_BY: &str = "endpointslice-controller.k8s.io";
const ZONE: &str = "topology.kubernetes.io/zone";

/// Selects the slices of this controller; others write slices too.
pub(crate) fn managed() -> Selector {
    Selector { labels: Some(format!("{MANAGED_BY_LABEL}={MANAGED_BY}")), ..Selector::default() }
}

#[derive(Clone)]
struct Slices {
    context: Context,
    recorder: Recorder,
    services: Informer,
    pods: Informer,
    nodes: Informer,
    slices: Informer,
    tracker: Arc<Tracker>,
    times: Arc<TriggerTimes>,
}

impl Controller for Slices {
    const NAME: &'static str = "endpointslice-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let Some(raw) = self.services.get(&key.namespace, &key.name) else {
            self.times.forget(key);
            self.tracker.forget(key);
            return Ok(Outcome::Done);
        };
        let service: Service = raw.view()?;
        if !service.has_endpoints() {
            return Ok(Outcome::Done);
        }
        let pods = service.pods(&self.pods)?;
        let observed = self.slices_of(key);
        if self.tracker.is_stale(key, &observed) {
            return Err(Error::Stale("what was written to EndpointSlices is not observed yet".to_owned()));
        }
        let slices = observed.iter().map(|slice| view(slice, raw.uid())).collect::<Result<Vec<_>, _>>()?;
        let trigger = self.times.look(key, &service, &pods);
        let zone = |node: &str| {
            let node = self.nodes.get("", &sibling(&key.namespace, node))?;
            node.label(ZONE).filter(|zone| !zone.is_empty()).map(str::to_owned)
        };
        let plan = plan::plan(&service, &pods, slices, &zone);
        match self.carry_out(key, &raw, &service, plan, trigger).await {
            Err(error) if !client::is_conflict(&error) && !client::is_namespace_terminating(&error) => {
                let (namespace, message) = (plain(&key.namespace), client::message(&error));
                let message = format!("Error updating Endpoint Slices for Service {namespace}/{}: {message}", key.name);
                let regarding = Regarding::raw(&kinds::services(), &raw);
                self.recorder.record(&regarding, Level::Warning, "FailedToUpdateEndpointSlices", message);
                Err(error.into())
            }
            other => Ok(other.map(|()| Outcome::Done)?),
        }
    }
}

fn view(raw: &Raw, service: &str) -> Result<Slice, serde_json::Error> {
    let mut slice: Slice = raw.view()?;
    let owners = raw.value()["metadata"]["ownerReferences"].take();
    let owns = |owner: &Value| owner["uid"] == service && owner["kind"] == "Service" && owner["apiVersion"] == "v1";
    slice.owned = owners.as_array().is_some_and(|owners| owners.iter().any(owns));
    Ok(slice)
}

impl Slices {
    /// The slices of a Service, without those on their way out.
    fn slices_of(&self, key: &Key) -> Vec<Arc<Raw>> {
        let mut slices = self.slices.by_namespace(&key.namespace);
        slices.retain(|slice| slice.label(SERVICE_NAME) == Some(&key.name) && !slice.is_deleting());
        slices
    }

    async fn carry_out(
        &self,
        key: &Key,
        raw: &Raw,
        service: &Service,
        plan: Plan,
        trigger: Option<Timestamp>,
    ) -> Result<(), kube::Error> {
        let (objects, kind) = (&self.context.objects, kinds::endpoint_slices());
        let owner = controller_reference(&kinds::services(), &service.meta.name, &service.meta.uid);
        // A Service on its way out: its slices are being collected.
        let creates = if raw.is_deleting() { Vec::new() } else { plan.creates };
        for wanted in creates {
            let body = plan::body(service, &wanted, &owner, trigger);
            let created = objects.create(&kind, &key.namespace, &body).await?;
            self.tracker.wrote(key, &created);
        }
        for (slice, wanted) in plan.updates {
            let name = (&*key.namespace, slice.meta.name.as_str());
            let patch = plan::patch(&slice, &wanted, trigger);
            let updated = objects.merge(&kind, name, Part::Object, &patch).await?;
            self.tracker.wrote(key, &updated);
        }
        for slice in plan.deletes {
            let options = DeleteOptions { uid: Some(slice.meta.uid.clone()), ..DeleteOptions::default() };
            match objects.delete(&kind, (&key.namespace, &slice.meta.name), &options).await {
                Err(error) if !client::is_not_found(&error) => return Err(error),
                _ => self.tracker.deleted(key, &slice.meta.uid),
            }
        }
        Ok(())
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let controller = Slices {
        context: context.clone(),
        recorder: context.recorder.component("endpoint-slice-controller"),
        services: context.services(),
        pods: context.pods(),
        nodes: context.nodes(),
        slices: context.endpoint_slices(),
        tracker: Arc::default(),
        times: Arc::default(),
    };
    controller.services.subscribe({
        let queue = queue.clone();
        move |change| queue.add(change.key().clone())
    });
    controller.pods.subscribe({
        let (queue, services) = (queue.clone(), controller.services.clone());
        move |change| affected(&services, change).into_iter().for_each(|key| queue.add(key))
    });
    controller.slices.subscribe({
        let (queue, tracker) = (queue.clone(), controller.tracker.clone());
        move |change| {
            for slice in change.old.iter().chain(&change.new) {
                let Some(service) = slice.label(SERVICE_NAME) else { continue };
                let key = Key::new(slice.key().namespace.clone(), service);
                if change.new.is_none() {
                    tracker.gone(&key, slice.uid());
                }
                queue.add(key);
            }
        }
    });
    let informers =
        vec![controller.services.clone(), controller.pods.clone(), controller.nodes.clone(), controller.slices.clone()];
    step::work(controller, queue, informers, shutdown)
}
