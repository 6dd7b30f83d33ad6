//! The engine inside the process: SQLite, one database for all tenants, one writer thread with group commit.
//!
//! ```text
//!   submit ─► queue ─► writer thread: drain, one SQLite transaction, fsync ─► sink.publish ─► answers
//! ```

mod compact;
mod rows;

use super::{Answered, Change, Committed, Engine, EngineError, Refused, Sink, Transaction};
use crate::revision::Revision;
use rows::{Batch, Rows};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tenancy::TenantId;
use tokio::sync::oneshot;

/// Rows of at most this many transactions are committed with one fsync.
const BATCH: usize = 512;
/// Rows removed in one step of [`Engine::clear`], between which other writers have their turn.
const CLEAR_STEP: usize = 1000;
/// How often history ages and the log is compacted.
const TICK: Duration = Duration::from_secs(5);

type Answer<T> = oneshot::Sender<T>;

enum Job {
    Commit(Transaction, Answer<Committed>),
    Clear(TenantId, Answer<Result<(), EngineError>>),
    Close,
}

/// A database that is open and not yet written to.
pub(crate) struct Database {
    rows: Rows,
}

/// The running engine.
pub(crate) struct Embedded {
    jobs: Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Database {
    /// Opens or creates the database; `None`: in memory. Errors: the file is in use by another process, or is not ours.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, EngineError> {
        Ok(Self { rows: Rows::open(path)? })
    }
}

impl super::Opened for Database {
    fn replay(&mut self, each: &mut dyn FnMut(Change)) -> Result<(Revision, Revision), EngineError> {
        self.rows.replay(each)?;
        Ok((self.rows.revision, self.rows.floor))
    }

    fn floor(&self) -> Revision {
        self.rows.floor
    }

    fn start(self: Box<Self>, sink: Arc<dyn Sink>) -> Result<Box<dyn Engine>, EngineError> {
        let (jobs, queue) = mpsc::channel();
        let writer = Writer { rows: self.rows, sink, queue, clears: Vec::new(), failed: None };
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run());
        let thread = thread.map_err(|error| EngineError::Storage(error.to_string().into()))?;
        Ok(Box::new(Embedded { jobs, thread: Mutex::new(Some(thread)) }))
    }
}

impl Engine for Embedded {
    fn submit(&self, transaction: Transaction, answer: Answer<Committed>) {
        if let Err(mpsc::SendError(Job::Commit(_, answer))) = self.jobs.send(Job::Commit(transaction, answer)) {
            let _ = answer.send(Err(Refused::Failed(EngineError::Closed)));
        }
    }

    fn clear(&self, tenant: TenantId, answer: Answer<Result<(), EngineError>>) {
        if let Err(mpsc::SendError(Job::Clear(_, answer))) = self.jobs.send(Job::Clear(tenant, answer)) {
            let _ = answer.send(Err(EngineError::Closed));
        }
    }

    fn shared(&self) -> bool {
        false
    }

    fn current(&self) -> Option<Answered<()>> {
        None
    }

    fn close(&self) {
        let _ = self.jobs.send(Job::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

type Clear = (TenantId, Answer<Result<(), EngineError>>);

/// Deletes at most [`CLEAR_STEP`] rows; returns the changes and how many of the tenants are gone with them.
fn clear(batch: &mut Batch<'_>, clears: &[Clear]) -> Result<(Vec<Change>, usize), rows::Failure> {
    let mut changes = Vec::new();
    for (done, (tenant, _)) in clears.iter().enumerate() {
        let room = CLEAR_STEP - changes.len();
        let some = batch.clear(*tenant, room)?;
        let more = some.len() == room;
        changes.extend(some);
        if more {
            return Ok((changes, done));
        }
    }
    Ok((changes, clears.len()))
}

struct Writer {
    rows: Rows,
    sink: Arc<dyn Sink>,
    queue: Receiver<Job>,
    clears: Vec<Clear>,
    /// Set when storage failed in a way after which it cannot be trusted.
    failed: Option<EngineError>,
}

impl Writer {
    fn run(mut self) {
        let mut ticked = Instant::now();
        loop {
            let mut commits = Vec::new();
            let open = self.collect(&mut commits);
            let idle = commits.is_empty() && self.clears.is_empty();
            if !commits.is_empty() {
                self.commit(commits);
            }
            self.clear_step();
            if ticked.elapsed() >= TICK || self.rows.worth_compacting() {
                ticked = Instant::now();
                let floor = self.sink.age();
                self.maintain(|rows| rows.compact(floor).map(drop));
                self.maintain(Rows::vacuum);
            }
            if idle {
                // Under load SQLite checkpoints by itself and reuses the log, which is cheaper than growing it again.
                self.maintain(Rows::checkpoint);
            }
            if !open && self.clears.is_empty() {
                break;
            }
        }
        self.shut_down();
    }

    fn shut_down(mut self) {
        // What is still queued came after the close.
        while let Ok(job) = self.queue.try_recv() {
            match job {
                Job::Commit(_, answer) => drop(answer.send(Err(Refused::Failed(EngineError::Closed)))),
                Job::Clear(_, answer) => drop(answer.send(Err(EngineError::Closed))),
                Job::Close => {}
            }
        }
        let floor = self.sink.age();
        let mut more = true;
        while more && self.failed.is_none() {
            more = false;
            self.maintain(|rows| rows.compact(floor).map(|left| more = left));
        }
        self.maintain(Rows::checkpoint);
    }

    /// Waits for work and takes what is there. False: closed.
    fn collect(&mut self, commits: &mut Vec<(Transaction, Answer<Committed>)>) -> bool {
        let mut wait = if self.clears.is_empty() { TICK } else { Duration::ZERO };
        while commits.len() < BATCH {
            match self.queue.recv_timeout(wait) {
                Ok(Job::Commit(transaction, answer)) => commits.push((transaction, answer)),
                Ok(Job::Clear(tenant, answer)) => self.clears.push((tenant, answer)),
                Ok(Job::Close) | Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => break,
            }
            wait = Duration::ZERO;
        }
        true
    }

    fn commit(&mut self, commits: Vec<(Transaction, Answer<Committed>)>) {
        if let Some(error) = &self.failed {
            for (_, answer) in commits {
                let _ = answer.send(Err(Refused::Failed(error.clone())));
            }
            return;
        }
        let stored = self.rows.transaction(|batch| {
            commits.iter().map(|(transaction, _)| batch.execute(&transaction.operations)).collect::<Result<Vec<_>, _>>()
        });
        let stored = match stored {
            Ok(stored) => stored,
            Err(failure) => {
                let error = self.fail(failure);
                for (_, answer) in commits {
                    let _ = answer.send(Err(Refused::Failed(error.clone())));
                }
                return;
            }
        };
        let mut changes = Vec::new();
        let mut answers = Vec::new();
        for ((transaction, answer), first) in commits.into_iter().zip(stored) {
            let Transaction { operations, reservation } = transaction;
            answers.push((answer, reservation, first.map(|_| operations.len())));
            let Some(mut revision) = first else { continue };
            for operation in operations {
                changes.push(Change { revision, key: operation.key, body: operation.body });
                revision = revision.next();
            }
        }
        let mut left = self.sink.publish(changes).into_iter();
        for (answer, reservation, count) in answers {
            drop(reservation);
            let outcome = count.map(|count| left.by_ref().take(count).collect()).ok_or(Refused::Modified);
            let _ = answer.send(outcome);
        }
    }

    /// One step of removing tenants, in the order in which they came.
    fn clear_step(&mut self) {
        if self.clears.is_empty() {
            return;
        }
        let (rows, clears) = (&mut self.rows, &self.clears);
        let step = match self.failed.clone() {
            Some(error) => Err(error),
            None => rows.transaction(|batch| clear(batch, clears)).map_err(|failure| self.fail(failure)),
        };
        match step {
            Ok((changes, done)) => {
                self.sink.publish(changes);
                for (_, answer) in self.clears.drain(..done) {
                    let _ = answer.send(Ok(()));
                }
            }
            Err(error) => {
                for (_, answer) in self.clears.drain(..) {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    fn maintain(&mut self, work: impl FnOnce(&mut Rows) -> Result<(), rows::Failure>) {
        if self.failed.is_none()
            && let Err(failure) = work(&mut self.rows)
        {
            self.fail(failure);
        }
    }

    fn fail(&mut self, failure: rows::Failure) -> EngineError {
        let fatal = failure.fatal();
        let error = EngineError::from(failure);
        tracing::error!(%error, fatal, "the embedded store failed");
        if fatal {
            self.failed = Some(error.clone());
        }
        error
    }
}
