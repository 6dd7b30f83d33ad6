//! The store: opening, reading, watching, dropping tenants.

use crate::backend::Backend;
use crate::base::{Base, BaseObject, SharedCollection, Sight};
use crate::caps::{Caps, Growth, Quotas, Reservation, Usage};
use crate::engine::{Change, Engine, EngineError, Opened, Row, Sink, embedded, etcd};
use crate::history::{History, HistoryLimits};
use crate::key::{Collection, Scope};
use crate::list::{Expired, Listing, Query};
use crate::object::Object;
use crate::relist;
use crate::revision::Revision;
use crate::state::{Built, State};
use crate::watch::{Interest, QueueLimits, Registry, Subscription};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;
use tenancy::TenantId;
use tokio::sync::{oneshot, watch};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Config {
    /// What keeps the rows.
    pub backend: Backend,
    /// What every tenant starts with.
    pub base: Vec<BaseObject>,
    /// Collections whose objects of [`TenantId::SYSTEM`] are in every tenant.
    pub shared: Vec<SharedCollection>,
    /// How far back watches and lists reach.
    pub history: HistoryLimits,
    /// How far watchers may fall behind.
    pub queues: QueueLimits,
    /// What a tenant may store, unless [`Store::set_caps`] says otherwise. [`TenantId::SYSTEM`] has no caps.
    pub caps: Caps,
    /// The largest object, in bytes of JSON and index; upstream's limit is that of an etcd request, 1.5 MiB.
    pub object_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backend: Backend::Memory,
            base: Vec::new(),
            shared: Vec::new(),
            history: HistoryLimits::default(),
            queues: QueueLimits::default(),
            caps: Caps::default(),
            object_bytes: 3 << 19,
        }
    }
}

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database cannot be opened or reached, is in use by another process, or is not ours.
    #[error("opening the store: {0}")]
    Engine(#[from] EngineError),
}

/// The store of all tenants: a cache of everything, over an engine that makes it durable. Cheap to clone; the last clone
/// closes it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    engine: Box<dyn Engine>,
    object_bytes: usize,
}

/// What the engine's side and the readers' side share. Locks are taken in the order quotas, registry, state.
struct Shared {
    state: RwLock<State>,
    registry: Arc<Mutex<Registry>>,
    published: Arc<AtomicU64>,
    progress: watch::Sender<Revision>,
    quotas: Arc<Quotas>,
}

impl Store {
    /// Opens a store, reads everything into the cache, and starts the engine. Blocks; a million objects take seconds, and
    /// an etcd that is not there is waited for, half a minute at most.
    pub fn open(config: Config) -> Result<Store, OpenError> {
        let Config { backend, base, shared: collections, history, queues, caps, object_bytes } = config;
        let mut opened: Box<dyn Opened> = match backend {
            Backend::Memory => Box::new(embedded::Database::open(None)?),
            Backend::File(path) => Box::new(embedded::Database::open(Some(&path))?),
            Backend::Etcd(config) => Box::new(etcd::Content::open(config, history.events)?),
        };
        let mut history = History::new(history);
        history.raise_floor(opened.floor());
        let mut state = State::new(Base::new(&base, &collections), history);
        let (revision, floor) = opened.replay(&mut |change| drop(state.apply(Built::new(change))))?;
        state.revision = revision;
        state.known_since = floor;
        // What was there at the start is as old as this process.
        state.history.age(Instant::now(), revision);
        let shared = Arc::new(Shared {
            state: RwLock::new(state),
            registry: Arc::new(Mutex::new(Registry::new(queues))),
            published: Arc::new(AtomicU64::new(revision.0)),
            progress: watch::Sender::new(revision),
            quotas: Arc::new(Quotas::new(caps)),
        });
        let engine = opened.start(shared.clone())?;
        Ok(Store(Arc::new(Inner { shared, engine, object_bytes })))
    }

    /// The object of a tenant; `namespace` is empty for cluster-scoped ones.
    pub fn get(&self, tenant: TenantId, collection: &Collection, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.state().get(tenant, collection, namespace, name)
    }

    /// Lists objects, consistent at one revision. Errors: the revision asked for is beyond the history.
    pub fn list(&self, query: &Query<'_>) -> Result<Listing, Expired> {
        self.state().list(query)
    }

    /// Subscribes to the changes of a collection after `since`: each once, in order. `since` may be a revision that is
    /// still to come. `namespace` narrows to one. In the fleet scope, the base layer of a tenant appears with its first
    /// object and vanishes with its last. Errors: changes after `since` are beyond the history.
    pub fn watch(
        &self,
        scope: Scope,
        collection: &Collection,
        namespace: Option<&str>,
        since: Revision,
    ) -> Result<Subscription, Expired> {
        let namespace = namespace.map(crate::intern::text);
        self.subscribe(Interest { scope, collection: Some(collection.clone()), namespace }, since)
    }

    /// Subscribes to the changes of what is stored in all tenants and collections, [`TenantId::SYSTEM`] included. Base
    /// objects are in it only when a tenant changes them. Errors: as [`Store::watch`].
    pub fn feed(&self, since: Revision) -> Result<Subscription, Expired> {
        self.subscribe(Interest { scope: Scope::Fleet, collection: None, namespace: None }, since)
    }

    fn subscribe(&self, interest: Interest, since: Revision) -> Result<Subscription, Expired> {
        let shared = &self.0.shared;
        let mut registry = shared.registry();
        let state = self.state();
        if !state.reaches(interest.scope, interest.collection.as_ref(), since) {
            return Err(Expired { requested: since, oldest: state.history.floor() });
        }
        let pending = registry.add(&state, interest, since);
        Ok(pending.subscription(shared.registry.clone(), shared.published.clone()))
    }

    /// The newest revision that reads show.
    pub fn revision(&self) -> Revision {
        self.state().revision
    }

    /// The oldest revision from which watches resume and at which lists are answered.
    pub fn oldest(&self) -> Revision {
        self.state().history.floor()
    }

    /// Whether other processes may write to the same rows.
    pub fn shared(&self) -> bool {
        self.engine().shared()
    }

    /// Waits until reads show everything that was acknowledged before the call, by whichever process. Errors: the engine
    /// does not say in time what that is.
    pub async fn current(&self) -> Result<(), EngineError> {
        match self.engine().current() {
            Some(answered) => answered.await.unwrap_or(Err(EngineError::Closed)),
            None => Ok(()),
        }
    }

    /// Waits until reads show a revision.
    pub async fn wait_for(&self, revision: Revision) {
        let mut progress = self.0.shared.progress.subscribe();
        // The sender lives in the store that is borrowed here.
        let _ = progress.wait_for(|reached| *reached >= revision).await;
    }

    /// The objects of a tenant that name `owner_uid` in their owner references, in the order of keys.
    pub fn dependents(&self, tenant: TenantId, owner_uid: &str) -> Vec<Arc<Object>> {
        self.state().dependents(tenant, owner_uid)
    }

    /// How many objects each collection has in a namespace of a tenant; empty ones are left out.
    pub fn namespace_contents(&self, tenant: TenantId, namespace: &str) -> Vec<(Collection, usize)> {
        self.state().namespace_contents(tenant, namespace)
    }

    /// The collections in which a tenant has objects, or could have some of the base layer.
    pub fn collections(&self, tenant: TenantId) -> Vec<Collection> {
        self.state().collections(tenant)
    }

    /// The tenants that store anything, [`TenantId::SYSTEM`] excluded.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.state().tenants.keys().copied().filter(|tenant| *tenant != TenantId::SYSTEM).collect()
    }

    /// Deletes everything a tenant stores and ends its watches; watches of the fleet see each deletion. Nobody may write
    /// to the tenant meanwhile. Errors: the engine failed; try again.
    pub async fn drop_tenant(&self, tenant: TenantId) -> Result<(), EngineError> {
        self.0.shared.registry().end_tenant(tenant);
        let (answer, answered) = oneshot::channel();
        self.engine().clear(tenant, answer);
        answered.await.unwrap_or(Err(EngineError::Closed))?;
        self.0.shared.registry().end_tenant(tenant);
        self.0.shared.quotas.forget(tenant);
        self.0.shared.write().base.forget(tenant);
        Ok(())
    }

    /// Ends the watches of a tenant that another process has dropped, and forgets its caps.
    pub fn forget_tenant(&self, tenant: TenantId) {
        self.0.shared.registry().end_tenant(tenant);
        self.0.shared.quotas.forget(tenant);
        self.0.shared.write().base.forget(tenant);
    }

    /// Sets which shared collections a tenant sees; those that are not named, as [`SharedCollection`] says. Watches of
    /// what comes or goes by it end as too slow. Lasts until the tenant is dropped or the process ends.
    pub fn set_sight(&self, tenant: TenantId, wanted: &[(Collection, Sight)]) {
        let shared = &self.0.shared;
        let registry = shared.registry();
        let news = shared.write().base.set_sight(tenant, wanted);
        registry.end_sight(tenant, &news);
    }

    /// What a tenant stores.
    pub fn usage(&self, tenant: TenantId) -> Usage {
        self.state().usage(tenant)
    }

    /// Sets what a tenant may store, until it is dropped or the process ends.
    pub fn set_caps(&self, tenant: TenantId, caps: Caps) {
        self.0.shared.quotas.set(tenant, caps);
    }

    /// The revision of the last change of a collection in a tenant: as long as it is the same, so is the collection. It may
    /// be newer than the last change, never older.
    pub fn collection_revision(&self, tenant: TenantId, collection: &Collection) -> Revision {
        self.state().collection_revision(tenant, collection)
    }

    /// How many subscriptions are open.
    pub fn watchers(&self) -> usize {
        self.0.shared.registry().count()
    }

    /// Ends all watches, finishes the writes that are under way, refuses new ones and closes the engine. Waits for it.
    pub fn close(&self) {
        self.0.shared.registry().close();
        self.0.engine.close();
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.shared.read()
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.0.engine
    }

    pub(crate) fn object_bytes(&self) -> usize {
        self.0.object_bytes
    }

    pub(crate) fn reserve(&self, growth: Vec<(TenantId, Growth)>) -> Result<Reservation, Caps> {
        let shared = &self.0.shared;
        shared.quotas.reserve(&shared.state, growth).map_err(|(_, caps)| caps)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.registry().close();
        self.engine.close();
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies changes and shows them. The registry is held throughout: who subscribes meanwhile waits, and then finds the
    /// changes either in the history or in its queue.
    fn take_in(&self, registry: &Registry, built: Vec<Built>) -> Vec<Option<Arc<Object>>> {
        let records: Vec<_> = {
            let mut state = self.write();
            built.into_iter().map(|change| state.apply(change)).collect()
        };
        let state = self.read();
        let mut left = Vec::with_capacity(records.len());
        for record in &records {
            let event = record.event();
            registry.publish(&state, record, event.as_ref());
            left.push(event.and_then(|event| event.new.or(event.old)));
        }
        left
    }

    /// Tells how far reads and watches are.
    fn reached(&self, revision: Revision) {
        self.published.store(revision.0, Ordering::Release);
        self.progress.send_replace(revision);
    }
}

impl Sink for Shared {
    fn publish(&self, changes: Vec<Change>) -> Vec<Option<Arc<Object>>> {
        if changes.is_empty() {
            return Vec::new();
        }
        let built: Vec<Built> = changes.into_iter().map(Built::new).collect();
        let registry = self.registry();
        let left = self.take_in(&registry, built);
        let revision = self.read().revision;
        self.reached(revision);
        left
    }

    fn advance(&self, revision: Revision) {
        let _registry = self.registry();
        let mut state = self.write();
        state.revision = state.revision.max(revision);
        let revision = state.revision;
        drop(state);
        self.reached(revision);
    }

    fn replace(&self, rows: Vec<Row>, revision: Revision) {
        let registry = self.registry();
        let stored = self.read().rows();
        let changes = relist::differences(stored, rows, revision);
        self.take_in(&registry, changes.into_iter().map(Built::new).collect());
        let mut state = self.write();
        state.revision = state.revision.max(revision);
        state.known_since = state.known_since.max(revision);
        state.history.raise_floor(revision);
        let revision = state.revision;
        drop(state);
        self.reached(revision);
    }

    fn age(&self) -> Revision {
        let mut state = self.write();
        let newest = state.revision;
        state.history.age(Instant::now(), newest);
        state.history.floor()
    }
}
