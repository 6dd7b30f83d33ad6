//! The only writer of the sync: server-side apply to the host under the manager `rowhouse`, deletes guarded by uid and,
//! when they rest on absence, confirmed by a live read and rate-limited per tenant.

use std::time::{Duration, Instant};

use controllers::client::{self, DeleteOptions, Objects, Part};
use http::Request;
use kube::core::ApiResource;
use serde_json::{Value, json};
use tenancy::{Host, Virtual};

use crate::kinds;
use crate::limits::Limits;
use crate::plan::{DeleteHost, Proof};
use crate::side::{Key, uid};
use crate::translate::Place;

/// How a write ended.
#[derive(Debug)]
pub(crate) enum Written {
    /// As wanted; the version the object has now, where there is one.
    Done(Option<String>),
    /// The host does not take the object as it is; says so in its own names.
    Refused(String),
    /// Not now: what the write rests on has changed, or the evidence did not hold. A newer look will tell.
    Outdated,
    /// Too many deletes: again after this time.
    Held(Duration),
    /// No answer, or one that may be different next time.
    Failed(kube::Error),
}

/// Writes to both sides.
pub(crate) struct Writer {
    fleet: Objects,
    host: Objects,
    limits: Limits,
}

impl Writer {
    /// A writer.
    pub(crate) fn new(fleet: Objects, host: Objects) -> Self {
        Self { fleet, host, limits: Limits::default() }
    }

    /// Whether the tenant's deletes are far from their limit again.
    pub(crate) fn is_open(&self, key: &Key) -> bool {
        self.limits.is_open(key.tenant, Instant::now())
    }

    /// Applies a host object.
    pub(crate) async fn apply(&self, kind: &ApiResource, part: Part, object: &Host<Value>) -> Written {
        let name = crate::json::text(&object.0, "/metadata/name");
        let namespace = crate::json::text(&object.0, "/metadata/namespace");
        match self.host.apply(kind, (namespace, name), part, &object.0).await {
            Ok(object) => Written::Done(Some(crate::json::text(&object, "/metadata/resourceVersion").to_owned())),
            Err(error) => refusal(error),
        }
    }

    /// Applies a strategic merge patch to a subresource of a host object. The patch names the version it is meant for.
    pub(crate) async fn patch(
        &self,
        kind: &ApiResource,
        at: &Host<(String, String)>,
        part: Part,
        patch: &Host<Value>,
    ) -> Written {
        let Host((namespace, name)) = at;
        match self.host.strategic(kind, (namespace, name), part, &patch.0).await {
            Ok(object) => Written::Done(Some(crate::json::text(&object, "/metadata/resourceVersion").to_owned())),
            // The path is unknown, not the object: a host of an older release.
            Err(error) if client::is_not_found(&error) && !client::names_object(&error) => {
                Written::Refused(format!("{}: the host cannot do this to running pods", client::message(&error)))
            }
            Err(error) => refusal(error),
        }
    }

    /// Deletes a host object, if the evidence holds.
    pub(crate) async fn delete_host(
        &self,
        kind: &ApiResource,
        place: &Place,
        key: &Key,
        delete: &DeleteHost,
    ) -> Written {
        if let Proof::Gone(own_uid) = &delete.proof {
            match self.is_gone(kind, key, own_uid).await {
                Ok(true) => {}
                Ok(false) => return Written::Outdated,
                Err(error) => return Written::Failed(error),
            }
            if let Err(wait) = self.limits.take(key.tenant, Instant::now()) {
                return Written::Held(wait);
            }
        }
        let Host((namespace, name)) = key.host(place);
        self.delete(kind, &namespace, &name, &delete.uid, delete.grace).await
    }

    /// Deletes a companion Secret whose pod is gone, if it is.
    pub(crate) async fn delete_companion(&self, pod: &Key, pod_uid: &str, secret: &Host<Value>) -> Written {
        match self.is_gone(&kinds::PODS, pod, pod_uid).await {
            Ok(true) => {}
            Ok(false) => return Written::Outdated,
            Err(error) => return Written::Failed(error),
        }
        let text = |pointer: &str| crate::json::text(&secret.0, pointer);
        self.delete(&kinds::SECRETS, text("/metadata/namespace"), text("/metadata/name"), uid(&secret.0), None).await
    }

    async fn delete(&self, kind: &ApiResource, namespace: &str, name: &str, uid: &str, grace: Option<i64>) -> Written {
        let options = DeleteOptions {
            uid: Some(uid.to_owned()),
            grace_period: grace.map(|grace| u32::try_from(grace).unwrap_or(0)),
            ..DeleteOptions::default()
        };
        ended(self.host.delete(kind, (namespace, name), &options).await)
    }

    /// Reads live whether a virtual object with this uid is gone.
    async fn is_gone(&self, kind: &ApiResource, key: &Key, own_uid: &str) -> Result<bool, kube::Error> {
        match self.fleet.get(kind, &key.fleet_namespace(), &key.name).await {
            Ok(there) => Ok(uid(&there) != own_uid),
            Err(error) if client::is_not_found(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Reads live whether a host object is gone.
    pub(crate) async fn is_gone_from_host(
        &self,
        kind: &ApiResource,
        place: &Place,
        key: &Key,
    ) -> Result<bool, kube::Error> {
        let Host((namespace, name)) = key.host(place);
        match self.host.get(kind, &namespace, &name).await {
            Ok(_) => Ok(false),
            Err(error) if client::is_not_found(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Deletes a virtual object with this uid.
    pub(crate) async fn delete_virtual(&self, kind: &ApiResource, key: &Key, uid: &str, grace: i64) -> Written {
        let options = DeleteOptions {
            uid: Some(uid.to_owned()),
            grace_period: Some(u32::try_from(grace).unwrap_or(0)),
            ..DeleteOptions::default()
        };
        ended(self.fleet.delete(kind, (&key.fleet_namespace(), &key.name), &options).await)
    }

    /// Binds a virtual pod to a node.
    pub(crate) async fn bind(&self, key: &Key, uid: &str, node: &str) -> Written {
        let body = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": { "name": &*key.name, "uid": uid },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let path = format!("/api/v1/namespaces/{}/pods/{}/binding", key.fleet_namespace(), key.name);
        ended(self.post(path, &body).await)
    }

    /// Asks the tenant's API for a token of a service account, bound to a pod.
    ///
    /// # Errors
    /// The API's answer: 404 while the account does not exist.
    pub(crate) async fn token(&self, key: &Key, account: &str, spec: &Value) -> Result<Value, kube::Error> {
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{account}/token", key.fleet_namespace());
        let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec });
        self.post(path, &body).await
    }

    async fn post(&self, path: String, body: &Value) -> Result<Value, kube::Error> {
        let bytes = serde_json::to_vec(body).map_err(kube::Error::SerdeError)?;
        let request = Request::post(path).header(http::header::CONTENT_TYPE, "application/json").body(bytes);
        self.fleet.client().request(request.map_err(kube::Error::HttpError)?).await
    }

    /// Writes a part of a virtual object (`status` or `spec`): fields that are there and not wanted are removed.
    pub(crate) async fn report(
        &self,
        kind: &ApiResource,
        key: &Key,
        own: &Virtual<Value>,
        part: Part,
        field: &str,
        wanted: &Value,
    ) -> Written {
        let mut patch = wanted.clone();
        if part == Part::Status {
            let before = own.0.get(field).and_then(Value::as_object).into_iter().flatten();
            if let Some(fields) = patch.as_object_mut() {
                for (name, _) in before {
                    fields.entry(name.clone()).or_insert(Value::Null);
                }
            }
        }
        let patch = json!({ "metadata": { "uid": uid(&own.0) }, field: patch });
        ended(self.fleet.merge(kind, (&key.fleet_namespace(), &key.name), part, &patch).await)
    }

    /// Sets the finalizers of a virtual object, if nobody has changed it meanwhile.
    pub(crate) async fn finalizers(
        &self,
        kind: &ApiResource,
        key: &Key,
        own: &Virtual<Value>,
        wanted: &[String],
    ) -> Written {
        let version = crate::json::text(&own.0, "/metadata/resourceVersion");
        let patch = json!({ "metadata": { "uid": uid(&own.0), "resourceVersion": version, "finalizers": wanted } });
        ended(self.fleet.merge(kind, (&key.fleet_namespace(), &key.name), Part::Object, &patch).await)
    }

    /// Reads a virtual object live.
    ///
    /// # Errors
    /// No answer, or one other than 404.
    pub(crate) async fn read(&self, kind: &ApiResource, key: &Key) -> Result<Option<Virtual<Value>>, kube::Error> {
        match self.fleet.get(kind, &key.fleet_namespace(), &key.name).await {
            Ok(object) => Ok(Some(crate::side::unfleet(object))),
            Err(error) if client::is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Applies an object to the fleet view under a fleet name.
    pub(crate) async fn apply_virtual(
        &self,
        kind: &ApiResource,
        namespace: &str,
        part: Part,
        object: &Value,
    ) -> Written {
        let name = crate::json::text(object, "/metadata/name");
        ended(self.fleet.apply(kind, (namespace, name), part, object).await)
    }

    /// Sets the finalizers of a cluster-scoped object of the fleet view, if nobody has changed it meanwhile.
    pub(crate) async fn release_cluster_scoped(
        &self,
        kind: &ApiResource,
        name: &str,
        there: &Value,
        left: &[String],
    ) -> Written {
        let version = crate::json::text(there, "/metadata/resourceVersion");
        let patch = json!({ "metadata": { "uid": uid(there), "resourceVersion": version, "finalizers": left } });
        ended(self.fleet.merge(kind, ("", name), Part::Object, &patch).await)
    }

    /// Deletes a cluster-scoped object of the fleet view.
    pub(crate) async fn delete_cluster_scoped(&self, kind: &ApiResource, name: &str, uid: &str) -> Written {
        let options = DeleteOptions { uid: Some(uid.to_owned()), ..DeleteOptions::default() };
        ended(self.fleet.delete(kind, ("", name), &options).await)
    }
}

/// The end of a write that cannot be refused for good: gone or changed objects are no failure.
fn ended(result: Result<Value, kube::Error>) -> Written {
    match result {
        Ok(_) => Written::Done(None),
        Err(error) if client::is_not_found(&error) || client::is_conflict(&error) => Written::Outdated,
        Err(error) => Written::Failed(error),
    }
}

/// Answers that will not change by themselves are refusals: forbidden (pod security, quota, admission), invalid, too
/// large. A namespace that is going away is not: its tenant is.
fn refusal(error: kube::Error) -> Written {
    if client::is_namespace_terminating(&error) || client::is_not_found(&error) || client::is_conflict(&error) {
        return Written::Outdated;
    }
    match client::code(&error) {
        Some(400 | 403 | 413 | 422) => Written::Refused(client::message(&error)),
        _ => Written::Failed(error),
    }
}
