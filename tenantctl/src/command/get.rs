//! `tenantctl get`: one tenant and what it says of itself.

use jiff::Timestamp;

use super::list;
use crate::cli::{Get, HostOptions};
use crate::{Error, host, output};

/// Prints a tenant. Errors: [`Error::NoTenant`] and what the host says.
pub(crate) async fn run(options: &HostOptions, arguments: &Get) -> Result<(), Error> {
    let api = host::tenants(host::client(options).await?);
    let tenant = host::tenant(&api, &arguments.name).await?;
    if let Some(format) = arguments.output {
        return output::value(format, &tenant);
    }
    let mut text = output::table(&list::HEADER, &[list::row(&tenant, Timestamp::now())]);
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
