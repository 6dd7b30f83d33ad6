//! Where pods of the host reach the apiproxies: every tenant's API Service leads there.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use controllers::informer::{Informer, Selector};
use kube::Client;
use serde_json::Value;

use crate::config::Advertise;
use crate::json;
use crate::kinds;

/// Endpoints of one tenant's Service; upstream's controller makes slices of as many.
const MOST: usize = 100;

/// The addresses of the apiproxies.
pub(super) enum Doors {
    /// None is known.
    None,
    /// One that was given.
    Fixed(IpAddr),
    /// Those of the pods behind a Service.
    Followed {
        /// EndpointSlices of Services of that name.
        slices: Informer,
        /// The Service's namespace.
        namespace: String,
        /// What was found last: while no apiproxy is ready, everything stays as it is.
        last: Mutex<Vec<IpAddr>>,
    },
}

impl Doors {
    /// Starts following, where there is something to follow.
    pub(super) fn start(host: &Client, advertise: &Advertise) -> Self {
        match advertise {
            Advertise::Nowhere => Self::None,
            Advertise::Address(ip) => Self::Fixed(*ip),
            Advertise::Service { namespace, name } => {
                let labels = Some(format!("kubernetes.io/service-name={name}"));
                let selector = Selector { labels, ..Selector::default() };
                let slices = Informer::start(host.clone(), &kinds::ENDPOINT_SLICES, &selector, None);
                Self::Followed { slices, namespace: namespace.clone(), last: Mutex::default() }
            }
        }
    }

    /// The informer to wait for and to listen to.
    pub(super) fn informer(&self) -> Option<&Informer> {
        match self {
            Self::Followed { slices, .. } => Some(slices),
            Self::None | Self::Fixed(_) => None,
        }
    }

    /// Namespace of the apiproxies' pods, when they are pods.
    pub(super) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Followed { namespace, .. } => Some(namespace),
            Self::None | Self::Fixed(_) => None,
        }
    }

    /// All addresses now, of one family, in order.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        match self {
            Self::None => Vec::new(),
            Self::Fixed(ip) => vec![*ip],
            Self::Followed { slices, namespace, last } => {
                let found = ready(slices.by_namespace(namespace).iter().map(|slice| slice.value()));
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if !found.is_empty() {
                    *last = found;
                }
                last.clone()
            }
        }
    }
}

/// Addresses of the ready endpoints of slices. An EndpointSlice holds one family: IPv4 where there is any.
fn ready(slices: impl Iterator<Item = Value>) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for slice in slices.filter(|slice| !json::is_deleting(slice)) {
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            // Not said means ready (upstream: EndpointConditions).
            if endpoint["conditions"]["ready"] != Value::Bool(false) {
                let addresses = endpoint["addresses"].as_array().into_iter().flatten();
                found.extend(addresses.filter_map(|address| address.as_str()?.parse::<IpAddr>().ok()));
            }
        }
    }
    if found.iter().any(IpAddr::is_ipv4) {
        found.retain(IpAddr::is_ipv4);
    }
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ready_endpoints_of_one_family() {
        let endpoint = |address: &str, conditions: Value| json!({"addresses": [address], "conditions": conditions});
        let slices = [
            json!({"endpoints": [
                endpoint("10.0.0.2", json!({"ready": true})), endpoint("10.0.0.1", json!({})),
                endpoint("10.0.0.3", json!({"ready": false})),
            ]}),
            json!({"endpoints": [endpoint("fd00::1", json!({"ready": true}))]}),
            json!({"metadata": {"deletionTimestamp": "x"}, "endpoints": [endpoint("10.0.0.9", json!({}))]}),
            json!({"endpoints": null}),
        ];
        let expected: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        assert_eq!(ready(slices.into_iter()), expected);
        let six = [json!({"endpoints": [endpoint("fd00::1", Value::Null)]})];
        assert_eq!(ready(six.into_iter()).len(), 1);
    }
}
