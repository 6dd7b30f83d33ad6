//! Pod IPs: one network per node, an address belongs to one pod at a time.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use controllers::Key;

use super::nodes::Simulated;

/// Last octets given to pods; 1 is the gateway's, as on real nodes.
const FIRST: u8 = 2;
const LAST: u8 = 254;

/// Which pod has which address.
#[derive(Default)]
pub(super) struct Addresses {
    by_address: BTreeMap<Ipv4Addr, Key>,
    by_pod: HashMap<Key, Ipv4Addr>,
}

impl Addresses {
    /// Notes an address that a pod has already, from its status.
    pub(super) fn note(&mut self, pod: &Key, address: Ipv4Addr) {
        if self.by_pod.get(pod) != Some(&address) {
            self.release(pod);
            self.by_pod.insert(pod.clone(), address);
            self.by_address.insert(address, pod.clone());
        }
    }

    /// The address of a pod on a node: the one it has, or the lowest free one. `None` when the network is full.
    pub(super) fn of(&mut self, pod: &Key, node: Simulated) -> Option<Ipv4Addr> {
        let network = node.pod_network().octets();
        if let Some(address) = self.by_pod.get(pod)
            && address.octets()[..3] == network[..3]
        {
            return Some(*address);
        }
        let candidate = |last: u8| Ipv4Addr::new(network[0], network[1], network[2], last);
        let address = (FIRST..=LAST).map(candidate).find(|address| !self.by_address.contains_key(address))?;
        self.note(pod, address);
        Some(address)
    }

    /// Takes a pod's address back.
    pub(super) fn release(&mut self, pod: &Key) {
        if let Some(address) = self.by_pod.remove(pod) {
            self.by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_belongs_to_one_pod_and_comes_back() {
        let node = Simulated::named("lab-node-2").unwrap();
        let key = |index: usize| Key::new("default", format!("pod-{index}"));
        let mut addresses = Addresses::default();
        addresses.note(&key(900), Ipv4Addr::new(10, 244, 2, 3));
        let given: Vec<_> = (0..252).map(|index| addresses.of(&key(index), node).unwrap()).collect();
        assert_eq!(given[..3], [2, 4, 5].map(|last| Ipv4Addr::new(10, 244, 2, last)), "3 is taken");
        assert_eq!(addresses.of(&key(0), node), Some(given[0]), "a pod keeps its address");
        assert_eq!(addresses.of(&key(999), node), None, "the network is full");
        addresses.release(&key(100));
        assert_eq!(addresses.of(&key(999), node), Some(given[100]));
        let other = Simulated::named("lab-node-1").unwrap();
        assert_eq!(addresses.of(&key(1000), other), Some(Ipv4Addr::new(10, 244, 1, 2)));
    }
}
