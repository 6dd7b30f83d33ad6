//! Aggregated discovery: everything in two documents (KEP-3352, `apidiscovery.k8s.io/v2`).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Group, groups, resources};
use crate::api::Api;
use crate::request::Info;
use crate::respond::{self, Accept, Answer, Encoding, Error, full};

/// Answers `/api` or `/apis`, with an ETag; 304 when the client has it already.
pub(super) fn answer(api: &Api, info: &Info, path: &str, parts: &Parts, accept: Accept) -> Result<Answer, Error> {
    let core = path == "/api";
    let items: Vec<Value> =
        groups(&resources(api, info)).iter().filter(|(group, _)| group.is_empty() == core).map(group).collect();
    let document = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    let body = Bytes::from(document.to_string());
    let digest = Sha256::digest(&body);
    let etag = format!("\"{}\"", digest.iter().map(|byte| format!("{byte:02X}")).collect::<String>());
    let known = parts.headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(etag.as_str());
    let (content_type, body) = match accept.encoding {
        Encoding::Json => ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", body),
        Encoding::Yaml => {
            let yaml = serde_saphyr::to_string(&document).map_err(|error| Error::Internal(error.to_string()))?;
            ("application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", Bytes::from(yaml))
        }
        Encoding::Protobuf => (
            "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            respond::protobuf(&document)?,
        ),
    };
    let mut answer = Response::new(full(if known { Bytes::new() } else { body }));
    if known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, value);
    }
    Ok(answer)
}

fn group((name, versions): &Group) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|(version, members)| {
            let resources: Vec<Value> = members.iter().map(|resource| entry(resource)).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = if name.is_empty() { json!({}) } else { json!({"name": name}) };
    json!({"metadata": metadata, "versions": versions})
}

fn entry(resource: &schema::Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut entry = json!({
        "resource": resource.plural, "singularResource": resource.singular, "verbs": resource.verbs,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        // Empty group and version: those of the resource.
        "responseKind": kind("", "", &resource.kind),
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    if !resource.subresources.is_empty() {
        let subresources: Vec<Value> = resource
            .subresources
            .iter()
            .map(|sub| {
                json!({
                    "subresource": sub.name, "verbs": sub.verbs,
                    "responseKind": kind(&sub.group, &sub.version, &sub.kind),
                })
            })
            .collect();
        entry["subresources"] = Value::from(subresources);
    }
    entry
}
