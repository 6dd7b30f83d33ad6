//! delete and deletecollection.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use store::{At, Object, Query, Scope};

use super::options::Effect;
use super::{Context, Outcome, body};
use crate::admission;
use crate::lifecycle::delete::{Ended, Propagation, Refused, Terms, begin, preview};
use crate::read::{collection, key_namespace, stored};
use crate::respond::{Error, Lens, Shown};
use crate::select::Selection;

/// What `DeleteOptions` say, from body and query.
struct DeleteOptions {
    terms: Terms,
    dry_run: bool,
    /// `orphanDependents: false`, the old way to ask for dependents first.
    waits: bool,
}

/// Deletes one object.
pub(super) async fn delete(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let mut options = options(context, &body)?;
    let object = stored(context.api, context.info(), &context.resource)?;
    admission::delete(context, &object)?;
    let warnings = default_policy(context, &object, &mut options.terms);
    if options.dry_run || context.options.effect == Effect::DryRun {
        let (value, gone) = preview(&context.resource, &object, &options.terms)
            .map_err(|error| refused(context, &context.info().name, error))?;
        if gone && !returns_object(context) {
            return Ok(success(context, &object));
        }
        return Ok(Outcome::object(StatusCode::OK, Shown::Computed(Box::new(value), context.tenant), warnings));
    }
    let ended = begin(context.api, &context.resource, object, &options.terms).await;
    let outcome = match ended.map_err(|error| refused(context, &context.info().name, error))? {
        Ended::Gone(object) if returns_object(context) => {
            Outcome::object(StatusCode::OK, Shown::Stored(object), warnings)
        }
        Ended::Gone(object) => success(context, &object).warned(warnings),
        Ended::Pending(object) => {
            // Upstream answers 202 only to those who asked in the old way.
            let code = if options.waits { StatusCode::ACCEPTED } else { StatusCode::OK };
            Outcome::object(code, Shown::Stored(object), warnings)
        }
    };
    Ok(outcome)
}

/// The policy of kinds that orphan unless told otherwise (upstream: `DefaultGarbageCollectionPolicy` of Jobs and
/// ReplicationControllers). Returns what to warn about.
fn default_policy(context: &Context<'_>, object: &Object, terms: &mut Terms) -> Vec<String> {
    let resource = &context.resource;
    let job = resource.group == "batch" && resource.plural == "jobs";
    let controller = resource.group.is_empty() && resource.plural == "replicationcontrollers";
    let decided = || {
        let value = object.value();
        let finalizers = value["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        finalizers.iter().any(|finalizer| finalizer == "orphan" || finalizer == "foregroundDeletion")
    };
    if !(job || controller) || terms.propagation.is_some() || decided() {
        return Vec::new();
    }
    terms.propagation = Some(Propagation::Orphan);
    let text = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
         them or set propagationPolicy=Orphan to suppress this warning";
    if job { vec![text.to_owned()] } else { Vec::new() }
}

/// Deletes everything a selector selects; answers with the list of what was there.
pub(super) async fn delete_collection(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let mut options = options(context, &body)?;
    let asked = options.terms.propagation;
    let info = context.info();
    let objects = selected(context)?;
    let lens = Lens::new(context.resource.clone(), info);
    let mut items = Vec::with_capacity(objects.len());
    for object in objects {
        admission::delete(context, &object)?;
        let name = object.key().name.to_string();
        options.terms.propagation = asked;
        default_policy(context, &object, &mut options.terms);
        if options.dry_run || context.options.effect == Effect::DryRun {
            items.push(lens.value(&object));
            continue;
        }
        match begin(context.api, &context.resource, object, &options.terms).await {
            Ok(Ended::Gone(object) | Ended::Pending(object)) => items.push(lens.value(&object)),
            Err(Refused::Missing) => {}
            Err(error) => return Err(refused(context, &name, error)),
        }
    }
    if context.resource.custom.is_none() {
        // Items of built-in lists carry no kind of their own.
        for item in &mut items {
            super::remove(item, "apiVersion");
            super::remove(item, "kind");
        }
    }
    let list = json!({
        "kind": context.resource.list_kind, "apiVersion": crate::read::group_version(&context.resource),
        "metadata": {"resourceVersion": context.api.store.revision().to_string()}, "items": items,
    });
    Ok(Outcome::other(StatusCode::OK, list, Vec::new()))
}

/// What a collection request selects, as it is now.
fn selected(context: &Context<'_>) -> Result<Vec<Arc<Object>>, Error> {
    let info = context.info();
    let selection = Selection::parse(&context.resource, info)?;
    let filter = |object: &Object| selection.matches(object);
    let namespace = key_namespace(&context.resource, info);
    let query = Query {
        scope: Scope::Tenant(context.tenant),
        collection: &collection(&context.resource),
        namespace: (!namespace.is_empty()).then_some(namespace),
        at: At::Latest,
        after: None,
        limit: usize::try_from(info.query.number("limit")?.unwrap_or(0)).unwrap_or(0),
        filter: &filter,
    };
    let listing = context.api.store.list(&query).map_err(|_| Error::Internal("list at latest failed".to_owned()))?;
    Ok(listing.objects)
}

/// Kinds whose final deletion answers with the object (upstream: `ReturnDeletedObject`).
fn returns_object(context: &Context<'_>) -> bool {
    let returning = [
        "persistentvolumes",
        "persistentvolumeclaims",
        "pods",
        "podtemplates",
        "resourcequotas",
        "serviceaccounts",
        "services",
    ];
    let storage = ["csidrivers", "csinodes", "storageclasses", "volumeattachments", "volumeattributesclasses"];
    match context.resource.group.as_str() {
        "" => returning.contains(&context.resource.plural.as_str()),
        "storage.k8s.io" => storage.contains(&context.resource.plural.as_str()),
        _ => false,
    }
}

fn success(context: &Context<'_>, object: &Object) -> Outcome {
    let mut details = json!({"name": &*object.key().name, "kind": context.resource.plural, "uid": object.uid()});
    if !context.resource.group.is_empty() {
        details["group"] = json!(context.resource.group);
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    Outcome::other(StatusCode::OK, status, Vec::new())
}

pub(super) fn refused(context: &Context<'_>, name: &str, error: Refused) -> Error {
    match error {
        Refused::Missing => context.not_found(name),
        // Upstream names the kind here, not the resource.
        Refused::Precondition(message) => Error::Conflict {
            group: context.resource.group.clone(),
            resource: context.resource.kind.clone(),
            name: name.to_owned(),
            message,
        },
        Refused::Store(error) => super::commit::refused(context, &error),
    }
}

/// Reads `DeleteOptions`: the body wins, the query fills in (upstream: `DeleteResource`).
fn options(context: &Context<'_>, body: &Bytes) -> Result<DeleteOptions, Error> {
    let query = &context.info().query;
    let value = if body.is_empty() {
        json!({})
    } else {
        // Decoded without a version to convert to: upstream's message has no prefix.
        body::bare(context.headers, body, "meta.k8s.io", "v1", "DeleteOptions")?
    };
    let kind = value["kind"].as_str().unwrap_or_default();
    if !matches!(kind, "" | "DeleteOptions") {
        let version = schema::field::go_quote(value["apiVersion"].as_str().unwrap_or_default());
        let kind = schema::field::go_quote(kind);
        let scheme = "in scheme \"pkg/runtime/scheme.go:111\"";
        return Err(Error::BadRequest(format!("no kind {kind} is registered for version {version} {scheme}")));
    }
    let mut errors = Vec::new();
    let policy_text = value["propagationPolicy"].as_str().unwrap_or(query.get("propagationPolicy"));
    let orphan = value["orphanDependents"].as_bool().or_else(|| query.optional_flag("orphanDependents"));
    let mut asked = match policy_text {
        "" => None,
        "Background" => Some(Propagation::Background),
        "Foreground" => Some(Propagation::Foreground),
        "Orphan" => Some(Propagation::Orphan),
        other => {
            let supported = ["Foreground", "Background", "Orphan", "nil"];
            errors.push(schema::field::Error::not_supported("propagationPolicy", other, &supported));
            None
        }
    };
    if let Some(orphan) = orphan {
        if policy_text.is_empty() {
            asked = Some(if orphan { Propagation::Orphan } else { Propagation::Background });
        } else {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(schema::field::Error::invalid("propagationPolicy", policy_text, detail));
        }
    }
    let grace = match value["gracePeriodSeconds"].as_i64() {
        Some(grace) => Some(grace),
        None => query.number("gracePeriodSeconds")?.and_then(|grace| i64::try_from(grace).ok()),
    };
    if !errors.is_empty() {
        let kind = "DeleteOptions".to_owned();
        return Err(Error::Invalid { group: "meta.k8s.io".to_owned(), kind, name: String::new(), errors });
    }
    let dry_run = value["dryRun"].as_array().is_some_and(|list| list.iter().any(|item| item == "All"));
    let precondition = |key: &str| value["preconditions"][key].as_str().map(str::to_owned);
    let terms = Terms {
        // Negative means one second (upstream: `BeforeDelete`).
        grace: grace.map(|grace| if grace < 0 { 1 } else { grace }),
        propagation: asked,
        uid: precondition("uid"),
        version: precondition("resourceVersion"),
    };
    Ok(DeleteOptions { terms, dry_run, waits: orphan == Some(false) })
}
