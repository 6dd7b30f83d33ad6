//! The host API: which cluster, and tenants in it.

use kube::api::{Api, ApiResource, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config, Resource as _, ResourceExt};
use tenancy::{Phase, Tenant, TenantName, TenantStatus};

use crate::Error;
use crate::cli::HostOptions;
use crate::error::causes;

/// State of a tenant that nobody has looked at.
const UNCLAIMED: &str = "no control plane has taken it up; is `tenantctl up` running?";

/// Connection settings of the host, found as kubectl finds them. Errors: [`Error::Kubeconfig`].
pub(crate) async fn config(options: &HostOptions) -> Result<Config, Error> {
    let choice = KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    let kubeconfig = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match kubeconfig {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => {
            let named = options.kubeconfig.is_some() || options.context.is_some();
            let absent = matches!(error, KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath);
            return match Config::incluster() {
                Ok(config) if absent && !named => Ok(config),
                _ => Err(Error::Kubeconfig(causes(&error))),
            };
        }
    };
    Config::from_custom_kubeconfig(kubeconfig, &choice).await.map_err(|error| Error::Kubeconfig(causes(&error)))
}

/// Client of the host. Errors: [`Error::Kubeconfig`].
pub(crate) async fn client(options: &HostOptions) -> Result<Client, Error> {
    let config = config(options).await?;
    Client::try_from(config).map_err(|error| Error::Kubeconfig(causes(&error)))
}

/// Tenants of the host, as they are: fields that this version does not know stay.
pub(crate) fn tenants(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &ApiResource::erase::<Tenant>(&()))
}

/// Reads one tenant. Errors: [`Error::NoTenant`] and what the host says.
pub(crate) async fn tenant(api: &Api<DynamicObject>, name: &TenantName) -> Result<DynamicObject, Error> {
    api.get(name.as_str()).await.map_err(|error| named(error, name))
}

/// An error of a request about one tenant.
pub(crate) fn named(error: kube::Error, name: &TenantName) -> Error {
    match error {
        kube::Error::Api(status) if status.code == 404 && status.details.is_some() => Error::NoTenant(name.to_string()),
        kube::Error::Api(status) if status.is_already_exists() => Error::Exists(name.to_string()),
        other => other.into(),
    }
}

/// A new `Tenant`.
pub(crate) fn new_tenant(name: &TenantName, spec: &serde_json::Value) -> DynamicObject {
    let mut object = DynamicObject::new(name.as_str(), &ApiResource::erase::<Tenant>(&()));
    object.data = serde_json::json!({ "spec": spec });
    object
}

/// Status of a tenant; empty as long as nobody has written one.
pub(crate) fn status(tenant: &DynamicObject) -> TenantStatus {
    let status = tenant.data.get("status").cloned().unwrap_or_default();
    serde_json::from_value(status).unwrap_or_default()
}

/// Whether what the tenant says of itself is about its spec as it is now.
pub(crate) fn is_current(tenant: &DynamicObject) -> bool {
    let conditions = status(tenant).conditions;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    ready.is_some_and(|ready| ready.observed_generation >= tenant.metadata.generation)
}

/// Whether a condition of a tenant holds.
pub(crate) fn holds(tenant: &DynamicObject, condition: &str) -> bool {
    status(tenant).conditions.iter().any(|one| one.type_ == condition && one.status == "True")
}

/// What a tenant says of itself in one line: its first condition that is not fulfilled, or its phase.
pub(crate) fn state(tenant: &DynamicObject) -> String {
    let status = status(tenant);
    if tenant.meta().deletion_timestamp.is_some() {
        return "being deleted".to_owned();
    }
    match status.conditions.iter().find(|condition| condition.status == "False") {
        Some(condition) if condition.message.is_empty() => condition.reason.clone(),
        Some(condition) => format!("{}: {}", condition.reason, condition.message),
        None => status.phase.map_or_else(|| UNCLAIMED.to_owned(), |phase| format!("{phase:?}")),
    }
}

/// The failure of a tenant that cannot be made; `None` when it has not failed.
pub(crate) fn failure(tenant: &DynamicObject) -> Option<Error> {
    let status = status(tenant);
    if status.phase != Some(Phase::Failed) {
        return None;
    }
    let unfulfilled = || status.conditions.iter().filter(|condition| condition.status == "False");
    // `Ready` only sums up; a more special condition knows the cause.
    let condition = unfulfilled().find(|condition| condition.type_ != "Ready").or_else(|| unfulfilled().next());
    let (reason, message) = condition.map_or_else(
        || ("Failed".to_owned(), "it does not say why".to_owned()),
        |condition| (condition.reason.clone(), condition.message.clone()),
    );
    Some(Error::Failed { name: tenant.name_any(), reason, message })
}
