//! What keeps rows for good: the contract between the store and its engines.
//!
//! An engine orders transactions, gives each change a revision, makes it durable, and hands every committed change to
//! the [`Sink`] in the order of revisions, before the transaction is answered. It knows keys and bytes, not objects. An
//! engine that other processes write to as well hands over their changes too; conditions on the revision of a row
//! are what keeps writers from overwriting each other.

pub(crate) mod embedded;

use crate::caps::Reservation;
use crate::encode::Encoded;
use crate::key::Key;
use crate::object::Object;
use crate::revision::Revision;
use std::sync::Arc;
use tenancy::TenantId;
use tokio::sync::oneshot;

/// What becomes of a row.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// It holds an object.
    Put(Encoded),
    /// It is gone; with the final state, when that was not the stored one.
    Delete(Option<Encoded>),
    /// It says that the object of the base layer with this key is deleted.
    Tombstone(Option<Encoded>),
}

/// One row of a transaction.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The row.
    pub(crate) key: Key,
    /// The revision the row must have now; [`Revision::NONE`]: there must be none.
    pub(crate) modified: Revision,
    /// What becomes of it.
    pub(crate) body: Body,
}

/// One committed change of a row.
#[derive(Debug)]
pub(crate) struct Change {
    /// When.
    pub(crate) revision: Revision,
    /// The row.
    pub(crate) key: Key,
    /// What became of it.
    pub(crate) body: Body,
}

/// Rows that change together or not at all.
pub(crate) struct Transaction {
    /// The rows; no two have the same key.
    pub(crate) operations: Vec<Operation>,
    /// Held until the changes are in the sink.
    pub(crate) reservation: Reservation,
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A row did not have the revision it was to have. Everything committed before this was found is in the sink.
    Modified,
    /// The engine failed. Whether the transaction is durable is unknown.
    Failed(EngineError),
}

/// A failure of an engine.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The storage failed; after this the engine accepts no more writes until the process is restarted, except when the
    /// disk was full.
    #[error("storage: {0}")]
    Storage(Arc<str>),
    /// What is stored was not written by this program, or by a newer one.
    #[error("unreadable store: {0}")]
    Corrupt(Arc<str>),
}

/// The objects that a transaction left, one per operation: the new state, or the last one of a deletion.
pub(crate) type Committed = Result<Vec<Option<Arc<Object>>>, Refused>;

/// Where an engine hands its changes.
pub(crate) trait Sink: Send + Sync {
    /// Takes in changes in the order of revisions and shows them to readers and watchers. Returns, for each, the object
    /// it left.
    fn publish(&self, changes: Vec<Change>) -> Vec<Option<Arc<Object>>>;
    /// Lets the history age; returns the revision up to which the engine may forget superseded rows.
    fn age(&self) -> Revision;
}

/// Keeps rows. Implementations run on their own threads or tasks; no method waits.
pub(crate) trait Engine: Send + Sync {
    /// Orders, commits and publishes a transaction, then answers. A caller that stops waiting changes nothing.
    fn submit(&self, transaction: Transaction, answer: oneshot::Sender<Committed>);
    /// Removes every row of a tenant, in as many steps as it takes; each step is published. A tenant is never written to
    /// while it is removed (the caller sees to that), else its new rows go as well.
    fn clear(&self, tenant: TenantId, answer: oneshot::Sender<Result<(), EngineError>>);
    /// Stops taking work, finishes what was taken, and closes. Waits.
    fn close(&self);
}
