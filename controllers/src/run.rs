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
use crate::{
    cluster_role, cron_job, deployment, disruption, endpoint_slices, endpoints, ephemeral, job, kinds, mirroring, pod,
    pod_gc, replica_set, root_ca, service, service_account, stateful_set, tokens, ttl,
};

/// A controller that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// The `default` ServiceAccount of every namespace.
    ServiceAccount,
    /// The ConfigMap `kube-root-ca.crt` of every namespace.
    RootCa,
    /// Secrets with tokens of ServiceAccounts.
    ServiceAccountToken,
    /// Rules of aggregated ClusterRoles.
    ClusterRoleAggregation,
    /// ReplicaSets of Deployments.
    Deployment,
    /// Pods of ReplicaSets.
    ReplicaSet,
    /// Pods of ReplicationControllers.
    ReplicationController,
    /// Pods of StatefulSets.
    StatefulSet,
    /// Pods of Jobs.
    Job,
    /// Jobs at times.
    CronJob,
    /// Finished Jobs whose time to live is over.
    TtlAfterFinished,
    /// How many pods may be evicted.
    Disruption,
    /// Finished pods beyond a number, and ended ones that cannot say so.
    PodGarbage,
    /// Endpoints of Services.
    Endpoints,
    /// EndpointSlices of Services.
    EndpointSlice,
    /// EndpointSlices of Endpoints that users keep.
    EndpointSliceMirroring,
    /// Claims of ephemeral volumes.
    EphemeralVolume,
}

impl Which {
    /// Every controller there is.
    pub const ALL: [Which; 17] = [
        Self::ServiceAccount,
        Self::RootCa,
        Self::ServiceAccountToken,
        Self::ClusterRoleAggregation,
        Self::Deployment,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::StatefulSet,
        Self::Job,
        Self::CronJob,
        Self::TtlAfterFinished,
        Self::Disruption,
        Self::PodGarbage,
        Self::Endpoints,
        Self::EndpointSlice,
        Self::EndpointSliceMirroring,
        Self::EphemeralVolume,
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
        Which::ServiceAccountToken => Box::pin(tokens::run(context, shutdown)),
        Which::ClusterRoleAggregation => Box::pin(cluster_role::run(context, shutdown)),
        Which::Deployment => Box::pin(deployment::run(context, shutdown)),
        Which::ReplicaSet => Box::pin(replica_set::run(replica_set::Family::ReplicaSet, context, shutdown)),
        Which::ReplicationController => {
            Box::pin(replica_set::run(replica_set::Family::ReplicationController, context, shutdown))
        }
        Which::StatefulSet => Box::pin(stateful_set::run(context, shutdown)),
        Which::Job => Box::pin(job::run(context, shutdown)),
        Which::CronJob => Box::pin(cron_job::run(context, shutdown)),
        Which::TtlAfterFinished => Box::pin(ttl::run(context, shutdown)),
        Which::Disruption => Box::pin(disruption::run(context, shutdown)),
        Which::PodGarbage => Box::pin(pod_gc::run(context, shutdown)),
        Which::Endpoints => Box::pin(endpoints::run(context, shutdown)),
        Which::EndpointSlice => Box::pin(endpoint_slices::run(context, shutdown)),
        Which::EndpointSliceMirroring => Box::pin(mirroring::run(context, shutdown)),
        Which::EphemeralVolume => Box::pin(ephemeral::run(context, shutdown)),
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
    cluster_roles: OnceLock<Informer>,
    config_maps: OnceLock<Informer>,
    controller_revisions: OnceLock<Informer>,
    cron_jobs: OnceLock<Informer>,
    deployments: OnceLock<Informer>,
    disruption_budgets: OnceLock<Informer>,
    endpoint_slices: OnceLock<Informer>,
    endpoints: OnceLock<Informer>,
    jobs: OnceLock<Informer>,
    mirrored_slices: OnceLock<Informer>,
    namespaces: OnceLock<Informer>,
    nodes: OnceLock<Informer>,
    persistent_volume_claims: OnceLock<Informer>,
    pods: OnceLock<Informer>,
    replica_sets: OnceLock<Informer>,
    replication_controllers: OnceLock<Informer>,
    routes: OnceLock<Informer>,
    service_accounts: OnceLock<Informer>,
    services: OnceLock<Informer>,
    stateful_sets: OnceLock<Informer>,
    token_secrets: OnceLock<Informer>,
}

macro_rules! informers {
    ($($name:ident: $kind:ident($selector:expr, $prune:expr);)*) => {
        $(pub(crate) fn $name(&self) -> Informer {
            self.start(&self.informers.$name, &kinds::$kind(), &$selector, $prune)
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
        cluster_roles: cluster_roles(fields("fleet.own=true".to_owned()), Some(cluster_role::prune));
        config_maps: config_maps(named(root_ca::NAME), Some(root_ca::prune_config_map));
        controller_revisions: controller_revisions(Selector::default(), None);
        cron_jobs: cron_jobs(Selector::default(), None);
        deployments: deployments(Selector::default(), None);
        disruption_budgets: disruption_budgets(Selector::default(), None);
        endpoint_slices: endpoint_slices(endpoint_slices::managed(), None);
        endpoints: endpoints(Selector::default(), None);
        mirrored_slices: endpoint_slices(mirroring::managed(), None);
        jobs: jobs(Selector::default(), None);
        namespaces: namespaces(Selector::default(), Some(prune_namespace));
        nodes: nodes(Selector::default(), Some(prune_to_identity));
        persistent_volume_claims: persistent_volume_claims(Selector::default(), Some(prune_to_metadata));
        pods: pods(Selector::default(), Some(pod::prune));
        replica_sets: replica_sets(Selector::default(), None);
        replication_controllers: replication_controllers(Selector::default(), None);
        routes: routes(Selector::default(), Some(root_ca::prune_route));
        service_accounts: service_accounts(Selector::default(), Some(prune_to_identity));
        services: services(Selector::default(), Some(service::prune));
        stateful_sets: stateful_sets(Selector::default(), None);
        token_secrets: secrets(fields(format!("type={}", tokens::TYPE)), Some(tokens::prune));
    }
}

fn named(name: &str) -> Selector {
    fields(format!("metadata.name={name}"))
}

fn fields(selector: String) -> Selector {
    Selector { fields: Some(selector), ..Selector::default() }
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

/// Leaves an object its metadata.
fn prune_to_metadata(object: &mut Value) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|field, _| field == "metadata");
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
        let mut places: Vec<usize> = Which::ALL.into_iter().map(place).collect();
        places.dedup();
        assert_eq!(places, (0..Which::ALL.len()).collect::<Vec<_>>());
    }

    /// A new variant does not compile here until it has a place.
    fn place(which: Which) -> usize {
        match which {
            Which::ServiceAccount => 0,
            Which::RootCa => 1,
            Which::ServiceAccountToken => 2,
            Which::ClusterRoleAggregation => 3,
            Which::Deployment => 4,
            Which::ReplicaSet => 5,
            Which::ReplicationController => 6,
            Which::StatefulSet => 7,
            Which::Job => 8,
            Which::CronJob => 9,
            Which::TtlAfterFinished => 10,
            Which::Disruption => 11,
            Which::PodGarbage => 12,
            Which::Endpoints => 13,
            Which::EndpointSlice => 14,
            Which::EndpointSliceMirroring => 15,
            Which::EphemeralVolume => 16,
        }
    }
}
