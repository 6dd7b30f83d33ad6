//! Counts usage anew where it has become less: follows the store, one namespace at a time (upstream:
//! `pkg/controller/resourcequota`). More is counted with the write that uses it, see [`crate::quota`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use store::{At, Event, Object, Query, Scope};
use tenancy::TenantId;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::api::Api;
use crate::quota::{Item, Place, of_namespace, quotas, recount, stale};

/// Everything is counted anew this often, should an event have been missed (upstream: 5 minutes).
const RESYNC: Duration = Duration::from_secs(300);
/// Between two counts of one namespace at least, and ten times as long as the last one took: a namespace whose pods go
/// one by one is not counted for each of them.
const REST: Duration = Duration::from_millis(50);
const REST_FACTOR: u32 = 10;
/// Namespaces counted at the same time.
const WORKERS: usize = 2;

/// Follows the store until the server drains.
pub(crate) async fn run(api: Arc<Api>) {
    let mut clerk = Clerk { api: api.clone(), due: HashMap::new(), rest: HashMap::new(), counting: JoinSet::new() };
    let mut since = api.store.revision();
    clerk.look_at_everything();
    let mut again = tokio::time::interval_at(Instant::now() + RESYNC, RESYNC);
    loop {
        let Ok(mut feed) = api.store.feed(since) else {
            since = api.store.revision();
            clerk.look_at_everything();
            continue;
        };
        loop {
            let next = clerk.start();
            tokio::select! {
                event = feed.next() => match event {
                    Some(event) => clerk.see(&event),
                    None => {
                        since = feed.revision();
                        break;
                    }
                },
                Some(done) = clerk.counting.join_next() => clerk.rested(done.ok()),
                () = tokio::time::sleep_until(next) => {}
                _ = again.tick() => clerk.look_at_everything(),
                () = api.draining.cancelled() => return,
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

struct Clerk {
    api: Arc<Api>,
    /// What is to be counted, and when.
    due: HashMap<Place, Instant>,
    /// What was counted a moment ago, and until when that will do.
    rest: HashMap<Place, Instant>,
    counting: JoinSet<(Place, Duration)>,
}

impl Clerk {
    fn mark(&mut self, tenant: TenantId, namespace: &Arc<str>) {
        let place = (tenant, namespace.clone());
        let now = Instant::now();
        let at = self.rest.get(&place).map_or(now, |until| now.max(*until));
        self.due.entry(place).or_insert(at);
    }

    /// Starts the counts that are due; tells when the next one is.
    fn start(&mut self) -> Instant {
        let now = Instant::now();
        let idle = now + RESYNC;
        if self.counting.len() >= WORKERS {
            return idle;
        }
        let place = self.due.iter().filter(|(_, at)| **at <= now).map(|(place, _)| place.clone()).next();
        if let Some(place) = place {
            self.due.remove(&place);
            let api = self.api.clone();
            self.counting.spawn(async move {
                let began = Instant::now();
                recount(&api, place.0, &place.1).await;
                (place, began.elapsed())
            });
            return now;
        }
        self.due.values().min().copied().unwrap_or(idle)
    }

    fn rested(&mut self, done: Option<(Place, Duration)>) {
        let now = Instant::now();
        self.rest.retain(|_, until| *until > now);
        let Some((place, took)) = done else { return };
        let until = now + REST.max(took * REST_FACTOR);
        if let Some(at) = self.due.get_mut(&place) {
            *at = until.max(*at);
        }
        self.rest.insert(place, until);
    }

    fn see(&mut self, event: &Event) {
        let Some(object) = event.new.as_ref().or(event.old.as_ref()) else { return };
        let key = object.key();
        if key.namespace.is_empty() || key.tenant == TenantId::SYSTEM {
            return;
        }
        if of_namespace(&self.api, key.tenant, &key.namespace).is_empty() {
            return;
        }
        let wanted = match (&event.old, &event.new) {
            (_, Some(new)) if key.collection == quotas() => stale(&new.value()),
            (Some(old), Some(new)) => counts_otherwise(old, new),
            // A quota that is gone counts nothing any more, a new object was counted with its write.
            (_, None) => true,
            (None, Some(_)) => false,
        };
        if wanted {
            self.mark(key.tenant, &key.namespace);
        }
    }

    fn look_at_everything(&mut self) {
        let query = Query {
            scope: Scope::Fleet,
            collection: &quotas(),
            namespace: None,
            at: At::Latest,
            after: None,
            limit: 0,
            filter: &|_| true,
        };
        for quota in self.api.store.list(&query).map(|listing| listing.objects).unwrap_or_default() {
            self.mark(quota.key().tenant, &quota.key().namespace);
        }
    }
}

/// Whether a change makes an object count as something else.
fn counts_otherwise(old: &Object, new: &Object) -> bool {
    let collection = &new.key().collection;
    let (group, plural) = (collection.group(), collection.resource());
    let varies = group.is_empty() && matches!(plural, "pods" | "services" | "persistentvolumeclaims");
    varies && Item::new(group, plural, &old.value()) != Item::new(group, plural, &new.value())
}
