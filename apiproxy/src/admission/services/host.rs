//! Allocation by the host: the twin of a Service is applied there as far as allocation depends on it; what the host
//! filled in is copied back. The syncer completes the twin.

use http::{Method, Request};
use serde_json::{Map, Value, json};
use tenancy::{host, labels};

use crate::respond::Error;
use crate::routes::Tenant;
use crate::write::Context;

/// Makes twins of Services on the host.
pub struct HostServices {
    client: kube::Client,
}

/// Why the host did not allocate.
pub(super) enum Refusal {
    Status(Box<kube::core::Status>),
    Unreachable,
}

impl HostServices {
    /// Allocation through a client of the host.
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// Applies the twin and copies back what the host decided.
    pub(super) async fn allocate(&self, tenant: &Tenant, value: &mut Value, dry_run: bool) -> Result<(), Refusal> {
        let twin = twin(tenant, value);
        let namespace = host::namespace(&tenant.spec.tenant);
        let name = twin["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let dry = if dry_run { "&dryRun=All" } else { "" };
        let manager = labels::MANAGER;
        let uri = format!("/api/v1/namespaces/{namespace}/services/{name}?fieldManager={manager}&force=true{dry}");
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(uri)
            .header("content-type", "application/apply-patch+yaml")
            .body(twin.to_string().into_bytes())
            .map_err(|_| Refusal::Unreachable)?;
        let answer: Value = self.client.request(request).await.map_err(|error| match error {
            kube::Error::Api(status) => Refusal::Status(status),
            error => {
                tracing::warn!(%error, "the host did not answer to the allocation of a Service");
                Refusal::Unreachable
            }
        })?;
        copy_back(value, &answer);
        Ok(())
    }
}

/// The twin: identity, type, ports and selector; never external addresses.
///
/// The selector is that of the complete twin: without one the host gives a headless Service both address families, and
/// an update would leave the Service without endpoints until the syncer has completed it again.
fn twin(tenant: &Tenant, value: &Value) -> Value {
    let text = |key: &str| value["metadata"][key].as_str().unwrap_or_default();
    let (namespace, name) = (text("namespace"), text("name"));
    let mut spec = Map::new();
    let copied = [
        "type",
        "clusterIP",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
        "sessionAffinity",
        "internalTrafficPolicy",
        "externalTrafficPolicy",
    ];
    for key in copied {
        if !value["spec"][key].is_null() && value["spec"][key] != "" {
            spec.insert(key.to_owned(), value["spec"][key].clone());
        }
    }
    if !value["spec"]["ports"].is_null() {
        spec.insert("ports".to_owned(), value["spec"]["ports"].clone());
    }
    if let Some(selector) = selector(tenant, namespace, &value["spec"]["selector"]) {
        spec.insert("selector".to_owned(), selector);
    }
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": host::object_name(namespace, name),
            "namespace": host::namespace(&tenant.spec.tenant),
            "labels": {
                labels::TENANT: tenant.id.as_str(), labels::NAMESPACE: namespace, labels::MANAGED_BY: labels::MANAGER,
            },
            "annotations": {
                labels::UID_ANNOTATION: text("uid"), labels::NAME_ANNOTATION: name,
                labels::NAMESPACE_ANNOTATION: namespace,
            },
        },
        "spec": spec,
    })
}

/// The tenant's selector, bound to the tenant and the virtual namespace. None without a selector, and for one that asks
/// for reserved labels: the syncer refuses that.
fn selector(tenant: &Tenant, namespace: &str, own: &Value) -> Option<Value> {
    let mut selector = own.as_object().filter(|own| !own.is_empty())?.clone();
    if selector.keys().any(|key| labels::is_reserved(key)) {
        return None;
    }
    selector.insert(labels::TENANT.to_owned(), json!(tenant.id.as_str()));
    selector.insert(labels::NAMESPACE.to_owned(), json!(namespace));
    Some(Value::Object(selector))
}

fn copy_back(value: &mut Value, answer: &Value) {
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
        if !answer["spec"][key].is_null() {
            value["spec"][key] = answer["spec"][key].clone();
        }
    }
    let answered = answer["spec"]["ports"].as_array().cloned().unwrap_or_default();
    for port in value["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        if let Some(node_port) = answered.iter().find(same).map(|other| other["nodePort"].clone())
            && !node_port.is_null()
        {
            port["nodePort"] = node_port;
        }
    }
}

impl Refusal {
    /// The refusal in the tenant's words: fields and reasons of the host, names of the tenant.
    pub(super) fn into_error(self, context: &Context<'_>, value: &Value) -> Error {
        let name = value["metadata"]["name"].as_str().unwrap_or_default();
        let Refusal::Status(status) = self else {
            return Error::ServiceUnavailable("the host cluster that allocates Services cannot be reached".to_owned());
        };
        let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
        if status.code == 422 && !causes.is_empty() {
            let errors = causes.iter().map(|cause| {
                // The message carries kind, value and detail already; a forbidden error adds only its own word.
                let detail = cause.message.split_once(": ").map_or(cause.message.as_str(), |(_, rest)| rest);
                schema::field::Error::forbidden(cause.field.clone(), detail)
            });
            return context.invalid(name, errors.collect());
        }
        let twin = host::object_name(value["metadata"]["namespace"].as_str().unwrap_or_default(), name);
        match status.code {
            403 => Error::Forbidden {
                group: String::new(),
                resource: "services".to_owned(),
                name: name.to_owned(),
                message: status.message.replace(&twin, name),
            },
            409 => context.conflict(name, "the host cluster refused the change; please try again"),
            429 => Error::TooManyRequests { message: "the host cluster is busy".to_owned(), retry_after: 1 },
            404 => Error::ServiceUnavailable("the host namespace of this cluster is not ready".to_owned()),
            code => {
                tracing::warn!(code, "the host refused to allocate a Service");
                Error::ServiceUnavailable("the host cluster did not allocate the Service".to_owned())
            }
        }
    }
}
