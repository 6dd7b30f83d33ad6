//! What must be on the host before the first tenant: the Tenant API and the control namespace.

use controllers::client::{self, Objects, Part};
use serde_json::json;
use tenancy::labels;

use crate::config::Config;
use crate::kinds;

/// Installs or upgrades the CustomResourceDefinition and makes the control namespace. Where we may not, somebody else
/// has done it or the watch of tenants will say that it is missing.
///
/// # Errors
/// The host could not be reached.
pub(crate) async fn install(config: &Config) -> Result<(), kube::Error> {
    let host = Objects::new(config.host.clone(), labels::MANAGER);
    let crd = tenancy::tenant_crd();
    let name = crd["metadata"]["name"].as_str().unwrap_or_default();
    match host.apply(&kinds::CUSTOM_RESOURCE_DEFINITIONS, ("", name), Part::Object, &crd).await {
        Ok(_) => {}
        Err(error) if client::code(&error) == Some(403) => {
            tracing::warn!(
                message = client::message(&error),
                "may not install the Tenant definition, using what is there"
            );
        }
        Err(error) => return Err(error),
    }
    match host.create(&kinds::NAMESPACES, "", &control_namespace(&config.control_namespace)).await {
        Ok(_) => Ok(()),
        Err(error) if client::is_already_exists(&error) => Ok(()),
        Err(error) if client::code(&error) == Some(403) => {
            tracing::warn!(
                message = client::message(&error),
                "may not make the control namespace, using what is there"
            );
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn control_namespace(name: &str) -> serde_json::Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}
