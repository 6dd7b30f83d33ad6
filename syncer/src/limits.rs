//! A bound on deletes that rest on absence: whatever goes wrong, a tenant's workload does not vanish at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tenancy::TenantId;

/// Deletes a tenant may have at once.
pub(crate) const BURST: u32 = 200;
/// Time after which one more is allowed: 20 a second.
pub(crate) const REFILL: Duration = Duration::from_millis(50);

/// One bucket per tenant.
#[derive(Default)]
pub(crate) struct Limits {
    buckets: Mutex<HashMap<TenantId, Bucket>>,
}

struct Bucket {
    left: u32,
    at: Instant,
}

impl Limits {
    /// Takes one delete out of the tenant's bucket.
    ///
    /// # Errors
    /// How long to wait, when the bucket is empty.
    pub(crate) fn take(&self, tenant: TenantId, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // A full bucket remembers nothing.
        buckets.retain(|_, bucket| bucket.after(now) < BURST);
        let bucket = buckets.entry(tenant).or_insert(Bucket { left: BURST, at: now });
        let left = bucket.after(now);
        if left == 0 {
            return Err(REFILL.saturating_sub(now.duration_since(bucket.at)).max(Duration::from_millis(1)));
        }
        // What was refilled counts whole steps, so that fractions of a step are not lost.
        let steps = left - bucket.left;
        bucket.at = if left == BURST { now } else { bucket.at + REFILL * steps };
        bucket.left = left - 1;
        Ok(())
    }

    /// Whether the tenant could delete more.
    pub(crate) fn is_open(&self, tenant: TenantId, now: Instant) -> bool {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.get(&tenant).is_none_or(|bucket| bucket.after(now) > BURST / 2)
    }
}

impl Bucket {
    fn after(&self, now: Instant) -> u32 {
        let steps = now.duration_since(self.at).as_millis() / REFILL.as_millis();
        u32::try_from(steps).unwrap_or(BURST).saturating_add(self.left).min(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_a_trickle() {
        let limits = Limits::default();
        let (a, b) = (TenantId::from_uid("a"), TenantId::from_uid("b"));
        let now = Instant::now();
        for _ in 0..BURST {
            assert_eq!(limits.take(a, now), Ok(()));
        }
        let wait = limits.take(a, now).unwrap_err();
        assert_eq!(wait, REFILL);
        assert!(!limits.is_open(a, now));
        assert_eq!(limits.take(b, now), Ok(()), "another tenant has its own bucket");
        assert_eq!(limits.take(a, now + REFILL), Ok(()));
        assert!(limits.take(a, now + REFILL).is_err());
        let later = now + REFILL * BURST * 2;
        assert!(limits.is_open(a, later));
        for _ in 0..BURST {
            assert_eq!(limits.take(a, later), Ok(()));
        }
        assert!(limits.take(a, later).is_err());
    }
}
