//! The life of a tenant: from the `Tenant` object on the host to a served API with a cell on the host, and back to
//! nothing.
//!
//! ```text
//!   Tenant ─► finalizer ─► PKI ─► Route (fleet) ─┬─► kubeconfig Secret ─► Ready     the first read works
//!                                                └─► namespace ─► walls, Service ─► serving certificate with its address
//!   deleted ─► namespace gone ─► Route gone ─► Secret gone ─► finalizer removed
//! ```
//!
//! Level-triggered: every step looks at what is there and can be repeated after a crash between any two of them.

mod cell;
mod doors;
mod expiry;
mod footprint;
pub(crate) mod install;
pub mod kubeconfig;
pub mod pki;
mod ports;
mod reconcile;
mod remove;
mod status;

use std::sync::{Arc, Mutex, PoisonError};

use controllers::client::Objects;
use controllers::informer::{Change, Informer, ManagedFields, Raw, Selector};
use controllers::queue::{self, Keyed, Queue};
use kube::core::ApiResource;
use serde_json::Value;
use tenancy::{TenantId, fleet, labels};

use crate::alerts::Alerts;
use crate::config::Config;
use crate::kinds;
use crate::observe::Observed;
use crate::places::Places;
use crate::translate::applied::prune_to_print;
use doors::Doors;
use ports::Ports;

/// Finalizer of every Tenant.
pub(crate) const FINALIZER: &str = "rowhouse.dev/tenant";

/// A Tenant, by name. Every tenant is its own lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name(Arc<str>);

impl Keyed for Name {
    type Lane = Name;

    fn lane(&self) -> Name {
        self.clone()
    }
}

/// The lifecycle of all tenants.
#[derive(Clone)]
pub(crate) struct Tenants {
    shared: Arc<Shared>,
}

struct Shared {
    fleet: Objects,
    host: Objects,
    config: Config,
    tenants: Informer,
    routes: Informer,
    namespaces: Informer,
    /// Informers of the kinds of the footprint.
    walls: Vec<Informer>,
    /// Our Secrets on the host; the kubeconfigs are among them.
    secrets: Informer,
    /// The tenants' own network policies.
    policies: Informer,
    places: Places,
    alerts: Alerts,
    ports: Ports,
    doors: Doors,
    queue: Queue<Name>,
}

/// Selects every host object of ours.
pub(crate) fn ours(managed_fields: ManagedFields) -> Selector {
    let labels = Some(format!("{}={}", labels::MANAGED_BY, labels::MANAGER));
    Selector { labels, managed_fields, ..Selector::default() }
}

impl Tenants {
    /// Starts watching.
    pub(crate) fn start(config: Config, observed: &Observed, places: Places, alerts: Alerts) -> Self {
        let host = config.host.clone();
        let reduced =
            |kind: &ApiResource| Informer::start(host.clone(), kind, &ours(ManagedFields::Keep), Some(prune_to_print));
        let mut walls: Vec<Informer> = [&kinds::SERVICE_ACCOUNTS, &kinds::RESOURCE_QUOTAS, &kinds::LIMIT_RANGES]
            .into_iter()
            .map(|kind| reduced(kind))
            .collect();
        // Kinds of which tenants have objects too are watched once, for the sync and for us.
        walls.extend(
            [&observed.services, &observed.endpoint_slices, &observed.network_policies].map(|sides| sides.host.clone()),
        );
        let all = Selector::default();
        let shared = Shared {
            fleet: Objects::new(config.fleet.clone(), labels::MANAGER),
            host: Objects::new(host.clone(), labels::MANAGER),
            tenants: Informer::start(host.clone(), &kinds::TENANTS, &all, None),
            routes: Informer::start(config.fleet.clone(), &kinds::ROUTES, &all, Some(prune_route)),
            namespaces: reduced(&kinds::NAMESPACES),
            walls,
            secrets: observed.secrets.host.clone(),
            policies: observed.network_policies.own.clone(),
            places,
            alerts,
            ports: Ports::new(config.port_range.clone()),
            doors: Doors::start(&host, &config.advertise),
            queue: Queue::new(1),
            config,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Works until the queue is closed by [`Self::close`].
    pub(crate) async fn run(&self) {
        let shared = &self.shared;
        shared.routes.synced().await;
        for route in shared.routes.list() {
            let port =
                route.value().pointer("/spec/port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
            if let (Ok(tenant), Some(port)) = (TenantId::parse(route.name()), port) {
                shared.ports.note(tenant, port);
            }
        }
        let awaited = shared
            .walls
            .iter()
            .chain([&shared.tenants, &shared.namespaces, &shared.policies])
            .chain(shared.doors.informer());
        for synced in awaited.map(Informer::synced) {
            synced.await;
        }
        self.subscribe();
        self.follow_doors();
        let this = self.clone();
        let alerts = tokio::spawn(async move { this.follow_alerts().await });
        let this = self.clone();
        queue::run(shared.queue.clone(), shared.config.workers, move |name: Name| {
            let this = this.clone();
            async move { this.shared.reconcile(&name.0).await }
        })
        .await;
        alerts.abort();
    }

    /// Ends [`Self::run`].
    pub(crate) fn close(&self) {
        self.shared.queue.close();
    }

    /// What tenants consist of.
    fn informers(&self) -> impl Iterator<Item = &Informer> {
        self.shared.walls.iter().chain([&self.shared.namespaces, &self.shared.routes, &self.shared.secrets])
    }

    fn subscribe(&self) {
        let queue = self.shared.queue.clone();
        self.shared.tenants.subscribe(move |change| {
            if wants_of(change.old.as_deref()) != wants_of(change.new.as_deref()) {
                queue.add(Name(change.key().name.clone()));
            }
        });
        let shared = Arc::downgrade(&self.shared);
        self.shared.policies.subscribe(move |change| {
            let tenant = fleet::split(&change.key().namespace).map(|(tenant, _)| tenant);
            let is_news = change.old.is_none() || change.new.is_none();
            if let (Some(shared), Some(tenant), true) = (shared.upgrade(), tenant, is_news) {
                shared.wake_tenant(tenant);
            }
        });
        for informer in self.informers() {
            // A handler lives in the informer, so it must not hold the informer.
            let shared = Arc::downgrade(&self.shared);
            informer.subscribe(move |change| {
                if let Some(shared) = shared.upgrade().filter(|_| is_drift(change)) {
                    shared.wake(change);
                }
            });
        }
    }

    /// Where the apiproxies are concerns every tenant.
    fn follow_doors(&self) {
        let Some(slices) = self.shared.doors.informer() else { return };
        let shared = Arc::downgrade(&self.shared);
        let known = Mutex::new(self.shared.doors.addresses());
        slices.subscribe(move |_| {
            let Some(shared) = shared.upgrade() else { return };
            let now = shared.doors.addresses();
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if *known != now {
                *known = now;
                shared.tenants.list().iter().for_each(|tenant| shared.queue.add(Name(tenant.name().into())));
            }
        });
    }

    async fn follow_alerts(&self) {
        loop {
            for tenant in self.shared.alerts.changed().await {
                self.shared.wake_tenant(tenant);
            }
        }
    }
}

impl Shared {
    /// Something a tenant consists of has changed. Twins of the tenant's own services are not part of it.
    fn wake(&self, change: &Change) {
        let object = change.latest();
        if object.label(labels::NAMESPACE).is_some() {
            return;
        }
        let tenant = object.label(labels::TENANT).unwrap_or_else(|| object.name());
        if let Ok(tenant) = TenantId::parse(tenant) {
            self.wake_tenant(tenant);
        }
    }

    fn wake_tenant(&self, tenant: TenantId) {
        if let Some(place) = self.places.get(tenant) {
            self.queue.add(Name(place.name.as_str().into()));
            return;
        }
        // A tenant that is being made or deleted has no place.
        for object in self.tenants.list().iter().filter(|object| TenantId::from_uid(object.uid()) == tenant) {
            self.queue.add(Name(object.name().into()));
        }
    }
}

/// What of a Tenant calls for work: not its status, which we write ourselves.
fn wants_of(tenant: Option<&Raw>) -> Option<(String, Value, Value, bool)> {
    let value = tenant?.value();
    let field = |pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
    let deleting = crate::json::is_deleting(&value);
    Some((tenant?.uid().to_owned(), field("/spec"), field("/metadata/finalizers"), deleting))
}

/// Whether a change may be drift. What appears was made by us; what goes or differs was perhaps not. A status (the use
/// of a quota) is no drift.
fn is_drift(change: &Change) -> bool {
    let print = |raw: &Raw| {
        let value = raw.value();
        let field = |pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
        (field("/appliedPrint"), field("/spec"), crate::json::is_deleting(&value))
    };
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => print(old) != print(new),
        (old, _) => old.is_some(),
    }
}

/// Of a route only the port is remembered; keys stay in the store.
fn prune_route(route: &mut Value) {
    let port = route.pointer("/spec/port").cloned();
    if let Some(fields) = route.as_object_mut() {
        fields.insert(
            "spec".into(),
            port.map_or_else(|| serde_json::json!({}), |port| serde_json::json!({ "port": port })),
        );
    }
}
