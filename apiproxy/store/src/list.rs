//! Lists: consistent at one revision, in pages.

use crate::base::place;
use crate::key::{Collection, Scope};
use crate::object::Object;
use crate::revision::Revision;
use crate::state::{Shelf, State, Tenant};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use tenancy::TenantId;

/// The state a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The newest.
    Latest,
    /// As it was at a revision. A revision that is still to come is answered as [`At::Latest`]: wait for it first.
    Exact(Revision),
}

/// A place in a list, for the next page. As text: `tenant/namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The tenant of the last object shown.
    pub tenant: TenantId,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// A text that is not a [`Position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position in a list")]
pub struct PositionError;

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.namespace, self.name)
    }
}

impl std::str::FromStr for Position {
    type Err = PositionError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '/');
        let (Some(tenant), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(PositionError);
        };
        let tenant = TenantId::parse(tenant).map_err(|_| PositionError)?;
        Ok(Self { tenant, namespace: namespace.into(), name: name.into() })
    }
}

/// What to list.
pub struct Query<'a> {
    /// Whose objects.
    pub scope: Scope,
    /// Of which collection.
    pub collection: &'a Collection,
    /// In one namespace only.
    pub namespace: Option<&'a str>,
    /// As of when.
    pub at: At,
    /// Only what comes after this position.
    pub after: Option<Position>,
    /// The most objects to return; 0: all.
    pub limit: usize,
    /// Which objects to return. Runs while the cache is locked for reading: it must be cheap and must not call the store.
    /// For untouched objects of the base layer, `key().tenant` is not that of the tenant.
    pub filter: &'a dyn Fn(&Object) -> bool,
}

/// A page of a list, ordered by tenant, namespace, name.
#[derive(Debug)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<Arc<Object>>,
    /// The revision at which they are the truth.
    pub revision: Revision,
    /// Where the next page starts; `None` when this is the last.
    pub next: Option<Position>,
    /// How many objects come after this page, whether or not they pass the filter.
    pub remaining: u64,
}

/// The revision asked for is older than the history reaches: 410 in HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {requested} ({oldest})")]
pub struct Expired {
    /// What was asked for.
    pub requested: Revision,
    /// The oldest revision that can be answered.
    pub oldest: Revision,
}

/// An object found; the base layer's are made the tenant's own only when they are shown.
enum Found<'s> {
    Own(&'s Arc<Object>),
    Shared(&'s Arc<Object>),
}

impl Found<'_> {
    fn object(&self) -> &Arc<Object> {
        match self {
            Found::Own(object) | Found::Shared(object) => object,
        }
    }

    fn take(&self, tenant: TenantId) -> Arc<Object> {
        match self {
            Found::Own(object) => Arc::clone(object),
            Found::Shared(object) => object.of_tenant(tenant),
        }
    }
}

struct Page<'q> {
    query: &'q Query<'q>,
    objects: Vec<Arc<Object>>,
    remaining: u64,
}

impl Page<'_> {
    fn full(&self) -> bool {
        self.query.limit != 0 && self.objects.len() >= self.query.limit
    }

    fn offer(&mut self, tenant: TenantId, found: &Found<'_>) {
        if self.full() {
            self.remaining += 1;
        } else if (self.query.filter)(found.object()) {
            self.objects.push(found.take(tenant));
        }
    }

    fn finish(self, revision: Revision) -> Listing {
        let last = self.objects.last().filter(|_| self.remaining > 0).map(|object| object.key());
        let next =
            last.map(|key| Position { tenant: key.tenant, namespace: key.namespace.clone(), name: key.name.clone() });
        Listing { objects: self.objects, revision, next, remaining: self.remaining }
    }
}

/// What a tenant's collection was before the changes that are undone.
#[derive(Default)]
struct Past {
    /// Whether the tenant existed in the fleet view; `None`: as now.
    alive: Option<bool>,
    objects: BTreeMap<NamedPlace, Option<Arc<Object>>>,
}

/// Namespace and name.
type NamedPlace = (Arc<str>, Arc<str>);

impl State {
    /// Answers a query.
    pub(crate) fn list(&self, query: &Query<'_>) -> Result<Listing, Expired> {
        let mut past = HashMap::new();
        let mut revision = self.revision;
        if let At::Exact(requested) = query.at
            && requested < self.revision
        {
            if !self.reaches(query.scope, Some(query.collection), requested) {
                return Err(Expired { requested, oldest: self.history.floor() });
            }
            revision = requested;
            past = self.past(query, requested);
        }
        let mut page = Page { query, objects: Vec::new(), remaining: 0 };
        match query.scope {
            Scope::Tenant(tenant) => self.shelf(tenant, past.get(&tenant), &mut page),
            Scope::Fleet => {
                let from = query.after.as_ref().map_or(Bound::Unbounded, |after| Bound::Included(after.tenant));
                let mut tenants: Vec<TenantId> =
                    self.tenants.range((from, Bound::Unbounded)).map(|(id, _)| *id).collect();
                let first = query.after.as_ref().map(|after| after.tenant);
                tenants.extend(past.keys().filter(|id| Some(**id) >= first));
                tenants.sort_unstable();
                tenants.dedup();
                let is_shown = |id: &TenantId| *id != TenantId::SYSTEM || self.base.is_shared(query.collection);
                for tenant in tenants.into_iter().filter(is_shown) {
                    let past = past.get(&tenant);
                    let alive = self.tenants.contains_key(&tenant);
                    if past.and_then(|past| past.alive).unwrap_or(alive) {
                        self.shelf(tenant, past, &mut page);
                    }
                }
            }
        }
        Ok(page.finish(revision))
    }

    /// Undoes the changes after a revision: the newest first, so that the oldest state remains.
    fn past(&self, query: &Query<'_>, revision: Revision) -> HashMap<TenantId, Past> {
        let mut past: HashMap<TenantId, Past> = HashMap::new();
        for record in self.history.after(revision).rev() {
            let (owner, shared) = match query.scope {
                Scope::Tenant(tenant) if tenant == record.tenant => (tenant, false),
                Scope::Tenant(tenant) if self.concerns(tenant, record) => (tenant, true),
                Scope::Tenant(_) => continue,
                Scope::Fleet => (record.tenant, false),
            };
            match record.life {
                _ if shared => {}
                crate::history::Life::Born => past.entry(record.tenant).or_default().alive = Some(false),
                crate::history::Life::Died => past.entry(record.tenant).or_default().alive = Some(true),
                crate::history::Life::Unchanged => {}
            }
            let Some(object) = record.new.as_ref().or(record.old.as_ref()) else { continue };
            if record.collection == *query.collection {
                let place = (object.key().namespace.clone(), object.key().name.clone());
                let old = record.old.as_ref().map(|old| if shared { old.of_tenant(owner) } else { old.clone() });
                past.entry(owner).or_default().objects.insert(place, old);
            }
        }
        past
    }

    /// Offers the objects of one tenant to the page, in order.
    fn shelf(&self, tenant: TenantId, past: Option<&Past>, page: &mut Page<'_>) {
        let query = page.query;
        let first = query.namespace.map(|namespace| (namespace, ""));
        let after = query.after.as_ref().filter(|after| after.tenant == tenant);
        let after = after.map(|after| (&*after.namespace, &*after.name));
        let start = match (first, after) {
            (first, Some(after)) if first.is_none_or(|first| after >= first) => Bound::Excluded(after),
            (Some(first), _) => Bound::Included(first),
            (None, _) => Bound::Unbounded,
        };
        let skipped = query.after.as_ref().is_some_and(|after| after.tenant > tenant);
        if skipped {
            return;
        }
        let wanted = |object: &Object| query.namespace.is_none_or(|wanted| *object.key().namespace == *wanted);
        let rows = self.tenants.get(&tenant).map(|rows| &**rows);
        let whole = past.is_none() && start == Bound::Unbounded;
        if page.full() && whole && self.base.shelf_in(query.scope, tenant, query.collection).is_empty() {
            // The rest of a fleet is counted without looking at each object.
            page.remaining += rows.and_then(|rows| rows.shelf(query.collection)).map_or(0, Shelf::len);
            return;
        }
        let merged = self.merged(query.scope, tenant, rows, query.collection, start);
        let Some(past) = past.filter(|past| !past.objects.is_empty()) else {
            for found in merged.take_while(|found| wanted(found.object())) {
                page.offer(tenant, &found);
            }
            return;
        };
        let mut all: BTreeMap<(&str, &str), Found<'_>> = BTreeMap::new();
        for found in merged.take_while(|found| wanted(found.object())) {
            let object: &Object = match found {
                Found::Own(object) | Found::Shared(object) => object,
            };
            all.insert(place(object), found);
        }
        for ((namespace, name), object) in &past.objects {
            let at = (&**namespace, &**name);
            let inside = match start {
                Bound::Excluded(bound) => at > bound,
                Bound::Included(bound) => at >= bound,
                Bound::Unbounded => true,
            };
            match object {
                Some(object) if inside && wanted(object) => {
                    all.insert(at, Found::Own(object));
                }
                _ => {
                    all.remove(&at);
                }
            }
        }
        all.values().for_each(|found| page.offer(tenant, found));
    }

    /// The tenant's own objects and the base layer's that it has not touched, merged in order.
    fn merged<'s>(
        &'s self,
        scope: Scope,
        tenant: TenantId,
        rows: Option<&'s Tenant>,
        collection: &'s Collection,
        start: Bound<(&'s str, &'s str)>,
    ) -> impl Iterator<Item = Found<'s>> {
        let shelf = rows.and_then(|rows| rows.shelf(collection));
        let mut own = shelf.map(|shelf| shelf.from(start)).into_iter().flatten().peekable();
        let all = self.base.shelf_in(scope, tenant, collection);
        let skip = all.partition_point(|object| match start {
            Bound::Included(bound) => place(object) < bound,
            Bound::Excluded(bound) => place(object) <= bound,
            Bound::Unbounded => false,
        });
        let untouched = move |object: &&Arc<Object>| {
            let (namespace, name) = place(object);
            rows.is_none_or(|rows| rows.entombed(collection, namespace, name).is_none())
        };
        let mut shared = all[skip..].iter().filter(untouched).peekable();
        std::iter::from_fn(move || {
            let (mine, theirs) = (own.peek().map(|object| place(object)), shared.peek().map(|object| place(object)));
            match (mine, theirs) {
                (Some(mine), Some(theirs)) if mine == theirs => {
                    shared.next();
                    own.next().map(Found::Own)
                }
                (Some(mine), Some(theirs)) if theirs < mine => shared.next().map(Found::Shared),
                (Some(_), _) => own.next().map(Found::Own),
                (None, _) => shared.next().map(Found::Shared),
            }
        })
    }

    /// How many objects each collection has in a namespace; those with none are left out.
    pub(crate) fn namespace_contents(&self, tenant: TenantId, namespace: &str) -> Vec<(Collection, usize)> {
        let rows = self.tenants.get(&tenant).map(|rows| &**rows);
        let count = |collection: &Collection| {
            let all = self.merged(Scope::Tenant(tenant), tenant, rows, collection, Bound::Included((namespace, "")));
            all.take_while(|found| *found.object().key().namespace == *namespace).count()
        };
        let collections = self.collections(tenant);
        collections
            .into_iter()
            .map(|collection| (count(&collection), collection))
            .filter(|(count, _)| *count > 0)
            .map(|(count, collection)| (collection, count))
            .collect()
    }
}
