//! Random operations against a simple model: lists at every revision, pages, watches replayed over lists, restarts with
//! a short history.

use crate::engine::{self, Place};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use store::{
    Action, At, BaseObject, Collection, Config, Draft, Event, Expect, HistoryLimits, Key, Listing, Position, Query,
    Revision, Scope, Store, Subscription, Write, WriteError,
};
use tenancy::TenantId;

#[derive(Clone, Debug)]
enum Op {
    Put { key: (usize, usize, usize, usize), expect: usize, payload: u8 },
    Delete { key: (usize, usize, usize, usize), expect: usize, last: bool },
    Both { first: (usize, usize, usize, usize), second: (usize, usize, usize, usize) },
    Drop(usize),
    Watch(Option<usize>, usize),
    Reopen,
}

const TENANTS: usize = 3;

fn tenant(index: usize) -> TenantId {
    TenantId::from_uid(&index.to_string())
}

fn collection(index: usize) -> Collection {
    [Collection::new("", "configmaps"), Collection::new("rbac", "roles")][index].clone()
}

fn key((owner, kind, namespace, name): (usize, usize, usize, usize)) -> Key {
    Key::new(tenant(owner), &collection(kind), ["", "n", "ns"][namespace], ["a", "b", "c", "d"][name])
}

/// What the tenant sees at a key: revision and payload.
type Seen = BTreeMap<Key, (Revision, String)>;

#[derive(Clone, Default)]
struct Model {
    rows: BTreeMap<Key, Option<(Revision, String)>>,
}

fn base() -> Vec<BaseObject> {
    let object = |namespace: &str, name: &str| BaseObject {
        collection: collection(1),
        namespace: namespace.into(),
        name: name.into(),
        draft: Draft::new(json!({"payload": "base"})),
    };
    vec![object("", "b"), object("", "e"), object("n", "a"), object("n", "aa")]
}

impl Model {
    fn seen(&self, owner: TenantId) -> Seen {
        let mut seen = Seen::new();
        for object in base() {
            let key = Key::new(owner, &object.collection, &object.namespace, &object.name);
            seen.insert(key, (Revision::FIRST, "base".into()));
        }
        for (key, row) in self.rows.iter().filter(|(key, _)| key.tenant == owner) {
            match row {
                Some(object) => seen.insert(key.clone(), object.clone()),
                None => seen.remove(key),
            };
        }
        seen
    }

    fn of(&self, scope: Scope) -> Seen {
        match scope {
            Scope::Tenant(owner) => self.seen(owner),
            Scope::Fleet => {
                let tenants: BTreeSet<_> = self.rows.keys().map(|key| key.tenant).collect();
                tenants.into_iter().flat_map(|owner| self.seen(owner)).collect()
            }
        }
    }

    fn delete(&mut self, key: &Key) {
        let based = base().iter().any(|object| {
            (&object.collection, &object.namespace, &object.name) == (&key.collection, &key.namespace, &key.name)
        });
        if based {
            self.rows.insert(key.clone(), None)
        } else {
            self.rows.remove(key)
        };
    }
}

fn shown(listing: &Listing) -> Seen {
    let pair = |object: &std::sync::Arc<store::Object>| {
        let value = object.value();
        assert_eq!(value["metadata"]["resourceVersion"], object.revision().to_string());
        (object.key().clone(), (object.revision(), value["payload"].as_str().unwrap_or_default().to_owned()))
    };
    let seen: Seen = listing.objects.iter().map(pair).collect();
    assert_eq!(seen.len(), listing.objects.len());
    assert!(listing.objects.is_sorted_by_key(|object| object.key().clone()));
    seen
}

fn replay(seen: &mut Seen, event: &Event) {
    let side = |object: &std::sync::Arc<store::Object>| {
        (object.revision(), object.value()["payload"].as_str().unwrap_or_default().to_owned())
    };
    if let Some(old) = &event.old {
        let before = seen.remove(old.key()).unwrap_or_else(|| panic!("{event:?} of nothing"));
        if event.new.is_some() {
            assert_eq!(before, side(old), "{event:?}");
        }
    }
    if let Some(new) = &event.new {
        assert!(seen.insert(new.key().clone(), side(new)).is_none(), "{event:?} without the object before");
    }
}

fn open(place: &Place, events: usize) -> Store {
    let history = HistoryLimits { events, ..HistoryLimits::default() };
    Store::open(Config { backend: place.backend(), base: base(), history, ..Config::default() }).unwrap()
}

struct Run {
    store: Store,
    model: Model,
    past: Vec<(Revision, Model)>,
    watches: Vec<(Subscription, Scope, Collection, Seen, Revision)>,
}

impl Run {
    /// Nobody else writes; but the engine may have rows of its own.
    fn newest_is(&self, revision: Revision) {
        let newest = self.store.revision();
        assert!(newest == revision || (newest > revision && engine::OWN_ROWS), "{newest}, not {revision}");
    }

    async fn put(&mut self, key: Key, expect: usize, payload: u8) {
        let before = self.model.seen(key.tenant).get(&key).cloned();
        let expect = expectation(expect, before.as_ref());
        let payload = payload.to_string();
        let draft = Draft::new(json!({"payload": payload}));
        let result = self.store.write(Write { key: key.clone(), expect, action: Action::Put(draft) }).await;
        match (result, before, expect) {
            (Ok(written), before, _) => {
                assert_eq!(written.old.map(|old| old.revision()), before.as_ref().map(|before| before.0));
                if before.as_ref().is_some_and(|(revision, _)| *revision == written.object.revision()) {
                    assert_eq!(before.unwrap().1, payload, "only a put that changes nothing may be skipped");
                } else {
                    self.newest_is(written.object.revision());
                    self.model.rows.insert(key, Some((written.object.revision(), payload)));
                }
            }
            (Err(WriteError::Exists(there)), Some(before), Expect::Absent) => assert_eq!(there.revision(), before.0),
            (Err(WriteError::Missing), None, Expect::Present | Expect::Revision(_)) => {}
            (Err(WriteError::Conflict(there)), Some(before), Expect::Revision(seen)) => {
                assert!(there.revision() == before.0 && before.0 != seen);
            }
            (result, before, expect) => panic!("{result:?} for {expect:?} on {before:?}"),
        }
    }

    async fn delete(&mut self, key: Key, expect: usize, last: bool) {
        let before = self.model.seen(key.tenant).get(&key).cloned();
        let expect = expectation(expect, before.as_ref());
        let draft = last.then(|| Draft::new(json!({"payload": "last"})));
        let result = self.store.write(Write { key: key.clone(), expect, action: Action::Delete(draft) }).await;
        match (result, before, expect) {
            (Ok(written), Some(before), _) => {
                self.newest_is(written.object.revision());
                assert_eq!(written.object.value()["payload"], if last { "last".into() } else { before.1 });
                self.model.delete(&key);
            }
            (Err(WriteError::Missing), None, _) => {}
            (Err(WriteError::Conflict(there)), Some(before), _) => assert_eq!(there.revision(), before.0),
            (result, before, expect) => panic!("{result:?} for {expect:?} on {before:?}"),
        }
    }

    async fn both(&mut self, first: Key, second: Key) {
        let (one, two) = (self.model.seen(first.tenant), self.model.seen(second.tenant));
        let action = Action::Put(Draft::new(json!({"payload": "both"})));
        let create = Write { key: first.clone(), expect: Expect::Absent, action };
        let remove = Write { key: second.clone(), expect: Expect::Present, action: Action::Delete(None) };
        match self.store.write_all(vec![create, remove]).await {
            Ok(written) => {
                assert!(!one.contains_key(&first) && two.contains_key(&second) && first != second);
                self.model.rows.insert(first, Some((written[0].object.revision(), "both".into())));
                self.model.delete(&second);
            }
            Err(WriteError::Repeated) => assert_eq!(first, second),
            Err(WriteError::Exists(_)) => assert!(one.contains_key(&first)),
            Err(WriteError::Missing) => assert!(!two.contains_key(&second)),
            Err(error) => panic!("{error}"),
        }
    }

    async fn step(&mut self, op: Op, place: &Place, events: usize) {
        match op {
            Op::Put { key: at, expect, payload } => self.put(key(at), expect, payload).await,
            Op::Delete { key: at, expect, last } => self.delete(key(at), expect, last).await,
            Op::Both { first, second } => self.both(key(first), key(second)).await,
            Op::Drop(owner) => {
                self.store.drop_tenant(tenant(owner)).await.unwrap();
                self.model.rows.retain(|key, _| key.tenant != tenant(owner));
                // The watches of that tenant have ended; those of the others are to go on.
                self.watches.retain(|(_, scope, ..)| *scope != Scope::Tenant(tenant(owner)));
            }
            Op::Watch(owner, kind) => {
                let scope = owner.map_or(Scope::Fleet, |owner| Scope::Tenant(tenant(owner)));
                let since = self.store.revision();
                let watch = self.store.watch(scope, &collection(kind), None, since).unwrap();
                let mut seen = self.model.of(scope);
                seen.retain(|key, _| key.collection == collection(kind));
                self.watches.push((watch, scope, collection(kind), seen, since));
            }
            Op::Reopen => {
                self.check_watches();
                let newest = self.store.revision();
                self.store.close();
                self.store = open(place, events);
                self.newest_is(newest);
            }
        }
        self.past.push((self.store.revision(), self.model.clone()));
    }

    fn check_watches(&mut self) {
        for (mut watch, scope, collection, mut seen, mut at) in std::mem::take(&mut self.watches) {
            while let Some(event) = watch.try_next() {
                assert!(event.revision >= at);
                at = event.revision;
                replay(&mut seen, &event);
            }
            assert!(watch.revision() == self.store.revision() || engine::OWN_ROWS);
            let mut now = self.model.of(scope);
            now.retain(|key, _| key.collection == collection);
            assert_eq!(seen, now);
        }
    }

    fn check_past(&self) {
        let scopes = (0..TENANTS).map(|owner| Scope::Tenant(tenant(owner))).chain([Scope::Fleet]);
        for (scope, kind) in scopes.flat_map(|scope| [(scope, 0), (scope, 1)]) {
            let collection = collection(kind);
            for (revision, model) in &self.past {
                let mut expected = model.of(scope);
                expected.retain(|key, _| key.collection == collection);
                let Some(listed) = self.pages(scope, &collection, *revision) else { continue };
                assert_eq!(listed, expected, "{scope:?} {collection} at {revision}");
                let Ok(mut watch) = self.store.watch(scope, &collection, None, *revision) else {
                    panic!("{revision} can be listed but not watched");
                };
                let mut seen = expected;
                while let Some(event) = watch.try_next() {
                    replay(&mut seen, &event);
                }
                let mut now = self.model.of(scope);
                now.retain(|key, _| key.collection == collection);
                assert_eq!(seen, now, "{scope:?} {collection} watched from {revision}");
            }
        }
    }

    /// A list at a revision, in pages of 0 (all), 1, 2 and 3, and by namespace; `None` when it has expired.
    fn pages(&self, scope: Scope, collection: &Collection, revision: Revision) -> Option<Seen> {
        let mut results = Vec::new();
        let list = |namespace, limit, after: Option<Position>| {
            let at = At::Exact(revision);
            self.store.list(&Query { scope, collection, namespace, at, after, limit, filter: &|_| true })
        };
        for limit in 0..4 {
            let mut all = Seen::new();
            let mut after = None;
            loop {
                let page = match list(None, limit, after) {
                    Ok(page) => page,
                    Err(expired) => {
                        assert!(revision < expired.oldest);
                        return None;
                    }
                };
                assert_eq!(page.revision, revision);
                all.append(&mut shown(&page));
                after = page.next.as_ref().map(|next| next.to_string().parse().unwrap());
                if after.is_none() {
                    break;
                }
            }
            results.push(all);
        }
        if let Scope::Tenant(_) = scope {
            let each = ["", "n", "ns"].map(|namespace| shown(&list(Some(namespace), 0, None).unwrap()));
            results.push(each.into_iter().flatten().collect());
        }
        assert!(results.iter().all(|result| *result == results[0]), "pages disagree: {results:?}");
        results.pop()
    }
}

fn expectation(choice: usize, before: Option<&(Revision, String)>) -> Expect {
    let revision = before.map_or(Revision(3), |before| before.0);
    [Expect::Any, Expect::Absent, Expect::Present, Expect::Revision(revision), Expect::Revision(revision.next())]
        [choice]
}

fn place() -> impl Strategy<Value = (usize, usize, usize, usize)> {
    (0..TENANTS, 0..2usize, 0..3usize, 0..4usize)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (place(), 0..5usize, 0..3u8).prop_map(|(key, expect, payload)| Op::Put { key, expect, payload }),
        6 => (place(), 0..5usize, any::<bool>()).prop_map(|(key, expect, last)| Op::Delete { key, expect, last }),
        2 => (place(), place()).prop_map(|(first, second)| Op::Both { first, second }),
        1 => (0..TENANTS).prop_map(Op::Drop),
        2 => (proptest::option::of(0..TENANTS), 0..2usize).prop_map(|(owner, kind)| Op::Watch(owner, kind)),
        1 => Just(Op::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: engine::CASES, ..ProptestConfig::default() })]
    #[test]
    fn the_store_is_its_model(ops in proptest::collection::vec(op(), 1..80), events in prop_oneof![Just(6usize), Just(1000)]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let place = Place::new();
            let store = open(&place, events);
            let past = vec![(store.revision(), Model::default())];
            let mut run = Run { store, model: Model::default(), past, watches: Vec::new() };
            for op in ops {
                run.step(op, &place, events).await;
            }
            run.check_watches();
            run.check_past();
        });
    }
}
