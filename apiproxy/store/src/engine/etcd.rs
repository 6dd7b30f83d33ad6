//! The engine for many processes: etcd. Its revision is the revision of the store.
//!
//! ```text
//!   submit ─► one etcd transaction, every row compared ─► revision ─╮
//!                                                                   │ waits until it was published
//!   one watch over every key, whoever wrote ─► sink.publish ────────┴─► answer
//!   current ─► newest revision, one request for all who ask ─► waits likewise ─► answer
//! ```
//!
//! There is no lease, no lock and no leader: what a writer saw is compared when it commits, and nothing else is held. What
//! is known of a write that got no answer is that nothing is known; it is never reported as done.
//!
//! Caps are checked against this process's cache and its writes under way. What others commit in the few milliseconds
//! before it is delivered here is not counted: a tenant that writes through several processes at once may overshoot by
//! what they have under way at that moment.

mod chores;
mod client;
mod commit;
mod feed;
mod layout;
mod load;

use super::{Answered, Change, Committed, Engine, EngineError, Opened, Refused, Sink, Transaction};
use crate::backend::EtcdConfig;
use crate::revision::Revision;
use client::Client;
use feed::Progress;
use load::{Snapshot, counted};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tenancy::TenantId;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Threads that talk to etcd and decode what it says.
const THREADS: usize = 2;
/// What is left to do when the engine closes gets this long.
const CLOSING: Duration = Duration::from_secs(1);

type Answer<T> = oneshot::Sender<T>;

/// The content of the prefix, read and not yet followed.
pub(crate) struct Content {
    threads: Threads,
    config: EtcdConfig,
    client: Client,
    snapshot: Snapshot,
    newest: i64,
}

/// A runtime of its own, so that the store opens and closes from anywhere, and goes on when the rest is busy.
struct Threads {
    handle: Handle,
    /// Held by everything that is to be finished before the runtime ends.
    work: Mutex<Option<mpsc::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Threads {
    fn start() -> Result<Self, EngineError> {
        let failed = |error: std::io::Error| EngineError::Storage(error.to_string().into());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("store")
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (work, mut done) = mpsc::channel::<()>(1);
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            // Nobody sends: this ends when the last sender is gone.
            runtime.block_on(done.recv());
            runtime.shutdown_timeout(CLOSING);
        });
        let thread = Mutex::new(Some(thread.map_err(failed)?));
        Ok(Self { handle, work: Mutex::new(Some(work)), thread })
    }

    /// Runs something to its end and waits for it, also where blocking a runtime would not be allowed.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, EngineError> {
        let (answer, answered) = std::sync::mpsc::channel();
        self.handle.spawn(async move { answer.send(work.await) });
        answered.recv().map_err(|_| EngineError::Closed)
    }

    /// A share of the work that is finished before the threads end; `None` when they are closed.
    fn share(&self) -> Option<mpsc::Sender<()>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn close(&self) {
        drop(self.work.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
    }
}

impl Content {
    /// Reads everything as it was `window` revisions ago, or as far back as etcd remembers. Blocks. Errors: etcd cannot be
    /// reached for half a minute, or what is at the prefix is not ours.
    pub(crate) fn open(config: EtcdConfig, window: usize) -> Result<Self, EngineError> {
        let threads = Threads::start()?;
        let reached = config.clone();
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        let (client, (mut snapshot, newest)) = threads.wait(async move {
            let client = Client::new(&reached).await?;
            let content = load::past(&client, window).await?;
            Ok::<_, EngineError>((client, content))
        })??;
        snapshot.rows.sort_by_key(|row| row.modified);
        Ok(Self { threads, config, client, snapshot, newest })
    }
}

impl Opened for Content {
    fn floor(&self) -> Revision {
        counted(self.snapshot.at)
    }

    fn replay(&mut self, each: &mut dyn FnMut(Change)) -> Result<(Revision, Revision), EngineError> {
        for row in self.snapshot.rows.drain(..) {
            each(Change { revision: row.modified, key: row.key, body: row.body });
        }
        let at = counted(self.snapshot.at);
        Ok((at, at))
    }

    fn start(self: Box<Self>, sink: Arc<dyn Sink>) -> Result<Box<dyn Engine>, EngineError> {
        let Self { threads, config, client, snapshot, newest } = *self;
        let (finals, old) = mpsc::unbounded_channel();
        let (questions, asked) = mpsc::unbounded_channel();
        for tenant in snapshot.finals {
            let _ = finals.send(tenant);
        }
        let progress = Arc::new(Progress::new(counted(snapshot.at)));
        let core = Arc::new(Core { client: client.clone(), progress: progress.clone(), finals });
        threads.handle.spawn(feed::run(client.clone(), progress.clone(), sink.clone()));
        threads.handle.spawn(chores::age(sink));
        threads.handle.spawn(chores::finals(client.clone(), old));
        threads.handle.spawn(chores::revisions(core.clone(), asked));
        if let Some(interval) = config.compaction_interval {
            threads.handle.spawn(chores::compact(client, interval));
        }
        // What was committed before the opening may take longer than what is waited for at other times.
        threads.wait(async move {
            loop {
                match progress.wait_for(counted(newest)).await {
                    Err(EngineError::Unavailable(_)) if progress.moved() => {}
                    outcome => return outcome,
                }
            }
        })??;
        Ok(Box::new(Etcd { threads, core, questions }))
    }
}

/// What commits need.
struct Core {
    client: Client,
    progress: Arc<Progress>,
    finals: mpsc::UnboundedSender<TenantId>,
}

impl Core {
    /// Sees to it that a tenant's final states are removed.
    fn leftovers(&self, tenant: TenantId) {
        // Its receiver lives as long as the threads.
        let _ = self.finals.send(tenant);
    }
}

/// The running engine.
pub(crate) struct Etcd {
    threads: Threads,
    core: Arc<Core>,
    questions: mpsc::UnboundedSender<Answer<Result<(), EngineError>>>,
}

impl Engine for Etcd {
    fn submit(&self, transaction: Transaction, answer: Answer<Committed>) {
        let Some(share) = self.threads.share() else {
            return drop(answer.send(Err(Refused::Failed(EngineError::Closed))));
        };
        let core = self.core.clone();
        self.threads.handle.spawn(async move {
            let Transaction { operations, reservation } = transaction;
            let outcome = commit::commit(&core, operations).await;
            drop(reservation);
            let _ = answer.send(outcome);
            drop(share);
        });
    }

    fn clear(&self, tenant: TenantId, answer: Answer<Result<(), EngineError>>) {
        let Some(share) = self.threads.share() else {
            return drop(answer.send(Err(EngineError::Closed)));
        };
        let core = self.core.clone();
        self.threads.handle.spawn(async move {
            let _ = answer.send(commit::clear(&core, tenant).await);
            drop(share);
        });
    }

    fn shared(&self) -> bool {
        true
    }

    fn current(&self) -> Option<Answered<()>> {
        let (answer, answered) = oneshot::channel();
        if self.threads.share().is_some() {
            // When its receiver is gone the answer is dropped with it: closed.
            let _ = self.questions.send(answer);
        }
        Some(answered)
    }

    fn close(&self) {
        self.threads.close();
    }
}
