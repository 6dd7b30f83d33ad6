//! Addresses and node ports from a range of this server's own: for a server that is itself the host (the lab).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use store::{At, Collection, Query, Scope};

use crate::respond::Error;
use crate::write::Context;

const NODE_PORTS: std::ops::RangeInclusive<i64> = 30000..=32767;

/// A /16 of ClusterIPs and the usual node ports.
pub struct LocalRange {
    base: [u8; 2],
    /// One allocation at a time; what is taken is read from the store, so nothing leaks.
    turn: Mutex<BTreeSet<String>>,
}

impl LocalRange {
    /// The range `a.b.0.0/16`.
    pub fn new(base: [u8; 2]) -> Self {
        Self { base, turn: Mutex::default() }
    }

    pub(super) fn allocate(&self, context: &Context<'_>, value: &mut Value) -> Result<(), Error> {
        let mut recent = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut addresses, mut ports) = taken(context);
        addresses.extend(recent.iter().cloned());
        let spec = &mut value["spec"];
        if spec["clusterIP"].as_str().unwrap_or_default().is_empty() {
            let address = self.free(&addresses)?;
            // Remembered until it shows up in the store: two creates at once must not get the same.
            recent.insert(address.clone());
            if recent.len() > 1024 {
                recent.pop_first();
            }
            spec["clusterIP"] = json!(address);
        }
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
        if spec["ipFamilies"].is_null() {
            spec["ipFamilies"] = json!(["IPv4"]);
        }
        if spec["ipFamilyPolicy"].is_null() {
            spec["ipFamilyPolicy"] = json!("SingleStack");
        }
        if matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer")) {
            for port in spec["ports"].as_array_mut().into_iter().flatten() {
                if port["nodePort"].as_i64().unwrap_or(0) == 0 {
                    let free = NODE_PORTS.clone().find(|candidate| !ports.contains(candidate));
                    let free = free.ok_or_else(|| Error::Internal("no node port is free".to_owned()))?;
                    ports.insert(free);
                    port["nodePort"] = json!(free);
                }
            }
        }
        Ok(())
    }

    fn free(&self, taken: &BTreeSet<String>) -> Result<String, Error> {
        // The first addresses are for the API itself and for DNS.
        (0x20..=0xfffeu16)
            .map(|low| Ipv4Addr::new(self.base[0], self.base[1], (low >> 8) as u8, (low & 0xff) as u8).to_string())
            .find(|address| !taken.contains(address))
            .ok_or_else(|| Error::Internal("no ClusterIP is free".to_owned()))
    }
}

fn taken(context: &Context<'_>) -> (BTreeSet<String>, BTreeSet<i64>) {
    let query = Query {
        scope: Scope::Tenant(context.tenant),
        collection: &Collection::new("", "services"),
        namespace: None,
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    let (mut addresses, mut ports) = (BTreeSet::new(), BTreeSet::new());
    let Ok(listing) = context.api.store.list(&query) else { return (addresses, ports) };
    for object in listing.objects {
        let value = object.value();
        addresses.extend(value["spec"]["clusterIP"].as_str().map(str::to_owned));
        for port in value["spec"]["ports"].as_array().into_iter().flatten() {
            ports.extend(port["nodePort"].as_i64());
        }
    }
    (addresses, ports)
}
