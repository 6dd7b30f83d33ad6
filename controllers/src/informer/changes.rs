//! What happened to objects, as a stream that cannot outgrow the number of objects.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use futures::task::AtomicWaker;

use super::Raw;
use crate::Key;

/// One object before and after. Never both absent.
#[derive(Clone, Debug)]
pub struct Change {
    /// The object before; `None` when it is new.
    pub old: Option<Arc<Raw>>,
    /// The object now; `None` when it is gone.
    pub new: Option<Arc<Raw>>,
}

impl Change {
    /// The newest version of the object there is: the new one, or the last known of a deleted one.
    pub fn latest(&self) -> &Arc<Raw> {
        self.new.as_ref().or(self.old.as_ref()).expect("a change has at least one side: every constructor sets one")
    }

    /// Whether an orphan is new, or has changed in a way that makes it interesting to adopters.
    pub(crate) fn became_free(&self) -> bool {
        let (Some(old), Some(new)) = (&self.old, &self.new) else { return true };
        old.controller().is_some() || !old.labels().eq(new.labels())
    }

    /// Key of the object.
    pub fn key(&self) -> &Key {
        self.latest().key()
    }
}

/// Changes of one informer, coalesced: a slow reader gets, per object, the oldest unseen and the newest version (which
/// may be different objects of one name; compare uids). Ends when the informer does.
pub struct Changes {
    pub(super) pending: Arc<Pending>,
}

#[derive(Default)]
pub(super) struct Pending {
    waiting: Mutex<Waiting>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Waiting {
    order: VecDeque<Key>,
    changes: HashMap<Key, Change>,
    closed: bool,
}

impl Pending {
    pub(super) fn push(&self, change: &Change) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let key = change.key();
        if let Some(held) = waiting.changes.get_mut(key) {
            held.new.clone_from(&change.new);
            if held.old.is_none() && held.new.is_none() {
                // Created and deleted unseen: the reader still learns the last version.
                held.old.clone_from(&change.old);
            }
        } else {
            waiting.order.push_back(key.clone());
            waiting.changes.insert(key.clone(), change.clone());
        }
        drop(waiting);
        self.waker.wake();
    }

    pub(super) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.waker.wake();
    }
}

impl Stream for Changes {
    type Item = Change;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.pending.waker.register(cx.waker());
        let mut waiting = self.pending.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { order, changes, closed } = &mut *waiting;
        match order.pop_front().and_then(|key| changes.remove(&key)) {
            Some(change) => Poll::Ready(Some(change)),
            None if *closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}
