//! The sync as a whole: who is woken by what, and the workers.

use std::sync::{Arc, Weak};

use controllers::client::Objects;
use controllers::events::Recorder;
use controllers::informer::{Change, Informer, Raw};
use controllers::queue::{self, Keyed, Outcome, Queue};
use serde_json::Value;
use tenancy::{Host, TenantId, fleet, labels};

use crate::alerts::Alerts;
use crate::apply::Writer;
use crate::born::Born;
use crate::classes::Classes;
use crate::companion::Owner;
use crate::config::Config;
use crate::expect::Expected;
use crate::held::Held;
use crate::metrics::{Metrics, Stopwatch};
use crate::mirror::Mirror;
use crate::namespaces::Namespaces;
use crate::nodes::{self, NodeUse};
use crate::observe::Observed;
use crate::places::Places;
use crate::references::References;
use crate::report::Reporter;
use crate::side::{Key, twin_uid};
use crate::step::Stepper;
use crate::translate::class::Class;
use crate::translate::config::Kind;
use crate::translate::volume::{is_ours, volume_name};

/// One thing to look at. Tenants take turns, over all kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    Object(Born, Key),
    Companion(Owner),
    Node(Key),
    Event(Key),
    Volume(Key),
    Class(Class, Arc<str>),
}

impl Keyed for Task {
    type Lane = TenantId;

    fn lane(&self) -> TenantId {
        match self {
            Task::Object(_, key) | Task::Node(key) | Task::Event(key) | Task::Volume(key) => key.tenant,
            Task::Companion(owner) => owner.pod.tenant,
            Task::Class(..) => TenantId::SYSTEM,
        }
    }
}

impl Task {
    fn kind(&self) -> &'static str {
        match self {
            Task::Object(kind, _) => kind.as_str(),
            Task::Companion(_) => "Companion",
            Task::Node(_) => "Node",
            Task::Event(_) => "Event",
            Task::Volume(_) => "PersistentVolume",
            Task::Class(class, _) => class.words(),
        }
    }
}

/// Host sync of all tenants.
#[derive(Clone)]
pub(crate) struct Sync {
    shared: Arc<Shared>,
}

struct Shared {
    stepper: Stepper,
    usage: NodeUse,
    mirror: Mirror,
    queue: Queue<Task>,
    /// Host events that wait have their own keys in the common queue.
    events: Queue<Key>,
    lag: Stopwatch<Task>,
    metrics: Metrics,
    workers: usize,
    host: kube::Client,
    fleet: kube::Client,
}

impl Sync {
    /// Starts watching and collects what is to be done; nothing is done before [`Self::run`].
    pub(crate) fn start(
        config: &Config,
        observed: Observed,
        places: Places,
        alerts: Alerts,
        recorder: Recorder,
    ) -> Self {
        let writer = Writer::new(
            Objects::new(config.fleet.clone(), labels::MANAGER),
            Objects::new(config.host.clone(), labels::MANAGER),
        );
        let stepper = Stepper {
            observed,
            places,
            writer,
            reporter: Reporter::new(recorder),
            references: References::default(),
            namespaces: Namespaces::default(),
            classes: Classes::start(&config.fleet, &config.host),
            expected_pods: Expected::default(),
            held: Held::default(),
            alerts,
            metrics: config.metrics.clone(),
        };
        let shared = Arc::new(Shared {
            stepper,
            usage: NodeUse::default(),
            mirror: Mirror::default(),
            queue: Queue::new((config.workers / 2).max(1)),
            events: Queue::default(),
            lag: Stopwatch::default(),
            metrics: config.metrics.clone(),
            workers: config.workers,
            host: config.host.clone(),
            fleet: config.fleet.clone(),
        });
        shared.subscribe();
        Self { shared }
    }

    /// Works until [`Self::close`].
    pub(crate) async fn run(&self) {
        let shared = self.shared.clone();
        let follow_places = tokio::spawn(async move { shared.follow_places().await });
        let shared = self.shared.clone();
        let follow_events = tokio::spawn(async move {
            let Shared { stepper, events, mirror, host, .. } = &*shared;
            mirror.follow(host.clone(), &stepper.places, events).await;
        });
        let shared = self.shared.clone();
        let follow_namespaces = tokio::spawn(async move {
            let changed = |tenant| shared.selected_namespaces(tenant);
            shared.stepper.namespaces.follow(shared.fleet.clone(), changed).await;
        });
        let shared = self.shared.clone();
        let pass_events = tokio::spawn(async move {
            while let Some(key) = shared.events.get().await {
                shared.events.done(&key);
                shared.add(Task::Event(key));
            }
        });
        let observed = &self.shared.stepper.observed;
        for kind in Born::BY_THEMSELVES.into_iter().chain(Born::REFERRED_TO) {
            let sides = kind.sides(observed);
            sides.own.synced().await;
            sides.host.synced().await;
        }
        let shared = self.shared.clone();
        queue::run(self.shared.queue.clone(), self.shared.workers, move |task: Task| {
            let shared = shared.clone();
            async move { shared.step(&task).await }
        })
        .await;
        for task in [follow_places, follow_events, follow_namespaces, pass_events] {
            task.abort();
        }
    }

    /// Ends [`Self::run`].
    pub(crate) fn close(&self) {
        self.shared.queue.close();
    }
}

impl Shared {
    fn add(&self, task: Task) {
        self.lag.start(&task);
        self.queue.add(task);
    }

    async fn step(&self, task: &Task) -> Outcome {
        let since = self.lag.stop(task);
        let Stepper { observed, places, writer, .. } = &self.stepper;
        let outcome = match task {
            Task::Object(kind, key) => self.stepper.step(*kind, key).await,
            Task::Companion(owner) => self.stepper.companion_step(owner).await,
            Task::Node(key) => nodes::step(key, &self.usage, observed, places, writer).await,
            Task::Volume(key) => self.stepper.volume_step(key).await,
            Task::Class(class, name) => self.stepper.classes.step(*class, name, writer).await,
            Task::Event(key) => self.mirror.step(key, observed, places, writer, self.queue.failures(task)).await,
        };
        self.metrics.stepped(task.kind(), since);
        outcome
    }

    fn subscribe(self: &Arc<Self>) {
        let observed = &self.stepper.observed;
        self.on(&observed.pods.own, Self::own_pod);
        self.on(&observed.pods.host, Self::host_pod);
        self.on(&observed.services.own, |this, change| this.own_object(Born::Service, change));
        self.on(&observed.services.host, |this, change| this.host_object(Born::Service, change));
        self.on(&observed.config_maps.own, |this, change| this.own_config(Kind::ConfigMap, change));
        self.on(&observed.config_maps.host, |this, change| this.host_object(Born::ConfigMap, change));
        self.on(&observed.secrets.own, |this, change| this.own_config(Kind::Secret, change));
        self.on(&observed.secrets.host, Self::host_secret);
        self.on(&observed.nodes.own, Self::own_node);
        self.on(&observed.nodes.host, Self::host_node);
        self.on(&observed.volumes, Self::own_volume);
        self.on(&observed.claims.own, Self::own_claim);
        self.on(&observed.ingresses.own, Self::own_ingress);
        self.on(&observed.network_policies.own, Self::own_policy);
        for kind in [Born::DisruptionBudget, Born::EndpointSlice] {
            self.on(&kind.sides(observed).own, move |this, change| this.own_object(kind, change));
        }
        for kind in Born::BY_THEMSELVES.into_iter().filter(|kind| !matches!(kind, Born::Pod | Born::Service)) {
            self.on(&kind.sides(observed).host, move |this, change| this.host_object(kind, change));
        }
        for (class, informers) in self.stepper.classes.informers() {
            for informer in informers {
                self.on(informer, move |this, change| this.class(class, change));
            }
        }
    }

    /// A handler lives in the informer, which we hold: it must not hold us.
    fn on(self: &Arc<Self>, informer: &Informer, handle: impl Fn(&Self, &Change) + Send + 'static) {
        let this: Weak<Self> = Arc::downgrade(self);
        informer.subscribe(move |change| {
            if let Some(this) = this.upgrade() {
                handle(&this, change);
            }
        });
    }

    fn own_object(&self, kind: Born, change: &Change) {
        let key = change.key();
        if let Some(key) = Key::of_fleet(&key.namespace, &key.name) {
            self.add(Task::Object(kind, key));
        }
    }

    /// Both sides of a change count: the name of a host object may have passed to the twin of another object.
    fn host_object(&self, kind: Born, change: &Change) {
        for raw in [&change.old, &change.new].into_iter().flatten() {
            if let Some((key, _)) = Key::claimed_by(&Host(raw.value())) {
                self.add(Task::Object(kind, key));
            }
        }
    }

    fn own_pod(&self, change: &Change) {
        for (kind, key) in self.stepper.references.follow(change) {
            self.add(Task::Object(kind.into(), key));
        }
        self.own_object(Born::Pod, change);
        if let Some(old) = &change.old
            && change.new.as_ref().is_none_or(|new| new.uid() != old.uid())
            && let Some(pod) = Key::of_fleet(old.namespace(), old.name())
        {
            self.stepper.held.forget(&pod);
            self.add(Task::Companion(Owner { pod, uid: old.uid().to_owned() }));
        }
    }

    fn host_pod(&self, change: &Change) {
        for node in self.usage.follow(change) {
            self.add(Task::Node(node));
        }
        let latest = Host(change.latest().value());
        let Some((key, _)) = Key::claimed_by(&latest) else { return };
        if change.new.is_none() {
            self.stepper.expected_pods.saw_gone(&key);
            for waiting in self.stepper.held.release(key.tenant) {
                self.add(Task::Object(Born::Pod, waiting));
            }
            // Its address may soon be somebody else's.
            self.all_of(Born::EndpointSlice, &self.stepper.observed.endpoint_slices.own.by_tenant(key.tenant));
        }
        self.host_object(Born::Pod, change);
        if change.new.is_none() {
            let uid = twin_uid(&latest).to_owned();
            self.add(Task::Companion(Owner { pod: key, uid }));
        }
    }

    fn own_config(&self, kind: Kind, change: &Change) {
        let key = change.key();
        if let Some(key) = Key::of_fleet(&key.namespace, &key.name)
            && self.stepper.references.contains(kind, &key)
        {
            self.add(Task::Object(kind.into(), key));
        }
    }

    fn host_secret(&self, change: &Change) {
        match Owner::of(&change.latest().value()) {
            Some(owner) => {
                if change.new.is_none() {
                    self.add(Task::Object(Born::Pod, owner.pod.clone()));
                }
                self.add(Task::Companion(owner));
            }
            None => self.host_object(Born::Secret, change),
        }
    }

    fn own_ingress(&self, change: &Change) {
        for (kind, key) in self.stepper.references.follow_ingress(change) {
            self.add(Task::Object(kind.into(), key));
        }
        self.own_object(Born::Ingress, change);
    }

    /// Which pods are isolated may have changed with it.
    fn own_policy(&self, change: &Change) {
        self.own_object(Born::NetworkPolicy, change);
        self.all_of(Born::Pod, &self.stepper.observed.pods.own.by_namespace(&change.key().namespace));
    }

    /// With a claim goes the volume behind it.
    fn own_claim(&self, change: &Change) {
        self.own_object(Born::Claim, change);
        if let Some(old) = &change.old
            && change.new.as_ref().is_none_or(|new| new.uid() != old.uid())
            && let Some(key) = Key::of_fleet(old.namespace(), old.name())
        {
            let volume = volume_name(key.identity(old.uid()));
            self.add(Task::Volume(Key::new(key.tenant, "", &volume)));
        }
    }

    fn own_volume(&self, change: &Change) {
        let latest = change.latest();
        if let Some((tenant, name)) = fleet::split(latest.name()) {
            self.add(Task::Volume(Key::new(tenant, "", name)));
            // One of ours that was changed is what its claim says it is.
            let value = latest.value();
            let text = |pointer: &str| crate::json::text(&value, pointer);
            let claim = Key::new(tenant, text("/spec/claimRef/namespace"), text("/spec/claimRef/name"));
            if change.old.is_some() && is_ours(&value) && !claim.name.is_empty() {
                self.add(Task::Object(Born::Claim, claim));
            }
        }
    }

    /// A class has changed: what is published, and what waits for it.
    fn class(&self, class: Class, change: &Change) {
        let name = change.latest().name();
        match fleet::split(name) {
            Some((TenantId::SYSTEM, name)) => return self.add(Task::Class(class, name.into())),
            // A tenant's own form of it.
            Some(_) => return,
            None => self.add(Task::Class(class, name.into())),
        }
        let waiting = match class {
            Class::Storage => Born::Claim,
            Class::Ingress => Born::Ingress,
            Class::Priority | Class::Runtime => return,
        };
        self.all_of(waiting, &waiting.sides(&self.stepper.observed).own.list());
    }

    /// Namespaces of a tenant are selected by its network policies.
    fn selected_namespaces(&self, tenant: TenantId) {
        self.all_of(Born::NetworkPolicy, &self.stepper.observed.network_policies.own.by_tenant(tenant));
    }

    fn all_of(&self, kind: Born, objects: &[Arc<Raw>]) {
        let keys = objects.iter().filter_map(|raw| Key::of_fleet(raw.namespace(), raw.name()));
        keys.for_each(|key| self.add(Task::Object(kind, key)));
    }

    fn own_node(&self, change: &Change) {
        if let Some((tenant, node)) = fleet::split(change.latest().name()) {
            self.add(Task::Node(Key::new(tenant, "", node)));
        }
    }

    fn host_node(&self, change: &Change) {
        let is_same = match (&change.old, &change.new) {
            (Some(old), Some(new)) => without_version(&old.value()) == without_version(&new.value()),
            _ => false,
        };
        if !is_same {
            let name = change.latest().name().to_owned();
            for tenant in self.usage.tenants(&name) {
                self.add(Task::Node(Key::new(tenant, "", &name)));
            }
        }
    }

    /// Everything of a tenant is looked at again when its place is new or has changed.
    async fn follow_places(&self) {
        let mut changes = self.stepper.places.changes();
        while let Some(tenant) = changes.recv().await {
            let Some(place) = self.stepper.places.get(tenant) else { continue };
            let observed = &self.stepper.observed;
            for kind in Born::BY_THEMSELVES {
                self.all_of(kind, &kind.sides(observed).own.by_tenant(tenant));
            }
            for kind in Born::BY_THEMSELVES.into_iter().chain(Born::REFERRED_TO) {
                for raw in kind.sides(observed).host.by_namespace(&place.host_namespace) {
                    let object = Host(raw.value());
                    match (Key::claimed_by(&object), Owner::of(&object.0)) {
                        (Some((key, _)), _) => self.add(Task::Object(kind, key)),
                        (None, Some(owner)) => self.add(Task::Companion(owner)),
                        (None, None) => {}
                    }
                }
            }
            for raw in observed.nodes.host.list() {
                let key = Key::new(tenant, "", raw.name());
                if self.usage.contains(&key) {
                    self.add(Task::Node(key));
                }
            }
        }
    }
}

fn without_version(node: &Value) -> Value {
    let mut node = node.clone();
    if let Some(metadata) = node.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    node
}
