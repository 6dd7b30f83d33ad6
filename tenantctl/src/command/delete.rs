//! `tenantctl delete`: a tenant and everything of it.

use std::pin::pin;

use futures::TryStreamExt;
use kube::ResourceExt;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::{WatchStreamExt, watcher};

use crate::cli::{Delete, HostOptions};
use crate::progress::Progress;
use crate::{Error, host, output};

/// Deletes a tenant and waits until it is gone. Errors: [`Error::NoTenant`], [`Error::TimedOut`] and what the host
/// says.
pub(crate) async fn run(options: &HostOptions, arguments: &Delete) -> Result<(), Error> {
    let name = &arguments.name;
    let api = host::tenants(host::client(options).await?);
    let tenant = host::tenant(&api, name).await?;
    // The tenant that was looked at, not one that took its name meanwhile.
    let preconditions = Preconditions { uid: tenant.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    api.delete(name.as_str(), &params).await.map_err(|error| host::named(error, name))?;
    if arguments.no_wait {
        return output::line(&format!("tenant/{name} is being deleted"));
    }
    let mut last = "being deleted".to_owned();
    let gone = async {
        let mut progress = Progress::start(&format!("tenant/{name} is being deleted"));
        let mut changes = pin!(watcher::watch_object(api.clone(), name.as_str()).default_backoff());
        loop {
            match changes.try_next().await {
                Ok(Some(Some(now))) if now.uid() == tenant.uid() => {
                    if let Some(unfulfilled) = unfulfilled(&now) {
                        last = unfulfilled;
                        progress.say(&format!("tenant/{name}: {last}"));
                    }
                }
                Ok(_) => return,
                Err(error) => last = error.to_string(),
            }
        }
    };
    if tokio::time::timeout(arguments.timeout, gone).await.is_err() {
        return Err(Error::TimedOut { name: name.to_string(), state: last });
    }
    output::line(&format!("tenant/{name} deleted"))
}

/// The condition that keeps a tenant from going, as text.
fn unfulfilled(tenant: &kube::api::DynamicObject) -> Option<String> {
    let conditions = host::status(tenant).conditions;
    let condition = conditions.iter().find(|condition| condition.status == "False")?;
    Some(format!("{}: {}", condition.reason, condition.message))
}
