//! What we have written and not yet seen: an informer that lags behind our own writes must not be read as the world.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::side::Key;

/// How long a write may take to come back through the watch before we stop waiting for it.
const PATIENCE: Duration = Duration::from_secs(60);

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

    /// The watch has shown this version, or that the object is gone.
    pub(crate) fn saw(&self, key: &Key, version: Option<&str>) {
        let mut written = self.written();
        let caught_up = match version {
            None => true,
            Some(version) => written.get(key).is_some_and(|(wanted, _)| version.parse().unwrap_or(0) >= *wanted),
        };
        if caught_up {
            written.remove(key);
        }
    }

    /// Whether the watch still has to show our last write of this object.
    pub(crate) fn is_behind(&self, key: &Key, now: Instant) -> bool {
        let mut written = self.written();
        match written.get(key) {
            None => false,
            Some((_, at)) if now.duration_since(*at) < PATIENCE => true,
            Some(_) => {
                written.remove(key);
                false
            }
        }
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
        assert!(!expected.is_behind(&key, now));
        expected.wrote(&key, "10", now);
        expected.saw(&key, Some("9"));
        assert!(expected.is_behind(&key, now));
        expected.saw(&key, Some("10"));
        assert!(!expected.is_behind(&key, now));
        expected.wrote(&key, "12", now);
        expected.saw(&key, None);
        assert!(!expected.is_behind(&key, now));
        expected.wrote(&key, "14", now);
        assert!(!expected.is_behind(&key, now + PATIENCE));
    }
}
