//! `tenantctl version`.

use serde_json::json;

use crate::cli::{HostOptions, Version};
use crate::{Error, host, output};

/// Prints versions. A host that does not answer is said, not an error. Errors: [`Error::Output`].
pub(crate) async fn run(options: &HostOptions, arguments: &Version) -> Result<(), Error> {
    let client = env!("CARGO_PKG_VERSION");
    let host = match host::client(options).await {
        Ok(client) => client.apiserver_version().await.map(|info| info.git_version).map_err(Error::from),
        Err(error) => Err(error),
    };
    let reason = |error: &Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    if let Some(format) = arguments.output {
        let mut value = json!({"tenantctl": client});
        match &host {
            Ok(version) => value["host"] = json!(version),
            Err(error) => value["hostError"] = json!(reason(error)),
        }
        return output::value(format, &value);
    }
    output::line(&format!("tenantctl  {client}"))?;
    match &host {
        Ok(version) => output::line(&format!("host       {version}")),
        Err(error) => output::line(&format!("host       unknown: {}", reason(error))),
    }
}
