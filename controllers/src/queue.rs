//! A work queue that is fair between lanes (tenants).
//!
//! The rules of client-go's work queue: a key waits at most once; a key added while it is being worked on is worked on
//! again afterwards; nobody works on one key twice at a time. Beyond them, lanes take turns, and no lane may occupy all
//! workers, so that one tenant's flood delays another by at most one step.

mod state;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use state::State;

/// First pause of [`Queue::retry`]; doubles with every failure. client-go's default.
pub const RETRY_MIN: Duration = Duration::from_millis(5);
/// Longest pause of [`Queue::retry`]. client-go's default.
pub const RETRY_MAX: Duration = Duration::from_secs(1000);

/// What can be queued.
pub trait Keyed: Clone + Eq + Hash + Send + 'static {
    /// Whom the key belongs to; lanes take turns.
    type Lane: Clone + Eq + Hash + Send + 'static;

    /// The lane of this key.
    fn lane(&self) -> Self::Lane;
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until something changes.
    Done,
    /// Failed: again after a pause that doubles with every failure in a row.
    Retry,
    /// Succeeded, and wants to be looked at again after this time.
    After(Duration),
}

/// A fair, coalescing work queue with delays and back-off. Cheap to clone.
pub struct Queue<K: Keyed> {
    shared: Arc<Shared<K>>,
}

struct Shared<K: Keyed> {
    state: Mutex<State<K>>,
    wake: Notify,
}

impl<K: Keyed> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<K: Keyed> Default for Queue<K> {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl<K: Keyed> Queue<K> {
    /// An empty queue. At most `lane_limit` keys of one lane are worked on at a time (at least one).
    pub fn new(lane_limit: usize) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::new(State::new(lane_limit.max(1))), wake: Notify::new() }) }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a key, unless it waits already.
    pub fn add(&self, key: K) {
        self.state().add(key);
        self.shared.wake.notify_one();
    }

    /// Queues a key after a time; the earliest of several times holds. The key may be added meanwhile all the same.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        self.state().add_at(key, Instant::now() + delay);
        self.shared.wake.notify_one();
    }

    /// Queues a key that failed: after 5 ms, doubling with every failure since [`Self::forget`], up to 1000 s.
    pub fn retry(&self, key: K) {
        let failures = self.state().fail(&key);
        let delay = RETRY_MIN.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(RETRY_MAX);
        self.add_after(key, delay);
    }

    /// Forgets the failures of a key.
    pub fn forget(&self, key: &K) {
        self.state().forget(key);
    }

    /// How often a key failed since [`Self::forget`].
    pub fn failures(&self, key: &K) -> u32 {
        self.state().failures(key)
    }

    /// Keys that could be worked on now.
    pub fn len(&self) -> usize {
        self.state().len()
    }

    /// Whether nothing could be worked on now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next key, when there is one; `None` after [`Self::close`]. Every key must be given back with [`Self::done`].
    pub async fn get(&self) -> Option<K> {
        loop {
            let mut woken = pin!(self.shared.wake.notified());
            woken.as_mut().enable();
            let next_due = {
                let mut state = self.state();
                if state.closed {
                    self.shared.wake.notify_one();
                    return None;
                }
                state.promote(Instant::now());
                if let Some(key) = state.take() {
                    // A wake-up is worth one key; pass it on while there are more.
                    self.shared.wake.notify_one();
                    return Some(key);
                }
                state.next_due()
            };
            match next_due {
                None => woken.await,
                Some(due) => tokio::select! {
                    () = woken => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    /// Gives a key back; if it was added meanwhile it is queued again.
    pub fn done(&self, key: &K) {
        self.state().done(key);
        self.shared.wake.notify_one();
    }

    /// Ends the queue: every [`Self::get`], waiting or to come, returns `None`.
    pub fn close(&self) {
        self.state().closed = true;
        self.shared.wake.notify_one();
    }
}

/// Works on the queue with `workers` tasks until it is closed. A panic in `handle` counts as [`Outcome::Retry`]: what
/// one tenant's object does to us must not stop the others.
pub async fn run<K, F, Fut>(queue: Queue<K>, workers: usize, handle: F)
where
    K: Keyed + Sync + std::fmt::Debug,
    F: Fn(K) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + Send,
{
    let mut tasks = JoinSet::new();
    for _ in 0..workers.max(1) {
        let (queue, handle) = (queue.clone(), handle.clone());
        tasks.spawn(async move {
            while let Some(key) = queue.get().await {
                let attempt = async { handle(key.clone()).await };
                let outcome = AssertUnwindSafe(attempt).catch_unwind().await.unwrap_or_else(|_| {
                    tracing::error!(?key, "a controller step panicked");
                    Outcome::Retry
                });
                match outcome {
                    Outcome::Done => queue.forget(&key),
                    Outcome::Retry => queue.retry(key.clone()),
                    Outcome::After(delay) => {
                        queue.forget(&key);
                        queue.add_after(key.clone(), delay);
                    }
                }
                queue.done(&key);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}
