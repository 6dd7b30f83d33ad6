//! Discovery, one document per group and version (upstream: `APIVersions`, `APIGroupList`, `APIGroup`,
//! `APIResourceList`).

use bytes::Bytes;
use http::StatusCode;
use schema::Resource;
use serde_json::{Value, json};

use super::{Versions, groups, resources};
use crate::api::Api;
use crate::request::Info;
use crate::respond::{Accept, Answer, Encoding, Error, Offer, Wanted, json_bytes, value};

/// Answers `/api…` and `/apis…`. Errors: 404 for groups and versions that are not served.
pub(super) fn answer(api: &Api, info: &Info, path: &str, wanted: &Wanted) -> Result<Answer, Error> {
    let all = groups(&resources(api, info));
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let document = match segments.as_slice() {
        [] => {
            let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
            for (group, versions) in all.iter().filter(|(group, _)| !group.is_empty()) {
                paths.push(format!("/apis/{group}"));
                paths.extend(versions.iter().map(|(version, _)| format!("/apis/{group}/{version}")));
            }
            paths.extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(String::from));
            // In JSON whatever is asked for.
            let accept = wanted.for_errors();
            let json = Bytes::from(json!({"paths": paths}).to_string());
            return Ok(json_bytes(Accept { encoding: Encoding::Json, ..accept }, StatusCode::OK, json));
        }
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
        }),
        ["apis"] => {
            let groups: Vec<Value> = all
                .iter()
                .filter(|(group, _)| !group.is_empty())
                .map(|(group, versions)| entry(group, versions))
                .collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", group] => {
            let (_, versions) = all.iter().find(|(name, _)| name == group).ok_or(Error::NoSuchPage)?;
            let mut document = entry(group, versions);
            document["kind"] = Value::from("APIGroup");
            document["apiVersion"] = Value::from("v1");
            document
        }
        ["api", version] => list("", version, &all)?,
        ["apis", group, version] => list(group, version, &all)?,
        _ => return Err(Error::NoSuchPage),
    };
    // go-restful serves what is not a document of groups.
    let restful = matches!(segments.as_slice(), ["api", ..] | ["apis", _, _]);
    let accept = wanted.choose(if restful { Offer::Versions } else { Offer::Document })?;
    value(accept, StatusCode::OK, &document)
}

fn entry(group: &str, versions: &Versions) -> Value {
    let named = |version: &str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let all: Vec<Value> = versions.iter().map(|(version, _)| named(version)).collect();
    let preferred = versions.first().map(|(version, _)| named(version));
    json!({"name": group, "versions": all, "preferredVersion": preferred})
}

fn list(group: &str, version: &str, all: &[(String, Versions)]) -> Result<Value, Error> {
    let (_, versions) = all.iter().find(|(name, _)| name == group).ok_or(Error::NoSuchPage)?;
    let (_, members) = versions.iter().find(|(name, _)| name == version).ok_or(Error::NoSuchPage)?;
    let mut entries = Vec::new();
    for resource in members {
        let mut entry = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": resource.verbs,
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        if resource.plural != "componentstatuses" && resource.verbs.iter().any(|verb| verb == "list") {
            entry["storageVersionHash"] = Value::from(storage_hash(resource));
        }
        entries.push(entry);
        for sub in &resource.subresources {
            let mut entry = json!({
                "name": format!("{}/{}", resource.plural, sub.name), "singularName": "",
                "namespaced": resource.namespaced, "kind": sub.kind, "verbs": sub.verbs,
            });
            let own = sub.group == resource.group && sub.version == resource.version;
            if !own && !sub.version.is_empty() {
                entry["group"] = Value::from(sub.group.clone());
                entry["version"] = Value::from(sub.version.clone());
            }
            entries.push(entry);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut list = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": entries});
    if !group.is_empty() {
        list["apiVersion"] = Value::from("v1");
    }
    Ok(list)
}

/// First eight bytes of the SHA-256 of `group/version/kind`, base64 (upstream: `discovery.StorageVersionHash`).
fn storage_hash(resource: &Resource) -> String {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let text = format!("{}/{}/{}", resource.storage_group, resource.storage_version, resource.kind);
    base64::prelude::BASE64_STANDARD.encode(&Sha256::digest(text.as_bytes())[..8])
}
