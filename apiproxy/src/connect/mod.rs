//! Streams to a tenant's own pods through the host API: logs, exec, attach, port-forward.
//!
//! ```text
//!   permit ─► pod of the tenant ─► its twin on the host (uid checked) ─► same subresource there ─► bytes both ways
//! ```
//!
//! No protocol is spoken here: WebSocket and SPDY handshakes are replayed to the host, then bytes are copied.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tenancy::{host, labels};

use crate::api::Api;
use crate::authz::{Connect, Permit};
use crate::fairness::Taken;
use crate::request::{Info, Query};
use crate::respond::{Answer, BoxError, Error, full, text};
use crate::routes::Tenant;

/// Who answers for pods.
pub enum HostAccess {
    /// The host cluster.
    Host(kube::Client),
    /// This server is a pretend host: logs are made up by this function from the pod; nothing can be executed.
    Simulated(fn(&Value, &str) -> String),
}

/// Headers of a handshake that are passed on; everything else stays here, credentials above all.
const PASSED: [&str; 7] = [
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "x-stream-protocol-version",
];

/// Opens a stream. Errors: 404 for pods that are not there, 400 for pods that have no twin yet, whatever the host says.
pub(crate) async fn open<B>(
    api: &Arc<Api>,
    permit: &Permit<Connect>,
    parts: &mut Parts,
    body: B,
    seat: Taken,
) -> Result<Answer, Error>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let info = permit.info();
    let resource = crate::read::find(api, info)?;
    if resource.plural != "pods" || info.subresource == "proxy" {
        return Err(Error::ServiceUnavailable(format!("{}/{} is not available", resource.plural, info.subresource)));
    }
    let pod = crate::read::stored(api, info, &resource)?;
    let tenant = info.tenant.and_then(|id| api.routes.by_id(id)).ok_or(Error::NoSuchPath)?;
    drop(body);
    match &api.host {
        None => Err(Error::ServiceUnavailable("this server has no host cluster behind it".to_owned())),
        Some(HostAccess::Simulated(logs)) => simulated(info, &pod.value(), *logs),
        Some(HostAccess::Host(client)) => {
            let twin = twin(client, &tenant, info, pod.uid()).await?;
            let result = forward(client, &tenant, &twin, info, parts, seat).await;
            result.map_err(|error| in_tenant_words(error, &tenant, &twin, info))
        }
    }
}

fn simulated(info: &Info, pod: &Value, logs: fn(&Value, &str) -> String) -> Result<Answer, Error> {
    if info.subresource != "log" {
        let message = format!("the lab simulates its nodes: there is no process in a pod to {}", info.subresource);
        return Err(Error::ServiceUnavailable(message));
    }
    let container = container(&info.query, pod)?;
    Ok(text(StatusCode::OK, logs(pod, &container)))
}

/// The container a request means. Errors: 400 in upstream's words.
fn container(query: &Query, pod: &Value) -> Result<String, Error> {
    let names: Vec<&str> = ["containers", "initContainers", "ephemeralContainers"]
        .iter()
        .flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten())
        .filter_map(|container| container["name"].as_str())
        .collect();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let asked = query.get("container");
    if !asked.is_empty() {
        return if names.contains(&asked) {
            Ok(asked.to_owned())
        } else {
            Err(Error::BadRequest(format!("container {asked} is not valid for pod {name}")))
        };
    }
    match pod["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default() {
        [one] => Ok(one["name"].as_str().unwrap_or_default().to_owned()),
        _ => Err(Error::BadRequest(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            names.join(" ")
        ))),
    }
}

/// Name of the twin, once the host confirms that it is this pod's. Errors: 400 when there is none yet.
async fn twin(client: &kube::Client, tenant: &Tenant, info: &Info, uid: &str) -> Result<String, Error> {
    let name = host::object_name(&info.namespace, &info.name);
    let namespace = host::namespace(&tenant.spec.tenant);
    let uri = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    let request = Request::get(uri).body(Vec::new()).map_err(|_| unreachable_host())?;
    let not_there = || Error::BadRequest(format!("pod {} does not have a host assigned", info.name));
    let pod: Value = client.request(request).await.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 404 => not_there(),
        error => {
            tracing::warn!(%error, "the host did not answer");
            unreachable_host()
        }
    })?;
    let same = pod["metadata"]["annotations"][labels::UID_ANNOTATION] == uid
        && pod["metadata"]["labels"][labels::TENANT] == tenant.id.as_str();
    if same { Ok(name) } else { Err(not_there()) }
}

fn unreachable_host() -> Error {
    Error::ServiceUnavailable("the host cluster cannot be reached".to_owned())
}

async fn forward(
    client: &kube::Client,
    tenant: &Tenant,
    twin: &str,
    info: &Info,
    parts: &mut Parts,
    seat: Taken,
) -> Result<Answer, Error> {
    let namespace = host::namespace(&tenant.spec.tenant);
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri = format!("/api/v1/namespaces/{namespace}/pods/{twin}/{}{query}", info.subresource);
    let mut request = Request::new(kube::client::Body::empty());
    *request.method_mut() = if info.subresource == "log" { Method::GET } else { parts.method.clone() };
    *request.uri_mut() = uri.parse().map_err(|_| Error::NoSuchPath)?;
    let upgrade = parts.headers.contains_key(UPGRADE);
    if upgrade {
        pass_headers(&parts.headers, request.headers_mut());
    }
    let answer = client.send(request).await.map_err(|error| {
        tracing::warn!(%error, "the host did not open a stream");
        unreachable_host()
    })?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(answer, parts, seat);
    }
    if !answer.status().is_success() {
        return Err(refusal(answer).await);
    }
    let (head, body) = answer.into_parts();
    // A log that is followed keeps its seat until its body is done.
    let body = body.map_err(move |error| {
        let _ = &seat;
        Box::new(error) as BoxError
    });
    let mut ours = Response::new(body.boxed_unsync());
    *ours.status_mut() = head.status;
    if let Some(content_type) = head.headers.get(CONTENT_TYPE) {
        ours.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    }
    Ok(ours)
}

/// Passes handshake headers on, every value of each (several `X-Stream-Protocol-Version` are usual).
fn pass_headers(from: &HeaderMap, to: &mut HeaderMap) {
    for name in PASSED {
        for value in from.get_all(name) {
            to.append(HeaderName::from_static(name), value.clone());
        }
    }
}

/// Answers 101 as the host did and copies bytes until either side is done.
fn switch<B>(mut answer: Response<B>, parts: &mut Parts, seat: Taken) -> Result<Answer, Error> {
    let Some(client_side) = parts.extensions.remove::<hyper::upgrade::OnUpgrade>() else {
        return Err(Error::BadRequest("Upgrade request required".to_owned()));
    };
    let host_side = hyper::upgrade::on(&mut answer);
    let mut ours = Response::new(full(Bytes::new()));
    *ours.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let passed = [
        "upgrade",
        "connection",
        "sec-websocket-accept",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "x-stream-protocol-version",
    ];
    for name in passed {
        for value in answer.headers().get_all(name) {
            ours.headers_mut().append(HeaderName::from_static(name), value.clone());
        }
    }
    if !ours.headers().contains_key(CONNECTION) {
        ours.headers_mut().insert(CONNECTION, http::HeaderValue::from_static("Upgrade"));
    }
    tokio::spawn(async move {
        let _seat = seat;
        match tokio::try_join!(client_side, host_side) {
            Ok((client, host)) => {
                let (mut client, mut host) = (TokioIo::new(client), TokioIo::new(host));
                if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut host).await {
                    tracing::debug!(%error, "stream ended");
                }
            }
            Err(error) => tracing::debug!(%error, "upgrade failed"),
        }
    });
    Ok(ours)
}

/// What the host said instead of opening the stream.
async fn refusal<B>(answer: Response<B>) -> Error
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let code = answer.status();
    let limited = http_body_util::Limited::new(answer.into_body(), 64 * 1024);
    let bytes = limited.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(status) if status["kind"] == "Status" => Error::Status(status),
        _ => Error::Status(serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code.as_u16(),
            "message": String::from_utf8_lossy(&bytes).trim(), "reason": "",
        })),
    }
}

/// A refusal of the host with the tenant's names in it.
fn in_tenant_words(error: Error, tenant: &Tenant, twin: &str, info: &Info) -> Error {
    let Error::Status(mut status) = error else { return error };
    let namespace = host::namespace(&tenant.spec.tenant);
    if let Some(message) = status["message"].as_str() {
        let message = message.replace(twin, &info.name).replace(&namespace, &info.namespace);
        status["message"] = Value::from(message);
    }
    if let Some(name) = status["details"]["name"].as_str() {
        status["details"]["name"] = Value::from(name.replace(twin, &info.name));
    }
    Error::Status(status)
}
