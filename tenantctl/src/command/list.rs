//! `tenantctl list`: all tenants of the host.

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};
use serde_json::json;

use crate::age::age;
use crate::cli::{HostOptions, List};
use crate::{Error, host, output};

/// Columns of a tenant.
pub(crate) const HEADER: [&str; 6] = ["NAME", "PHASE", "ENDPOINT", "HOST NAMESPACE", "EXPIRES", "AGE"];

/// Prints tenants. Errors: what the host says.
pub(crate) async fn run(options: &HostOptions, arguments: &List) -> Result<(), Error> {
    let api = host::tenants(host::client(options).await?);
    let tenants = api.list(&ListParams::default()).await?.items;
    if let Some(format) = arguments.output {
        return output::value(format, &json!({"apiVersion": "v1", "kind": "List", "items": tenants}));
    }
    if tenants.is_empty() {
        return output::line("No tenants found; make one: tenantctl create NAME");
    }
    let now = Timestamp::now();
    let rows: Vec<_> = tenants.iter().map(|tenant| row(tenant, now)).collect();
    output::text(&output::table(&HEADER, &rows))
}

/// One tenant as a row.
pub(crate) fn row(tenant: &DynamicObject, now: Timestamp) -> Vec<String> {
    let status = host::status(tenant);
    let phase = match (&tenant.metadata.deletion_timestamp, status.phase) {
        (Some(_), _) => "Terminating".to_owned(),
        (None, Some(phase)) => format!("{phase:?}"),
        (None, None) => "Pending".to_owned(),
    };
    let created = tenant.creation_timestamp().map_or_else(|| "<unknown>".to_owned(), |time| age(time.0, now));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "<none>".to_owned());
    let expires = status.expires_at.as_deref().map_or_else(|| "never".to_owned(), |end| until(end, now));
    vec![tenant.name_any(), phase, or_none(status.endpoint), or_none(status.host_namespace), expires, created]
}

/// A time to come, as `in 2h`; one that has come, as `now`.
pub(crate) fn until(end: &str, now: Timestamp) -> String {
    match end.parse::<Timestamp>() {
        Ok(end) if end > now => format!("in {}", age(now, end)),
        Ok(_) => "now".to_owned(),
        Err(_) => "<unknown>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_come() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (end, text) in [("2026-01-01T02:00:00Z", "in 120m"), ("2025-12-31T00:00:00Z", "now"), ("x", "<unknown>")] {
            assert_eq!(until(end, now), text);
        }
    }
}
