//! ResourceQuota (upstream: `apiserver/pkg/admission/plugin/resourcequota`): judges what a write is charged with, and
//! stores object and charges together.

use std::sync::Arc;

use serde_json::Value;
use store::{Object, Write, WriteError, Written};

use super::shown_name;
use crate::quota::{Item, Limit, Operation, of_namespace, quotas, settled, stale, status_write, to_json};
use crate::respond::Error;
use crate::write::Context;

/// Attempts at a write whose quotas others change at the same time, in other processes.
const ATTEMPTS: usize = 100;

/// What a write is charged with.
#[derive(Debug)]
pub(crate) struct Claim {
    item: Item,
    old: Option<Item>,
    operation: Operation,
    name: String,
}

/// What an admitted object will be charged with; None when no quota is about it. Errors: 403.
pub(super) fn judge(context: &Context<'_>, value: &Value, old: Option<&Value>) -> Result<Option<Claim>, Error> {
    let (resource, info) = (&context.resource, context.info());
    if !resource.namespaced || of_namespace(context.api, context.tenant, &info.namespace).is_empty() {
        return Ok(None);
    }
    let item = |value: &Value| Item::new(&resource.group, &resource.plural, value);
    let Some(new) = item(value) else { return Ok(None) };
    let old = old.and_then(item);
    let Some(operation) = new.handles(old.as_ref(), &info.subresource) else { return Ok(None) };
    let claim = Claim { item: new, old, operation, name: shown_name(value) };
    let charges = charges(context, &claim)?;
    Ok((!charges.is_empty()).then_some(claim))
}

/// The quotas that change with a write, and how. Errors: 403.
fn charges(context: &Context<'_>, claim: &Claim) -> Result<Vec<(Arc<Object>, Write)>, Error> {
    let namespace = &context.info().namespace;
    let mut all = Vec::new();
    for object in of_namespace(context.api, context.tenant, namespace) {
        let mut value = object.value();
        if stale(&value) {
            // Nobody has counted for it yet: a quota holds from the moment it is there.
            settled(context.api, context.tenant, namespace, &mut value);
        }
        let charged = Limit::new(&value).charge(&claim.item, claim.old.as_ref(), claim.operation);
        let charged = charged.map_err(|message| Error::Forbidden {
            group: context.resource.group.clone(),
            resource: context.resource.plural.clone(),
            name: claim.name.clone(),
            message,
        })?;
        if let Some(used) = charged {
            let hard = value["status"]["hard"].clone();
            let write = status_write(&object, value, &hard, &to_json(&used));
            all.push((object, write));
        }
    }
    Ok(all)
}

/// Stores an object together with what it is charged with. Errors: as the store's, and 403.
pub(crate) async fn store(context: &Context<'_>, write: Write, claim: &Claim) -> Result<Written, Error> {
    let namespace = &context.info().namespace;
    let _turn = context.api.turns.take(context.tenant, namespace).await;
    for _ in 0..ATTEMPTS {
        let charges = charges(context, claim)?;
        let (objects, mut writes): (Vec<_>, Vec<_>) = charges.into_iter().unzip();
        writes.push(write.clone());
        match context.api.store.write_all(writes).await {
            Ok(mut written) => {
                let missing = || Error::Internal("the store answered for fewer writes than it was given".to_owned());
                return written.pop().ok_or_else(missing);
            }
            Err(WriteError::Conflict(_) | WriteError::Missing) if changed(context, &objects) => {}
            Err(error) => return Err(crate::write::refused(context, &error)),
        }
    }
    Err(context.conflict(&claim.name, "its quotas change too often; please try again"))
}

/// Whether one of the quotas is no longer the one that was charged.
fn changed(context: &Context<'_>, objects: &[Arc<Object>]) -> bool {
    objects.iter().any(|object| {
        let key = object.key();
        let now = context.api.store.get(key.tenant, &quotas(), &key.namespace, &key.name);
        now.is_none_or(|now| now.revision() != object.revision())
    })
}
