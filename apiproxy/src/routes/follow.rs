//! The table of routes in step with their records, whichever replica writes those.

use std::collections::HashSet;
use std::sync::Arc;

use store::{At, Collection, Query, Revision, Scope};
use tenancy::TenantId;
use tenancy::route::{self, RouteSpec};

use crate::api::Api;

fn records() -> Collection {
    Collection::new(route::GROUP, route::RESOURCE)
}

/// Serves the tenants that have a record, and no others. Returns the revision up to which the records were read.
pub(crate) fn load(api: &Api) -> Revision {
    let query = Query {
        scope: Scope::Tenant(TenantId::SYSTEM),
        collection: &records(),
        namespace: None,
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    // The newest state can always be listed.
    let Ok(listing) = api.store.list(&query) else { return api.store.revision() };
    let names: HashSet<&str> = listing.objects.iter().map(|object| &*object.key().name).collect();
    let gone = api.routes.ids().into_iter().filter(|id| !names.contains(id.as_str()));
    gone.for_each(|id| forget(api, id));
    names.into_iter().for_each(|name| look(api, name));
    listing.revision
}

/// Follows the records until the server drains.
pub(crate) async fn run(api: Arc<Api>, mut since: Revision) {
    loop {
        let Ok(mut changes) = api.store.watch(Scope::Tenant(TenantId::SYSTEM), &records(), None, since) else {
            since = load(&api);
            continue;
        };
        loop {
            let event = tokio::select! {
                event = changes.next() => event,
                () = api.draining.cancelled() => return,
            };
            let Some(event) = event else { break };
            if let Some(object) = event.new.or(event.old) {
                look(&api, &object.key().name);
            }
        }
        if changes.ended() == Some(store::Ended::Closed) {
            return;
        }
        since = load(&api);
    }
}

/// Serves a tenant, or stops, by what its record says now: an event may be older than what this replica wrote itself.
fn look(api: &Api, name: &str) {
    let Ok(id) = TenantId::parse(name) else {
        tracing::error!(name, "a route in the store has no id of a tenant as name");
        return;
    };
    let record = api.store.get(TenantId::SYSTEM, &records(), "", name);
    let Some(record) = record.filter(|record| !record.deleting()) else { return forget(api, id) };
    match serde_json::from_value::<RouteSpec>(record.value()["spec"].take()) {
        Ok(spec) => {
            api.store.set_caps(id, super::caps(&spec));
            api.routes.put(id, spec);
        }
        Err(_) => tracing::error!(name, "a route in the store cannot be read"),
    }
}

fn forget(api: &Api, id: TenantId) {
    api.routes.remove(id);
    api.store.forget_tenant(id);
}
