//! The subsets of an Endpoints object. Pure (upstream `pkg/api/v1/endpoints`, `endpoints_controller.go`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::key::plain;
use crate::object::nullable;
use crate::pod::Pod;
use crate::service::{Service, addresses};

/// Most addresses of an Endpoints object; EndpointSlices have them all.
pub(super) const CAPACITY: usize = 1000;

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Subset {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub(super) addresses: Vec<Address>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub(super) not_ready_addresses: Vec<Address>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub(super) ports: Vec<Port>,
}

/// Ordered by address, then uid, as upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Address {
    pub(super) ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ref: Option<Target>,
    #[serde(skip_serializing_if = "String::is_empty")]
    hostname: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(default)]
struct Target {
    uid: String,
    kind: String,
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Port {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    port: i32,
    protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_protocol: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ready {
    No,
    Yes,
}

/// Where a port is offered. `None` stands for "no port", which a headless Service may have.
type Offers = BTreeMap<Option<Port>, BTreeMap<Address, Ready>>;

fn offer(offers: &mut Offers, port: Option<Port>, address: Address, ready: Ready) {
    let held = offers.entry(port).or_default().entry(address).or_insert(ready);
    // Not ready once is not ready.
    *held = (*held).min(ready);
}

/// Groups the ports that are offered by exactly the same addresses.
fn pack(offers: Offers) -> Vec<Subset> {
    let mut groups: BTreeMap<BTreeMap<Address, Ready>, BTreeSet<Port>> = BTreeMap::new();
    for (port, addresses) in offers {
        groups.entry(addresses).or_default().extend(port);
    }
    let mut subsets: Vec<Subset> = groups
        .into_iter()
        .map(|(addresses, ports)| {
            let of = |ready: Ready| addresses.iter().filter(move |(_, r)| **r == ready).map(|(a, _)| a.clone());
            Subset {
                addresses: of(Ready::Yes).collect(),
                not_ready_addresses: of(Ready::No).collect(),
                ports: ports.into_iter().collect(),
            }
        })
        .collect();
    subsets.sort();
    subsets
}

/// The same subsets in our order, for comparison with what somebody else may have written.
pub(super) fn repacked(subsets: Vec<Subset>) -> Vec<Subset> {
    let mut offers = Offers::new();
    for subset in subsets {
        let ports: Vec<Option<Port>> = match subset.ports.is_empty() {
            true => vec![None],
            false => subset.ports.into_iter().map(Some).collect(),
        };
        for port in ports {
            subset.addresses.iter().for_each(|a| offer(&mut offers, port.clone(), a.clone(), Ready::Yes));
            subset.not_ready_addresses.iter().for_each(|a| offer(&mut offers, port.clone(), a.clone(), Ready::No));
        }
    }
    pack(offers)
}

/// The subsets a Service should have.
pub(super) fn wanted(service: &Service, pods: &[Pod]) -> Vec<Subset> {
    let mut offers = Offers::new();
    for pod in pods.iter().filter(|pod| pod.is_reachable()) {
        if pod.raw.is_deleting() && !service.spec.publish_not_ready_addresses {
            continue;
        }
        let Some(ip) = addresses(pod, service.first_family(pod)).into_iter().next() else { continue };
        let address = Address {
            ip,
            hostname: if service.names(pod) { pod.spec.hostname.clone() } else { String::new() },
            node_name: Some(pod.spec.node_name.clone()),
            target_ref: Some(Target {
                uid: pod.meta.uid.clone(),
                kind: "Pod".to_owned(),
                namespace: plain(&pod.meta.namespace).to_owned(),
                name: pod.meta.name.clone(),
            }),
        };
        let ready = if service.spec.publish_not_ready_addresses || pod.is_ready() { Ready::Yes } else { Ready::No };
        if service.spec.ports.is_empty() && service.wants_no_ip() {
            offer(&mut offers, None, address.clone(), ready);
        }
        for port in &service.spec.ports {
            let Some(number) = port.in_pod(pod) else { continue };
            let port = Port {
                name: port.name.clone(),
                port: number,
                protocol: port.protocol.clone(),
                app_protocol: port.app_protocol.clone(),
            };
            offer(&mut offers, Some(port), address.clone(), ready);
        }
    }
    pack(offers)
}

/// Whether subsets had to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    No,
    Yes,
}

/// Cuts subsets to [`CAPACITY`], each in proportion, ready addresses first (`truncateEndpoints`).
pub(super) fn cut(subsets: &mut [Subset]) -> Cut {
    let ready: usize = subsets.iter().map(|subset| subset.addresses.len()).sum();
    let not_ready: usize = subsets.iter().map(|subset| subset.not_ready_addresses.len()).sum();
    if ready + not_ready <= CAPACITY {
        return Cut::No;
    }
    let (room, total) = if ready > CAPACITY { (CAPACITY, ready) } else { (CAPACITY - ready, not_ready) };
    let mut left = room;
    for subset in subsets {
        let list = if ready > CAPACITY {
            subset.not_ready_addresses.clear();
            &mut subset.addresses
        } else {
            &mut subset.not_ready_addresses
        };
        let share = (list.len() * room).div_ceil(total).min(left);
        list.truncate(share);
        left -= list.len();
    }
    Cut::Yes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::{pod, service};
    use serde_json::json;

    #[test]
    fn ports_with_the_same_pods_share_a_subset() {
        let two_ports = service(&json!({"spec": {"ports": [
            {"name": "a", "port": 80, "protocol": "TCP", "targetPort": 8080},
            {"name": "b", "port": 81, "protocol": "TCP", "targetPort": "http"},
            {"name": "c", "port": 82, "protocol": "TCP", "targetPort": "admin"}]}}));
        let unready = json!({"status": {"conditions": []}});
        let pods =
            [pod("p2", "10.1.0.2", &json!({})), pod("p1", "10.1.0.1", &json!({})), pod("p3", "10.1.0.3", &unready)];
        let subsets = wanted(&two_ports, &pods);
        assert_eq!(
            json!(subsets),
            json!([{
                "addresses": [
                    {"ip": "10.1.0.1", "nodeName": "node",
                        "targetRef": {"kind": "Pod", "namespace": "n", "name": "p1", "uid": "p1"}},
                    {"ip": "10.1.0.2", "nodeName": "node",
                        "targetRef": {"kind": "Pod", "namespace": "n", "name": "p2", "uid": "p2"}}],
                "notReadyAddresses": [{"ip": "10.1.0.3", "nodeName": "node",
                    "targetRef": {"kind": "Pod", "namespace": "n", "name": "p3", "uid": "p3"}}],
                "ports": [{"name": "a", "port": 8080, "protocol": "TCP"}, {"name": "b", "port": 8080, "protocol": "TCP"}],
            }])
        );
        assert_eq!(repacked(subsets.clone()), subsets);
        let mut shuffled = subsets.clone();
        shuffled[0].ports.reverse();
        shuffled[0].addresses.reverse();
        assert_eq!(repacked(shuffled), subsets);
    }

    #[test]
    fn headless_services_need_no_ports() {
        let headless = service(&json!({"spec": {"clusterIP": "None", "ports": null}}));
        let named = json!({"spec": {"hostname": "h", "subdomain": "web"}});
        let subsets = wanted(&headless, &[pod("a", "10.1.0.1", &named)]);
        assert_eq!((subsets.len(), subsets[0].ports.len(), subsets[0].addresses[0].hostname.as_str()), (1, 0, "h"));
        assert_eq!(repacked(subsets.clone()), subsets);
        let no_ports = service(&json!({"spec": {"ports": null}}));
        assert!(wanted(&no_ports, &[pod("a", "10.1.0.1", &json!({}))]).is_empty());
    }

    #[test]
    fn pods_that_go_are_left_out_unless_wanted() {
        let going = [pod("a", "10.1.0.1", &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}))];
        assert!(wanted(&service(&json!({})), &going).is_empty());
        let eager = service(&json!({"spec": {"publishNotReadyAddresses": true}}));
        assert_eq!(wanted(&eager, &going)[0].addresses.len(), 1);
    }

    #[test]
    fn too_many_addresses_are_cut_in_proportion() {
        let address = |n: usize| Address { ip: format!("{n}"), ..Address::default() };
        let subset = |ready: usize, not_ready: usize| Subset {
            addresses: (0..ready).map(address).collect(),
            not_ready_addresses: (0..not_ready).map(address).collect(),
            ports: Vec::new(),
        };
        let sizes = |subsets: &[Subset]| -> Vec<(usize, usize)> {
            subsets.iter().map(|s| (s.addresses.len(), s.not_ready_addresses.len())).collect()
        };
        let cases = [
            (vec![(600, 400)], Cut::No, vec![(600, 400)]),
            (vec![(1500, 10), (500, 10)], Cut::Yes, vec![(750, 0), (250, 0)]),
            (vec![(400, 900), (400, 100)], Cut::Yes, vec![(400, 180), (400, 20)]),
        ];
        for (before, cut_wanted, after) in cases {
            let mut subsets: Vec<Subset> = before.into_iter().map(|(r, n)| subset(r, n)).collect();
            assert_eq!(cut(&mut subsets), cut_wanted);
            assert_eq!(sizes(&subsets), after);
        }
    }
}
