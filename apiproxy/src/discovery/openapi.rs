//! `/openapi/v2` and `/openapi/v3`, from the schema table and the tenant's definitions.
//!
//! Documents of built-in groups are the same for everybody and made once; those of custom groups are made when asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use schema::Resource;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::words::worded;
use super::{groups, resources};
use crate::api::Api;
use crate::catalog::definitions;
use crate::request::Info;
use crate::respond::{Answer, Error, full};

/// Which OpenAPI a document is.
#[derive(Clone, Copy)]
enum Version {
    V2,
    V3,
}

impl Version {
    /// The media type of the answer: JSON, or the protobuf of this version. None: neither is wanted (upstream:
    /// `kube-openapi/pkg/handler`, which takes the first range that fits, and the old name of the type with an `@`).
    fn negotiate(self, headers: &HeaderMap) -> Option<&'static str> {
        let (new, old) = match self {
            Version::V2 => (wire::openapi::V2, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"),
            Version::V3 => (wire::openapi::V3, "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"),
        };
        let Some(accept) = headers.get(ACCEPT) else { return Some(JSON) };
        let accept = String::from_utf8_lossy(accept.as_bytes());
        let quality = |range: &str| {
            let q = range.split(';').find_map(|part| part.trim().strip_prefix("q=")?.parse::<f64>().ok());
            q.unwrap_or(1.0)
        };
        let mut ranges: Vec<&str> = accept.split(',').map(str::trim).filter(|range| !range.is_empty()).collect();
        ranges.sort_by(|a, b| quality(b).total_cmp(&quality(a)));
        if ranges.is_empty() {
            return Some(JSON);
        }
        ranges.iter().find_map(|range| match range.split(';').next().unwrap_or_default().trim() {
            JSON | "application/*" | "*/*" => Some(JSON),
            name if name == new || name == old => Some(new),
            _ => None,
        })
    }
}

const JSON: &str = "application/json";

/// Answers a path below `/openapi`. Errors: 404, 406 for what is neither JSON nor OpenAPI's protobuf.
pub(super) async fn answer(api: &Api, info: &Info, parts: &Parts) -> Result<Answer, Error> {
    let all = resources(api, info);
    let path = info.path.trim_end_matches('/');
    if path == "/openapi/v2" {
        let custom = all.iter().any(|resource| resource.custom.is_some());
        let make = || {
            let mut document = schema::openapi::v2(&all);
            describe(api, info, &all, &mut document);
            Bytes::from(document.to_string())
        };
        let document = if custom { make() } else { shared("v2", make) };
        return Ok(document_answer(parts, document, Version::V2));
    }
    let groups = groups(&all);
    if path == "/openapi/v3" {
        let mut paths = serde_json::Map::new();
        for (group, versions) in &groups {
            for (version, members) in versions {
                let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
                let hash = hex(&v3(api, info, &path, members));
                paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
            }
        }
        let index = Bytes::from(json!({"paths": paths}).to_string());
        return Ok(encoded_answer(parts, JSON, &hex(&index), index));
    }
    let wanted = path.strip_prefix("/openapi/v3/").ok_or(Error::NoSuchPath)?;
    for (group, versions) in &groups {
        for (version, members) in versions {
            let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
            if path == wanted {
                let document = v3(api, info, &path, members);
                let custom = members.iter().any(|resource| resource.custom.is_some());
                let document = if custom { document } else { worded(api, &path, document).await };
                return Ok(document_answer(parts, document, Version::V3));
            }
        }
    }
    Err(Error::NoSuchPath)
}

fn v3(api: &Api, info: &Info, path: &str, members: &[Arc<Resource>]) -> Bytes {
    let make = || {
        let mut document = schema::openapi::v3(members);
        describe(api, info, members, &mut document);
        Bytes::from(document.to_string())
    };
    if members.iter().any(|resource| resource.custom.is_some()) { make() } else { shared(path, make) }
}

/// Adds the words of custom resources, which only their definitions have.
fn describe(api: &Api, info: &Info, members: &[Arc<Resource>], document: &mut Value) {
    let Some(tenant) = info.tenant else { return };
    for resource in members.iter().filter(|resource| resource.custom.is_some()) {
        let name = format!("{}.{}", resource.plural, resource.group);
        let Some(definition) = api.store.get(tenant, &definitions(), "", &name) else { continue };
        let definition = definition.value();
        let versions = definition["spec"]["versions"].as_array();
        if let Some(version) = versions.into_iter().flatten().find(|v| v["name"] == resource.version.as_str()) {
            schema::openapi::describe(document, resource, &version["schema"]["openAPIV3Schema"]);
        }
    }
}

/// A document that is the same for all tenants, made once.
fn shared(key: &str, make: impl Fn() -> Bytes) -> Bytes {
    static DOCUMENTS: OnceLock<Mutex<HashMap<String, Bytes>>> = OnceLock::new();
    let documents = DOCUMENTS.get_or_init(Mutex::default);
    if let Some(found) = documents.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
        return found.clone();
    }
    let document = make();
    documents.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), document.clone());
    document
}

fn hex(document: &Bytes) -> String {
    Sha256::digest(document).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A document in the encoding the client wants. Protobuf is made when asked for: few clients do, and once each.
fn document_answer(parts: &Parts, document: Bytes, version: Version) -> Answer {
    let hash = hex(&document);
    let Some(content_type) = version.negotiate(&parts.headers) else {
        let mut answer = Response::new(full(Bytes::new()));
        *answer.status_mut() = StatusCode::NOT_ACCEPTABLE;
        answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
        return answer;
    };
    if content_type == JSON {
        return encoded_answer(parts, content_type, &hash, document);
    }
    let value = serde_json::from_slice(&document).unwrap_or(Value::Null);
    let bytes = match version {
        Version::V2 => wire::openapi::v2(&value),
        Version::V3 => wire::openapi::v3(&value),
    };
    encoded_answer(parts, content_type, &hash, Bytes::from(bytes))
}

fn encoded_answer(parts: &Parts, content_type: &'static str, hash: &str, document: Bytes) -> Answer {
    let etag = format!("\"{hash}\"");
    let known = parts.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(etag.as_str());
    let mut answer = Response::new(full(if known { Bytes::new() } else { document }));
    if known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, value);
    }
    answer
}
