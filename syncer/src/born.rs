//! The kinds that are born in the tenant, one line each.

use kube::core::ApiResource;

use crate::kinds;
use crate::observe::{Observed, Sides};
use crate::translate::config::Kind;

/// Kinds that are born in the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Born {
    /// Pods.
    Pod,
    /// Services.
    Service,
    /// ConfigMaps.
    ConfigMap,
    /// Secrets.
    Secret,
    /// PersistentVolumeClaims.
    Claim,
    /// Ingresses.
    Ingress,
    /// NetworkPolicies.
    NetworkPolicy,
    /// PodDisruptionBudgets.
    DisruptionBudget,
    /// EndpointSlices of Services without a selector.
    EndpointSlice,
}

impl Born {
    /// Those whose objects are all looked at when a tenant gets its place: not ConfigMaps and Secrets, which only
    /// matter while somebody refers to them.
    pub(crate) const BY_THEMSELVES: [Born; 7] = [
        Born::Pod,
        Born::Service,
        Born::Claim,
        Born::Ingress,
        Born::NetworkPolicy,
        Born::DisruptionBudget,
        Born::EndpointSlice,
    ];

    /// Those that others refer to.
    pub(crate) const REFERRED_TO: [Born; 2] = [Born::ConfigMap, Born::Secret];

    /// As in `kind:`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Born::Pod => "Pod",
            Born::Service => "Service",
            Born::ConfigMap => "ConfigMap",
            Born::Secret => "Secret",
            Born::Claim => "PersistentVolumeClaim",
            Born::Ingress => "Ingress",
            Born::NetworkPolicy => "NetworkPolicy",
            Born::DisruptionBudget => "PodDisruptionBudget",
            Born::EndpointSlice => "EndpointSlice",
        }
    }

    /// Its API.
    pub(crate) fn resource(self) -> &'static ApiResource {
        match self {
            Born::Pod => &kinds::PODS,
            Born::Service => &kinds::SERVICES,
            Born::ConfigMap => &kinds::CONFIG_MAPS,
            Born::Secret => &kinds::SECRETS,
            Born::Claim => &kinds::CLAIMS,
            Born::Ingress => &kinds::INGRESSES,
            Born::NetworkPolicy => &kinds::NETWORK_POLICIES,
            Born::DisruptionBudget => &kinds::DISRUPTION_BUDGETS,
            Born::EndpointSlice => &kinds::ENDPOINT_SLICES,
        }
    }

    /// Its informers.
    pub(crate) fn sides(self, observed: &Observed) -> &Sides {
        match self {
            Born::Pod => &observed.pods,
            Born::Service => &observed.services,
            Born::ConfigMap => &observed.config_maps,
            Born::Secret => &observed.secrets,
            Born::Claim => &observed.claims,
            Born::Ingress => &observed.ingresses,
            Born::NetworkPolicy => &observed.network_policies,
            Born::DisruptionBudget => &observed.disruption_budgets,
            Born::EndpointSlice => &observed.endpoint_slices,
        }
    }

    /// Which kind of configuration it is, if it is one.
    pub(crate) fn config(self) -> Option<Kind> {
        match self {
            Born::ConfigMap => Some(Kind::ConfigMap),
            Born::Secret => Some(Kind::Secret),
            _ => None,
        }
    }
}

impl From<Kind> for Born {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::ConfigMap => Born::ConfigMap,
            Kind::Secret => Born::Secret,
        }
    }
}
