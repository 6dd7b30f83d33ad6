//! Writing and reading single objects as raw JSON: unknown fields survive, errors keep their `Status`.

use std::time::Duration;

use http::{Method, Request, header};
use kube::core::ApiResource;
use kube::{Client, Error};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tenancy::TenantId;

/// What may stand in a path segment as it is; `:` separates the tenant in fleet names.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request that got no answer in time.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", TIMEOUT.as_secs())]
struct TimedOut;

/// An answer to a TokenRequest without a token.
#[derive(Debug, thiserror::Error)]
#[error("no token was issued")]
struct NoToken;

/// Which part of an object a write addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The object itself.
    Object,
    /// Its `status` subresource.
    Status,
    /// The `ephemeralcontainers` subresource of a pod.
    EphemeralContainers,
    /// The `resize` subresource of a pod.
    Resize,
}

impl Part {
    /// What follows the object in a path.
    fn suffix(self) -> &'static str {
        match self {
            Part::Object => "",
            Part::Status => "/status",
            Part::EphemeralContainers => "/ephemeralcontainers",
            Part::Resize => "/resize",
        }
    }
}

/// What must hold for a delete, and how it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Only the object with this uid.
    pub uid: Option<String>,
    /// Only this version of it.
    pub resource_version: Option<String>,
    /// Grace period in seconds, instead of the object's own.
    pub grace_period: Option<u32>,
    /// `Background`, `Foreground` or `Orphan`; the kind's default otherwise.
    pub propagation: Option<&'static str>,
}

/// Raw access to the objects of an API, of any kind.
///
/// `namespace` is the (fleet) namespace, empty for cluster-scoped kinds. Errors: [`kube::Error::Api`] with the server's
/// `Status`, [`kube::Error::Service`] when there was no answer within 30 s.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    manager: &'static str,
}

impl Objects {
    /// Access under the field manager `manager`.
    pub fn new(client: Client, manager: &'static str) -> Self {
        Self { client, manager }
    }

    /// The client underneath.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads one object.
    pub async fn get(&self, kind: &ApiResource, namespace: &str, name: &str) -> Result<Value, Error> {
        self.send(Method::GET, path(kind, namespace, Some(name), Part::Object), None).await
    }

    /// All cluster-scoped objects of a kind that a tenant has; without a tenant, all there are.
    pub async fn list(&self, kind: &ApiResource, tenant: Option<TenantId>) -> Result<Vec<Value>, Error> {
        let mut path = path(kind, "", None, Part::Object);
        if let Some(tenant) = tenant {
            path.push_str(&format!("?tenant={tenant}"));
        }
        let mut list = self.send(Method::GET, path, None).await?;
        Ok(if let Value::Array(items) = list["items"].take() { items } else { Vec::new() })
    }

    /// Creates an object; its name comes from the body (`name` or `generateName`).
    pub async fn create(&self, kind: &ApiResource, namespace: &str, body: &Value) -> Result<Value, Error> {
        let path = format!("{}?fieldManager={}", path(kind, namespace, None, Part::Object), self.manager);
        self.send(Method::POST, path, Some(("application/json", body))).await
    }

    /// Replaces an object, or its status.
    pub async fn update(
        &self,
        kind: &ApiResource,
        key: (&str, &str),
        part: Part,
        body: &Value,
    ) -> Result<Value, Error> {
        let path = format!("{}?fieldManager={}", path(kind, key.0, Some(key.1), part), self.manager);
        self.send(Method::PUT, path, Some(("application/json", body))).await
    }

    /// Applies a JSON merge patch. A `metadata.resourceVersion` or `metadata.uid` in it is a precondition.
    pub async fn merge(
        &self,
        kind: &ApiResource,
        key: (&str, &str),
        part: Part,
        patch: &Value,
    ) -> Result<Value, Error> {
        let path = format!("{}?fieldManager={}", path(kind, key.0, Some(key.1), part), self.manager);
        self.send(Method::PATCH, path, Some(("application/merge-patch+json", patch))).await
    }

    /// Applies a strategic merge patch (built-in kinds only).
    pub async fn strategic(
        &self,
        kind: &ApiResource,
        key: (&str, &str),
        part: Part,
        patch: &Value,
    ) -> Result<Value, Error> {
        let path = format!("{}?fieldManager={}", path(kind, key.0, Some(key.1), part), self.manager);
        self.send(Method::PATCH, path, Some(("application/strategic-merge-patch+json", patch))).await
    }

    /// Server-side apply, taking fields over from other managers.
    pub async fn apply(&self, kind: &ApiResource, key: (&str, &str), part: Part, body: &Value) -> Result<Value, Error> {
        let path = format!("{}?fieldManager={}&force=true", path(kind, key.0, Some(key.1), part), self.manager);
        self.send(Method::PATCH, path, Some(("application/apply-patch+yaml", body))).await
    }

    /// Deletes an object. The answer is the object (when it goes gracefully) or a `Status`.
    pub async fn delete(&self, kind: &ApiResource, key: (&str, &str), options: &DeleteOptions) -> Result<Value, Error> {
        let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
        if let Some(uid) = &options.uid {
            body["preconditions"]["uid"] = json!(uid);
        }
        if let Some(version) = &options.resource_version {
            body["preconditions"]["resourceVersion"] = json!(version);
        }
        if let Some(seconds) = options.grace_period {
            body["gracePeriodSeconds"] = json!(seconds);
        }
        if let Some(propagation) = options.propagation {
            body["propagationPolicy"] = json!(propagation);
        }
        let path = path(kind, key.0, Some(key.1), Part::Object);
        self.send(Method::DELETE, path, Some(("application/json", &body))).await
    }

    /// Has a token issued for a ServiceAccount (`TokenRequest`). Errors: also when the answer holds none.
    pub async fn token(&self, namespace: &str, account: &str, spec: &Value) -> Result<String, Error> {
        let kind = crate::kinds::service_accounts();
        let path = format!("{}/token", path(&kind, namespace, Some(account), Part::Object));
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let answer = self.send(Method::POST, path, Some(("application/json", &body))).await?;
        let token = answer["status"]["token"].as_str().map(str::to_owned);
        token.ok_or_else(|| Error::Service(Box::new(NoToken)))
    }

    async fn send(&self, method: Method, path: String, body: Option<(&str, &Value)>) -> Result<Value, Error> {
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/json");
        let mut bytes = Vec::new();
        if let Some((content_type, body)) = body {
            request = request.header(header::CONTENT_TYPE, content_type);
            bytes = serde_json::to_vec(body).map_err(Error::SerdeError)?;
        }
        let request = request.body(bytes).map_err(Error::HttpError)?;
        match tokio::time::timeout(TIMEOUT, self.client.request(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Service(Box::new(TimedOut))),
        }
    }
}

/// URL path of a collection (no name) or an object.
fn path(kind: &ApiResource, namespace: &str, name: Option<&str>, part: Part) -> String {
    let root = if kind.group.is_empty() { "/api/" } else { "/apis/" };
    let mut path = format!("{root}{}/", kind.api_version);
    if !namespace.is_empty() {
        path.push_str("namespaces/");
        path.extend(utf8_percent_encode(namespace, SEGMENT));
        path.push('/');
    }
    path.push_str(&kind.plural);
    if let Some(name) = name {
        path.push('/');
        path.extend(utf8_percent_encode(name, SEGMENT));
    }
    path.push_str(part.suffix());
    path
}

/// The HTTP code of an error's `Status`; `None` when there was no answer.
pub fn code(error: &Error) -> Option<u16> {
    if let Error::Api(status) = error { Some(status.code) } else { None }
}

/// The reason of an error's `Status`, or nothing.
pub fn reason(error: &Error) -> &str {
    if let Error::Api(status) = error { &status.reason } else { "" }
}

/// What to tell a user about an error: the server's message as it is.
pub fn message(error: &Error) -> String {
    if let Error::Api(status) = error { status.message.clone() } else { error.to_string() }
}

/// Whether the object does not exist.
pub fn is_not_found(error: &Error) -> bool {
    reason(error) == "NotFound"
}

/// Whether the error is about a certain object, rather than about a path the server does not serve.
pub fn names_object(error: &Error) -> bool {
    let Error::Api(status) = error else { return false };
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

/// Whether somebody else changed the object first, or a precondition failed.
pub fn is_conflict(error: &Error) -> bool {
    reason(error) == "Conflict"
}

/// Whether an object of this name exists already.
pub fn is_already_exists(error: &Error) -> bool {
    reason(error) == "AlreadyExists"
}

/// Whether the write was refused because the namespace is going away; nothing can be created in it any more.
pub fn is_namespace_terminating(error: &Error) -> bool {
    let Error::Api(status) = error else { return false };
    status.details.as_ref().is_some_and(|d| d.causes.iter().any(|cause| cause.reason == "NamespaceTerminating"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::GroupVersionKind;

    #[test]
    fn paths_are_those_of_kubernetes() {
        let pods = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Pod"), "pods");
        let deployments =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("apps", "v1", "Deployment"), "deployments");
        let cases = [
            (&pods, "t:default", Some("a"), Part::Object, "/api/v1/namespaces/t:default/pods/a"),
            (&pods, "", None, Part::Object, "/api/v1/pods"),
            (&deployments, "d", Some("w"), Part::Status, "/apis/apps/v1/namespaces/d/deployments/w/status"),
            (&pods, "d", Some("a"), Part::Resize, "/api/v1/namespaces/d/pods/a/resize"),
            (&pods, "", Some("a/../b?c"), Part::Object, "/api/v1/pods/a%2F..%2Fb%3Fc"),
        ];
        for (kind, namespace, name, part, want) in cases {
            assert_eq!(path(kind, namespace, name, part), want);
        }
    }
}
