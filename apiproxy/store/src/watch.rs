//! Watches: bounded queues fed by the writer, indexed by what they ask for.

use crate::history::{Life, Record};
use crate::key::{Collection, Scope};
use crate::object::Object;
use crate::revision::Revision;
use crate::state::State;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tenancy::TenantId;
use tokio::sync::Notify;

/// One change.
#[derive(Clone, Debug)]
pub struct Event {
    /// The revision of the change.
    pub revision: Revision,
    /// The object before; `None` when it was created. When it was deleted (`new` is `None`): its last state, with the
    /// revision of the deletion as resourceVersion, as watchers are to be told.
    pub old: Option<Arc<Object>>,
    /// The object after; `None` when it was deleted.
    pub new: Option<Arc<Object>>,
    encoded: Arc<OnceLock<Bytes>>,
}

impl Event {
    pub(crate) fn new(revision: Revision, old: Option<Arc<Object>>, new: Option<Arc<Object>>) -> Self {
        Self { revision, old, new, encoded: Arc::default() }
    }

    /// Another encoding of what watchers are shown (`new`, or `old` of a deletion): made by the first who asks, shared by
    /// all who are handed this event, gone with it. Who asks agrees on which encoding it is.
    ///
    /// Errors: those of `make`; then the next one who asks makes it again.
    pub fn shared<E>(&self, make: impl FnOnce() -> Result<Bytes, E>) -> Result<Bytes, E> {
        if let Some(made) = self.encoded.get() {
            return Ok(made.clone());
        }
        let made = make()?;
        Ok(self.encoded.get_or_init(|| made).clone())
    }
}

/// Why a subscription yields nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The store was closed.
    Closed,
    /// The tenant was dropped.
    TenantDropped,
    /// The subscriber did not keep up and its queue was full.
    TooSlow,
}

/// What a subscription asks for.
#[derive(Clone)]
pub(crate) struct Interest {
    pub(crate) scope: Scope,
    /// `None`: the feed of every tenant and collection.
    pub(crate) collection: Option<Collection>,
    pub(crate) namespace: Option<Arc<str>>,
}

impl Interest {
    fn wants(&self, state: &State, record: &Record) -> bool {
        let scope = match self.scope {
            Scope::Tenant(tenant) => tenant == record.tenant || state.concerns(tenant, record),
            Scope::Fleet => {
                self.collection.is_none()
                    || record.tenant != TenantId::SYSTEM
                    || state.base.is_shared(&record.collection)
            }
        };
        scope
            && self.collection.as_ref().is_none_or(|collection| *collection == record.collection)
            && self.namespace.as_ref().is_none_or(|namespace| **namespace == *record.namespace())
    }

    /// The event of a record, as an object of the tenant that is watched.
    fn event(&self, record: &Record) -> Option<Event> {
        let event = record.event()?;
        match self.scope {
            Scope::Tenant(tenant) if tenant != record.tenant => {
                let own = |object: Option<Arc<Object>>| object.map(|object| object.of_tenant(tenant));
                Some(Event::new(event.revision, own(event.old), own(event.new)))
            }
            _ => Some(event),
        }
    }

    /// Whether births and deaths of tenants show it the base layer coming and going.
    fn sees_lives(&self) -> bool {
        self.scope == Scope::Fleet && self.collection.is_some()
    }
}

#[derive(Default)]
struct Inner {
    events: VecDeque<Event>,
    limit: usize,
    ended: Option<Ended>,
}

struct Queue {
    id: u64,
    interest: Interest,
    since: Revision,
    inner: Mutex<Inner>,
    wake: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: &Event) {
        if event.revision <= self.since {
            return;
        }
        let mut inner = self.lock();
        if inner.ended.is_some() {
            return;
        }
        if inner.events.len() >= inner.limit {
            inner.ended = Some(Ended::TooSlow);
            inner.events = VecDeque::new();
        } else {
            inner.events.push_back(event.clone());
        }
        drop(inner);
        self.wake.notify_one();
    }

    fn end(&self, reason: Ended) {
        let mut inner = self.lock();
        inner.ended.get_or_insert(reason);
        if reason != Ended::Closed {
            inner.events = VecDeque::new();
        }
        drop(inner);
        self.wake.notify_one();
    }
}

/// The subscriptions to one collection.
#[derive(Default)]
struct Audience {
    fleet: Vec<Arc<Queue>>,
    tenants: HashMap<TenantId, Vec<Arc<Queue>>>,
}

/// How many undelivered events a subscription may have.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Of a watch on one tenant.
    pub tenant: usize,
    /// Of a watch or feed over all tenants.
    pub fleet: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { tenant: 4096, fleet: 65_536 }
    }
}

/// Everybody who watches. A change is looked at only by those who watch its collection in its tenant.
pub(crate) struct Registry {
    limits: QueueLimits,
    next_id: u64,
    collections: HashMap<Collection, Audience>,
    feeds: Vec<Arc<Queue>>,
    closed: bool,
}

impl Registry {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self { limits, next_id: 0, collections: HashMap::new(), feeds: Vec::new(), closed: false }
    }

    /// Subscribes; `since` must be within reach of the history. The caller holds the registry while it looks at the
    /// state, and the writer publishes only while it holds the registry: so nothing is missed or seen twice.
    pub(crate) fn add(&mut self, state: &State, interest: Interest, since: Revision) -> Pending {
        let mut events = VecDeque::new();
        for record in state.history.after(since) {
            expand(state, record, &interest, |event| events.push_back(event));
        }
        let room = if matches!(interest.scope, Scope::Fleet) { self.limits.fleet } else { self.limits.tenant };
        let limit = room + events.len();
        let ended = self.closed.then_some(Ended::Closed);
        self.next_id += 1;
        let queue = Arc::new(Queue {
            id: self.next_id,
            interest,
            since,
            inner: Mutex::new(Inner { events, limit, ended }),
            wake: Notify::new(),
        });
        self.slot(&queue.interest).push(queue.clone());
        Pending { queue, since }
    }

    fn slot(&mut self, interest: &Interest) -> &mut Vec<Arc<Queue>> {
        match (&interest.collection, interest.scope) {
            (None, _) => &mut self.feeds,
            (Some(collection), Scope::Fleet) => &mut self.collections.entry(collection.clone()).or_default().fleet,
            (Some(collection), Scope::Tenant(tenant)) => {
                self.collections.entry(collection.clone()).or_default().tenants.entry(tenant).or_default()
            }
        }
    }

    fn remove(&mut self, queue: &Queue) {
        let interest = &queue.interest;
        let slot = self.slot(interest);
        slot.retain(|other| other.id != queue.id);
        let empty = slot.is_empty();
        if let (true, Some(collection)) = (empty, &interest.collection) {
            if let (Scope::Tenant(tenant), Some(audience)) = (interest.scope, self.collections.get_mut(collection)) {
                audience.tenants.remove(&tenant);
            }
            let unused = |audience: &Audience| audience.fleet.is_empty() && audience.tenants.is_empty();
            if self.collections.get(collection).is_some_and(unused) {
                self.collections.remove(collection);
            }
        }
    }

    /// Hands one applied record to those who want it.
    pub(crate) fn publish(&self, state: &State, record: &Record, event: Option<&Event>) {
        if let Some(event) = event {
            self.feeds.iter().for_each(|queue| queue.push(event));
        }
        let audience = self.collections.get(&record.collection);
        if record.tenant == TenantId::SYSTEM && state.base.is_shared(&record.collection) {
            let queues = audience.into_iter().flat_map(|all| all.tenants.values().flatten().chain(&all.fleet));
            for queue in queues {
                expand(state, record, &queue.interest, |event| queue.push(&event));
            }
            return;
        }
        if record.life == Life::Unchanged {
            let (Some(event), Some(audience)) = (event, audience) else { return };
            let own = audience.tenants.get(&record.tenant).into_iter().flatten();
            for queue in own.chain(&audience.fleet).filter(|queue| queue.interest.wants(state, record)) {
                queue.push(event);
            }
            return;
        }
        let own = audience.and_then(|audience| audience.tenants.get(&record.tenant));
        let fleet = self.collections.values().flat_map(|audience| &audience.fleet);
        for queue in own.into_iter().flatten().chain(fleet) {
            expand(state, record, &queue.interest, |event| queue.push(&event));
        }
    }

    /// Ends the subscriptions of a tenant to collections that it sees otherwise than before: they have to list anew.
    pub(crate) fn end_sight(&self, tenant: TenantId, collections: &[Collection]) {
        let audiences = collections.iter().filter_map(|collection| self.collections.get(collection));
        let queues = audiences.filter_map(|audience| audience.tenants.get(&tenant)).flatten();
        queues.for_each(|queue| queue.end(Ended::TooSlow));
    }

    /// Ends every subscription to one tenant.
    pub(crate) fn end_tenant(&self, tenant: TenantId) {
        let queues = self.collections.values().filter_map(|audience| audience.tenants.get(&tenant)).flatten();
        queues.for_each(|queue| queue.end(Ended::TenantDropped));
    }

    /// Ends all subscriptions, and those to come.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.feeds.iter().for_each(|queue| queue.end(Ended::Closed));
        for audience in self.collections.values() {
            let queues = audience.tenants.values().flatten().chain(&audience.fleet);
            queues.for_each(|queue| queue.end(Ended::Closed));
        }
    }

    /// Subscriptions that are open.
    pub(crate) fn count(&self) -> usize {
        let of = |audience: &Audience| audience.fleet.len() + audience.tenants.values().map(Vec::len).sum::<usize>();
        self.feeds.len() + self.collections.values().map(of).sum::<usize>()
    }
}

/// The events of one record for one interest: the base layer of a tenant that appears comes before the change, that of
/// one that vanishes goes after it.
fn expand(state: &State, record: &Record, interest: &Interest, mut emit: impl FnMut(Event)) {
    let base = |life: Life| {
        let shown = record.life == life && interest.sees_lives() && record.tenant != TenantId::SYSTEM;
        let shelf =
            interest.collection.as_ref().filter(|_| shown).map(|c| state.base.shelf_in(Scope::Fleet, record.tenant, c));
        shelf
            .into_iter()
            .flatten()
            .filter(|object| interest.namespace.as_ref().is_none_or(|namespace| *namespace == object.key().namespace))
    };
    let revision = record.revision;
    for object in base(Life::Born) {
        emit(Event::new(revision, None, Some(object.of_tenant(record.tenant))));
    }
    if interest.wants(state, record) {
        interest.event(record).into_iter().for_each(&mut emit);
    }
    for object in base(Life::Died) {
        emit(Event::new(revision, Some(object.of_tenant(record.tenant).at(revision)), None));
    }
}

/// A registered queue that is not yet tied to its store.
pub(crate) struct Pending {
    queue: Arc<Queue>,
    since: Revision,
}

impl Pending {
    pub(crate) fn subscription(self, registry: Arc<Mutex<Registry>>, published: Arc<AtomicU64>) -> Subscription {
        Subscription { queue: self.queue, registry, published, delivered: self.since }
    }
}

/// A stream of changes. Dropping it unsubscribes.
pub struct Subscription {
    queue: Arc<Queue>,
    registry: Arc<Mutex<Registry>>,
    published: Arc<AtomicU64>,
    delivered: Revision,
}

impl Subscription {
    /// The next change; `None` when there will be none any more ([`Subscription::ended`] says why). Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        let queue = self.queue.clone();
        loop {
            let woken = queue.wake.notified();
            match self.take() {
                Taken::Event(event) => return Some(event),
                Taken::Ended => return None,
                Taken::Nothing => woken.await,
            }
        }
    }

    /// The next change if there is one now.
    pub fn try_next(&mut self) -> Option<Event> {
        match self.take() {
            Taken::Event(event) => Some(event),
            Taken::Ended | Taken::Nothing => None,
        }
    }

    fn take(&mut self) -> Taken {
        let mut inner = self.queue.lock();
        if let Some(event) = inner.events.pop_front() {
            if inner.events.is_empty() && inner.events.capacity() > 64 {
                inner.events = VecDeque::new();
            }
            self.delivered = self.delivered.max(event.revision);
            return Taken::Event(event);
        }
        if inner.ended.is_some() { Taken::Ended } else { Taken::Nothing }
    }

    /// The highest revision of which everything has been delivered: what a bookmark may say. It grows with the store also
    /// when nothing of interest happens.
    pub fn revision(&self) -> Revision {
        // Read before the queue: what was published up to here is in the queue or has been taken from it.
        let published = Revision(self.published.load(Ordering::Acquire));
        let inner = self.queue.lock();
        match inner.events.front() {
            None if inner.ended.is_none() => self.delivered.max(published),
            Some(next) if next.revision == self.delivered => Revision(self.delivered.0 - 1),
            _ => self.delivered,
        }
    }

    /// Why it ended; `None` while it has not, or while events are still to be taken.
    pub fn ended(&self) -> Option<Ended> {
        let inner = self.queue.lock();
        if inner.events.is_empty() { inner.ended } else { None }
    }
}

enum Taken {
    Event(Event),
    Ended,
    Nothing,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.queue);
    }
}
