//! The kinds the controllers work with.

use kube::core::{ApiResource, GroupVersionKind};

macro_rules! kinds {
    ($($name:ident = $group:literal $version:literal $kind:literal $plural:literal;)*) => {
        $(pub(crate) fn $name() -> ApiResource {
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk($group, $version, $kind), $plural)
        })*
    };
}

kinds! {
    cluster_roles = "rbac.authorization.k8s.io" "v1" "ClusterRole" "clusterroles";
    config_maps = "" "v1" "ConfigMap" "configmaps";
    controller_revisions = "apps" "v1" "ControllerRevision" "controllerrevisions";
    cron_jobs = "batch" "v1" "CronJob" "cronjobs";
    deployments = "apps" "v1" "Deployment" "deployments";
    disruption_budgets = "policy" "v1" "PodDisruptionBudget" "poddisruptionbudgets";
    endpoint_slices = "discovery.k8s.io" "v1" "EndpointSlice" "endpointslices";
    endpoints = "" "v1" "Endpoints" "endpoints";
    events = "" "v1" "Event" "events";
    jobs = "batch" "v1" "Job" "jobs";
    namespaces = "" "v1" "Namespace" "namespaces";
    nodes = "" "v1" "Node" "nodes";
    persistent_volume_claims = "" "v1" "PersistentVolumeClaim" "persistentvolumeclaims";
    pods = "" "v1" "Pod" "pods";
    replica_sets = "apps" "v1" "ReplicaSet" "replicasets";
    replication_controllers = "" "v1" "ReplicationController" "replicationcontrollers";
    routes = "fleet.rowhouse.dev" "v1alpha1" "Route" "routes";
    secrets = "" "v1" "Secret" "secrets";
    service_accounts = "" "v1" "ServiceAccount" "serviceaccounts";
    services = "" "v1" "Service" "services";
    stateful_sets = "apps" "v1" "StatefulSet" "statefulsets";
}

#[cfg(test)]
mod tests {
    use tenancy::route;

    #[test]
    fn routes_are_those_of_tenancy() {
        let kind = super::routes();
        assert_eq!((kind.group.as_str(), kind.version.as_str()), (route::GROUP, route::VERSION));
        assert_eq!((kind.kind.as_str(), kind.plural.as_str()), (route::KIND, route::RESOURCE));
    }
}
