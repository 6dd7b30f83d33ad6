//! How much a tenant stores and may store.

use crate::state::State;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tenancy::TenantId;

/// What a tenant stores of its own; the base layer is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Objects.
    pub objects: u64,
    /// Bytes of their JSON and index.
    pub bytes: u64,
}

/// The most a tenant may store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Objects.
    pub objects: u64,
    /// Bytes of their JSON and index.
    pub bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { objects: 100_000, bytes: 1 << 30 }
    }
}

/// What a commit would add.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Growth {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// The caps of all tenants, and the growth of commits that are under way.
pub(crate) struct Quotas {
    default: Caps,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    caps: HashMap<TenantId, Caps>,
    pending: HashMap<TenantId, Growth>,
}

/// Room taken for a commit; given back when dropped, which must be after the commit is visible in the cache, and
/// without the lock of the cache.
pub(crate) struct Reservation {
    quotas: Arc<Quotas>,
    taken: Vec<(TenantId, Growth)>,
}

impl Quotas {
    pub(crate) fn new(default: Caps) -> Self {
        Self { default, inner: Mutex::default() }
    }

    pub(crate) fn set(&self, tenant: TenantId, caps: Caps) {
        self.lock().caps.insert(tenant, caps);
    }

    pub(crate) fn forget(&self, tenant: TenantId) {
        self.lock().caps.remove(&tenant);
    }

    /// Takes room for each tenant's growth, or names the tenant that has none. Writes that do not grow always pass.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        state: &RwLock<State>,
        growth: Vec<(TenantId, Growth)>,
    ) -> Result<Reservation, (TenantId, Caps)> {
        let mut inner = self.lock();
        for (tenant, wanted) in &growth {
            if wanted.objects == 0 && wanted.bytes == 0 {
                continue;
            }
            let caps = inner.caps.get(tenant).copied().unwrap_or(self.default);
            let pending = inner.pending.get(tenant).copied().unwrap_or_default();
            let used = state.read().unwrap_or_else(PoisonError::into_inner).usage(*tenant);
            let fits = |used: u64, pending: u64, wanted: u64, cap: u64| wanted == 0 || used + pending + wanted <= cap;
            if !fits(used.objects, pending.objects, wanted.objects, caps.objects)
                || !fits(used.bytes, pending.bytes, wanted.bytes, caps.bytes)
            {
                return Err((*tenant, caps));
            }
        }
        for (tenant, wanted) in &growth {
            let pending = inner.pending.entry(*tenant).or_default();
            pending.objects += wanted.objects;
            pending.bytes += wanted.bytes;
        }
        Ok(Reservation { quotas: self.clone(), taken: growth })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut inner = self.quotas.lock();
        for (tenant, taken) in &self.taken {
            if let Some(pending) = inner.pending.get_mut(tenant) {
                pending.objects = pending.objects.saturating_sub(taken.objects);
                pending.bytes = pending.bytes.saturating_sub(taken.bytes);
                if pending.objects == 0 && pending.bytes == 0 {
                    inner.pending.remove(tenant);
                }
            }
        }
    }
}
