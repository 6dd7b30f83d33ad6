//! `tenantctl get`: one tenant and what it says of itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::api::DynamicObject;
use tenancy::{NetworkIsolation, PodSecurity, TenantSpec};

use super::list;
use crate::cli::{Get, HostOptions};
use crate::{Error, host, output};

/// What was agreed on beyond the defaults, one line each.
fn terms(tenant: &DynamicObject) -> Vec<Vec<String>> {
    let spec: TenantSpec = serde_json::from_value(tenant.data["spec"].clone()).unwrap_or_default();
    let mut rows = Vec::new();
    let mut add = |term: &str, value: String| rows.push(vec![term.to_owned(), value]);
    let list = |map: &BTreeMap<String, String>| {
        map.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
    };
    let end = host::status(tenant).expires_at;
    match (spec.ttl, end) {
        (Some(ttl), Some(end)) => add("ttl", format!("{ttl}, deleted at {end}")),
        (Some(ttl), None) => add("ttl", ttl),
        (None, _) => {}
    }
    for (term, map) in [
        ("quota", &spec.quota),
        ("default limits", &spec.limits.default),
        ("default requests", &spec.limits.default_request),
        ("node selector", &spec.isolation.node_selector),
    ] {
        if !map.is_empty() {
            add(term, list(map));
        }
    }
    if spec.isolation.pod_security != PodSecurity::default() {
        add("pod security", format!("{:?}", spec.isolation.pod_security).to_lowercase());
    }
    if spec.isolation.network != NetworkIsolation::default() {
        add("network policy", "none".to_owned());
    }
    if let Some(class) = spec.isolation.runtime_class_name {
        add("runtime class", class);
    }
    if let Some(most) = spec.store.max_objects {
        add("stored objects", format!("at most {most}"));
    }
    if let Some(most) = spec.store.max_bytes {
        add("stored bytes", format!("at most {most}"));
    }
    rows
}

/// Prints a tenant. Errors: [`Error::NoTenant`] and what the host says.
pub(crate) async fn run(options: &HostOptions, arguments: &Get) -> Result<(), Error> {
    let api = host::tenants(host::client(options).await?);
    let tenant = host::tenant(&api, &arguments.name).await?;
    if let Some(format) = arguments.output {
        return output::value(format, &tenant);
    }
    let mut text = output::table(&list::HEADER, &[list::row(&tenant, Timestamp::now())]);
    let terms = terms(&tenant);
    if !terms.is_empty() {
        text.push('\n');
        text.push_str(&output::table(&["TERM", "VALUE"], &terms));
    }
    let conditions: Vec<Vec<String>> = host::status(&tenant)
        .conditions
        .into_iter()
        .map(|condition| vec![condition.type_, condition.status, condition.reason, condition.message])
        .collect();
    if conditions.is_empty() {
        text.push_str(&format!("\n{}\n", host::state(&tenant)));
    } else {
        text.push('\n');
        text.push_str(&output::table(&["CONDITION", "STATUS", "REASON", "MESSAGE"], &conditions));
    }
    output::text(&text)
}
