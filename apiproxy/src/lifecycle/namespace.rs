//! The end of a namespace, and of a custom resource definition: what is inside goes first
//! (upstream: `pkg/controller/namespace`, apiextensions' `finalizer`).

use serde_json::{Value, json};
use store::{At, Collection, Key, Object, Query, Scope};
use tenancy::TenantId;

use super::delete::{Terms, begin};
use super::gc::{drop_finalizer, edit};
use crate::api::Api;
use crate::catalog::definitions;

/// Finalizer of definitions whose objects are being removed.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Collection of namespaces.
pub(crate) fn namespaces() -> Collection {
    Collection::new("", "namespaces")
}

/// Key of a namespace.
pub(crate) fn namespace_key(tenant: TenantId, name: &str) -> Key {
    Key { tenant, collection: namespaces(), namespace: "".into(), name: name.into() }
}

/// Moves a terminating namespace one step on.
pub(super) async fn advance_namespace(api: &Api, key: &Key) {
    let Some(object) = api.store.get(key.tenant, &key.collection, "", &key.name) else { return };
    if !object.deleting() {
        return;
    }
    for (collection, _) in api.store.namespace_contents(key.tenant, &key.name) {
        remove_all(api, key.tenant, &collection, Some(&key.name)).await;
    }
    // What another replica let in before it saw that the namespace goes is content too.
    if api.store.current().await.is_err() {
        return;
    }
    let left = api.store.namespace_contents(key.tenant, &key.name);
    if left.iter().all(|(_, count)| *count == 0) {
        edit(api, key, |value| {
            let Some(finalizers) = value["spec"]["finalizers"].as_array_mut() else { return };
            // Others may wait for things of their own, and finalize the namespace themselves.
            finalizers.retain(|finalizer| finalizer != "kubernetes");
        })
        .await;
    } else {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let finalizers = finalizers_left(api, key, &left);
        edit(api, key, |value| set_conditions(value, &left, &finalizers, &now)).await;
    }
}

/// Moves a definition that is being deleted one step on.
pub(super) async fn advance_definition(api: &Api, key: &Key) {
    let Some(object) = api.store.get(key.tenant, &definitions(), "", &key.name) else { return };
    let value = object.value();
    let waits = value["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|f| f == CLEANUP));
    if !object.deleting() || !waits {
        return;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let collection = Collection::new(&text(&value["spec"]["group"]), &text(&value["spec"]["names"]["plural"]));
    if api.store.current().await.is_err() {
        return;
    }
    if remove_all(api, key.tenant, &collection, None).await == 0 {
        drop_finalizer(api, key, CLEANUP).await;
    }
}

/// Marks a definition as terminating, so that its objects are removed before it (upstream: `REST.Delete`).
pub(crate) fn mark_definition(value: &mut Value, now: &str) {
    let metadata = &mut value["metadata"];
    let mut finalizers = metadata["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == CLEANUP) {
        finalizers.push(json!(CLEANUP));
    }
    metadata["finalizers"] = Value::from(finalizers);
    let condition = json!({
        "type": "Terminating", "status": "True", "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        "lastTransitionTime": now,
    });
    let mut conditions = value["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.retain(|condition| condition["type"] != "Terminating");
    conditions.push(condition);
    value["status"]["conditions"] = Value::from(conditions);
}

/// Deletes everything in a collection; returns how much is still there afterwards.
async fn remove_all(api: &Api, tenant: TenantId, collection: &Collection, namespace: Option<&str>) -> usize {
    let objects = all(api, tenant, collection, namespace);
    for object in objects.into_iter().filter(|object| !object.deleting()) {
        let value = object.value();
        let api_version = value["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let Some(resource) = api.catalog.resource(Some(tenant), group, version, collection.resource()) else {
            continue;
        };
        if let Err(error) = begin(api, &resource, object, &Terms::default()).await {
            tracing::debug!(?error, "clean-up will look again");
        }
    }
    all(api, tenant, collection, namespace).len()
}

fn all(api: &Api, tenant: TenantId, collection: &Collection, namespace: Option<&str>) -> Vec<std::sync::Arc<Object>> {
    let query = Query {
        scope: Scope::Tenant(tenant),
        collection,
        namespace,
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    api.store.list(&query).map(|listing| listing.objects).unwrap_or_default()
}

fn finalizers_left(api: &Api, key: &Key, left: &[(Collection, usize)]) -> Vec<(String, usize)> {
    let mut counts: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for (collection, _) in left {
        for object in all(api, key.tenant, collection, Some(&key.name)) {
            for finalizer in object.value()["metadata"]["finalizers"].as_array().into_iter().flatten() {
                *counts.entry(finalizer.as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
    }
    counts.into_iter().collect()
}

fn set_conditions(value: &mut Value, left: &[(Collection, usize)], finalizers: &[(String, usize)], now: &str) {
    let kinds: Vec<String> = left
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(collection, count)| {
            let group = if collection.group().is_empty() { String::new() } else { format!(".{}", collection.group()) };
            format!("{}{group} has {count} resource instances", collection.resource())
        })
        .collect();
    let held: Vec<String> =
        finalizers.iter().map(|(name, count)| format!("{name} in {count} resource instances")).collect();
    let remaining = format!("Some resources are remaining: {}", kinds.join(", "));
    let finalizing = format!("Some content in the namespace has finalizers remaining: {}", held.join(", "));
    let done = |reason: &str, message: &str| ("False", reason.to_owned(), message.to_owned());
    let wanted = [
        ("NamespaceDeletionDiscoveryFailure", done("ResourcesDiscovered", "All resources successfully discovered")),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            done("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            done("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        ("NamespaceContentRemaining", ("True", "SomeResourcesRemain".to_owned(), remaining)),
        (
            "NamespaceFinalizersRemaining",
            if held.is_empty() {
                done("ContentHasNoFinalizers", "All content-preserving finalizers finished")
            } else {
                ("True", "SomeFinalizersRemain".to_owned(), finalizing)
            },
        ),
    ];
    let mut conditions = value["status"]["conditions"].as_array().cloned().unwrap_or_default();
    for (kind, (status, reason, message)) in wanted {
        let old = conditions.iter().position(|condition| condition["type"] == kind);
        let since = old.filter(|at| conditions[*at]["status"] == status);
        let since = since.map_or_else(|| json!(now), |at| conditions[at]["lastTransitionTime"].clone());
        let fresh = json!({
            "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since,
        });
        match old {
            Some(at) => conditions[at] = fresh,
            None => conditions.push(fresh),
        }
    }
    value["status"]["conditions"] = Value::from(conditions);
}
