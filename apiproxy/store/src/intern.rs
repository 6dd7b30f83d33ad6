//! Strings that many objects share, kept once.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// A set of shared values. What nobody else holds any more is dropped when the set has doubled since the last sweep,
/// so its size is bounded by what is in use.
pub(crate) struct Interner<T: ?Sized + Eq + Hash> {
    set: Mutex<(HashSet<Arc<T>>, usize)>,
}

const SMALLEST_SWEEP: usize = 1024;

impl<T: ?Sized + Eq + Hash> Interner<T> {
    /// An empty set.
    pub(crate) fn new() -> Self {
        Self { set: Mutex::new((HashSet::new(), SMALLEST_SWEEP)) }
    }

    /// The shared value equal to `probe`; made by `make` when there is none yet.
    pub(crate) fn get<Q>(&self, probe: &Q, make: impl FnOnce() -> Arc<T>) -> Arc<T>
    where
        Arc<T>: Borrow<Q>,
        Q: ?Sized + Eq + Hash,
    {
        let mut guard = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let (set, sweep_at) = &mut *guard;
        if let Some(found) = set.get(probe) {
            return found.clone();
        }
        if set.len() >= *sweep_at {
            set.retain(|value| Arc::strong_count(value) > 1);
            set.shrink_to_fit();
            *sweep_at = (set.len() * 2).max(SMALLEST_SWEEP);
        }
        let made = make();
        set.insert(made.clone());
        made
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.set.lock().unwrap().0.len()
    }
}

/// The shared copy of a text that repeats (namespaces, owner uids).
pub(crate) fn text(text: &str) -> Arc<str> {
    static TEXTS: std::sync::LazyLock<Interner<str>> = std::sync::LazyLock::new(Interner::new);
    TEXTS.get(text, || Arc::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_allocation() {
        assert!(Arc::ptr_eq(&text("kube-system"), &text("kube-system")));
        assert_eq!(&*text("a"), "a");
    }

    #[test]
    fn unused_values_do_not_pile_up() {
        let interner: Interner<str> = Interner::new();
        let kept = interner.get("kept", || "kept".into());
        for i in 0..10 * SMALLEST_SWEEP {
            let name = format!("n{i}");
            interner.get(name.as_str(), || name.as_str().into());
        }
        assert!(interner.len() <= SMALLEST_SWEEP + 1, "{}", interner.len());
        assert!(Arc::ptr_eq(&kept, &interner.get("kept", || "other".into())));
    }
}
