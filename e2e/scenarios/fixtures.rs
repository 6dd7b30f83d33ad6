//! Manifests and questions that several scenarios share.

use e2e::{Kubectl, eventually};

/// Namespace `shop` with a Deployment `web` of two replicas, a Service, a ConfigMap and a Secret.
pub(crate) const SHOP: &str = include_str!("shop.yaml");
/// CustomResourceDefinition of widgets.
pub(crate) const WIDGETS: &str = include_str!("widgets.yaml");

/// Deploys the shop and waits until it runs.
#[track_caller]
pub(crate) fn deploy_shop(tenant: &Kubectl) {
    tenant.apply(SHOP);
    tenant.run("rollout status deployment/web -n shop --timeout=60s").ok();
}

/// Names of the pods of an application, sorted.
#[track_caller]
pub(crate) fn pods(kubectl: &Kubectl, namespace: &str, app: &str) -> Vec<String> {
    let text =
        kubectl.run(&format!("get pods -n {namespace} -l app={app} -o jsonpath={{.items[*].metadata.name}}")).ok();
    let mut names: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    names.sort();
    names
}

/// Waits until an application has so many running pods, and returns their names.
#[track_caller]
pub(crate) fn await_pods(kubectl: &Kubectl, namespace: &str, app: &str, count: usize) -> Vec<String> {
    eventually(&format!("{count} running pods of {app}"), || {
        let query = format!("get pods -n {namespace} -l app={app} --field-selector=status.phase=Running -o name");
        let running = kubectl.run(&query).result().map_err(|failed| failed.to_string())?;
        if running.lines().count() == count { Ok(()) } else { Err(running) }
    });
    pods(kubectl, namespace, app)
}
