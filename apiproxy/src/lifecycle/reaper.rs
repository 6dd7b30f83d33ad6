//! The loop behind the end of objects: follows the store and works off what events make due.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use store::{Event, Key, Object, Revision};
use tokio::sync::{Notify, Semaphore};

use super::{gc, namespace, protection};
use crate::api::Api;
use crate::catalog::definitions;

/// Deletions carried out at the same time.
const WORKERS: usize = 16;
/// What is still waiting is looked at again after this long, should an event have been missed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Work {
    /// An object with owners: keep or delete?
    Judge(Key),
    /// An owner that waits for its dependents, a claim or volume that waits for who uses it.
    Advance(Key),
    /// A terminating namespace.
    Namespace(Key),
    /// A definition whose objects go first.
    Definition(Key),
}

#[derive(Default)]
struct Queue {
    order: VecDeque<Work>,
    queued: HashSet<Work>,
}

/// Follows the store until the server drains.
pub(crate) async fn run(api: Arc<Api>) {
    let reaper = Arc::new(Reaper { api: api.clone(), queue: Mutex::default(), ready: Notify::new() });
    let workers = tokio::spawn(reaper.clone().work());
    let mut since = api.store.revision();
    reaper.look_at_everything();
    let mut again = tokio::time::interval(LOOK_AGAIN);
    again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    'feeding: loop {
        let Ok(mut feed) = api.store.feed(since) else {
            since = api.store.revision();
            reaper.look_at_everything();
            continue;
        };
        loop {
            tokio::select! {
                event = feed.next() => match event {
                    Some(event) => reaper.see(&event),
                    None => {
                        since = feed.revision();
                        break;
                    }
                },
                _ = again.tick() => reaper.look_at_terminating(),
                () = api.draining.cancelled() => break 'feeding,
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    workers.abort();
}

struct Reaper {
    api: Arc<Api>,
    queue: Mutex<Queue>,
    ready: Notify,
}

impl Reaper {
    fn add(&self, work: Work) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.queued.insert(work.clone()) {
            queue.order.push_back(work);
            drop(queue);
            self.ready.notify_one();
        }
    }

    fn see(&self, event: &Event) {
        if let Some(pod) = event.new.as_ref().or(event.old.as_ref()).filter(|pod| event.new.is_none() || pod.deleting())
        {
            for claim in protection::waiting(&self.api, pod) {
                self.add(Work::Advance(claim));
            }
        }
        match (&event.old, &event.new) {
            (Some(old), None) => self.gone(old, event.revision),
            (_, Some(new)) => self.there(new),
            (None, None) => {}
        }
    }

    fn gone(&self, old: &Object, _: Revision) {
        let key = old.key();
        for dependent in self.api.store.dependents(key.tenant, old.uid()) {
            self.add(Work::Judge(dependent.key().clone()));
        }
        for owner in old.owners().iter().filter(|owner| owner.block) {
            // Owners that wait in foreground deletion go on when their last dependent is gone.
            if let Some(waiting) = self.owner_key(old, &owner.uid) {
                self.add(Work::Advance(waiting));
            }
        }
        if !key.namespace.is_empty() {
            let namespace = namespace::namespace_key(key.tenant, &key.namespace);
            let found = self.api.store.get(key.tenant, &namespace.collection, "", &key.namespace);
            if found.is_some_and(|object| object.deleting()) {
                self.add(Work::Namespace(namespace));
            }
        }
        if key.collection.group().contains('.') {
            let name = format!("{}.{}", key.collection.resource(), key.collection.group());
            let found = self.api.store.get(key.tenant, &definitions(), "", &name);
            if let Some(definition) = found.filter(|object| object.deleting()) {
                self.add(Work::Definition(definition.key().clone()));
            }
        }
    }

    fn there(&self, new: &Object) {
        let key = new.key();
        if !new.owners().is_empty() {
            self.add(Work::Judge(key.clone()));
        }
        if new.deleting() {
            self.add(Work::Advance(key.clone()));
            if key.collection == namespace::namespaces() {
                self.add(Work::Namespace(key.clone()));
            } else if key.collection == definitions() {
                self.add(Work::Definition(key.clone()));
            }
        }
    }

    /// The key of an owner, found through the references of one of its dependents.
    fn owner_key(&self, dependent: &Object, uid: &str) -> Option<Key> {
        let value = dependent.value();
        let reference = value["metadata"]["ownerReferences"].as_array()?.iter().find(|r| r["uid"] == uid)?.clone();
        let api_version = reference["apiVersion"].as_str()?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let key = dependent.key();
        let resource = self.api.catalog.kind(key.tenant, group, version, reference["kind"].as_str()?)?;
        let namespace = if resource.namespaced { key.namespace.clone() } else { "".into() };
        let name = reference["name"].as_str()?.into();
        Some(Key { tenant: key.tenant, collection: crate::read::collection(&resource), namespace, name })
    }

    fn look_at_everything(&self) {
        for tenant in self.api.store.tenants() {
            for object in gc::pending(&self.api, tenant) {
                self.there(&object);
            }
        }
    }

    fn look_at_terminating(&self) {
        let deleting = |collection: store::Collection| {
            let query = store::Query {
                scope: store::Scope::Fleet,
                collection: &collection,
                namespace: None,
                at: store::At::Latest,
                after: None,
                limit: 0,
                filter: &|object| object.deleting(),
            };
            self.api.store.list(&query).map(|listing| listing.objects).unwrap_or_default()
        };
        for object in deleting(namespace::namespaces()).iter().chain(&deleting(definitions())) {
            self.there(object);
        }
    }

    async fn work(self: Arc<Self>) {
        let seats = Arc::new(Semaphore::new(WORKERS));
        loop {
            let next = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let next = queue.order.pop_front();
                if let Some(work) = &next {
                    queue.queued.remove(work);
                }
                next
            };
            let Some(work) = next else {
                self.ready.notified().await;
                continue;
            };
            let Ok(seat) = seats.clone().acquire_owned().await else { return };
            let api = self.api.clone();
            tokio::spawn(async move {
                match &work {
                    Work::Judge(key) => gc::judge(&api, key).await,
                    Work::Advance(key) => {
                        gc::advance(&api, key).await;
                        protection::release(&api, key).await;
                    }
                    Work::Namespace(key) => namespace::advance_namespace(&api, key).await,
                    Work::Definition(key) => namespace::advance_definition(&api, key).await,
                }
                drop(seat);
            });
        }
    }
}
