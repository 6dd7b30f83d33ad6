//! The end of a tenant: nothing of it stays, and nothing that is not its own goes.

use std::time::Duration;

use controllers::client::{self, DeleteOptions, Part};
use controllers::queue::Outcome;
use serde_json::{Value, json};
use tenancy::{Tenant, TenantId, TenantName, host, labels};

use super::{FINALIZER, Shared, kubeconfig};
use crate::json;
use crate::kinds;

/// Looks again at a namespace that is still there, in case its event was missed.
const NAMESPACE_POLL: Duration = Duration::from_secs(10);

impl Shared {
    /// Takes a tenant apart: host namespace, route (and with it everything the tenant has stored), kubeconfig,
    /// finalizer. Every step can be repeated.
    pub(super) async fn remove(&self, tenant: &Tenant, name: &TenantName, id: TenantId) -> Outcome {
        self.places.remove(id);
        self.alerts.clear(id);
        self.say_terminating(tenant).await;
        let step = async {
            if !self.namespace_is_gone(name, id).await? {
                return Ok(false);
            }
            gone(self.fleet.delete(&kinds::ROUTES, ("", id.as_str()), &DeleteOptions::default()).await)?;
            self.ports.release(id);
            self.delete_secret(name, id).await?;
            self.release(tenant).await?;
            Ok(true)
        };
        match step.await {
            Ok(true) => {
                tracing::info!(tenant = %name, %id, "tenant removed");
                Outcome::Done
            }
            Ok(false) => Outcome::After(NAMESPACE_POLL),
            Err(error) => {
                let error: kube::Error = error;
                tracing::warn!(tenant = %name, %id, %error, "tenant not yet removed");
                Outcome::Retry
            }
        }
    }

    /// Deletes the host namespace, guarded by its uid, and tells whether it is gone. One that is not ours counts as
    /// gone: we have nothing there.
    async fn namespace_is_gone(&self, name: &TenantName, id: TenantId) -> Result<bool, kube::Error> {
        let namespace = host::namespace(name);
        let there = match self.host.get(&kinds::NAMESPACES, "", &namespace).await {
            Ok(there) => there,
            Err(error) if client::is_not_found(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        if owner(&there) != Some(id.as_str()) {
            return Ok(true);
        }
        if !json::is_deleting(&there) {
            let uid = json::text(&there, "/metadata/uid").to_owned();
            let options = DeleteOptions { uid: Some(uid), ..DeleteOptions::default() };
            gone(self.host.delete(&kinds::NAMESPACES, ("", &namespace), &options).await)?;
        }
        Ok(false)
    }

    async fn delete_secret(&self, name: &TenantName, id: TenantId) -> Result<(), kube::Error> {
        let (namespace, secret) = (&self.config.control_namespace, kubeconfig::secret_name(name));
        match self.host.get(&kinds::SECRETS, namespace, &secret).await {
            Err(error) => gone(Err(error)),
            Ok(there) if owner(&there) == Some(id.as_str()) => {
                let uid = json::text(&there, "/metadata/uid").to_owned();
                let options = DeleteOptions { uid: Some(uid), ..DeleteOptions::default() };
                gone(self.host.delete(&kinds::SECRETS, (namespace, &secret), &options).await)
            }
            Ok(_) => Ok(()),
        }
    }

    async fn release(&self, tenant: &Tenant) -> Result<(), kube::Error> {
        let others: Vec<&String> =
            tenant.metadata.finalizers.iter().flatten().filter(|finalizer| *finalizer != FINALIZER).collect();
        let patch = json!({ "metadata": {
            "finalizers": others,
            "uid": tenant.metadata.uid,
            "resourceVersion": tenant.metadata.resource_version,
        } });
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        gone(self.host.merge(&kinds::TENANTS, ("", name), Part::Object, &patch).await)
    }

    async fn say_terminating(&self, tenant: &Tenant) {
        if tenant.status.as_ref().and_then(|status| status.phase) == Some(tenancy::Phase::Terminating) {
            return;
        }
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        let patch = json!({ "metadata": { "uid": tenant.metadata.uid }, "status": { "phase": "Terminating" } });
        // For people only: the removal goes on without it.
        if let Err(error) = self.host.merge(&kinds::TENANTS, ("", name), Part::Status, &patch).await {
            tracing::debug!(tenant = name, %error, "phase not written");
        }
    }
}

fn owner(object: &Value) -> Option<&str> {
    object.pointer("/metadata/labels")?.get(labels::TENANT)?.as_str()
}

/// A delete is done when there is nothing left.
fn gone(result: Result<Value, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(error) if !client::is_not_found(&error) => Err(error),
        _ => Ok(()),
    }
}
