//! Reading everything: at the start, and when the history that was to be followed is compacted.

use super::client::{Client, Failure, revision};
use super::layout::{self, Place};
use crate::engine::{EngineError, Row};
use crate::revision::Revision;
use etcd_client::{Compare, CompareOp, GetOptions, KeyValue, Txn, TxnOp, TxnOpResponse};
use std::time::Duration;
use tenancy::TenantId;

/// Keys read with one request.
const PAGE: i64 = 500;
/// An etcd that is not there is waited for this long when the store opens.
const PATIENCE: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_millis(250);
/// The version of [`layout`].
const FORMAT: &[u8] = b"1";

/// Everything at one revision.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) rows: Vec<Row>,
    /// Tenants with final states that nobody has removed.
    pub(super) finals: Vec<TenantId>,
    pub(super) at: i64,
}

/// A revision as etcd counts them.
pub(super) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

/// The other way. etcd has no negative ones.
pub(super) fn counted(revision: i64) -> Revision {
    Revision(u64::try_from(revision).unwrap_or_default())
}

/// Reads everything as it was at a revision, or as it is (0).
pub(super) async fn read(client: &Client, mut at: i64) -> Result<Snapshot, Failure> {
    let (mut start, end) = client.layout.all();
    let (mut rows, mut finals) = (Vec::new(), Vec::new());
    loop {
        let options = GetOptions::new().with_range(end.clone()).with_limit(PAGE).with_revision(at);
        let mut page = client.get(start, options).await?;
        if at == 0 {
            at = revision(page.header());
        }
        for kv in page.kvs() {
            match client.layout.place(kv.key()) {
                Place::Row(_) => rows.push(row(client, kv)?),
                Place::Finals(tenant) => finals.push(tenant),
                Place::Other => {}
            }
        }
        let more = page.more();
        match page.take_kvs().pop() {
            Some(last) if more => start = [last.key(), &[0]].concat(),
            _ => break,
        }
    }
    Ok(Snapshot { rows, finals, at })
}

fn row(client: &Client, kv: &KeyValue) -> Result<Row, Failure> {
    let place = client.layout.place(kv.key());
    let (Place::Row(key), Some(body)) = (place, layout::body(kv.value())) else {
        let what = format!("the row of revision {} was not written by this program", kv.mod_revision());
        return Err(Failure::Engine(EngineError::Corrupt(what.into())));
    };
    Ok(Row { key, created: counted(kv.create_revision()), modified: counted(kv.mod_revision()), body })
}

/// Everything as it was some time ago, so that the changes since then can be followed: `window` revisions, or as far as
/// etcd has its history. Returns the newest revision as well.
pub(super) async fn past(client: &Client, window: i64) -> Result<(Snapshot, i64), EngineError> {
    let newest = patient(client).await?;
    let mut at = newest.saturating_sub(window).max(1);
    loop {
        match read(client, at).await {
            Ok(snapshot) => return Ok((snapshot, newest)),
            Err(Failure::Compacted) => {
                let floor = client.compacted().await?;
                tracing::debug!(floor, "the history begins where it was compacted");
                // Nobody has compacted up to the future.
                at = floor.max(at.saturating_add(1));
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Waits for etcd, and makes sure that what is there is ours. Returns the newest revision.
async fn patient(client: &Client) -> Result<i64, EngineError> {
    let begun = tokio::time::Instant::now();
    loop {
        match claim(client).await {
            Ok(newest) => return Ok(newest),
            Err(Failure::Engine(EngineError::Unavailable(_))) if begun.elapsed() < PATIENCE => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Marks the prefix with the version of the layout, or compares it.
async fn claim(client: &Client) -> Result<i64, Failure> {
    let key = client.layout.format();
    let fresh = Compare::create_revision(key.clone(), CompareOp::Equal, 0);
    let txn =
        Txn::new().when([fresh]).and_then([TxnOp::put(key.clone(), FORMAT, None)]).or_else([TxnOp::get(key, None)]);
    let answer = client.txn(txn).await?;
    if !answer.succeeded() {
        let found = answer.op_responses().into_iter().find_map(|answer| match answer {
            TxnOpResponse::Get(mut found) => found.take_kvs().pop(),
            _ => None,
        });
        if found.is_none_or(|kv| kv.value() != FORMAT) {
            let what = "the prefix in etcd is in a format this program does not know";
            return Err(Failure::Engine(EngineError::Corrupt(what.into())));
        }
    }
    Ok(revision(answer.header()))
}
