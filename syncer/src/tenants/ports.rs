//! Ports of the tenants' dedicated listeners: one per tenant, kept in its route.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use tenancy::TenantId;

/// Who has which port. What routes say is loaded before anything is given out.
pub(super) struct Ports {
    range: RangeInclusive<u16>,
    given: Mutex<HashMap<u16, TenantId>>,
}

impl Ports {
    /// Nothing given out yet.
    pub(super) fn new(range: RangeInclusive<u16>) -> Self {
        Self { range, given: Mutex::default() }
    }

    /// Records what a route says. The first owner of a port keeps it.
    pub(super) fn note(&self, tenant: TenantId, port: u16) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).entry(port).or_insert(tenant);
    }

    /// The tenant's port: `wanted` when it is in the range and nobody else's, else its own, else a free one. None when
    /// there is no free one.
    pub(super) fn give(&self, tenant: TenantId, wanted: Option<u16>) -> Option<u16> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let is_mine = |port: &u16| given.get(port).is_none_or(|owner| *owner == tenant);
        let wanted = wanted.filter(|port| self.range.contains(port) && is_mine(port));
        let own = || {
            given.iter().find(|(port, owner)| **owner == tenant && self.range.contains(*port)).map(|(port, _)| *port)
        };
        // Starting at a place that depends on the tenant keeps the search short when many ports are given out.
        let free = || {
            let (first, count) = (u32::from(*self.range.start()), u32::try_from(self.range.len()).unwrap_or(0));
            let start =
                tenant.as_bytes().iter().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
            let candidates = (0..count).map(|step| first + (start.wrapping_add(step)) % count);
            candidates.filter_map(|port| u16::try_from(port).ok()).find(|port| !given.contains_key(port))
        };
        let port = wanted.or_else(own).or_else(free)?;
        given.insert(port, tenant);
        Some(port)
    }

    /// Takes back the ports of a tenant.
    pub(super) fn release(&self, tenant: TenantId) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, owner| *owner != tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenant_has_its_own_port() {
        let ports = Ports::new(7000..=7002);
        let tenants = ["a", "b", "c", "d"].map(TenantId::from_uid);
        ports.note(tenants[0], 7001);
        ports.note(tenants[1], 7001);
        assert_eq!(ports.give(tenants[1], Some(7001)).filter(|port| *port != 7001), ports.give(tenants[1], None));
        assert_eq!(ports.give(tenants[0], Some(7001)), Some(7001));
        assert_eq!(ports.give(tenants[0], Some(1)), Some(7001));
        assert!(ports.give(tenants[2], None).is_some());
        assert_eq!(ports.give(tenants[3], None), None);
        ports.release(tenants[0]);
        assert_eq!(ports.give(tenants[3], None), Some(7001));
    }
}
