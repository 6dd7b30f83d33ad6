//! What keeps rows for good: the contract between the store and its engines.
//!
//! An engine orders transactions, gives each change a revision, makes it durable, and hands every committed change to
//! the [`Sink`] in the order of revisions, before the transaction is answered. It knows keys and bytes, not objects. An
//! engine that other processes write to as well hands over their changes too; conditions on the revision of a row
//! are what keeps writers from overwriting each other.
//!
//! | | `embedded` | `etcd` |
//! |---|---|---|
//! | who writes | this process | any number of processes |
//! | a revision is | one row's change | one transaction: its rows share it |
//! | the sink is fed | by the writer, after the fsync | by a watch, whoever wrote |
//! | the cache is | always current | behind by the watch: [`Engine::current`] |

pub(crate) mod embedded;
pub(crate) mod etcd;

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
    /// What is shown at the key while the row has that revision.
    pub(crate) old: Option<Arc<Object>>,
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
    /// The rows are larger than the engine takes; nothing was written.
    TooLarge,
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
    /// The storage does not answer, or not in time. Whether a write was done is unknown. It may be back the next moment.
    #[error("{0}")]
    Unavailable(Arc<str>),
    /// The storage refused; nothing was written. It may accept the next write.
    #[error("{0}")]
    Refused(Arc<str>),
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
    /// Takes note that there are no changes of rows up to a revision but those that were published.
    fn advance(&self, revision: Revision);
    /// Takes in the whole content at a revision, after changes up to there were lost: publishes what is different, and
    /// forgets the history.
    fn replace(&self, rows: Vec<Row>, revision: Revision);
    /// Lets the history age; returns the revision up to which the engine may forget superseded rows.
    fn age(&self) -> Revision;
}

/// A row as it is, in a copy of the whole content.
#[derive(Debug)]
pub(crate) struct Row {
    /// The row.
    pub(crate) key: Key,
    /// Since when there is a row at this key without a gap.
    pub(crate) created: Revision,
    /// When it was last written.
    pub(crate) modified: Revision,
    /// What it holds; never [`Body::Delete`].
    pub(crate) body: Body,
}

/// An engine that is open and not yet running.
pub(crate) trait Opened {
    /// The revision up to which superseded rows are forgotten.
    fn floor(&self) -> Revision;
    /// Every row that is kept, in the order of revisions. Returns the newest revision, and that up to which deletions may
    /// be unknown.
    fn replay(&mut self, each: &mut dyn FnMut(Change)) -> Result<(Revision, Revision), EngineError>;
    /// Starts the engine. When it returns, the sink has everything that was committed before the opening.
    fn start(self: Box<Self>, sink: Arc<dyn Sink>) -> Result<Box<dyn Engine>, EngineError>;
}

/// The answer to come of [`Engine::current`].
pub(crate) type Answered<T> = oneshot::Receiver<Result<T, EngineError>>;

/// Keeps rows. Implementations run on their own threads or tasks; no method waits.
pub(crate) trait Engine: Send + Sync {
    /// Orders, commits and publishes a transaction, then answers. A caller that stops waiting changes nothing.
    fn submit(&self, transaction: Transaction, answer: oneshot::Sender<Committed>);
    /// Removes every row of a tenant, in as many steps as it takes; each step is published. A tenant is never written to
    /// while it is removed (the caller sees to that), else its new rows go as well.
    fn clear(&self, tenant: TenantId, answer: oneshot::Sender<Result<(), EngineError>>);
    /// Whether other processes may write to the same rows.
    fn shared(&self) -> bool;
    /// Answers when the sink has everything that was committed anywhere before the call. `None`: it always has.
    fn current(&self) -> Option<Answered<()>>;
    /// Stops taking work, finishes what was taken, and closes. Waits.
    fn close(&self);
}
