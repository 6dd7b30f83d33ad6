//! Pods a quota of the host keeps away: when another pod of the tenant has gone, there may be room.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenancy::TenantId;

use crate::side::Key;

/// Pods that are tried again when one has gone: the room of one is rarely enough for more.
const AT_ONCE: usize = 4;

/// The pods that wait for room, by tenant.
#[derive(Default)]
pub(crate) struct Held {
    waiting: Mutex<HashMap<TenantId, BTreeSet<Key>>>,
}

/// Whether the host refuses for want of quota (upstream: `plugin/pkg/admission/resourcequota`).
pub(crate) fn is_for_quota(message: &str) -> bool {
    message.contains("exceeded quota")
}

impl Held {
    fn waiting(&self) -> MutexGuard<'_, HashMap<TenantId, BTreeSet<Key>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pod waits for room. Forgotten when it is given out: refused again, it is noted again.
    pub(crate) fn hold(&self, pod: &Key) {
        self.waiting().entry(pod.tenant).or_default().insert(pod.clone());
    }

    /// A pod of the tenant has gone from the host: pods to try again.
    pub(crate) fn release(&self, tenant: TenantId) -> Vec<Key> {
        let mut waiting = self.waiting();
        let Some(pods) = waiting.get_mut(&tenant) else { return Vec::new() };
        let out: Vec<Key> = pods.iter().take(AT_ONCE).cloned().collect();
        for pod in &out {
            pods.remove(pod);
        }
        if pods.is_empty() {
            waiting.remove(&tenant);
        }
        out
    }

    /// The pod is gone, or has found room.
    pub(crate) fn forget(&self, pod: &Key) {
        let mut waiting = self.waiting();
        if let Some(pods) = waiting.get_mut(&pod.tenant) {
            pods.remove(pod);
            if pods.is_empty() {
                waiting.remove(&pod.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_of_one_tenant_is_for_its_own_pods() {
        let (acme, beta) = (TenantId::from_uid("a"), TenantId::from_uid("b"));
        let held = Held::default();
        for name in 0..6 {
            held.hold(&Key::new(acme, "shop", &name.to_string()));
        }
        held.hold(&Key::new(beta, "shop", "other"));
        held.forget(&Key::new(acme, "shop", "0"));
        let first = held.release(acme);
        assert_eq!(first.len(), AT_ONCE);
        assert!(first.iter().all(|pod| pod.tenant == acme && &*pod.name != "0"));
        assert_eq!((held.release(acme).len(), held.release(acme).len()), (1, 0));
        assert_eq!(held.release(beta).len(), 1);
        assert!(held.waiting().is_empty());
        let message =
            "pods \"x\" is forbidden: exceeded quota: rowhouse, requested: pods=1, used: pods=1, limited: pods=1";
        assert!(is_for_quota(message) && !is_for_quota("violates PodSecurity"));
    }
}
