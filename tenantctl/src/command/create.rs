//! `tenantctl create`: a tenant, ready when the command returns.

use std::pin::pin;

use futures::TryStreamExt;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use tenancy::{Phase, TenantName};

use crate::cli::{Create, HostOptions};
use crate::progress::Progress;
use crate::{Error, host, output};

/// Creates a tenant and waits for it. Errors: [`Error::Exists`], [`Error::Failed`], [`Error::TimedOut`] and what the
/// host says.
pub(crate) async fn run(options: &HostOptions, arguments: &Create) -> Result<(), Error> {
    let name = &arguments.name;
    let api = host::tenants(host::client(options).await?);
    let created =
        api.create(&PostParams::default(), &host::new_tenant(name)).await.map_err(|error| host::named(error, name))?;
    if arguments.no_wait {
        return match arguments.output {
            Some(format) => output::value(format, &created),
            None => output::line(&format!("tenant/{name} created; wait for it: tenantctl get {name}")),
        };
    }
    let mut last = "nothing heard of it yet".to_owned();
    let ready = tokio::time::timeout(arguments.timeout, ready(&api, &created, name, &mut last)).await;
    let Ok(ready) = ready else {
        return Err(Error::TimedOut { name: name.to_string(), state: last });
    };
    let ready = ready?;
    match arguments.output {
        Some(format) => output::value(format, &ready),
        None => output::text(&summary(name, &ready)),
    }
}

async fn ready(
    api: &Api<DynamicObject>,
    created: &DynamicObject,
    name: &TenantName,
    last: &mut String,
) -> Result<DynamicObject, Error> {
    let mut progress = Progress::start(&format!("tenant/{name} created, waiting until it serves"));
    // Errors of a watch pass (the host restarts …): it starts again until the caller's time is up.
    let mut changes = pin!(watcher::watch_object(api.clone(), name.as_str()).default_backoff());
    loop {
        match changes.try_next().await {
            Ok(Some(Some(tenant))) if tenant.uid() == created.uid() => {
                if let Some(failure) = host::failure(&tenant) {
                    return Err(failure);
                }
                if host::status(&tenant).phase == Some(Phase::Ready) {
                    return Ok(tenant);
                }
                *last = host::state(&tenant);
                if host::status(&tenant).phase.is_some() {
                    progress.say(&format!("tenant/{name}: {last}"));
                }
            }
            Ok(Some(_)) => return Err(Error::NoTenant(name.to_string())),
            // The stream of a watch has no end.
            Ok(None) => return Err(Error::Unreachable("the watch ended".to_owned())),
            Err(error) => *last = error.to_string(),
        }
    }
}

fn summary(name: &TenantName, tenant: &DynamicObject) -> String {
    let status = host::status(tenant);
    let mut text = format!("tenant/{name} is ready\n\n");
    let mut add = |title: &str, value: &str| text.push_str(&format!("  {title:<16}{value}\n"));
    add("API", status.endpoint.as_deref().unwrap_or("unknown"));
    add("pods run in", &format!("namespace {}", status.host_namespace.as_deref().unwrap_or("unknown")));
    if let Some(secret) = &status.kubeconfig_secret_ref {
        add("kubeconfig in", &format!("secret {} of namespace {}", secret.name, secret.namespace));
    }
    text.push_str(&format!(
        "\nUse it:\n  tenantctl kubeconfig {name} > {name}.kubeconfig\n  kubectl --kubeconfig {name}.kubeconfig get namespaces\n"
    ));
    text
}
