//! What keeps the cache in step: one watch over every key of the store.
//!
//! etcd-client's watches end with their connection, so this opens another from the revision after the last one seen.
//! etcd delivers the changes of one revision in one message, so rows of one transaction are published together.

use super::client::{Client, Failure, revision};
use super::layout::{self, Finals, Place};
use super::load::{self, counted, number};
use crate::engine::{Body, Change, EngineError, Sink};
use crate::revision::Revision;
use etcd_client::{Event, EventType, WatchResponse};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Pauses before a broken watch is opened again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(700),
    Duration::from_secs(1),
];
/// Changes that are acknowledged are seen here within milliseconds. When they are not, other keys of the same etcd have
/// changed, of which this watch hears only when it asks ...
const ASK: Duration = Duration::from_millis(30);
/// ... or the watch is stuck, and another connection may not be ...
const STUCK: Duration = Duration::from_secs(3);
/// ... or etcd is down.
const DOWN: Duration = Duration::from_secs(10);
/// Sending to a stream whose other end does not read.
const SEND: Duration = Duration::from_secs(1);

/// How far the sink is, and how to make it hurry.
pub(super) struct Progress {
    reached: watch::Sender<Revision>,
    /// How far it was when somebody last gave up waiting.
    given_up: Mutex<Revision>,
    ask: Notify,
    stuck: Notify,
}

impl Progress {
    pub(super) fn new(at: Revision) -> Self {
        Self { reached: watch::Sender::new(at), given_up: Mutex::new(at), ask: Notify::new(), stuck: Notify::new() }
    }

    /// Whether anything was delivered since this was last asked.
    pub(super) fn moved(&self) -> bool {
        let at = self.at();
        let mut before = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *before, at) < at
    }

    /// Waits until the sink has everything up to a revision. Errors: etcd does not deliver it.
    pub(super) async fn wait_for(&self, revision: Revision) -> Result<(), EngineError> {
        let mut reached = self.reached.subscribe();
        let begun = tokio::time::Instant::now();
        let mut patience = STUCK;
        loop {
            // The sender is borrowed here, so that waiting cannot fail.
            if let Ok(Ok(_)) = tokio::time::timeout(ASK, reached.wait_for(|at| *at >= revision)).await {
                return Ok(());
            }
            if begun.elapsed() > DOWN {
                return Err(EngineError::Unavailable("the store does not deliver its changes in time".into()));
            }
            if begun.elapsed() > patience {
                patience += STUCK;
                self.stuck.notify_one();
            } else {
                self.ask.notify_one();
            }
        }
    }

    fn at(&self) -> Revision {
        *self.reached.borrow()
    }

    fn set(&self, revision: Revision) {
        self.reached.send_modify(|at| *at = revision.max(*at));
    }
}

/// Why a watch ended.
enum Broken {
    /// What comes next is compacted.
    Compacted,
    /// The connection, or etcd, failed.
    Lost(String),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Compacted => Self::Compacted,
            other => Self::Lost(EngineError::from(other).to_string()),
        }
    }
}

/// Follows etcd for ever.
pub(super) async fn run(client: Client, progress: Arc<Progress>, sink: Arc<dyn Sink>) {
    let mut failures = 0;
    loop {
        let before = progress.at();
        let broken = follow(&client, &progress, &*sink).await;
        let broken = match broken {
            Broken::Compacted => relist(&client, &progress, &*sink).await.err(),
            lost => Some(lost),
        };
        if progress.at() > before || broken.is_none() {
            failures = 0;
        }
        if let Some(Broken::Lost(why)) = broken {
            tracing::warn!(why, revision = %progress.at(), "the watch on etcd broke; opening another");
            tokio::time::sleep(PAUSES[failures]).await;
            failures = (failures + 1).min(PAUSES.len() - 1);
        }
    }
}

/// Follows one watch until it breaks.
async fn follow(client: &Client, progress: &Progress, sink: &dyn Sink) -> Broken {
    let (mut requests, mut answers) = match client.follow(number(progress.at().next())).await {
        Ok(opened) => opened,
        Err(failure) => return failure.into(),
    };
    loop {
        let answer = tokio::select! {
            answer = answers.message() => answer,
            () = progress.ask.notified() => {
                match tokio::time::timeout(SEND, requests.request_progress()).await {
                    Ok(Ok(())) => continue,
                    _ => return Broken::Lost("a request cannot be sent".to_owned()),
                }
            }
            () = progress.stuck.notified() => return Broken::Lost("it delivers nothing".to_owned()),
        };
        match answer {
            Ok(Some(answer)) if answer.compact_revision() > 0 => return Broken::Compacted,
            Ok(Some(answer)) if answer.canceled() => return Broken::Lost(answer.cancel_reason().to_owned()),
            Ok(Some(answer)) => take_in(client, progress, sink, &answer),
            Ok(None) => return Broken::Lost("etcd ended it".to_owned()),
            Err(error) => return Broken::Lost(error.to_string()),
        }
    }
}

fn take_in(client: &Client, progress: &Progress, sink: &dyn Sink, answer: &WatchResponse) {
    if answer.created() {
        return;
    }
    let at = progress.at();
    let Some(last) = answer.events().iter().filter_map(Event::kv).map(|kv| counted(kv.mod_revision())).max() else {
        // Told when asked, and after everything up to there.
        let newest = counted(revision(answer.header()));
        if newest > at {
            sink.advance(newest);
            progress.set(newest);
        }
        return;
    };
    let changes = changes(client, answer.events(), at);
    sink.publish(changes);
    sink.advance(last);
    progress.set(last);
}

/// The changes of rows in a message, after a revision.
fn changes(client: &Client, events: &[Event], after: Revision) -> Vec<Change> {
    let mut finals: HashMap<Revision, HashMap<_, _>> = HashMap::new();
    let mut found = Vec::with_capacity(events.len());
    for event in events {
        let Some(kv) = event.kv() else { continue };
        let revision = counted(kv.mod_revision());
        if revision <= after {
            continue;
        }
        let put = event.event_type() == EventType::Put;
        match client.layout.place(kv.key()) {
            Place::Row(key) if put => match layout::body(kv.value()) {
                Some(body) => found.push(Change { revision, key, body }),
                None => tracing::error!(%key, %revision, "a row in etcd was not written by this program"),
            },
            Place::Row(key) => found.push(Change { revision, key, body: Body::Delete(None) }),
            Place::Finals(tenant) if put => Finals::read(tenant, kv.value(), finals.entry(revision).or_default()),
            Place::Finals(_) | Place::Other => {}
        }
    }
    for change in &mut found {
        if let Body::Delete(last) = &mut change.body {
            *last = finals.get_mut(&change.revision).and_then(|finals| finals.remove(&change.key));
        }
    }
    found
}

async fn relist(client: &Client, progress: &Progress, sink: &dyn Sink) -> Result<(), Broken> {
    let snapshot = load::read(client, 0).await?;
    let at = counted(snapshot.at);
    tracing::warn!(from = %progress.at(), to = %at, "etcd was compacted past the watch; everything was read again");
    sink.replace(snapshot.rows, at);
    progress.set(at);
    Ok(())
}
