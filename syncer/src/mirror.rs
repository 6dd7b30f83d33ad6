//! Events of host pods, copied to the virtual pods they are about. One watch of the host's events; nothing is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use controllers::client::Part;
use controllers::queue::{Outcome, Queue};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use serde_json::Value;
use tenancy::{Host, TenantId};

use crate::apply::{Writer, Written};
use crate::json;
use crate::kinds;
use crate::observe::Observed;
use crate::places::Places;
use crate::side::{Key, twin_uid, uid};
use crate::translate::event::to_virtual;
use crate::translate::names::Names;

/// Events of one tenant that may wait; further ones are dropped, as a recorder would.
const WAITING: usize = 256;
/// Events older than this are not copied again after a restart.
const OLD: SignedDuration = SignedDuration::from_mins(5);
/// Attempts to write one event.
const ATTEMPTS: u32 = 6;

/// Events that wait to be copied: the newest form of each. The name of a key is that of the host event.
#[derive(Default)]
pub(crate) struct Mirror {
    waiting: Mutex<HashMap<TenantId, HashMap<Key, Value>>>,
}

impl Mirror {
    fn waiting(&self) -> MutexGuard<'_, HashMap<TenantId, HashMap<Key, Value>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, key: &Key) -> Option<Value> {
        let mut waiting = self.waiting();
        let own = waiting.get_mut(&key.tenant)?;
        let event = own.remove(key);
        if own.is_empty() {
            waiting.remove(&key.tenant);
        }
        event
    }

    /// Follows the host's events of pods for ever.
    pub(crate) async fn follow(&self, host: kube::Client, places: &Places, queue: &Queue<Key>) {
        let kind: &ApiResource = &kinds::EVENTS;
        let api: Api<DynamicObject> = Api::all_with(host, kind);
        let config = watcher::Config::default().fields("involvedObject.kind=Pod");
        let mut events = watch_objects(api, config).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(event)) => self.take(&event, places, queue, None),
                Ok(Event::InitApply(event)) => self.take(&event, places, queue, Timestamp::now().checked_sub(OLD).ok()),
                Ok(Event::Init | Event::InitDone | Event::Delete(_)) => {}
                Err(error) => tracing::warn!(%error, "watch of host events interrupted, will resume"),
            }
        }
    }

    fn take(&self, event: &DynamicObject, places: &Places, queue: &Queue<Key>, newer_than: Option<Timestamp>) {
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let Some(place) = places.by_namespace(namespace) else { return };
        let Ok(value) = serde_json::to_value(event) else { return };
        if newer_than.is_some_and(|limit| latest(&value).is_none_or(|at| at < limit)) {
            return;
        }
        let key = Key::new(place.id, namespace, event.metadata.name.as_deref().unwrap_or_default());
        let mut waiting = self.waiting();
        let own = waiting.entry(key.tenant).or_default();
        if own.len() < WAITING || own.contains_key(&key) {
            own.insert(key.clone(), value);
            queue.add(key);
        }
    }

    /// Copies one event.
    pub(crate) async fn step(
        &self,
        key: &Key,
        observed: &Observed,
        places: &Places,
        writer: &Writer,
        failures: u32,
    ) -> Outcome {
        let Some(event) = self.next(key) else { return Outcome::Done };
        let Some(place) = places.get(key.tenant) else { return Outcome::Done };
        let about = json::text(&event, "/involvedObject/name");
        let Some(host_pod) = observed.pods.host.get(&place.host_namespace, about).map(|raw| Host(raw.value())) else {
            return Outcome::Done;
        };
        let Some((pod_key, _)) = Key::claimed_by(&host_pod) else { return Outcome::Done };
        let is_about = uid(&host_pod.0) == json::text(&event, "/involvedObject/uid");
        let Some(pod) = observed.pods.own_side(&pod_key) else { return Outcome::Done };
        if pod_key.tenant != key.tenant || !is_about || uid(&pod.0) != twin_uid(&host_pod) {
            return Outcome::Done;
        }
        let who = pod_key.identity(uid(&pod.0));
        let names = Names::of_pod(&place, who, &pod.0);
        let own = to_virtual(who, &Host(event.clone()), &names);
        let mut object = own.0;
        let namespace = pod_key.fleet_namespace();
        object["metadata"]["namespace"] = serde_json::json!(namespace);
        match writer.apply_virtual(&kinds::EVENTS, &namespace, Part::Object, &object).await {
            Written::Failed(error) if failures < ATTEMPTS => {
                tracing::debug!(%key, %error, "event not copied");
                self.waiting().entry(key.tenant).or_default().entry(key.clone()).or_insert(event);
                Outcome::Retry
            }
            _ => Outcome::Done,
        }
    }
}

fn latest(event: &Value) -> Option<Timestamp> {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.iter().find_map(|pointer| json::text(event, pointer).parse().ok())
}
