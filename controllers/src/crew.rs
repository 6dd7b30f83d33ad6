//! Creating and deleting pods on behalf of an owner: what ReplicaSets and Jobs do alike.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use kube::Error;
use kube::core::ApiResource;
use serde_json::{Value, json};

use crate::client::{self, DeleteOptions, Objects};
use crate::events::{Level, Recorder, Regarding};
use crate::expectations::Expectations;
use crate::informer::Raw;
use crate::kinds;
use crate::object::controller_reference;

/// Writes of one step in flight at a time.
pub(crate) const IN_FLIGHT: usize = 16;

/// Whose pods they are, and who is told.
pub(crate) struct Crew<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) recorder: &'a Recorder,
    pub(crate) expectations: &'a Expectations,
    pub(crate) kind: &'a ApiResource,
    pub(crate) owner: &'a Raw,
}

impl Crew<'_> {
    fn event(&self, level: Level, reason: &'static str, message: String) {
        self.recorder.record(&Regarding::raw(self.kind, self.owner), level, reason, message);
    }

    /// Creates `count` pods; `body` makes the one of a number. Returns how many there are now, and an error if there was
    /// one. Slow start: batches double while they succeed, so that an owner that may not create pods asks once, not five
    /// hundred times.
    pub(crate) async fn create(&self, count: usize, body: impl Fn(usize) -> Value) -> (usize, Option<Error>) {
        let uid = self.owner.uid();
        self.expectations.expect_creations(uid, count);
        let kind = &kinds::pods();
        let (mut tried, mut created, mut batch, mut failure) = (0, 0, 1, None);
        while tried < count && failure.is_none() {
            batch = batch.min(count - tried);
            let bodies: Vec<Value> = (tried..tried + batch).map(&body).collect();
            let results: Vec<_> = stream::iter(bodies)
                .map(|body| async move { self.objects.create(kind, self.owner.namespace(), &body).await })
                .buffer_unordered(IN_FLIGHT)
                .collect()
                .await;
            for result in results {
                match result {
                    Ok(pod) => {
                        created += 1;
                        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                        self.event(Level::Normal, "SuccessfulCreate", format!("Created pod: {name}"));
                    }
                    Err(error) => failure = Some(error),
                }
            }
            tried += batch;
            batch *= 2;
        }
        // What was not created will not be observed.
        (created..count).for_each(|_| self.expectations.created(uid));
        if let Some(error) = failure.as_ref().filter(|error| !client::is_namespace_terminating(error)) {
            self.event(Level::Warning, "FailedCreate", format!("Error creating: {}", client::message(error)));
        }
        (created, failure)
    }

    /// Deletes pods. Returns the names of those that are going or gone, and what went wrong with others.
    pub(crate) async fn delete(&self, names: Vec<String>) -> (BTreeSet<String>, Option<String>) {
        let uid = self.owner.uid();
        self.expectations.expect_deletions(uid, names.iter().cloned());
        let (kind, options) = (kinds::pods(), DeleteOptions::default());
        let (kind, options) = (&kind, &options);
        let results: Vec<_> = stream::iter(names)
            .map(|name| async move {
                let result = self.objects.delete(kind, (self.owner.namespace(), &name), options).await;
                (name, result)
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let (mut gone, mut failure) = (BTreeSet::new(), None);
        for (name, result) in results {
            match result {
                Ok(_) => {
                    self.event(Level::Normal, "SuccessfulDelete", format!("Deleted pod: {name}"));
                    gone.insert(name);
                }
                Err(error) => {
                    self.expectations.deleted(uid, &name);
                    if client::is_not_found(&error) {
                        gone.insert(name);
                        continue;
                    }
                    let message = client::message(&error);
                    self.event(Level::Warning, "FailedDelete", format!("Error deleting: {message}"));
                    failure = Some(message);
                }
            }
        }
        (gone, failure)
    }
}

/// A pod from a template (`GetPodFromTemplate`).
pub(crate) fn pod_from(kind: &ApiResource, owner: &Raw, template: &Value) -> Value {
    let mut metadata = json!({
        "generateName": generate_name(owner.name()),
        "ownerReferences": [controller_reference(kind, owner.name(), owner.uid())],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if !template["metadata"][field].is_null() {
            metadata[field] = template["metadata"][field].clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// Prefix of pod names: with a dash, unless that makes it too long for a name.
pub(crate) fn generate_name(owner: &str) -> String {
    const NAME_MAX: usize = 253;
    if owner.len() < NAME_MAX { format!("{owner}-") } else { owner.to_owned() }
}
