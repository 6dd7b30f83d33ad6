//! Deleting one object (upstream: `registry.Store.Delete`, `rest.BeforeDelete`), whoever asks for it: a client, garbage
//! collection or the end of a namespace.

use std::sync::Arc;

use schema::Resource;
use serde_json::{Value, json};
use store::{Action, Draft, Expect, Object, Write, WriteError};

use crate::api::Api;
use crate::write::{Kind, is_definition};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";
const ATTEMPTS: usize = 10;

/// What happens to dependents (`propagationPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They are collected afterwards.
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// How an object is to be deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// Seconds of grace; None for the kind's own.
    pub(crate) grace: Option<i64>,
    /// Policy; None keeps the finalizers the object has.
    pub(crate) propagation: Option<Propagation>,
    /// The object must have this uid.
    pub(crate) uid: Option<String>,
    /// The object must have this resource version.
    pub(crate) version: Option<String>,
}

/// What became of the object.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It is gone; this was its last state.
    Gone(Arc<Object>),
    /// It is marked and stays until grace and finalizers are over.
    Pending(Arc<Object>),
}

/// Why an object was not deleted.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It was not there.
    Missing,
    /// A precondition does not hold; the words of upstream.
    Precondition(String),
    /// Too many writers at once, or the store failed.
    Store(WriteError),
}

/// Marks or removes an object.
pub(crate) async fn begin(
    api: &Api,
    resource: &Resource,
    mut object: Arc<Object>,
    terms: &Terms,
) -> Result<Ended, Refused> {
    for _ in 0..ATTEMPTS {
        check(&object, terms)?;
        let key = object.key().clone();
        let step = next(resource, &object, terms);
        let (action, pending) = match step {
            Step::Keep => return Ok(Ended::Pending(object)),
            Step::Mark(value) => (Action::Put(draft(resource, value)), true),
            Step::Remove(value) => (Action::Delete(Some(draft(resource, value))), false),
        };
        let write = Write { key: key.clone(), expect: Expect::Revision(object.revision()), action };
        match api.store.write(write).await {
            Ok(written) if pending => return Ok(Ended::Pending(written.object)),
            Ok(written) => return Ok(Ended::Gone(written.object)),
            Err(WriteError::Missing) => return Err(Refused::Missing),
            Err(WriteError::Conflict(_)) => {
                let found = api.store.get(key.tenant, &key.collection, &key.namespace, &key.name);
                object = found.ok_or(Refused::Missing)?;
            }
            Err(error) => return Err(Refused::Store(error)),
        }
    }
    Err(Refused::Store(WriteError::Conflict(object)))
}

/// What a deletion would make of an object, and whether it would be gone.
pub(crate) fn preview(resource: &Resource, object: &Object, terms: &Terms) -> Result<(Value, bool), Refused> {
    check(object, terms)?;
    Ok(match next(resource, object, terms) {
        Step::Keep => (object.value(), false),
        Step::Mark(value) => (value, false),
        Step::Remove(value) => (value, true),
    })
}

fn draft(resource: &Resource, value: Value) -> Draft {
    let fields = Kind::new(resource).fields(&value);
    Draft { value, fields }
}

fn check(object: &Object, terms: &Terms) -> Result<(), Refused> {
    let mismatch = |what: &str, wanted: &str, found: &str, done: &str| {
        Err(Refused::Precondition(format!(
            "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object might \
             have been {done}"
        )))
    };
    if let Some(uid) = terms.uid.as_deref().filter(|uid| *uid != object.uid()) {
        return mismatch("UID", uid, object.uid(), "deleted and then recreated");
    }
    let revision = object.revision().to_string();
    if let Some(version) = terms.version.as_deref().filter(|version| *version != revision) {
        return mismatch("ResourceVersion", version, &revision, "modified");
    }
    Ok(())
}

enum Step {
    /// Nothing to change: it is on its way out already.
    Keep,
    /// Stays, marked.
    Mark(Value),
    /// Goes now.
    Remove(Value),
}

/// What a deletion does to an object in its present state.
fn next(resource: &Resource, object: &Object, terms: &Terms) -> Step {
    let mut value = object.value();
    let before = value.clone();
    let pod = resource.group.is_empty() && resource.plural == "pods";
    let grace = if pod { resource::pod::grace_period(&value, terms.grace) } else { 0 };
    set_finalizers(&mut value, terms.propagation);
    if resource.group.is_empty() && resource.plural == "namespaces" {
        value["status"]["phase"] = json!("Terminating");
    }
    let now = jiff::Timestamp::now();
    if is_definition(resource) && !object.deleting() {
        super::namespace::mark_definition(&mut value, &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    let marked = value["metadata"]["deletionTimestamp"].is_string();
    let current = value["metadata"]["deletionGracePeriodSeconds"].as_i64();
    // A second delete can only shorten the grace (upstream: `BeforeDelete`).
    let effective = if marked { grace.min(current.unwrap_or(0)) } else { grace };
    if !marked || Some(effective) != current {
        let start = if marked { graceful_start(&value) } else { None }.unwrap_or(now);
        let end = start.checked_add(jiff::SignedDuration::from_secs(effective)).unwrap_or(start);
        value["metadata"]["deletionTimestamp"] = json!(end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        value["metadata"]["deletionGracePeriodSeconds"] = json!(effective);
        if !marked && let Some(generation) = value["metadata"]["generation"].as_i64() {
            value["metadata"]["generation"] = json!(generation.saturating_add(1));
        }
    }
    if super::finished(&value) {
        // Kinds without grace go as they were: nobody ever sees them marked.
        Step::Remove(if pod || marked { value } else { before })
    } else if value == before {
        Step::Keep
    } else {
        Step::Mark(value)
    }
}

/// When the grace of a marked object began.
fn graceful_start(value: &Value) -> Option<jiff::Timestamp> {
    let end: jiff::Timestamp = value["metadata"]["deletionTimestamp"].as_str()?.parse().ok()?;
    let grace = value["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    end.checked_sub(jiff::SignedDuration::from_secs(grace)).ok()
}

/// Adds the finalizer of a policy and removes that of the other one.
fn set_finalizers(value: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let wanted = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    let mut finalizers: Vec<Value> = value["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != ORPHAN && finalizer != FOREGROUND);
    finalizers.extend(wanted.map(Value::from));
    if finalizers.is_empty() {
        crate::write::remove(&mut value["metadata"], "finalizers");
    } else {
        value["metadata"]["finalizers"] = Value::from(finalizers);
    }
}
