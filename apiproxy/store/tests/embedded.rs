//! The store over the embedded engine. `scenarios/` runs the same suites over etcd.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "suite/basics.rs"]
mod basics;
#[path = "suite/concurrency.rs"]
mod concurrency;
#[path = "suite/crashes.rs"]
mod crashes;
#[path = "suite/durability.rs"]
mod durability;
#[path = "suite/file.rs"]
mod file;
#[path = "suite/model.rs"]
mod model;

mod engine {
    //! What the suites need to know of the engine they run over.

    use std::path::PathBuf;
    use store::Backend;
    use tempfile::TempDir;

    /// Whether each row of a transaction has a revision of its own.
    pub(crate) const ONE_REVISION_EACH: bool = true;
    /// Whether the engine has rows of its own that use revisions.
    pub(crate) const OWN_ROWS: bool = false;
    /// Random cases of the model.
    pub(crate) const CASES: u32 = 48;

    /// Where a store is; it can be opened there again and again.
    pub(crate) struct Place {
        path: PathBuf,
        _directory: Option<TempDir>,
    }

    impl Place {
        pub(crate) fn new() -> Self {
            let directory = TempDir::new().unwrap();
            Self { path: directory.path().join("store.db"), _directory: Some(directory) }
        }

        /// The place of another process, from what its [`Place::name`] says.
        pub(crate) fn named(name: &str) -> Self {
            Self { path: name.into(), _directory: None }
        }

        pub(crate) fn name(&self) -> String {
            self.path.display().to_string()
        }

        pub(crate) fn backend(&self) -> Backend {
            Backend::File(self.path.clone())
        }

        /// Breaks what can break beside the process that writes.
        pub(crate) fn disturb(&mut self, _round: usize) {}
    }
}
