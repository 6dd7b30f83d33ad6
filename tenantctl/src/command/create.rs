//! `tenantctl create`: tenants, ready when the command returns.

use std::pin::pin;
use std::time::Duration;

use futures::TryStreamExt;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use tenancy::{Phase, TenantName};
use tokio::time::Instant;

use crate::cli::{Create, HostOptions};
use crate::manifest::{self, Written};
use crate::progress::Progress;
use crate::{Error, host, output};

/// Field manager of what comes from files.
const MANAGER: &str = "tenantctl";

/// A tenant the host has accepted.
struct Begun {
    name: TenantName,
    tenant: DynamicObject,
    done: Done,
    wanted: Wanted,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// The API, which comes first.
    Served,
    /// The API, and walls on the host that are as the spec says.
    Complete,
}

/// What has happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Created,
    Configured,
    Unchanged,
}

impl Done {
    fn as_str(self) -> &'static str {
        match self {
            Done::Created => "created",
            Done::Configured => "configured",
            Done::Unchanged => "unchanged",
        }
    }
}

/// Creates tenants and waits for them. Errors: [`Error::Exists`], [`Error::Failed`], [`Error::TimedOut`],
/// [`Error::File`] and what the host says.
pub(crate) async fn run(options: &HostOptions, arguments: &Create) -> Result<(), Error> {
    let wanted = arguments.filename.as_deref().map(manifest::read).transpose()?;
    let api = host::tenants(host::client(options).await?);
    let mut all = Vec::new();
    for written in wanted.iter().flatten() {
        all.push(apply(&api, written).await?);
    }
    if let Some(name) = &arguments.name {
        let tenant = host::new_tenant(name, &spec(arguments));
        let tenant = api.create(&PostParams::default(), &tenant).await.map_err(|error| host::named(error, name))?;
        all.push(Begun { name: name.clone(), tenant, done: Done::Created, wanted: Wanted::Served });
    }
    if !arguments.no_wait {
        let until = Instant::now() + arguments.timeout;
        for begun in &mut all {
            begun.tenant = wait(&api, begun, until.saturating_duration_since(Instant::now())).await?;
        }
    }
    match (arguments.output, all.as_slice()) {
        (Some(format), [one]) => output::value(format, &one.tenant),
        (Some(format), all) => {
            let items: Vec<_> = all.iter().map(|begun| &begun.tenant).collect();
            output::value(format, &json!({"apiVersion": "v1", "kind": "List", "items": items}))
        }
        (None, all) => output::text(&all.iter().map(|begun| told(begun, arguments)).collect::<String>()),
    }
}

/// The spec that was typed.
fn spec(arguments: &Create) -> Value {
    let mut spec = json!({});
    if let Some(ttl) = &arguments.ttl {
        spec["ttl"] = json!(ttl);
    }
    for (name, amount) in &arguments.quota {
        spec["quota"][name] = json!(amount);
    }
    if let Some(level) = &arguments.pod_security {
        spec["isolation"]["podSecurity"] = json!(level);
    }
    spec
}

/// Server-side apply: what the file no longer says goes, what others have set stays. Unknown fields are errors.
async fn apply(api: &Api<DynamicObject>, written: &Written) -> Result<Begun, Error> {
    let name = &written.name;
    let before = api.get_opt(name.as_str()).await?;
    let parameters = PatchParams::apply(MANAGER).validation_strict();
    let tenant = api.patch(name.as_str(), &parameters, &Patch::Apply(&written.object)).await;
    let tenant = tenant.map_err(|error| match error {
        kube::Error::Api(status) => {
            Error::Tenant { name: name.to_string(), reason: status.reason.clone(), message: status.message.clone() }
        }
        other => other.into(),
    })?;
    let done = match before {
        None => Done::Created,
        Some(before) if before.resource_version() == tenant.resource_version() => Done::Unchanged,
        Some(_) => Done::Configured,
    };
    Ok(Begun { name: name.clone(), tenant, done, wanted: Wanted::Complete })
}

async fn wait(api: &Api<DynamicObject>, begun: &Begun, patience: Duration) -> Result<DynamicObject, Error> {
    let mut last = "nothing heard of it yet".to_owned();
    match tokio::time::timeout(patience, ready(api, begun, &mut last)).await {
        Ok(ready) => ready,
        Err(_) => Err(Error::TimedOut { name: begun.name.to_string(), state: last }),
    }
}

async fn ready(api: &Api<DynamicObject>, begun: &Begun, last: &mut String) -> Result<DynamicObject, Error> {
    let (name, accepted) = (&begun.name, begun.done.as_str());
    let mut progress = Progress::start(&format!("tenant/{name} {accepted}, waiting until it serves"));
    // Errors of a watch pass (the host restarts …): it starts again until the caller's time is up.
    let mut changes = pin!(watcher::watch_object(api.clone(), name.as_str()).default_backoff());
    loop {
        match changes.try_next().await {
            Ok(Some(Some(tenant))) if tenant.uid() == begun.tenant.uid() => {
                if !is_about(&tenant, &begun.tenant) {
                    continue;
                }
                if let Some(failure) = host::failure(&tenant) {
                    return Err(failure);
                }
                let is_complete = begun.wanted == Wanted::Served || host::holds(&tenant, "HostNamespaceReady");
                if host::status(&tenant).phase == Some(Phase::Ready) && is_complete {
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

/// Whether the tenant speaks of the spec that was written, or of a later one.
fn is_about(tenant: &DynamicObject, written: &DynamicObject) -> bool {
    tenant.metadata.generation >= written.metadata.generation
        && (host::is_current(tenant) || host::status(tenant).phase.is_none_or(|phase| phase == Phase::Pending))
}

/// What is said of one tenant at the end.
fn told(begun: &Begun, arguments: &Create) -> String {
    let (name, done) = (&begun.name, begun.done.as_str());
    if arguments.no_wait {
        let hint =
            if begun.done == Done::Created { format!("; wait for it: tenantctl get {name}") } else { String::new() };
        return format!("tenant/{name} {done}{hint}\n");
    }
    if arguments.filename.is_some() {
        return format!("tenant/{name} {done}, ready\n");
    }
    summary(name, &begun.tenant)
}

fn summary(name: &TenantName, tenant: &DynamicObject) -> String {
    let status = host::status(tenant);
    let mut text = format!("tenant/{name} is ready\n\n");
    let mut add = |title: &str, value: &str| text.push_str(&format!("  {title:<16}{value}\n"));
    add("API", status.endpoint.as_deref().unwrap_or("unknown"));
    if let Some(end) = &status.expires_at {
        add("deleted at", end);
    }
    add("pods run in", &format!("namespace {}", status.host_namespace.as_deref().unwrap_or("unknown")));
    if let Some(secret) = &status.kubeconfig_secret_ref {
        add("kubeconfig in", &format!("secret {} of namespace {}", secret.name, secret.namespace));
    }
    text.push_str(&format!(
        "\nUse it:\n  tenantctl kubeconfig {name} > {name}.kubeconfig\n  kubectl --kubeconfig {name}.kubeconfig get namespaces\n"
    ));
    text
}
