//! Garbage collection by owner reference (upstream: `pkg/controller/garbagecollector`), inside the server because the
//! owner index is here: no graph is built, no object of a quiet tenant is held twice.
//!
//! | seen | done |
//! |---|---|
//! | an object is gone | each dependent is judged |
//! | an object with owners appears or changes owners | it is judged |
//! | an object waits with `foregroundDeletion` | dependents are deleted; when none blocks, the finalizer goes |
//! | an object waits with `orphan` | dependents lose their reference; then the finalizer goes |
//!
//! Judging a dependent: owners are *solid* (there, same uid), *dangling* (not there) or *waiting* (foreground deletion).
//! With a solid owner left, the others are struck from the references; with none, the dependent is deleted.

use std::sync::Arc;

use serde_json::Value;
use store::{Action, Draft, Expect, Key, Object, Write, WriteError};
use tenancy::TenantId;

use super::delete::{Propagation, Terms, begin};
use crate::api::Api;
use crate::read::collection;

const ATTEMPTS: usize = 20;
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Judges one object that has owners.
pub(super) async fn judge(api: &Api, key: &Key) {
    let Some(object) = get(api, key) else { return };
    let value = object.value();
    let references: Vec<Value> = value["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    if references.is_empty() || (object.deleting() && !has_finalizer(&value, FOREGROUND)) {
        return;
    }
    let (mut solid, mut waiting, mut dangling) = (0, 0, Vec::new());
    for reference in &references {
        match owner_state(api, key, reference) {
            OwnerState::Solid => solid += 1,
            OwnerState::Waiting => {
                waiting += 1;
                dangling.push(reference["uid"].clone());
            }
            OwnerState::Gone => dangling.push(reference["uid"].clone()),
            // An owner of a kind nobody serves: upstream waits for the kind to appear; so do we.
            OwnerState::Unknown => return,
        }
    }
    if solid > 0 {
        if !dangling.is_empty() {
            strike(api, key, &dangling).await;
        }
        return;
    }
    let propagation = if waiting > 0 && !api.store.dependents(key.tenant, object.uid()).is_empty() {
        Propagation::Foreground
    } else if has_finalizer(&value, ORPHAN) {
        Propagation::Orphan
    } else if has_finalizer(&value, FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    };
    let Some(resource) = resource_of(api, key, &value) else { return };
    let terms = Terms { propagation: Some(propagation), uid: Some(object.uid().to_owned()), ..Terms::default() };
    if let Err(error) = begin(api, &resource, object, &terms).await {
        tracing::debug!(?error, "garbage collection will look again");
    }
}

/// Moves an owner that waits for its dependents one step on.
pub(super) async fn advance(api: &Api, key: &Key) {
    let Some(object) = get(api, key) else { return };
    if !object.deleting() {
        return;
    }
    let value = object.value();
    let dependents = api.store.dependents(key.tenant, object.uid());
    if has_finalizer(&value, ORPHAN) {
        for dependent in &dependents {
            strike(api, dependent.key(), &[Value::from(object.uid())]).await;
        }
        drop_finalizer(api, key, ORPHAN).await;
        return;
    }
    if !has_finalizer(&value, FOREGROUND) {
        return;
    }
    let blocks =
        |dependent: &Arc<Object>| dependent.owners().iter().any(|owner| &*owner.uid == object.uid() && owner.block);
    if !dependents.iter().any(blocks) {
        drop_finalizer(api, key, FOREGROUND).await;
        return;
    }
    for dependent in dependents.iter().filter(|dependent| !dependent.deleting()) {
        Box::pin(judge(api, dependent.key())).await;
    }
}

enum OwnerState {
    Solid,
    Waiting,
    Gone,
    Unknown,
}

fn owner_state(api: &Api, dependent: &Key, reference: &Value) -> OwnerState {
    let text = |key: &str| reference[key].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    let Some(resource) = api.catalog.kind(dependent.tenant, group, version, text("kind")) else {
        return OwnerState::Unknown;
    };
    if resource.namespaced && dependent.namespace.is_empty() {
        return OwnerState::Unknown;
    }
    let namespace = if resource.namespaced { &*dependent.namespace } else { "" };
    match api.store.get(dependent.tenant, &collection(&resource), namespace, text("name")) {
        Some(owner) if owner.uid() == text("uid") => {
            if owner.deleting() && has_finalizer(&owner.value(), FOREGROUND) {
                OwnerState::Waiting
            } else {
                OwnerState::Solid
            }
        }
        _ => OwnerState::Gone,
    }
}

fn get(api: &Api, key: &Key) -> Option<Arc<Object>> {
    api.store.get(key.tenant, &key.collection, &key.namespace, &key.name)
}

fn resource_of(api: &Api, key: &Key, value: &Value) -> Option<Arc<schema::Resource>> {
    let api_version = value["apiVersion"].as_str().unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    api.catalog.resource(Some(key.tenant), group, version, key.collection.resource())
}

fn has_finalizer(value: &Value, name: &str) -> bool {
    value["metadata"]["finalizers"].as_array().is_some_and(|list| list.iter().any(|finalizer| finalizer == name))
}

async fn strike(api: &Api, key: &Key, uids: &[Value]) {
    edit(api, key, |value| {
        let Some(references) = value["metadata"]["ownerReferences"].as_array_mut() else { return };
        references.retain(|reference| !uids.contains(&reference["uid"]));
        if references.is_empty() {
            crate::write::remove(&mut value["metadata"], "ownerReferences");
        }
    })
    .await;
}

/// Removes a finalizer; the object goes when nothing else holds it.
pub(super) async fn drop_finalizer(api: &Api, key: &Key, name: &str) {
    edit(api, key, |value| {
        let Some(finalizers) = value["metadata"]["finalizers"].as_array_mut() else { return };
        finalizers.retain(|finalizer| finalizer != name);
        if finalizers.is_empty() {
            crate::write::remove(&mut value["metadata"], "finalizers");
        }
    })
    .await;
}

/// Changes a stored object until the change is in; removes it when the change made it finished.
pub(super) async fn edit(api: &Api, key: &Key, change: impl Fn(&mut Value)) {
    for _ in 0..ATTEMPTS {
        let Some(object) = get(api, key) else { return };
        let mut value = object.value();
        let before = value.clone();
        change(&mut value);
        if value == before {
            return;
        }
        let Some(resource) = resource_of(api, key, &value) else { return };
        let fields = crate::write::Kind::new(&resource).fields(&value);
        let finished = super::finished(&value);
        let draft = Draft { value, fields };
        let action = if finished { Action::Delete(Some(draft)) } else { Action::Put(draft) };
        let write = Write { key: key.clone(), expect: Expect::Revision(object.revision()), action };
        match api.store.write(write).await {
            Err(WriteError::Conflict(_)) => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "a lifecycle change was not stored");
                return;
            }
        }
    }
}

/// Every object of a tenant that has owners or waits for dependents: what to look at after a restart.
pub(super) fn pending(api: &Api, tenant: TenantId) -> Vec<Arc<Object>> {
    let mut found = Vec::new();
    for collection in api.store.collections(tenant) {
        let query = store::Query {
            scope: store::Scope::Tenant(tenant),
            collection: &collection,
            namespace: None,
            at: store::At::Latest,
            after: None,
            limit: 0,
            filter: &|object| !object.owners().is_empty() || object.deleting(),
        };
        if let Ok(listing) = api.store.list(&query) {
            found.extend(listing.objects);
        }
    }
    found
}
