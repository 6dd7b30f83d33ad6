//! What can be asked: `/api`, `/apis` (legacy and aggregated), `/openapi`, `/version`, health of the tenant's API.

mod aggregated;
mod legacy;
mod openapi;
pub(crate) mod words;

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use schema::Resource;
use serde_json::json;

use crate::api::Api;
use crate::authz::{NonResource, Permit};
use crate::catalog::route_resource;
use crate::request::{Info, Realm};
use crate::respond::{self, Answer, Error, Offer, Wanted, text};

/// Version of Kubernetes whose API is served; the schema table is generated from it.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

/// Answers a path that is no resource. Errors: 404, 405.
pub(crate) async fn answer(
    api: &Arc<Api>,
    permit: &Permit<NonResource>,
    parts: &Parts,
    wanted: &Wanted,
) -> Result<Answer, Error> {
    let info = permit.info();
    if !matches!(info.verb, "get" | "head") {
        return Err(Error::MethodNotAllowed);
    }
    let path = info.path.trim_end_matches('/');
    match path {
        "/version" => respond::value(wanted.choose(Offer::Json)?, StatusCode::OK, &version()),
        "/livez" | "/readyz" | "/healthz" | "/livez/ping" | "/readyz/ping" | "/healthz/ping" => {
            Ok(text(StatusCode::OK, "ok"))
        }
        path if path.starts_with("/openapi") => openapi::answer(api, info, parts).await,
        "/api" | "/apis" => match wanted.choose(Offer::Aggregated) {
            Ok(accept) => aggregated::answer(api, info, path, parts, accept),
            Err(_) => legacy::answer(api, info, path, wanted),
        },
        path => legacy::answer(api, info, path, wanted),
    }
}

fn version() -> serde_json::Value {
    let mut numbers = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    json!({
        "major": numbers.next().unwrap_or_default(), "minor": numbers.next().unwrap_or_default(),
        "gitVersion": format!("{KUBERNETES_VERSION}+rowhouse"), "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, architecture()),
    })
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Everything a realm serves: the built-in kinds, then custom ones; in the fleet view also the routes.
pub(crate) fn resources(api: &Api, info: &Info) -> Vec<Arc<Resource>> {
    let mut all: Vec<Arc<Resource>> = schema::table::Table::builtin().resources().to_vec();
    match info.realm {
        Realm::Fleet => all.push(route_resource()),
        Realm::Tenant(tenant) => all.extend(api.catalog.custom(tenant)),
    }
    all
}

/// Versions of a group in order of preference: v2 before v1 before v1beta2 … (upstream: `version.CompareKubeAwareVersionStrings`).
pub(crate) fn version_order(version: &str) -> (u8, std::cmp::Reverse<u64>, std::cmp::Reverse<u64>, String) {
    use std::cmp::Reverse;
    let unordered = (3, Reverse(0), Reverse(0), version.to_owned());
    let Some(rest) = version.strip_prefix('v') else { return unordered };
    let (stability, major, minor) = if let Some((major, minor)) = rest.split_once("beta") {
        (1, major, minor)
    } else if let Some((major, minor)) = rest.split_once("alpha") {
        (2, major, minor)
    } else {
        (0, rest, "0")
    };
    let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else { return unordered };
    (stability, Reverse(major), Reverse(minor), String::new())
}

/// Versions of a group with their resources, the preferred one first.
pub(crate) type Versions = Vec<(String, Vec<Arc<Resource>>)>;
/// A group by name.
pub(crate) type Group = (String, Versions);

/// Groups in order of appearance, each with its versions in order of preference and their resources.
pub(crate) fn groups(resources: &[Arc<Resource>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for resource in resources {
        let at = groups.iter().position(|(name, _)| *name == resource.group).unwrap_or_else(|| {
            groups.push((resource.group.clone(), Vec::new()));
            groups.len() - 1
        });
        let versions = &mut groups[at].1;
        match versions.iter_mut().find(|(version, _)| *version == resource.version) {
            Some((_, members)) => members.push(resource.clone()),
            None => versions.push((resource.version.clone(), vec![resource.clone()])),
        }
    }
    for (_, versions) in &mut groups {
        versions.sort_by_cached_key(|(version, _)| version_order(version));
    }
    groups
}
