//! Writes: one transaction of the store is one of etcd.

use super::Core;
use super::client::{Failure, revision};
use super::layout::{self, Finals};
use super::load::{counted, number};
use crate::engine::{Body, Committed, EngineError, Operation, Refused};
use crate::object::Object;
use crate::revision::Revision;
use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp};
use std::collections::BTreeMap;
use std::sync::Arc;
use tenancy::TenantId;

/// Rows of one transaction. etcd takes 128 operations; final states need some of them.
const ROWS: usize = 120;
/// Rows of a tenant that are removed with one request.
const CLEAR_STEP: i64 = 1000;

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooLarge => Self::TooLarge,
            other => Self::Failed(other.into()),
        }
    }
}

/// Commits a transaction. It is answered when the sink has it; when etcd has it and does not deliver it, it is
/// answered all the same, late: it is durable.
pub(super) async fn commit(core: &Core, operations: Vec<Operation>) -> Committed {
    if operations.len() > ROWS {
        let what = format!("{} objects in one transaction; etcd takes {ROWS}", operations.len());
        return Err(Refused::Failed(EngineError::Refused(what.into())));
    }
    let (txn, finals) = transaction(core, &operations)?;
    let answer = core.client.txn(txn).await?;
    let at = counted(revision(answer.header()));
    let delivered = core.progress.wait_for(at).await;
    if !answer.succeeded() {
        // The caller decides again on what it sees, and that must not be what it saw before.
        delivered.map_err(Refused::Failed)?;
        return Err(Refused::Modified);
    }
    if delivered.is_err() {
        tracing::warn!(revision = %at, "a write is durable and was not delivered in time");
    }
    for tenant in finals {
        core.leftovers(tenant);
    }
    Ok(operations.iter().map(|operation| left(operation, at)).collect())
}

/// The transaction, and the tenants that get final states with it.
fn transaction(core: &Core, operations: &[Operation]) -> Result<(Txn, Vec<TenantId>), Refused> {
    let layout = &core.client.layout;
    let (mut compares, mut writes) = (Vec::new(), Vec::new());
    let mut finals: BTreeMap<TenantId, Finals> = BTreeMap::new();
    for Operation { key, modified, body, .. } in operations {
        let row = layout.row(key).map_err(|error| EngineError::Corrupt(error.to_string().into()));
        let row = row.map_err(Refused::Failed)?;
        compares.push(match *modified {
            Revision::NONE => Compare::create_revision(row.clone(), CompareOp::Equal, 0),
            modified => Compare::mod_revision(row.clone(), CompareOp::Equal, number(modified)),
        });
        writes.push(match layout::value(body) {
            Some(value) => TxnOp::put(row, value, None),
            None => TxnOp::delete(row, None),
        });
        if let Body::Delete(Some(last)) = body {
            finals.entry(key.tenant).or_default().push(key, last);
        }
    }
    let tenants = finals.keys().copied().collect();
    for (tenant, finals) in finals {
        writes.push(TxnOp::put(layout.finals(tenant), finals.finish(), None));
    }
    Ok((Txn::new().when(compares).and_then(writes), tenants))
}

/// What an operation left, once it was committed at a revision.
fn left(operation: &Operation, at: Revision) -> Option<Arc<Object>> {
    let built = |encoded| Object::build(operation.key.clone(), at, encoded).map(Arc::new);
    match &operation.body {
        Body::Put(encoded) | Body::Delete(Some(encoded)) | Body::Tombstone(Some(encoded)) => built(encoded),
        Body::Delete(None) | Body::Tombstone(None) => operation.old.as_ref().map(|old| old.at(at)),
    }
}

/// Removes every row of a tenant, some at a time, so that nobody waits for etcd to remove them all.
pub(super) async fn clear(core: &Core, tenant: TenantId) -> Result<(), EngineError> {
    let (start, end) = core.client.layout.tenant(tenant);
    loop {
        let options = GetOptions::new().with_range(end.clone()).with_keys_only().with_limit(CLEAR_STEP);
        let mut page = core.client.get(start.clone(), options).await?;
        let newest = revision(page.header());
        let Some(last) = page.take_kvs().pop() else {
            return core.progress.wait_for(counted(newest)).await;
        };
        let upto = [last.key(), &[0]].concat();
        core.client.delete(start.clone(), Some(upto)).await?;
    }
}
