//! Writes: what callers ask for, checked against the cache, made conditional on what was seen, committed by the engine.

use crate::caps::{Caps, Growth};
use crate::encode::{Draft, Encoded, encode};
use crate::engine::{Body, EngineError, Operation, Refused, Transaction};
use crate::key::{Key, KeyError};
use crate::object::Object;
use crate::revision::Revision;
use crate::state::{Standing, State};
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;
use tenancy::TenantId;
use tokio::sync::oneshot;

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no such object.
    Absent,
    /// The object has this revision.
    Revision(Revision),
    /// There is an object, whatever its revision.
    Present,
    /// Nothing.
    Any,
}

/// What a write does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Creates or replaces the object.
    Put(Draft),
    /// Deletes it. Watchers get its last state with the revision of the deletion; that state is the draft, or what was
    /// stored.
    Delete(Option<Draft>),
}

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    /// Which object.
    pub key: Key,
    /// Under which condition. A deletion always needs an object.
    pub expect: Expect,
    /// What to do.
    pub action: Action,
}

/// What a write did.
#[derive(Clone, Debug)]
pub struct Written {
    /// The new object; the last state of a deleted one.
    pub object: Arc<Object>,
    /// The object before. When it has the same revision as `object`, nothing would have changed and nothing was written.
    pub old: Option<Arc<Object>>,
}

/// Why a write did not happen. Nothing of it did, also when it was one of several.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It was to be absent; this is there.
    #[error("already exists: {0:?}")]
    Exists(Arc<Object>),
    /// It was to be there and is not.
    #[error("not found")]
    Missing,
    /// It has another revision than expected; this is there.
    #[error("conflict: {0:?}")]
    Conflict(Arc<Object>),
    /// The JSON is longer than `limit` bytes, or the transaction larger than the engine takes.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The tenant stores as much as it may.
    #[error("the tenant is full: at most {} objects and {} bytes", caps.objects, caps.bytes)]
    TenantFull {
        /// What it may store.
        caps: Caps,
    },
    /// The key cannot be stored.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Two writes of one transaction have the same key.
    #[error("two writes to one key in a transaction")]
    Repeated,
    /// The engine failed; whether the write is durable is unknown.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Attempts of one write against concurrent writers of the same object before it is given up.
const ATTEMPTS: usize = 1000;

/// A write with its JSON encoded.
struct Prepared {
    key: Key,
    expect: Expect,
    /// The new object, or the final state of a deletion.
    content: Option<Encoded>,
    delete: bool,
}

/// A write as decided on the cache.
struct Decided {
    operation: Operation,
    old: Option<Arc<Object>>,
    growth: Growth,
    unchanged: bool,
}

impl Store {
    /// Writes one object. The answer comes when the write is durable and visible to reads and watches. Dropping the
    /// future does not undo it. A put that would change nothing but the revision is not written.
    pub async fn write(&self, write: Write) -> Result<Written, WriteError> {
        let mut written = self.write_all(vec![write]).await?;
        written.pop().ok_or(WriteError::Missing)
    }

    /// Writes objects of any tenants together: all or none. Readers see all or none. In the embedded engine each gets a
    /// revision of its own, in the order given; in etcd all have the same, and there may be 120 at most.
    pub async fn write_all(&self, writes: Vec<Write>) -> Result<Vec<Written>, WriteError> {
        let prepared = self.prepare(writes)?;
        for _ in 0..ATTEMPTS {
            let decided = {
                let state = self.state();
                prepared.iter().map(|write| decide(&state, write)).collect::<Result<Vec<_>, _>>()?
            };
            if decided.iter().all(|write| write.unchanged) {
                let same = |old: Arc<Object>| Written { object: old.clone(), old: Some(old) };
                return Ok(decided.into_iter().filter_map(|write| write.old).map(same).collect());
            }
            if let Some(written) = self.attempt(decided).await? {
                return Ok(written);
            }
        }
        Err(EngineError::Storage("too many writers of one object".into()).into())
    }

    fn prepare(&self, writes: Vec<Write>) -> Result<Vec<Prepared>, WriteError> {
        let limit = self.object_bytes();
        let mut prepared: Vec<Prepared> = Vec::with_capacity(writes.len());
        for Write { key, expect, action } in writes {
            key.encode()?;
            let (draft, delete) = match action {
                Action::Put(draft) => (Some(draft), false),
                Action::Delete(draft) => (draft, true),
            };
            let content = match draft {
                Some(draft) => {
                    let encoded = encode(&key, &draft).ok_or(WriteError::TooLarge { limit })?;
                    if encoded.size() > limit as u64 {
                        return Err(WriteError::TooLarge { limit });
                    }
                    Some(encoded)
                }
                None => None,
            };
            prepared.push(Prepared { key, expect, content, delete });
        }
        let mut keys: Vec<&Key> = prepared.iter().map(|write| &write.key).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(WriteError::Repeated);
        }
        Ok(prepared)
    }

    /// Commits what was decided. `None`: somebody else wrote first.
    async fn attempt(&self, decided: Vec<Decided>) -> Result<Option<Vec<Written>>, WriteError> {
        let mut growth: BTreeMap<TenantId, Growth> = BTreeMap::new();
        for write in decided.iter().filter(|write| write.operation.key.tenant != TenantId::SYSTEM) {
            let total = growth.entry(write.operation.key.tenant).or_default();
            total.objects += write.growth.objects;
            total.bytes += write.growth.bytes;
        }
        let reservation = self.reserve(growth.into_iter().collect()).map_err(|caps| WriteError::TenantFull { caps })?;
        let (operations, olds): (Vec<_>, Vec<_>) =
            decided.into_iter().map(|write| (write.operation, write.old)).unzip();
        let (answer, answered) = oneshot::channel();
        self.engine().submit(Transaction { operations, reservation }, answer);
        match answered.await {
            Ok(Ok(objects)) => {
                let pair = |(object, old): (Option<Arc<Object>>, _)| object.map(|object| Written { object, old });
                Ok(Some(objects.into_iter().zip(olds).filter_map(pair).collect()))
            }
            Ok(Err(Refused::Modified)) => Ok(None),
            Ok(Err(Refused::TooLarge)) => Err(WriteError::TooLarge { limit: self.object_bytes() }),
            Ok(Err(Refused::Failed(error))) => Err(error.into()),
            Err(_) => Err(EngineError::Closed.into()),
        }
    }
}

fn decide(state: &State, write: &Prepared) -> Result<Decided, WriteError> {
    let Standing { object, modified, based } = state.standing(&write.key);
    match (&object, write.expect) {
        (Some(object), Expect::Absent) if !write.delete => return Err(WriteError::Exists(object.clone())),
        (Some(object), Expect::Absent) => return Err(WriteError::Conflict(object.clone())),
        (Some(object), Expect::Revision(expected)) if object.revision() != expected => {
            return Err(WriteError::Conflict(object.clone()));
        }
        (None, Expect::Revision(_) | Expect::Present) => return Err(WriteError::Missing),
        (None, _) if write.delete => return Err(WriteError::Missing),
        _ => {}
    }
    let stored = if modified == Revision::NONE { None } else { object.as_ref() };
    let mut growth = Growth::default();
    let mut unchanged = false;
    let body = match (write.delete, write.content.clone()) {
        (false, Some(encoded)) => {
            growth.objects = u64::from(stored.is_none());
            growth.bytes = encoded.size().saturating_sub(stored.map_or(0, |object| object.size()));
            unchanged = object.as_ref().is_some_and(|object| object.same_content(&encoded));
            Body::Put(encoded)
        }
        (_, last) => {
            // What is stored anyway need not be told a second time.
            let last = last.filter(|last| object.as_ref().is_none_or(|object| !object.same_content(last)));
            if based { Body::Tombstone(last) } else { Body::Delete(last) }
        }
    };
    let operation = Operation { key: write.key.clone(), modified, body, old: object.clone() };
    Ok(Decided { operation, old: object, growth, unchanged })
}
