//! EndpointSlices of Endpoints that users keep themselves, for Services without a selector (upstream
//! `pkg/controller/endpointslicemirroring`). A slice has a name of its own for each address family and set of ports,
//! where upstream generates one.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{self, DeleteOptions, Part};
use crate::informer::{Informer, Raw, Selector};
use crate::key::Key;
use crate::kinds;
use crate::object::controller_reference;
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::service::Service;
use crate::step::{self, Controller, Error};

const MANAGED_BY_LABEL: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGED_BY: &str = "endpointslicemirroring-controller.k8s.io";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotations that are not copied.
const OWN_ANNOTATIONS: [&str; 2] =
    ["endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"];
/// Most addresses of a subset that are copied (upstream's `--mirroring-max-endpoints-per-subset`).
const MOST: usize = 1000;

/// Selects the slices of this controller.
pub(crate) fn managed() -> Selector {
    Selector { labels: Some(format!("{MANAGED_BY_LABEL}={MANAGED_BY}")), ..Selector::default() }
}

#[derive(Clone)]
struct Mirroring {
    context: Context,
    services: Informer,
    endpoints: Informer,
    slices: Informer,
}

impl Controller for Mirroring {
    const NAME: &'static str = "endpointslice-mirroring-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let endpoints = self.endpoints.get(&key.namespace, &key.name).filter(|raw| !raw.is_deleting());
        let service = self.services.get(&key.namespace, &key.name);
        let is_kept_by_hand = match &service {
            Some(raw) => !raw.view::<Service>()?.has_endpoints(),
            None => false,
        };
        let wanted = endpoints.filter(|_| is_kept_by_hand).map_or_else(Vec::new, |raw| wanted(&raw.value()));
        let (objects, kind) = (&self.context.objects, kinds::endpoint_slices());
        let mut there = self.slices.by_namespace(&key.namespace);
        there.retain(|slice| slice.label(SERVICE_NAME) == Some(&key.name));
        for slice in &wanted {
            let name = slice["metadata"]["name"].as_str().unwrap_or_default();
            if !there.iter().any(|old| old.name() == name && is_same(&old.value(), slice)) {
                objects.apply(&kind, (&key.namespace, name), Part::Object, slice).await?;
            }
        }
        for old in there.iter().filter(|old| !wanted.iter().any(|slice| slice["metadata"]["name"] == *old.name())) {
            let options = DeleteOptions { uid: Some(old.uid().to_owned()), ..DeleteOptions::default() };
            match objects.delete(&kind, (&key.namespace, old.name()), &options).await {
                Err(error) if !client::is_not_found(&error) && !client::is_conflict(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(Outcome::Done)
    }
}

/// The slices of an Endpoints object; none when it asks for none.
fn wanted(endpoints: &Value) -> Vec<Value> {
    let metadata = &endpoints["metadata"];
    if metadata["labels"][SKIP_MIRROR] == "true" || metadata["annotations"].get(LEADER).is_some() {
        return Vec::new();
    }
    let mut groups: BTreeMap<(&str, String), (Value, Vec<Value>)> = BTreeMap::new();
    for subset in endpoints["subsets"].as_array().into_iter().flatten() {
        let ports = ports(&subset["ports"]);
        for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
            for address in subset[field].as_array().into_iter().flatten() {
                let Some((family, endpoint)) = endpoint(address, ready) else { continue };
                let (_, group) =
                    groups.entry((family, ports.to_string())).or_insert_with(|| (ports.clone(), Vec::new()));
                if group.len() < MOST {
                    group.push(endpoint);
                }
            }
        }
    }
    let name = metadata["name"].as_str().unwrap_or_default();
    let make = |((family, text), (ports, endpoints)): ((&str, String), (Value, Vec<Value>))| {
        let mut labels = metadata["labels"].as_object().cloned().unwrap_or_default();
        labels.insert(SERVICE_NAME.to_owned(), json!(name));
        labels.insert(MANAGED_BY_LABEL.to_owned(), json!(MANAGED_BY));
        let mut annotations = metadata["annotations"].as_object().cloned().unwrap_or_default();
        annotations.retain(|key, _| !OWN_ANNOTATIONS.contains(&key.as_str()));
        let owner = controller_reference(&kinds::endpoints(), name, metadata["uid"].as_str().unwrap_or_default());
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
            "metadata": {
                "name": slice_name(name, family, &text), "labels": labels, "annotations": annotations,
                "ownerReferences": [owner],
            },
            "ports": ports, "endpoints": endpoints,
        })
    };
    groups.into_iter().map(make).collect()
}

/// A name that is the same for the same family and ports.
fn slice_name(endpoints: &str, family: &str, ports: &str) -> String {
    // FNV-1a; names need to be stable, not secret.
    let hash = format!("{family}/{ports}")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let room = 253 - 11;
    format!("{}-{:010x}", endpoints.get(..room.min(endpoints.len())).unwrap_or(endpoints), hash & 0xff_ffff_ffff)
}

fn ports(ports: &Value) -> Value {
    let fields = ["appProtocol", "name", "port", "protocol"];
    let port = |port: &Value| {
        let mut out = serde_json::Map::new();
        for field in fields {
            if let Some(value) = port.get(field).filter(|value| !value.is_null()) {
                out.insert(field.to_owned(), value.clone());
            }
        }
        out.entry("name").or_insert_with(|| json!(""));
        Value::Object(out)
    };
    Value::Array(ports.as_array().into_iter().flatten().map(port).collect())
}

fn endpoint(address: &Value, ready: bool) -> Option<(&'static str, Value)> {
    let ip: IpAddr = address["ip"].as_str()?.parse().ok()?;
    let mut endpoint = json!({"addresses": [ip.to_string()], "conditions": {"ready": ready}});
    for field in ["hostname", "nodeName", "targetRef"] {
        if let Some(value) = address.get(field).filter(|value| !value.is_null() && **value != "") {
            endpoint[field] = value.clone();
        }
    }
    Some((if ip.is_ipv4() { "IPv4" } else { "IPv6" }, endpoint))
}

fn is_same(there: &Value, wanted: &Value) -> bool {
    let same = |pointer: &str| {
        let of =
            |slice: &Value| slice.pointer(pointer).filter(|value| *value != &json!({})).cloned().unwrap_or_default();
        of(there) == of(wanted)
    };
    ["/addressType", "/endpoints", "/ports", "/metadata/labels", "/metadata/annotations"].into_iter().all(same)
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let controller = Mirroring {
        context: context.clone(),
        services: context.services(),
        endpoints: context.endpoints(),
        slices: context.mirrored_slices(),
    };
    for informer in [&controller.services, &controller.endpoints] {
        let queue = queue.clone();
        informer.subscribe(move |change| queue.add(change.key().clone()));
    }
    controller.slices.subscribe({
        let queue = queue.clone();
        move |change| {
            let names = change
                .old
                .iter()
                .chain(&change.new)
                .filter_map(|slice: &std::sync::Arc<Raw>| slice.label(SERVICE_NAME));
            names.for_each(|name| queue.add(Key::new(change.key().namespace.clone(), name)));
        }
    });
    let informers = vec![controller.services.clone(), controller.endpoints.clone(), controller.slices.clone()];
    step::work(controller, queue, informers, shutdown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Value {
        json!({
            "metadata": {"name": "db", "uid": "u1", "labels": {"a": "b"}, "annotations": {"note": "x", OWN_ANNOTATIONS[1]: "{}"}},
            "subsets": [
                {"addresses": [{"ip": "8.8.8.8", "hostname": "one"}, {"ip": "2001:db8::1"}],
                 "notReadyAddresses": [{"ip": "8.8.4.4"}], "ports": [{"port": 5432, "protocol": "TCP"}]},
                {"addresses": [{"ip": "1.1.1.1"}, {"ip": "nonsense"}], "ports": [{"name": "m", "port": 9, "protocol": "TCP"}]},
            ],
        })
    }

    #[test]
    fn subsets_become_slices_by_family_and_ports() {
        let slices = wanted(&endpoints());
        assert_eq!(slices.len(), 3);
        let four = slices.iter().find(|slice| slice["endpoints"].as_array().unwrap().len() == 2).unwrap();
        assert_eq!(four["addressType"], "IPv4");
        assert_eq!(
            four["endpoints"],
            json!([{"addresses": ["8.8.8.8"], "conditions": {"ready": true}, "hostname": "one"},
                {"addresses": ["8.8.4.4"], "conditions": {"ready": false}}])
        );
        assert_eq!(four["ports"], json!([{"name": "", "port": 5432, "protocol": "TCP"}]));
        assert_eq!(four["metadata"]["labels"], json!({"a": "b", SERVICE_NAME: "db", MANAGED_BY_LABEL: MANAGED_BY}));
        assert_eq!(four["metadata"]["annotations"], json!({"note": "x"}));
        let names: std::collections::BTreeSet<_> =
            slices.iter().map(|slice| slice["metadata"]["name"].to_string()).collect();
        assert_eq!(names.len(), 3);
        assert_eq!(wanted(&endpoints()), slices, "names are stable");
        assert!(is_same(four, four));
        let mut other = four.clone();
        other["endpoints"][0]["conditions"]["ready"] = json!(false);
        assert!(!is_same(four, &other));
    }

    #[test]
    fn some_ask_for_none() {
        for (pointer, key, value) in [("labels", SKIP_MIRROR, "true"), ("annotations", LEADER, "{}")] {
            let mut endpoints = endpoints();
            endpoints["metadata"][pointer][key] = json!(value);
            assert_eq!(wanted(&endpoints), Vec::<Value>::new(), "{key}");
        }
    }
}
