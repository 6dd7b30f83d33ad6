//! ResourceQuota: what objects count as, what quotas allow, and how both are kept together.
//!
//! ```text
//!   create/update ─► item ─► limit: allowed? ─► one transaction: status.used of each quota + the object
//!   deleted, ended ─► lifecycle::quota ─► usage: counted anew ─► status.used
//! ```
//!
//! The object and the quotas it is charged to are written together, each quota on the condition that it is the one that
//! was judged. So no interleaving of writers exceeds a quota, in one process or several, and a create that fails is
//! charged to nobody. Usage is counted anew in this server, not by a controller outside, because here the counts are an
//! index and a changed quota is one conditional write away; upstream's controller may run beside it and finds the same.

mod amounts;
mod item;
mod limit;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use store::{Action, At, Collection, Draft, Expect, Object, Query, Scope, Write};
use tenancy::TenantId;

use crate::api::Api;

pub(crate) use amounts::to_json;
pub(crate) use item::{Item, Operation};
pub(crate) use limit::Limit;
pub(crate) use usage::{recount, settled, stale};

/// Namespaces whose turns are remembered before those nobody waits for are dropped.
const MAX_TURNS: usize = 1024;

/// The collection of quotas.
pub(crate) fn quotas() -> Collection {
    Collection::new("", "resourcequotas")
}

/// A namespace of a tenant.
pub(crate) type Place = (TenantId, Arc<str>);

/// The quotas of a namespace, in the order of their names.
pub(crate) fn of_namespace(api: &Api, tenant: TenantId, namespace: &str) -> Vec<Arc<Object>> {
    let query = Query {
        scope: Scope::Tenant(tenant),
        collection: &quotas(),
        namespace: Some(namespace),
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    api.store.list(&query).map(|listing| listing.objects).unwrap_or_default()
}

/// Turns at the quotas of a namespace: writers of this process wait for each other instead of losing races.
#[derive(Default)]
pub(crate) struct Turns {
    waiting: Mutex<HashMap<Place, Arc<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    /// Waits for the turn; it ends when the guard is dropped.
    pub(crate) async fn take(&self, tenant: TenantId, namespace: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= MAX_TURNS {
                waiting.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            waiting.entry((tenant, namespace.into())).or_default().clone()
        };
        turn.lock_owned().await
    }
}

/// The write that gives a quota a new status, if it is still the one that was read.
pub(crate) fn status_write(object: &Object, mut value: Value, hard: &Value, used: &Value) -> Write {
    value["status"] = json!({"hard": hard, "used": used});
    let fields = resource::strategy("", "resourcequotas").fields(&value);
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
    let action = Action::Put(Draft { value, fields });
    Write { key: object.key().clone(), expect: Expect::Revision(object.revision()), action }
}
