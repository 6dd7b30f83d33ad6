//! What is done beside: history ages and is compacted, final states are removed, revisions are asked for in batches.

use super::Core;
use super::client::{Client, Failure, revision};
use super::load::counted;
use crate::engine::{EngineError, Sink};
use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tenancy::TenantId;
use tokio::sync::{mpsc, oneshot};

/// How often the history in memory ages.
const TICK: Duration = Duration::from_secs(5);
/// Final states stay this long, so that many are removed at once.
const FINALS: Duration = Duration::from_secs(1);

type Question = oneshot::Sender<Result<(), EngineError>>;

/// Ages the history in memory.
pub(super) async fn age(sink: Arc<dyn Sink>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        // How far etcd forgets is decided elsewhere: it is for everybody.
        sink.age();
    }
}

/// Answers [`crate::engine::Engine::current`]: one request to etcd is under way at a time and serves all who asked before
/// it was sent.
pub(super) async fn revisions(core: Arc<Core>, mut questions: mpsc::UnboundedReceiver<Question>) {
    while let Some(first) = questions.recv().await {
        let mut waiting = vec![first];
        while let Ok(another) = questions.try_recv() {
            waiting.push(another);
        }
        let newest = core.client.revision().await.map_err(EngineError::from);
        let core = core.clone();
        tokio::spawn(async move {
            let outcome = match newest {
                Ok(newest) => core.progress.wait_for(counted(newest)).await,
                Err(error) => Err(error),
            };
            for question in waiting {
                let _ = question.send(outcome.clone());
            }
        });
    }
}

/// Removes the final states of tenants some time after they were written. Who follows later finds them in the history.
pub(super) async fn finals(client: Client, mut tenants: mpsc::UnboundedReceiver<TenantId>) {
    while let Some(first) = tenants.recv().await {
        tokio::time::sleep(FINALS).await;
        let mut all = BTreeSet::from([first]);
        while let Ok(another) = tenants.try_recv() {
            all.insert(another);
        }
        for tenant in all {
            if let Err(failure) = client.delete(client.layout.finals(tenant), None).await {
                // They go with the next ones of the tenant, or when a process starts.
                tracing::debug!(?failure, %tenant, "final states were not removed");
            }
        }
    }
}

/// Compacts history, so that what is an interval old is kept and little more. Every process tries; the one whose
/// transaction on one key succeeds does it, so that a revision is compacted only when it is older than an interval
/// for whoever compacts.
pub(super) async fn compact(client: Client, interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The state of the key, and the newest revision, an interval ago.
    let mut before: Option<Seen> = None;
    loop {
        ticks.tick().await;
        match step(&client, before.take()).await {
            Ok(seen) => before = Some(seen),
            Err(failure) => tracing::warn!(?failure, "history was not compacted; trying again later"),
        }
    }
}

struct Seen {
    /// The revision of the key; 0: there is none.
    key: i64,
    newest: i64,
}

async fn step(client: &Client, before: Option<Seen>) -> Result<Seen, Failure> {
    let key = client.layout.compacted();
    if let Some(Seen { key: unchanged, newest: target }) = before {
        let txn = Txn::new()
            .when([Compare::mod_revision(key.clone(), CompareOp::Equal, unchanged)])
            .and_then([TxnOp::put(key.clone(), target.to_string(), None)]);
        if client.txn(txn).await?.succeeded() {
            match client.compact(target).await {
                Ok(()) | Err(Failure::Compacted) => tracing::info!(revision = target, "history was compacted"),
                Err(failure) => return Err(failure),
            }
        }
    }
    let mut found = client.get(key, GetOptions::new().with_keys_only()).await?;
    let newest = revision(found.header());
    let key = found.take_kvs().pop().map_or(0, |kv| kv.mod_revision());
    Ok(Seen { key, newest })
}
