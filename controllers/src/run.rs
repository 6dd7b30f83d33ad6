//! Starting the controllers: one informer per kind for all of them, one queue each.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use futures::future::{BoxFuture, join_all};
use kube::Client;
use kube::core::ApiResource;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::client::Objects;
use crate::events::Recorder;
use crate::informer::{Informer, Prune, Selector};
use crate::{deployment, endpoint_slices, endpoints, kinds, pod, replica_set, root_ca, service, service_account};

/// A controller that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// The `default` ServiceAccount of every namespace.
    ServiceAccount,
    /// The ConfigMap `kube-root-ca.crt` of every namespace.
    RootCa,
    /// ReplicaSets of Deployments.
    Deployment,
    /// Pods of ReplicaSets.
    ReplicaSet,
    /// Pods of ReplicationControllers.
    ReplicationController,
    /// Endpoints of Services.
    Endpoints,
    /// EndpointSlices of Services.
    EndpointSlice,
}

impl Which {
    /// Every controller there is.
    pub const ALL: [Which; 7] = [
        Self::ServiceAccount,
        Self::RootCa,
        Self::Deployment,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::Endpoints,
        Self::EndpointSlice,
    ];
}

/// What to run, and against what.
pub struct Config {
    /// A client of the fleet view. In a plain cluster (names without a tenant) everything works but the root CA, which
    /// comes from the tenants' routes.
    pub fleet: Client,
    /// Which controllers to run.
    pub which: BTreeSet<Which>,
}

impl Config {
    /// All controllers.
    pub fn all(fleet: Client) -> Self {
        Self { fleet, which: Which::ALL.into_iter().collect() }
    }
}

/// Runs the controllers until `shutdown`; returns when the last step is finished. Errors of the API are survived:
/// watches resume, writes are tried again with back-off.
pub async fn run(config: Config, shutdown: CancellationToken) {
    let context = Context::new(config.fleet);
    let recorder = context.recorder.clone();
    let recording = tokio::spawn(async move { recorder.run().await });
    join_all(config.which.iter().map(|which| start(*which, &context, shutdown.clone()))).await;
    context.recorder.close();
    // The recorder ends by itself; it cannot panic its way out of the queue runner.
    let _ = recording.await;
}

fn start(which: Which, context: &Context, shutdown: CancellationToken) -> BoxFuture<'static, ()> {
    match which {
        Which::ServiceAccount => Box::pin(service_account::run(context, shutdown)),
        Which::RootCa => Box::pin(root_ca::run(context, shutdown)),
        Which::Deployment => Box::pin(deployment::run(context, shutdown)),
        Which::ReplicaSet => Box::pin(replica_set::run(replica_set::Family::ReplicaSet, context, shutdown)),
        Which::ReplicationController => {
            Box::pin(replica_set::run(replica_set::Family::ReplicationController, context, shutdown))
        }
        Which::Endpoints => Box::pin(endpoints::run(context, shutdown)),
        Which::EndpointSlice => Box::pin(endpoint_slices::run(context, shutdown)),
    }
}

/// What all controllers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) objects: Objects,
    pub(crate) recorder: Recorder,
    informers: Arc<Informers>,
}

#[derive(Default)]
struct Informers {
    config_maps: OnceLock<Informer>,
    deployments: OnceLock<Informer>,
    endpoint_slices: OnceLock<Informer>,
    endpoints: OnceLock<Informer>,
    namespaces: OnceLock<Informer>,
    nodes: OnceLock<Informer>,
    pods: OnceLock<Informer>,
    replica_sets: OnceLock<Informer>,
    replication_controllers: OnceLock<Informer>,
    routes: OnceLock<Informer>,
    service_accounts: OnceLock<Informer>,
    services: OnceLock<Informer>,
}

macro_rules! informers {
    ($($name:ident($selector:expr, $prune:expr);)*) => {
        $(pub(crate) fn $name(&self) -> Informer {
            self.start(&self.informers.$name, &kinds::$name(), &$selector, $prune)
        })*
    };
}

impl Context {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            objects: Objects::new(client.clone(), "kube-controller-manager"),
            recorder: Recorder::new(client, "kube-controller-manager"),
            informers: Arc::default(),
        }
    }

    fn start(
        &self,
        cell: &OnceLock<Informer>,
        kind: &ApiResource,
        selector: &Selector,
        prune: Option<Prune>,
    ) -> Informer {
        cell.get_or_init(|| Informer::start(self.objects.client().clone(), kind, selector, prune)).clone()
    }

    informers! {
        config_maps(named(root_ca::NAME), Some(root_ca::prune_config_map));
        deployments(Selector::default(), None);
        endpoint_slices(endpoint_slices::managed(), None);
        endpoints(Selector::default(), None);
        namespaces(Selector::default(), Some(prune_namespace));
        nodes(Selector::default(), Some(prune_to_identity));
        pods(Selector::default(), Some(pod::prune));
        replica_sets(Selector::default(), None);
        replication_controllers(Selector::default(), None);
        routes(Selector::default(), Some(root_ca::prune_route));
        service_accounts(named(service_account::NAME), Some(prune_to_identity));
        services(Selector::default(), Some(service::prune));
    }
}

fn named(name: &str) -> Selector {
    Selector { fields: Some(format!("metadata.name={name}")), ..Selector::default() }
}

/// Leaves an object its name, version and labels.
fn prune_to_identity(object: &mut Value) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|field, _| field == "metadata");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            let kept = ["namespace", "name", "uid", "resourceVersion", "deletionTimestamp", "labels"];
            metadata.retain(|field, _| kept.contains(&field.as_str()));
        }
    }
}

fn prune_namespace(namespace: &mut Value) {
    let phase = namespace["status"]["phase"].take();
    prune_to_identity(namespace);
    namespace["status"] = serde_json::json!({ "phase": phase });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_all() {
        // A new variant does not compile here until it has a place.
        let place = |which: Which| match which {
            Which::ServiceAccount => 0,
            Which::RootCa => 1,
            Which::Deployment => 2,
            Which::ReplicaSet => 3,
            Which::ReplicationController => 4,
            Which::Endpoints => 5,
            Which::EndpointSlice => 6,
        };
        let places: Vec<i32> = Which::ALL.into_iter().map(place).collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5, 6]);
    }
}
