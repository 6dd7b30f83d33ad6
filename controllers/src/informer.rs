//! One kind's objects of all tenants, kept current by one watch.

mod changes;
mod index;
mod raw;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use futures::StreamExt;
use kube::core::ApiResource;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Client};
use serde_json::Value;
use tenancy::TenantId;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use changes::{Change, Changes};
pub use raw::{Controller, ManagedFields, Raw};

use changes::Pending;
use index::Index;
use raw::Incoming;

/// Takes away what nobody will ask for, before an object is stored.
pub type Prune = fn(&mut Value);

/// How the initial list is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitialList {
    /// As watch events (`sendInitialEvents`); Kubernetes 1.32 and later. No page is ever held as a whole.
    #[default]
    Streamed,
    /// As pages of 500 objects, then a watch.
    Paged,
}

/// Which objects an informer holds. Empty selectors select everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// A label selector, as in `labelSelector=`.
    pub labels: Option<String>,
    /// A field selector, as in `fieldSelector=`.
    pub fields: Option<String>,
    /// How the initial list is fetched.
    pub initial: InitialList,
    /// Whether `metadata.managedFields` is stored.
    pub managed_fields: ManagedFields,
}

type Handler = Box<dyn Fn(&Change) -> Interest + Send>;

/// Whether a handler wants more.
enum Interest {
    More,
    Over,
}

struct Shared {
    index: RwLock<Index>,
    handlers: Mutex<Vec<Handler>>,
    streams: Mutex<Vec<Weak<Pending>>>,
    synced: watch::Sender<bool>,
    prune: Option<Prune>,
    managed_fields: ManagedFields,
}

/// One kind's objects of all tenants: raw JSON and a small index, fed by one watch with back-off, resumed or listed
/// anew after errors; objects that vanished meanwhile are reported as deleted. Cheap to clone; the watch stops when the
/// last clone is dropped.
#[derive(Clone)]
pub struct Informer {
    shared: Arc<Shared>,
    resource: Arc<ApiResource>,
    _feed: Arc<AbortOnDrop>,
}

struct AbortOnDrop {
    task: AbortHandle,
    shared: Arc<Shared>,
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.close();
    }
}

impl Informer {
    /// Starts watching. Must be called inside a tokio runtime.
    pub fn start(client: Client, resource: &ApiResource, selector: &Selector, prune: Option<Prune>) -> Self {
        let shared = Arc::new(Shared {
            index: RwLock::default(),
            handlers: Mutex::default(),
            streams: Mutex::default(),
            synced: watch::Sender::new(false),
            prune,
            managed_fields: selector.managed_fields,
        });
        let mut config = match selector.initial {
            InitialList::Streamed => watcher::Config::default().streaming_lists(),
            InitialList::Paged => watcher::Config::default(),
        };
        config.label_selector.clone_from(&selector.labels);
        config.field_selector.clone_from(&selector.fields);
        let api = Api::<Incoming>::all_with(client, resource);
        let kind = resource.plural.clone();
        let task = tokio::spawn(feed(shared.clone(), api, config, kind)).abort_handle();
        let guard = AbortOnDrop { task, shared: shared.clone() };
        Self { shared, resource: Arc::new(resource.clone()), _feed: Arc::new(guard) }
    }

    /// The kind this informer holds.
    pub fn resource(&self) -> &ApiResource {
        &self.resource
    }

    /// Whether the initial list is complete. Until then, absence proves nothing.
    pub fn is_synced(&self) -> bool {
        *self.shared.synced.borrow()
    }

    /// Resolves when the initial list is complete.
    pub fn synced(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut receiver = self.shared.synced.subscribe();
        async move {
            // The sender lives in `Shared`; if it is gone nobody is left to ask.
            let _ = receiver.wait_for(|synced| *synced).await;
        }
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.shared.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// One object; `namespace` is empty for cluster-scoped kinds.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Raw>> {
        self.index().get(namespace, name)
    }

    /// All objects of one fleet namespace, by name.
    pub fn by_namespace(&self, namespace: &str) -> Vec<Arc<Raw>> {
        self.index().by_namespace(namespace)
    }

    /// All objects whose controlling owner has this uid.
    pub fn by_owner(&self, uid: &str) -> Vec<Arc<Raw>> {
        self.index().by_owner(uid)
    }

    /// All objects of one tenant.
    pub fn by_tenant(&self, tenant: TenantId) -> Vec<Arc<Raw>> {
        self.index().by_tenant(tenant)
    }

    /// All objects of all tenants.
    pub fn list(&self) -> Vec<Arc<Raw>> {
        self.index().list()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.index().len()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `handler` for every object there is and then for every change, in order, from the informer's task: it
    /// must be quick (add keys to a queue) and must not subscribe in turn.
    pub fn subscribe(&self, handler: impl Fn(&Change) + Send + 'static) {
        self.attach(Box::new(move |change| {
            handler(change);
            Interest::More
        }));
    }

    /// Every object there is, then every change, coalesced per object.
    pub fn changes(&self) -> Changes {
        let pending = Arc::new(Pending::default());
        let weak = Arc::downgrade(&pending);
        lock(&self.shared.streams).push(weak.clone());
        self.attach(Box::new(move |change| match weak.upgrade() {
            Some(pending) => {
                pending.push(change);
                Interest::More
            }
            None => Interest::Over,
        }));
        Changes { pending }
    }

    fn attach(&self, handler: Handler) {
        // Held across the replay, so that no change comes between it and the first event.
        let mut handlers = lock(&self.shared.handlers);
        for raw in self.list() {
            if let Interest::Over = handler(&Change { old: None, new: Some(raw) }) {
                return;
            }
        }
        handlers.push(handler);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Index) -> Vec<Change>) {
        let mut handlers = lock(&self.handlers);
        let changes = change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        for change in &changes {
            handlers.retain(|handler| matches!(handler(change), Interest::More));
        }
    }

    fn apply(&self, raw: Raw) {
        let raw = match self.managed_fields {
            ManagedFields::Drop => raw.stripped(),
            ManagedFields::Keep => raw,
        };
        let raw = match self.prune {
            None => raw,
            Some(prune) => {
                let mut value = raw.value();
                prune(&mut value);
                Raw::kept(&value).unwrap_or(raw)
            }
        };
        if !raw.name().is_empty() {
            self.change(|index| index.apply(raw));
        }
    }

    fn close(&self) {
        for stream in lock(&self.streams).drain(..) {
            if let Some(pending) = stream.upgrade() {
                pending.close();
            }
        }
        lock(&self.handlers).clear();
    }
}

async fn feed(shared: Arc<Shared>, api: Api<Incoming>, config: watcher::Config, kind: String) {
    let mut patience = Patience::default();
    loop {
        let mut events = watch_objects(api.clone(), config.clone()).backoff(Patience::default()).boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => shared.change(|index| {
                    index.begin_list();
                    Vec::new()
                }),
                Ok(Event::InitApply(object) | Event::Apply(object)) => shared.apply(object.raw),
                Ok(Event::InitDone) => {
                    shared.change(Index::end_list);
                    shared.synced.send_replace(true);
                }
                Ok(Event::Delete(object)) => {
                    shared.change(|index| index.remove(object.raw.key()).into_iter().collect());
                }
                // kube starts over only when "gone" comes inside the stream; as an HTTP status it would ask for the
                // lost version for ever.
                Err(watcher::Error::WatchStartFailed(kube::Error::Api(status))) if status.code == 410 => break,
                Err(error) => tracing::warn!(kind, %error, "watch interrupted, will resume"),
            }
        }
        tokio::time::sleep(patience.next().unwrap_or_default()).await;
    }
}

/// Pause before the next attempt after an error: 200 ms, doubling to 10 s, each with up to half of it added at random
/// so that the informers of one process do not come back together. Shorter than client-go's, because a restarted API
/// should not keep every tenant waiting.
#[derive(Default)]
struct Patience {
    attempts: u32,
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let base = Duration::from_millis(200 << self.attempts.min(6)).min(Duration::from_secs(10));
        self.attempts = self.attempts.saturating_add(1);
        Some(base + base.mul_f64(rand::random::<f64>() / 2.0))
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        self.attempts = 0;
    }
}
