//! What was written to slices and not yet observed. Their names are generated, so without this a slow watch would make
//! us create the same slice twice (upstream `EndpointSliceTracker`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::informer::Raw;
use crate::key::Key;

/// After this time an observation is no longer waited for: the slice went before it was known to have come.
const EXPIRY: Duration = Duration::from_secs(300);

#[derive(Clone, Copy)]
enum Expected {
    /// This version, or a later one.
    Version(u64),
    /// That it is gone.
    Gone,
}

type Slices = HashMap<String, (Expected, Instant)>;

/// Expectations by Service and uid of slice.
#[derive(Default)]
pub(super) struct Tracker {
    services: Mutex<HashMap<Key, Slices>>,
}

impl Tracker {
    fn services(&self) -> MutexGuard<'_, HashMap<Key, Slices>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, service: &Key, uid: &str, expected: Expected) {
        let mut services = self.services();
        services.entry(service.clone()).or_default().insert(uid.to_owned(), (expected, Instant::now()));
    }

    /// A slice was created or changed; `answer` is what the API returned.
    pub(super) fn wrote(&self, service: &Key, answer: &Value) {
        let metadata = &answer["metadata"];
        let version = metadata["resourceVersion"].as_str().and_then(|version| version.parse().ok());
        if let (Some(uid), Some(version)) = (metadata["uid"].as_str(), version) {
            self.expect(service, uid, Expected::Version(version));
        }
    }

    /// A slice was deleted.
    pub(super) fn deleted(&self, service: &Key, uid: &str) {
        self.expect(service, uid, Expected::Gone);
    }

    /// A slice was seen to go, whoever deleted it.
    pub(super) fn gone(&self, service: &Key, uid: &str) {
        let mut services = self.services();
        if let Some(slices) = services.get_mut(service) {
            slices.remove(uid);
            if slices.is_empty() {
                services.remove(service);
            }
        }
    }

    /// The Service is gone.
    pub(super) fn forget(&self, service: &Key) {
        self.services().remove(service);
    }

    /// Whether `observed`, all slices of the Service, is older than what was written. What has been observed is
    /// forgotten.
    pub(super) fn is_stale(&self, service: &Key, observed: &[Arc<Raw>]) -> bool {
        let mut services = self.services();
        let Some(slices) = services.get_mut(service) else { return false };
        slices.retain(|uid, (expected, since)| {
            let held = observed.iter().find(|slice| slice.uid() == uid);
            let met = match (expected, held) {
                (Expected::Version(wanted), Some(held)) => {
                    held.resource_version().parse::<u64>().is_ok_and(|version| version >= *wanted)
                }
                (Expected::Gone, held) => held.is_none(),
                (Expected::Version(_), None) => false,
            };
            !met && since.elapsed() <= EXPIRY
        });
        let stale = !slices.is_empty();
        if !stale {
            services.remove(service);
        }
        stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn slice(uid: &str, version: &str) -> Value {
        json!({"metadata": {"name": uid, "uid": uid, "resourceVersion": version}})
    }

    fn observed(slices: &[(&str, &str)]) -> Vec<Arc<Raw>> {
        slices.iter().map(|(uid, version)| Arc::new(Raw::from_value(&slice(uid, version)).unwrap())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_waited_for() {
        let (tracker, key) = (Tracker::default(), Key::new("n", "web"));
        assert!(!tracker.is_stale(&key, &observed(&[("a", "1")])));
        tracker.wrote(&key, &slice("a", "5"));
        assert!(tracker.is_stale(&key, &observed(&[])));
        assert!(tracker.is_stale(&key, &observed(&[("a", "4")])));
        assert!(!tracker.is_stale(&key, &observed(&[("a", "5")])));
        tracker.deleted(&key, "a");
        assert!(tracker.is_stale(&key, &observed(&[("a", "5")])));
        assert!(!tracker.is_stale(&key, &observed(&[])));
        tracker.wrote(&key, &slice("b", "6"));
        tracker.gone(&key, "b");
        assert!(!tracker.is_stale(&key, &observed(&[])), "somebody else deleted it");
        tracker.wrote(&key, &slice("c", "7"));
        tokio::time::advance(EXPIRY + Duration::from_secs(1)).await;
        assert!(!tracker.is_stale(&key, &observed(&[])), "not for ever");
    }
}
