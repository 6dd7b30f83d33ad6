//! What we have written and not yet seen: an informer that lags behind our own writes must not be read as the world.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::side::Key;

/// How long a write may take to come back through the watch before we stop waiting for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Versions of host objects after our last write.
#[derive(Default)]
pub(crate) struct Expected {
    written: Mutex<HashMap<Key, (u64, Instant)>>,
}

impl Expected {
    fn written(&self) -> MutexGuard<'_, HashMap<Key, (u64, Instant)>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write has made this version.
    pub(crate) fn wrote(&self, key: &Key, version: &str, now: Instant) {
        if let Ok(version) = version.parse() {
            self.written().insert(key.clone(), (version, now));
        }
    }

    /// The watch has shown that the object is gone.
    pub(crate) fn saw_gone(&self, key: &Key) {
        self.written().remove(key);
    }

    /// Whether the watch still has to show our last write of this object. `shown` is the version it shows now: the event
    /// of a write may well come before its answer.
    pub(crate) fn is_behind(&self, key: &Key, shown: Option<&str>, now: Instant) -> bool {
        let mut written = self.written();
        let Some((wanted, at)) = written.get(key) else { return false };
        let has_come = shown.and_then(|shown| shown.parse::<u64>().ok()).is_some_and(|shown| shown >= *wanted);
        if !has_come && now.duration_since(*at) < PATIENCE {
            return true;
        }
        written.remove(key);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenancy::TenantId;

    #[test]
    fn a_key_waits_for_its_own_write() {
        let expected = Expected::default();
        let key = Key::new(TenantId::from_uid("t"), "ns", "a");
        let now = Instant::now();
        assert!(!expected.is_behind(&key, None, now));
        expected.wrote(&key, "10", now);
        assert!(expected.is_behind(&key, None, now));
        assert!(expected.is_behind(&key, Some("9"), now));
        assert!(!expected.is_behind(&key, Some("10"), now));
        assert!(!expected.is_behind(&key, None, now), "once seen, it is forgotten");
        expected.wrote(&key, "12", now);
        expected.saw_gone(&key);
        assert!(!expected.is_behind(&key, None, now));
        expected.wrote(&key, "14", now);
        assert!(!expected.is_behind(&key, None, now + PATIENCE));
    }
}
