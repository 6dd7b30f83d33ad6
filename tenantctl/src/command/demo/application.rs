//! The application of the demo: three tiers, by server-side apply.

use controllers::client::{Objects, Part};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ApiResource, ListParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::PAUSE;
use crate::Error;

const SHOP: &str = include_str!("shop.yaml");

/// Applies all objects; says what they are. Errors: what the tenant's API says.
pub(super) async fn deploy(tenant: &Client) -> Result<String, Error> {
    let objects = Objects::new(tenant.clone(), "tenantctl-demo");
    let mut names = Vec::new();
    for object in documents() {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let api_version = text("/apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
        let key = (text("/metadata/namespace"), text("/metadata/name"));
        objects.apply(&kind, key, Part::Object, &object).await?;
        names.push(format!("{}/{}", text("/kind").to_lowercase(), key.1));
    }
    Ok(names.join(", "))
}

/// Resolves when all Deployments have all their replicas. Errors: what the tenant's API says.
pub(super) async fn available(tenant: Client) -> Result<(), Error> {
    let deployments: Api<Deployment> = Api::namespaced(tenant, "shop");
    loop {
        let all = deployments.list(&ListParams::default()).await?;
        let complete = |deployment: &Deployment| {
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            let status = deployment.status.as_ref();
            tracing::debug!(name = deployment.name_any(), ?status, "deployment");
            status.and_then(|status| status.available_replicas).unwrap_or_default() >= wanted
        };
        if !all.items.is_empty() && all.items.iter().all(complete) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn documents() -> Vec<Value> {
    serde_saphyr::from_multiple(SHOP).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_is_whole() {
        let documents = documents();
        assert_eq!(documents.len(), SHOP.split("\n---\n").count());
        assert!(documents.iter().all(|object| object["metadata"]["name"].is_string()));
    }
}
