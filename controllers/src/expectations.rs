//! What a controller has written and not yet seen come back, so that it does not do it again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After this time a missing observation is no longer waited for (upstream's `ExpectationsTimeout`).
const EXPIRY: Duration = Duration::from_secs(300);

struct Expected {
    creations: usize,
    /// Names of objects on their way out.
    deletions: HashSet<String>,
    since: Instant,
}

/// Outstanding creations and deletions per owner uid.
#[derive(Default)]
pub(crate) struct Expectations {
    owners: Mutex<HashMap<String, Expected>>,
}

impl Expectations {
    fn owners(&self) -> MutexGuard<'_, HashMap<String, Expected>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything expected of this owner has been seen, or has been waited for long enough.
    pub(crate) fn satisfied(&self, uid: &str) -> bool {
        self.owners()
            .get(uid)
            .is_none_or(|e| (e.creations == 0 && e.deletions.is_empty()) || e.since.elapsed() > EXPIRY)
    }

    /// From now on `creations` new objects are expected, and nothing else.
    pub(crate) fn expect_creations(&self, uid: &str, creations: usize) {
        let expected = Expected { creations, deletions: HashSet::new(), since: Instant::now() };
        self.owners().insert(uid.to_owned(), expected);
    }

    /// From now on these objects are expected to go, and nothing else.
    pub(crate) fn expect_deletions(&self, uid: &str, names: impl IntoIterator<Item = String>) {
        let expected = Expected { creations: 0, deletions: names.into_iter().collect(), since: Instant::now() };
        self.owners().insert(uid.to_owned(), expected);
    }

    /// One created object was seen, or will never come.
    pub(crate) fn created(&self, uid: &str) {
        self.lower(uid, |expected| expected.creations = expected.creations.saturating_sub(1));
    }

    /// An object was seen to go, or will not go.
    pub(crate) fn deleted(&self, uid: &str, name: &str) {
        self.lower(uid, |expected| {
            expected.deletions.remove(name);
        });
    }

    fn lower(&self, uid: &str, change: impl FnOnce(&mut Expected)) {
        let mut owners = self.owners();
        if let Some(expected) = owners.get_mut(uid) {
            change(expected);
            if expected.creations == 0 && expected.deletions.is_empty() {
                owners.remove(uid);
            }
        }
    }

    /// The owner is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.owners().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wait_for_what_was_written() {
        let expectations = Expectations::default();
        assert!(expectations.satisfied("u"));
        expectations.expect_creations("u", 2);
        expectations.created("u");
        assert!(!expectations.satisfied("u"));
        expectations.created("u");
        expectations.created("u");
        assert!(expectations.satisfied("u"));

        expectations.expect_deletions("u", ["a".to_owned(), "b".to_owned()]);
        expectations.deleted("u", "a");
        expectations.deleted("u", "a");
        assert!(!expectations.satisfied("u"), "one pod seen twice is not two pods");
        tokio::time::advance(Duration::from_secs(301)).await;
        assert!(expectations.satisfied("u"), "not for ever");
        expectations.expect_creations("u", 1);
        expectations.forget("u");
        assert!(expectations.satisfied("u"));
    }
}
