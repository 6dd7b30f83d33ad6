//! Acting as somebody else (upstream: `endpoints/filters/impersonation`): each part of the other identity needs the
//! verb `impersonate` on it.

use std::collections::BTreeMap;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use schema::field::go_quote;

use super::rbac::{Attributes, allowed, forbidden};
use crate::api::Api;
use crate::authn::Caller;
use crate::request::Realm;
use crate::respond::Error;
use crate::serve::Door;

const EXTRA: &str = "impersonate-extra-";

/// The caller, or whom it acts as. Errors: 400 for groups without a user, 403.
pub fn impersonate(api: &Api, door: &Door, caller: Caller, headers: &HeaderMap) -> Result<Caller, Error> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (user, uid) = (text("impersonate-user"), text("impersonate-uid"));
    let groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|value| value.to_str().ok().map(str::to_owned))
        .collect();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix(EXTRA), value.to_str()) {
            let key = percent_decode_str(key).decode_utf8_lossy().to_lowercase();
            extra.entry(key).or_default().push(value.to_owned());
        }
    }
    if user.is_empty() {
        if uid.is_empty() && groups.is_empty() && extra.is_empty() {
            return Ok(caller);
        }
        let asked = go_syntax(&uid, &groups, &extra);
        return Err(Error::BadRequest(format!("requested {asked} without impersonating a user name")));
    }
    let tenant = match door.realm() {
        Realm::Tenant(tenant) => tenant,
        // The fleet's one identity is the control plane; nobody acts as somebody else there.
        Realm::Fleet => return Err(Error::BadRequest("impersonation is not possible in the fleet view".to_owned())),
    };
    let ask = |asked: Attributes| {
        if allowed(api, Some(tenant), &caller, &asked) { Ok(()) } else { Err(forbidden(&caller, &asked)) }
    };
    let account = user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    // What has more parts is the name of a user (upstream: `serviceaccount.SplitUsername`).
    let account = account.filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains(':'));
    match account {
        Some((namespace, name)) => {
            ask(Attributes { namespace: namespace.to_owned(), ..on("", "serviceaccounts", name) })?;
        }
        None => ask(on("", "users", &user))?,
    }
    for group in &groups {
        ask(on("", "groups", group))?;
    }
    if !uid.is_empty() {
        ask(on("authentication.k8s.io", "uids", &uid))?;
    }
    for (key, values) in &extra {
        for value in values {
            ask(Attributes { subresource: key.clone(), ..on("authentication.k8s.io", "userextras", value) })?;
        }
    }
    let groups = complete(&user, groups, account.map(|(namespace, _)| namespace));
    Ok(caller.acting_as(user, uid, groups, extra.into_iter().collect()))
}

/// The identity asked for, as Go prints it (`%#v`).
fn go_syntax(uid: &str, groups: &[String], extra: &BTreeMap<String, Vec<String>>) -> String {
    let list = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| go_quote(text)).collect();
        format!("[]string{{{}}}", texts.join(", "))
    };
    let groups = if groups.is_empty() { "[]string(nil)".to_owned() } else { list(groups) };
    let extra = if extra.is_empty() {
        "map[string][]string(nil)".to_owned()
    } else {
        let entries: Vec<String> = extra.iter().map(|(key, all)| format!("{}:{}", go_quote(key), list(all))).collect();
        format!("map[string][]string{{{}}}", entries.join(", "))
    };
    format!("&user.DefaultInfo{{Name:\"\", UID:{}, Groups:{groups}, Extra:{extra}}}", go_quote(uid))
}

fn on(group: &str, resource: &str, name: &str) -> Attributes {
    Attributes {
        verb: "impersonate".to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        ..Attributes::default()
    }
}

/// Adds the groups every identity of its kind has.
fn complete(user: &str, mut groups: Vec<String>, account_namespace: Option<&str>) -> Vec<String> {
    if groups.is_empty()
        && let Some(namespace) = account_namespace
    {
        groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    let implied = if user == "system:anonymous" { "system:unauthenticated" } else { "system:authenticated" };
    let either = ["system:authenticated", "system:unauthenticated"];
    if !groups.iter().any(|group| either.contains(&group.as_str())) {
        groups.push(implied.to_owned());
    }
    groups
}
