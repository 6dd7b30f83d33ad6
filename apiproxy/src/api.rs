//! What every request needs: the store, the tenants, the catalog, the way to the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::Store;

use crate::catalog::Catalog;
use crate::routes::Routes;
use crate::tls::{Connection, Entrance};

/// Shared state of the server. One per process (two when the lab runs beside it).
pub struct Api {
    /// All tenants' objects.
    pub(crate) store: Store,
    /// Tenants being served.
    pub(crate) routes: Arc<Routes>,
    /// Resources being served.
    pub(crate) catalog: Catalog,
    /// Where ClusterIPs come from.
    pub(crate) services: crate::admission::services::Allocator,
    /// Client of the host API, for streams to pods; None when there is no host behind this API.
    pub(crate) host: Option<crate::connect::HostAccess>,
    /// Compiled RBAC of the tenants in use.
    pub(crate) rbac: crate::authz::rbac::Cache,
    /// Compiled policies of the namespaces in use.
    pub(crate) admission: crate::admission::Caches,
    /// Whose turn it is at the quotas of a namespace.
    pub(crate) turns: crate::quota::Turns,
    /// Seats of requests in flight, per tenant.
    pub(crate) seats: crate::fairness::Seats,
    /// Descriptions of built-in kinds, from the host.
    pub(crate) words: crate::discovery::words::Words,
    /// Counters and gauges.
    pub(crate) metrics: crate::admin::Metrics,
    /// Ends watches when the server drains.
    pub(crate) draining: tokio_util::sync::CancellationToken,
    /// Set when the server is about to stop: no longer ready, still serving.
    pub(crate) leaving: AtomicBool,
    /// Set when the fleet view has a listener of its own.
    pub(crate) fleet_apart: AtomicBool,
    fleet_token: String,
}

impl Api {
    /// Shared state around a store.
    pub(crate) fn new(
        store: Store,
        services: crate::admission::services::Allocator,
        host: Option<crate::connect::HostAccess>,
        fleet_token: String,
    ) -> Self {
        Self {
            catalog: Catalog::new(store.clone()),
            routes: Arc::new(Routes::of(store.clone())),
            rbac: crate::authz::rbac::Cache::default(),
            admission: crate::admission::Caches::default(),
            turns: crate::quota::Turns::default(),
            seats: crate::fairness::Seats::default(),
            words: crate::discovery::words::Words::default(),
            metrics: crate::admin::Metrics::default(),
            draining: tokio_util::sync::CancellationToken::new(),
            leaving: AtomicBool::new(false),
            fleet_apart: AtomicBool::new(false),
            services,
            host,
            fleet_token,
            store,
        }
    }

    /// The operator's token.
    pub(crate) fn fleet_token(&self) -> &str {
        &self.fleet_token
    }

    /// Whether a bearer token is the operator's, compared in constant time, and came in where it may.
    pub(crate) fn fleet_opens(&self, connection: &Connection, token: Option<&str>) -> bool {
        let is_door = match connection.entrance() {
            Entrance::Fleet => true,
            Entrance::Front => !self.fleet_apart.load(Ordering::Relaxed),
            Entrance::Tenant(_) => false,
        };
        let is_token = token.is_some_and(|token| {
            !self.fleet_token.is_empty()
                && aws_lc_rs::constant_time::verify_slices_are_equal(token.as_bytes(), self.fleet_token.as_bytes())
                    .is_ok()
        });
        is_door && is_token
    }
}
