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
    config_maps = "" "v1" "ConfigMap" "configmaps";
    deployments = "apps" "v1" "Deployment" "deployments";
    endpoint_slices = "discovery.k8s.io" "v1" "EndpointSlice" "endpointslices";
    endpoints = "" "v1" "Endpoints" "endpoints";
    events = "" "v1" "Event" "events";
    namespaces = "" "v1" "Namespace" "namespaces";
    nodes = "" "v1" "Node" "nodes";
    pods = "" "v1" "Pod" "pods";
    replica_sets = "apps" "v1" "ReplicaSet" "replicasets";
    replication_controllers = "" "v1" "ReplicationController" "replicationcontrollers";
    routes = "fleet.rowhouse.dev" "v1alpha1" "Route" "routes";
    service_accounts = "" "v1" "ServiceAccount" "serviceaccounts";
    services = "" "v1" "Service" "services";
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
