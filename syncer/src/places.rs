//! Where every tenant lives on the host: written by the tenant lifecycle, read by every step of the sync.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tenancy::TenantId;
use tokio::sync::mpsc;

use crate::translate::Place;

/// The places of all tenants whose host namespace is ready. A tenant without a place is not synced. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Places {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    places: RwLock<Maps>,
    listeners: Mutex<Vec<mpsc::UnboundedSender<TenantId>>>,
}

#[derive(Default)]
struct Maps {
    by_tenant: HashMap<TenantId, Arc<Place>>,
    by_namespace: HashMap<String, TenantId>,
}

impl Places {
    /// The place of a tenant.
    pub(crate) fn get(&self, tenant: TenantId) -> Option<Arc<Place>> {
        self.inner.places.read().unwrap_or_else(PoisonError::into_inner).by_tenant.get(&tenant).cloned()
    }

    /// Whose host namespace this is.
    pub(crate) fn by_namespace(&self, namespace: &str) -> Option<Arc<Place>> {
        let maps = self.inner.places.read().unwrap_or_else(PoisonError::into_inner);
        maps.by_tenant.get(maps.by_namespace.get(namespace)?).cloned()
    }

    /// Sets the place of a tenant; its objects are looked at again when that is news.
    pub(crate) fn set(&self, place: Place) {
        let tenant = place.id;
        {
            let mut maps = self.inner.places.write().unwrap_or_else(PoisonError::into_inner);
            if maps.by_tenant.get(&tenant).is_some_and(|old| **old == place) {
                return;
            }
            maps.by_namespace.insert(place.host_namespace.clone(), tenant);
            maps.by_tenant.insert(tenant, Arc::new(place));
        }
        self.tell(tenant);
    }

    /// Has the objects of a tenant looked at again: something outside of its place has changed that the host judges them by
    /// (a quota, a pod security level).
    pub(crate) fn touch(&self, tenant: TenantId) {
        if self.get(tenant).is_some() {
            self.tell(tenant);
        }
    }

    /// Forgets a tenant: nothing of it is synced any more.
    pub(crate) fn remove(&self, tenant: TenantId) {
        let mut maps = self.inner.places.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = maps.by_tenant.remove(&tenant)
            && maps.by_namespace.get(&place.host_namespace) == Some(&tenant)
        {
            maps.by_namespace.remove(&place.host_namespace);
        }
    }

    /// Tenants whose place is new or has changed, from now on.
    pub(crate) fn changes(&self) -> mpsc::UnboundedReceiver<TenantId> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    fn tell(&self, tenant: TenantId) {
        let mut listeners = self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.send(tenant).is_ok());
    }
}
