//! ServiceAccount admission for pods (upstream: `plugin/pkg/admission/serviceaccount`): a default account, its pull
//! secrets, and a projected token mounted into every container.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use serde_json::{Value, json};
use store::{Collection, Object};

use crate::respond::Error;
use crate::write::Context;

const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Lifetime of the projected token: an hour and a few seconds that tell it from a chosen hour (upstream).
const EXPIRATION: i64 = 3607;
/// A namespace that was just made gets its account a moment later.
const WAIT: Duration = Duration::from_millis(50);
const WAITS: usize = 40;
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Gives a pod its account. Errors: 403 when the account does not exist.
pub(super) async fn mutate(context: &Context<'_>, pod: &mut Value) -> Result<(), Error> {
    let is_pod = context.resource.group.is_empty() && context.resource.plural == "pods";
    let mirror = !pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null();
    if !is_pod || mirror || !pod["spec"].is_object() || context.tenant == tenancy::TenantId::SYSTEM {
        return Ok(());
    }
    let name =
        pod["spec"]["serviceAccountName"].as_str().filter(|name| !name.is_empty()).unwrap_or("default").to_owned();
    pod["spec"]["serviceAccountName"] = json!(name);
    pod["spec"]["serviceAccount"] = json!(name);
    let account = account(context, pod, &name).await?.value();
    let wanted = pod["spec"]["automountServiceAccountToken"]
        .as_bool()
        .or_else(|| account["automountServiceAccountToken"].as_bool())
        .unwrap_or(true);
    if wanted {
        mount(pod);
    }
    let has_secrets = pod["spec"]["imagePullSecrets"].as_array().is_some_and(|secrets| !secrets.is_empty());
    if !has_secrets && let Some(secrets) = account["imagePullSecrets"].as_array().filter(|secrets| !secrets.is_empty())
    {
        pod["spec"]["imagePullSecrets"] = json!(secrets);
    }
    Ok(())
}

async fn account(context: &Context<'_>, pod: &Value, name: &str) -> Result<Arc<Object>, Error> {
    let collection = Collection::new("", "serviceaccounts");
    let namespace = &context.info().namespace;
    for attempt in 0..WAITS {
        if let Some(found) = context.api.store.get(context.tenant, &collection, namespace, name) {
            return Ok(found);
        }
        if name != "default" && attempt > 1 {
            break;
        }
        tokio::time::sleep(WAIT).await;
    }
    let message = format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found");
    Err(super::forbidden(context, pod, message))
}

fn mount(pod: &mut Value) {
    let mut rng = rand::rng();
    let suffix: String = (0..5).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect();
    let volume = format!("kube-api-access-{suffix}");
    let mut used = false;
    for list in ["initContainers", "containers"] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            if mounts.iter().any(|mount| mount["mountPath"] == MOUNT_PATH) || !container.is_object() {
                continue;
            }
            let mut mounts = mounts;
            mounts.push(json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH}));
            container["volumeMounts"] = Value::from(mounts);
            used = true;
        }
    }
    if !used {
        return;
    }
    let mut volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    volumes.push(json!({
        "name": volume,
        "projected": {
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": EXPIRATION, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
                ]}},
            ],
        },
    }));
    pod["spec"]["volumes"] = Value::from(volumes);
}
