//! Versions of objects we have written, so that nothing is decided on older ones.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By uid: the version our last write made. Versions of one store are numbers that grow (KEP-5504); versions that are no
/// numbers are never older.
#[derive(Default)]
pub(crate) struct Written {
    versions: Mutex<HashMap<String, u64>>,
}

impl Written {
    fn versions(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether we have written a newer version of an object than this one; it will be observed soon.
    pub(crate) fn is_newer(&self, uid: &str, version: &str) -> bool {
        let held = self.versions().get(uid).copied().unwrap_or_default();
        version.parse().is_ok_and(|version: u64| version < held)
    }

    /// An object was written.
    pub(crate) fn note(&self, uid: &str, version: &str) {
        if let Ok(version) = version.parse() {
            self.versions().insert(uid.to_owned(), version);
        }
    }

    /// The object is gone, or of no more interest.
    pub(crate) fn forget(&self, uid: &str) {
        self.versions().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let written = Written::default();
        assert!(!written.is_newer("u", "5"));
        written.note("u", "7");
        written.note("u", "opaque");
        for (version, newer) in [("5", true), ("7", false), ("12", false), ("opaque", false)] {
            assert_eq!(written.is_newer("u", version), newer, "{version}");
        }
        written.forget("u");
        assert!(!written.is_newer("u", "5"));
    }
}
