//! Endpoints of Services with a selector (upstream `pkg/controller/endpoint`).

mod subsets;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{self, DeleteOptions, Part};
use crate::events::{Level, Recorder, Regarding};
use crate::informer::{Informer, Raw};
use crate::key::{Key, plain};
use crate::kinds;
use crate::object::{Meta, nullable, timestamp};
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::service::{HEADLESS, Service, affected};
use crate::step::{self, Controller, Error};
use crate::trigger::{self, TriggerTimes};

use subsets::{CAPACITY, Cut, Subset};

const MANAGED_BY_LABEL: &str = "endpoints.kubernetes.io/managed-by";
const MANAGED_BY: &str = "endpoint-controller";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// Endpoints with this annotation are locks of old leader elections and have no Service.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Held {
    #[serde(rename = "metadata")]
    meta: Meta,
    #[serde(deserialize_with = "nullable")]
    subsets: Vec<Subset>,
}

#[derive(Clone)]
struct AllEndpoints {
    context: Context,
    recorder: Recorder,
    services: Informer,
    pods: Informer,
    endpoints: Informer,
    times: Arc<TriggerTimes>,
}

impl Controller for AllEndpoints {
    const NAME: &'static str = "endpoint-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let held = self.endpoints.get(&key.namespace, &key.name);
        let Some(raw) = self.services.get(&key.namespace, &key.name) else {
            self.times.forget(key);
            return self.delete(key, held.as_deref()).await;
        };
        let service: Service = raw.view()?;
        if !service.has_endpoints() {
            return Ok(Outcome::Done);
        }
        let pods = service.pods(&self.pods)?;
        let trigger = self.times.look(key, &service, &pods);
        let wanted = subsets::wanted(&service, &pods);
        let present = held.is_some();
        let held: Held = held.map(|held| held.view()).transpose()?.unwrap_or_default();
        if present && is_right(&held, &service, &wanted) {
            return Ok(Outcome::Done);
        }
        self.write(key, &service, held, wanted, trigger).await?;
        Ok(Outcome::Done)
    }
}

/// Whether an object needs no write.
fn is_right(held: &Held, service: &Service, wanted: &[Subset]) -> bool {
    let count: usize = held.subsets.iter().map(|s| s.addresses.len() + s.not_ready_addresses.len()).sum();
    count <= CAPACITY
        && !held.meta.annotations.contains_key(OVER_CAPACITY)
        && held.meta.labels.get(MANAGED_BY_LABEL).is_some_and(|value| value == MANAGED_BY)
        && held.meta.labels.iter().filter(|(key, _)| !own(key)).eq(service
            .meta
            .labels
            .iter()
            .filter(|(key, _)| !own(key)))
        && subsets::repacked(held.subsets.clone()) == wanted
}

fn own(label: &str) -> bool {
    [MANAGED_BY_LABEL, HEADLESS].contains(&label)
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.meta.labels.clone();
    labels.remove(HEADLESS);
    if service.is_headless() {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
    labels
}

impl AllEndpoints {
    async fn delete(&self, key: &Key, held: Option<&Raw>) -> Result<Outcome, Error> {
        let Some(held) = held else { return Ok(Outcome::Done) };
        let view: Held = held.view()?;
        if !view.meta.annotations.contains_key(LEADER) {
            let options = DeleteOptions { uid: Some(held.uid().to_owned()), ..DeleteOptions::default() };
            let objects = &self.context.objects;
            match objects.delete(&kinds::endpoints(), (&key.namespace, &key.name), &options).await {
                Err(error) if !client::is_not_found(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(Outcome::Done)
    }

    async fn write(
        &self,
        key: &Key,
        service: &Service,
        held: Held,
        mut wanted: Vec<Subset>,
        trigger: Option<Timestamp>,
    ) -> Result<(), kube::Error> {
        let (objects, kind) = (&self.context.objects, kinds::endpoints());
        let over = subsets::cut(&mut wanted) == Cut::Yes;
        let labels = labels(service);
        let creates = held.meta.uid.is_empty();
        let written = if creates {
            let mut annotations = serde_json::Map::new();
            annotations.extend(trigger.map(|time| (trigger::ANNOTATION.to_owned(), json!(timestamp(time)))));
            annotations.extend(over.then(|| (OVER_CAPACITY.to_owned(), json!("truncated"))));
            let metadata = json!({"name": service.meta.name, "labels": labels, "annotations": annotations});
            let body = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": wanted});
            objects.create(&kind, &key.namespace, &body).await
        } else {
            let mut labels = json!(labels);
            for label in
                held.meta.labels.keys().filter(|label| labels.get(label.as_str()).is_none()).collect::<Vec<_>>()
            {
                labels[label] = Value::Null;
            }
            let metadata = json!({
                "uid": held.meta.uid,
                "resourceVersion": held.meta.resource_version,
                "labels": labels,
                "annotations": {
                    trigger::ANNOTATION: trigger.map(timestamp),
                    OVER_CAPACITY: over.then_some("truncated"),
                },
            });
            let subsets = if wanted.is_empty() { Value::Null } else { json!(wanted) };
            let patch = json!({"metadata": metadata, "subsets": subsets});
            objects.merge(&kind, (&key.namespace, &key.name), Part::Object, &patch).await
        };
        let Err(error) = written else { return Ok(()) };
        // Losing a race is nothing to tell users.
        let lost = client::is_conflict(&error) || client::is_already_exists(&error);
        if !lost && !client::is_namespace_terminating(&error) {
            self.complain(key, &held.meta, &client::message(&error), creates);
        }
        Err(error)
    }

    fn complain(&self, key: &Key, held: &Meta, error: &str, creates: bool) {
        let regarding = Regarding {
            api_version: "v1".to_owned(),
            kind: "Endpoints".to_owned(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            uid: held.uid.clone(),
            resource_version: held.resource_version.clone(),
        };
        let name = format!("{}/{}", plain(&key.namespace), key.name);
        let (reason, message) = if creates {
            ("FailedToCreateEndpoint", format!("Failed to create endpoint for service {name}: {error}"))
        } else {
            ("FailedToUpdateEndpoint", format!("Failed to update endpoint {name}: {error}"))
        };
        self.recorder.record(&regarding, Level::Warning, reason, message);
    }
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let controller = AllEndpoints {
        context: context.clone(),
        recorder: context.recorder.component("endpoint-controller"),
        services: context.services(),
        pods: context.pods(),
        endpoints: context.endpoints(),
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
    controller.endpoints.subscribe({
        let queue = queue.clone();
        move |change| {
            // Ours may have lost their Service while nobody watched; those of users may come before theirs.
            if change.new.is_none() || change.latest().label(MANAGED_BY_LABEL) == Some(MANAGED_BY) {
                queue.add(change.key().clone());
            }
        }
    });
    let informers = vec![controller.services.clone(), controller.pods.clone(), controller.endpoints.clone()];
    step::work(controller, queue, informers, shutdown)
}
