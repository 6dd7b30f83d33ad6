//! `tenantctl list`: all tenants of the host.

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};
use serde_json::json;

use crate::age::age;
use crate::cli::{HostOptions, List};
use crate::{Error, host, output};

/// Columns of a tenant.
pub(crate) const HEADER: [&str; 5] = ["NAME", "PHASE", "ENDPOINT", "HOST NAMESPACE", "AGE"];

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
    vec![tenant.name_any(), phase, or_none(status.endpoint), or_none(status.host_namespace), created]
}
