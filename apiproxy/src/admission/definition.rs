//! Custom resource definitions are served at once: names are judged and `Established` set before the write, not by a
//! controller afterwards (upstream: `status.namingConditionController`, `establish`).

use serde_json::Value;
use store::{At, Query, Scope};

use crate::catalog::definitions;
use crate::write::{Context, is_definition};

/// Sets the conditions of a definition.
pub(super) fn establish(context: &Context<'_>, value: &mut Value) {
    if !is_definition(&context.resource) {
        return;
    }
    let query = Query {
        scope: Scope::Tenant(context.tenant),
        collection: &definitions(),
        namespace: None,
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    let listing = context.api.store.list(&query);
    let others: Vec<Value> = listing.into_iter().flat_map(|list| list.objects).map(|object| object.value()).collect();
    let name = value["metadata"]["name"].clone();
    let conflict = schema::crd::name_conflict(value, others.iter().filter(|other| other["metadata"]["name"] != name));
    schema::crd::established(value, &context.now, conflict);
}
