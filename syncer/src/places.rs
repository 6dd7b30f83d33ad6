//! Where every tenant lives on the host: written by the tenant lifecycle, read by every step of the sync.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tenancy::TenantId;
use tokio::sync::mpsc;

use crate::translate::Place;

/// The places of all tenants whose host namespace is ready. A tenant without a place is not synced. Cheap to clone.
#[derive(Clone, Default)]
pub struct Places {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    places: RwLock<HashMap<TenantId, Arc<Place>>>,
    listeners: Mutex<Vec<mpsc::UnboundedSender<TenantId>>>,
}

impl Places {
    /// The place of a tenant.
    pub fn get(&self, tenant: TenantId) -> Option<Arc<Place>> {
        self.inner.places.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }

    /// Whether this is the host namespace of a tenant, and whose.
    pub fn by_namespace(&self, namespace: &str) -> Option<Arc<Place>> {
        let places = self.inner.places.read().unwrap_or_else(PoisonError::into_inner);
        places.values().find(|place| place.host_namespace == namespace).cloned()
    }

    /// Sets the place of a tenant; its objects are looked at again when that is news.
    pub fn set(&self, place: Place) {
        let tenant = place.id;
        let old = {
            let mut places = self.inner.places.write().unwrap_or_else(PoisonError::into_inner);
            if places.get(&tenant).is_some_and(|old| **old == place) {
                return;
            }
            places.insert(tenant, Arc::new(place))
        };
        tracing::debug!(%tenant, known = old.is_some(), "place of a tenant changed");
        self.tell(tenant);
    }

    /// Forgets a tenant: nothing of it is synced any more.
    pub fn remove(&self, tenant: TenantId) {
        self.inner.places.write().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }

    /// Tenants whose place is new or has changed, from now on.
    pub fn changes(&self) -> mpsc::UnboundedReceiver<TenantId> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    fn tell(&self, tenant: TenantId) {
        let mut listeners = self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.send(tenant).is_ok());
    }
}
