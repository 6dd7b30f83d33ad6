//! The kinds the syncer reads and writes.

use std::sync::LazyLock;

use kube::core::{ApiResource, GroupVersionKind};
use tenancy::route;

fn kind(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $group:expr, $version:expr, $kind:expr, $plural:expr;)*) => {
        $($(#[$doc])* pub static $name: LazyLock<ApiResource> = LazyLock::new(|| kind($group, $version, $kind, $plural));)*
    };
}

kinds! {
    /// Pods.
    PODS = "", "v1", "Pod", "pods";
    /// Services.
    SERVICES = "", "v1", "Service", "services";
    /// ConfigMaps.
    CONFIG_MAPS = "", "v1", "ConfigMap", "configmaps";
    /// Secrets.
    SECRETS = "", "v1", "Secret", "secrets";
    /// Events of the core group.
    EVENTS = "", "v1", "Event", "events";
    /// Nodes.
    NODES = "", "v1", "Node", "nodes";
    /// Namespaces.
    NAMESPACES = "", "v1", "Namespace", "namespaces";
    /// ServiceAccounts.
    SERVICE_ACCOUNTS = "", "v1", "ServiceAccount", "serviceaccounts";
    /// ResourceQuotas.
    RESOURCE_QUOTAS = "", "v1", "ResourceQuota", "resourcequotas";
    /// LimitRanges.
    LIMIT_RANGES = "", "v1", "LimitRange", "limitranges";
    /// NetworkPolicies.
    NETWORK_POLICIES = "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies";
    /// EndpointSlices.
    ENDPOINT_SLICES = "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices";
    /// Ingresses.
    INGRESSES = "networking.k8s.io", "v1", "Ingress", "ingresses";
    /// PodDisruptionBudgets.
    DISRUPTION_BUDGETS = "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets";
    /// PersistentVolumeClaims.
    CLAIMS = "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims";
    /// PersistentVolumes, in the fleet view only.
    VOLUMES = "", "v1", "PersistentVolume", "persistentvolumes";
    /// StorageClasses.
    STORAGE_CLASSES = "storage.k8s.io", "v1", "StorageClass", "storageclasses";
    /// IngressClasses.
    INGRESS_CLASSES = "networking.k8s.io", "v1", "IngressClass", "ingressclasses";
    /// PriorityClasses.
    PRIORITY_CLASSES = "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses";
    /// RuntimeClasses.
    RUNTIME_CLASSES = "node.k8s.io", "v1", "RuntimeClass", "runtimeclasses";
    /// CustomResourceDefinitions.
    CUSTOM_RESOURCE_DEFINITIONS = "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions";
    /// Tenants, on the host.
    TENANTS = "rowhouse.dev", "v1alpha1", "Tenant", "tenants";
    /// Routes, in the fleet view.
    ROUTES = route::GROUP, route::VERSION, route::KIND, route::RESOURCE;
}
