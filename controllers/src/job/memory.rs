//! What the controller has done to a Job and not yet seen come back, and the failures in a row.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::backoff::Streak;
use crate::written::Written;

#[derive(Default)]
struct Entry {
    streak: Streak,
    /// Uids of pods whose finalizer we have removed.
    released: BTreeSet<String>,
}

/// By uid of the Job.
#[derive(Default)]
pub(super) struct Memory {
    /// Our writes of the status: acting on an older one would count or create twice.
    pub(super) written: Written,
    jobs: Mutex<HashMap<String, Entry>>,
}

impl Memory {
    fn jobs(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn streak(&self, uid: &str) -> Streak {
        self.jobs().get(uid).map(|entry| entry.streak).unwrap_or_default()
    }

    pub(super) fn set_streak(&self, uid: &str, streak: Streak) {
        self.jobs().entry(uid.to_owned()).or_default().streak = streak;
    }

    pub(super) fn released(&self, uid: &str) -> BTreeSet<String> {
        self.jobs().get(uid).map(|entry| entry.released.clone()).unwrap_or_default()
    }

    /// These finalizers are about to be removed.
    pub(super) fn release(&self, uid: &str, pods: impl IntoIterator<Item = String>) {
        self.jobs().entry(uid.to_owned()).or_default().released.extend(pods);
    }

    /// The pod was seen without the finalizer, or still has it because removing it failed.
    pub(super) fn settled(&self, uid: &str, pod: &str) {
        if let Some(entry) = self.jobs().get_mut(uid) {
            entry.released.remove(pod);
        }
    }

    /// The Job is finished or gone.
    pub(super) fn forget(&self, uid: &str) {
        self.jobs().remove(uid);
        self.written.forget(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_remembered_until_they_are_seen() {
        let memory = Memory::default();
        memory.release("j", ["a".to_owned(), "b".to_owned()]);
        memory.settled("j", "a");
        assert_eq!(memory.released("j"), ["b".to_owned()].into());
        memory.set_streak("j", Streak { failures: 1, last: None });
        memory.forget("j");
        assert!(memory.released("j").is_empty() && memory.streak("j") == Streak::default());
    }
}
