//! What the sync has to say about a whole tenant: becomes a condition of its Tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tenancy::TenantId;
use tokio::sync::Notify;

/// Alerts of all tenants. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Alerts {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    alerts: Mutex<HashMap<TenantId, String>>,
    changed: Mutex<Vec<TenantId>>,
    wake: Notify,
}

impl Alerts {
    /// Deletes of the tenant's host objects are being held back.
    pub(crate) fn raise(&self, tenant: TenantId, message: String) {
        let old = self.inner.alerts.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, message);
        if old.is_none() {
            self.tell(tenant);
        }
    }

    /// They go on.
    pub(crate) fn clear(&self, tenant: TenantId) {
        if self.inner.alerts.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant).is_some() {
            self.tell(tenant);
        }
    }

    /// The alert of a tenant.
    pub(crate) fn get(&self, tenant: TenantId) -> Option<String> {
        self.inner.alerts.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }

    /// Waits for tenants whose alert has come or gone.
    pub(crate) async fn changed(&self) -> Vec<TenantId> {
        loop {
            let changed = std::mem::take(&mut *self.inner.changed.lock().unwrap_or_else(PoisonError::into_inner));
            if !changed.is_empty() {
                return changed;
            }
            self.inner.wake.notified().await;
        }
    }

    fn tell(&self, tenant: TenantId) {
        self.inner.changed.lock().unwrap_or_else(PoisonError::into_inner).push(tenant);
        self.inner.wake.notify_one();
    }
}
