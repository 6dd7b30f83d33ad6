//! Usage counted anew (upstream: `pkg/controller/resourcequota`, `quota.CalculateUsage`).

use std::sync::Arc;

use resource::pod::{Amounts, amounts};
use schema::quantity::Quantity;
use serde_json::{Value, json};
use store::{At, Collection, Object, Query, Scope, WriteError};
use tenancy::TenantId;

use super::amounts::{masked, sum, to_json};
use super::item::{Item, Meter, restricts};
use super::{Limit, of_namespace, status_write};
use crate::api::Api;
use crate::catalog::definitions;

/// Attempts at a quota that others write to at the same time.
const ATTEMPTS: usize = 10;

/// Whether the status of a quota is not about its spec: it is new, or was changed.
pub(crate) fn stale(quota: &Value) -> bool {
    amounts(&quota["spec"], "hard") != amounts(&quota["status"], "hard") || !quota["status"]["used"].is_object()
}

/// Gives a quota the status it would have if it had just been counted.
pub(crate) fn settled(api: &Api, tenant: TenantId, namespace: &str, quota: &mut Value) {
    let used = to_json(&usage(api, tenant, namespace, quota));
    quota["status"] = json!({"hard": quota["spec"]["hard"], "used": used});
}

/// Brings the quotas of a namespace up to date. Waits for its turn, so that no create of this process is in between.
pub(crate) async fn recount(api: &Arc<Api>, tenant: TenantId, namespace: &str) {
    let _turn = api.turns.take(tenant, namespace).await;
    for quota in of_namespace(api, tenant, namespace) {
        for _ in 0..ATTEMPTS {
            let key = quota.key();
            let Some(current) = api.store.get(tenant, &key.collection, &key.namespace, &key.name) else { break };
            let value = current.value();
            // The quota was read first: whatever is charged to it from now on makes the write below fail. Thousands of
            // pods take a while to read: not on a thread that serves requests.
            let (counting, place, quota) = (api.clone(), namespace.to_owned(), value.clone());
            let counted = tokio::task::spawn_blocking(move || usage(&counting, tenant, &place, &quota)).await;
            let Ok(used) = counted else { break };
            if !stale(&value) && amounts(&value["status"], "used") == used {
                break;
            }
            let hard = value["spec"]["hard"].clone();
            match api.store.write(status_write(&current, value, &hard, &to_json(&used))).await {
                Err(WriteError::Conflict(_)) => {}
                Ok(_) | Err(WriteError::Missing) => break,
                Err(error) => {
                    tracing::debug!(%error, "the usage of a quota could not be written; it is counted again later");
                    break;
                }
            }
        }
    }
}

/// What is used of a quota's spec in its namespace now. Names that nothing is counted by are left out.
fn usage(api: &Api, tenant: TenantId, namespace: &str, quota: &Value) -> Amounts {
    let limit = Limit::new(quota);
    let hard = amounts(&quota["spec"], "hard");
    let mut used = Amounts::new();
    for (plural, meter) in
        [("pods", Meter::Pods), ("services", Meter::Services), ("persistentvolumeclaims", Meter::Claims)]
    {
        let names: Vec<&str> =
            hard.keys().map(String::as_str).filter(|name| restricts(meter, "", plural, name)).collect();
        if names.is_empty() {
            continue;
        }
        let mut total: Amounts = names.iter().map(|name| ((*name).to_owned(), Quantity::ZERO)).collect();
        for object in objects(api, tenant, namespace, &Collection::new("", plural)) {
            let item = Item::new("", plural, &object.value()).filter(|item| limit.covers(item));
            if let Some(item) = item {
                total = sum(&total, &masked(&item.usage, |name| names.contains(&name)));
            }
        }
        used.extend(total);
    }
    for name in hard.keys().filter(|name| !used.contains_key(*name)).cloned().collect::<Vec<_>>() {
        if let Some(collection) = counted(api, tenant, &name) {
            // Objects that are only counted are in no scope.
            let count = if limit.is_scoped() { 0 } else { objects(api, tenant, namespace, &collection).len() };
            used.insert(name, count.to_string().parse().unwrap_or(Quantity::ZERO));
        }
    }
    used
}

/// The collection that a name counts, when a resource in namespaces is served by it.
fn counted(api: &Api, tenant: TenantId, name: &str) -> Option<Collection> {
    let qualified = name.strip_prefix("count/").unwrap_or(name);
    let (plural, group) = qualified.split_once('.').unwrap_or((qualified, ""));
    let meter = Meter::of(group, plural)?;
    if !restricts(meter, group, plural, name) {
        return None;
    }
    let table = schema::table::Table::builtin().resources();
    let built_in = table.iter().find(|resource| resource.group == group && resource.plural == plural).cloned();
    let found = built_in.or_else(|| {
        // By name, not by looking through all definitions: a quota may have thousands of names.
        let definition = api.store.get(tenant, &definitions(), "", qualified)?;
        api.catalog.versions(&definition).into_iter().next()
    })?;
    found.namespaced.then(|| crate::read::collection(&found))
}

fn objects(api: &Api, tenant: TenantId, namespace: &str, collection: &Collection) -> Vec<Arc<Object>> {
    let query = Query {
        scope: Scope::Tenant(tenant),
        collection,
        namespace: Some(namespace),
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    api.store.list(&query).map(|listing| listing.objects).unwrap_or_default()
}
