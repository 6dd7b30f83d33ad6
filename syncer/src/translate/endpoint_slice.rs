//! EndpointSlices of Services without a selector: born in the tenant.
//!
//! Components of the host follow a slice with reach of their own (kube-proxy, load balancers, ingress controllers), so an
//! address must not lead where the tenant may not go itself (CVE-2021-25740).

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use tenancy::host::object_name;
use tenancy::{Host, NetworkIsolation, Virtual, labels};

use super::addresses::{is_inside, never};
use super::rules::Rule::{Into, Keep, Ours, Rewrite};
use super::rules::{Handler, Outcome, Rewriter, Shape, Unknown, each};
use super::{Identity, Made, Origin, Place, Refused, metadata};
use crate::json;

/// Endpoint slices are born in the tenant.
pub const ORIGIN: Origin = Origin::Tenant;
/// Label: the Service a slice belongs to.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label: who keeps a slice.
pub const KEPT_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Keeper of the slices of Services with a selector; the host has a controller of its own for them.
pub const BY_SELECTOR: &str = "endpointslice-controller.k8s.io";

/// An item of `endpoints`.
pub static ENDPOINT: Shape = Shape {
    type_name: "discovery.v1.Endpoint",
    fields: &[
        (
            "addresses",
            Rewrite(
                Handler::Addresses,
                None,
                "kept; addresses of nodes and metadata services are refused, and private ones that are no pod's of the tenant, unless the Tenant's isolation.network is None",
            ),
        ),
        ("conditions", Into(&CONDITIONS)),
        ("deprecatedTopology", Ours("left out: obsolete")),
        ("hints", Ours("left out: the host distributes traffic")),
        ("hostname", Keep),
        ("nodeName", Ours("left out: says nothing true about addresses that are not pods")),
        ("targetRef", Ours("left out: the host object has another name")),
        ("zone", Keep),
    ],
};
static CONDITIONS: Shape = Shape {
    type_name: "discovery.v1.EndpointConditions",
    fields: &[("ready", Keep), ("serving", Keep), ("terminating", Keep)],
};
/// An item of `ports`.
pub static PORT: Shape = Shape {
    type_name: "discovery.v1.EndpointPort",
    fields: &[("appProtocol", Keep), ("name", Keep), ("port", Keep), ("protocol", Keep)],
};

/// Translates a slice. `is_own` tells whether an address is that of a pod of the tenant. None for slices that need no
/// twin.
///
/// # Errors
/// [`Refused`] when there is no honest translation.
pub fn to_host(
    place: &Place,
    who: Identity<'_>,
    slice: &Virtual<Value>,
    is_own: &dyn Fn(IpAddr) -> bool,
) -> Result<Option<Made>, Refused> {
    let Virtual(slice) = slice;
    let Some(service) = service(slice).filter(|service| (who.namespace, *service) != ("default", "kubernetes")) else {
        return Ok(None);
    };
    let kind = json::text(slice, "/addressType");
    if kind == "FQDN" {
        return Err(Refused::new("addressType", "names are not followed by the host, only addresses"));
    }
    let mut rewriter = Walls { place, is_own };
    let mut out = Map::new();
    for (field, value) in slice.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        match field.as_str() {
            "apiVersion" | "kind" | "metadata" => {}
            "addressType" => drop(out.insert(field.clone(), value.clone())),
            "endpoints" => {
                drop(out.insert(field.clone(), each(&ENDPOINT, value, field, Unknown::Refuse, &mut rewriter)?));
            }
            "ports" => drop(out.insert(field.clone(), each(&PORT, value, field, Unknown::Refuse, &mut rewriter)?)),
            other => return Err(Refused::new(other, "this field is not known here and cannot be translated")),
        }
    }
    let host_name = Host(object_name(who.namespace, who.name));
    let mut metadata = metadata::twin(place, who, &host_name, slice.get("metadata").unwrap_or(&Value::Null));
    metadata["labels"][SERVICE_NAME] = json!(object_name(who.namespace, service));
    metadata["labels"][KEPT_BY] = json!(labels::RESERVED_DOMAIN);
    out.insert("apiVersion".into(), json!("discovery.k8s.io/v1"));
    out.insert("kind".into(), json!("EndpointSlice"));
    out.insert("metadata".into(), metadata);
    Ok(Some(Made { object: Host(Value::Object(out)), notes: Vec::new() }))
}

/// The Service of a slice that somebody else than the selector's controller keeps.
fn service(slice: &Value) -> Option<&str> {
    let labels = json::object(slice, "/metadata/labels")?;
    let label = |key: &str| labels.get(key).and_then(Value::as_str);
    label(SERVICE_NAME).filter(|name| !name.is_empty() && label(KEPT_BY) != Some(BY_SELECTOR))
}

struct Walls<'a> {
    place: &'a Place,
    is_own: &'a dyn Fn(IpAddr) -> bool,
}

impl Rewriter for Walls<'_> {
    fn rewrite(&mut self, _: Handler, value: &Value, _: &Map<String, Value>, at: &str) -> Result<Outcome, Refused> {
        let has_wall = self.place.isolation.network == NetworkIsolation::DefaultDeny;
        for (index, text) in value.as_array().into_iter().flatten().enumerate() {
            let at = format!("{at}[{index}]");
            let text = text.as_str().unwrap_or_default();
            let address: IpAddr = text.parse().map_err(|_| Refused::new(&at, "not an address"))?;
            if let Some(why) = never(address) {
                return Err(Refused::new(&at, &format!("{text} {why}")));
            }
            if has_wall && is_inside(address) && !(self.is_own)(address) {
                let why = "is a private address and not that of a pod of this cluster";
                return Err(Refused::new(&at, &format!("{text} {why}")));
            }
        }
        Ok(Outcome::Value(value.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::place;
    use super::*;

    const WHO: Identity<'static> = Identity { namespace: "shop", name: "db-1", uid: "u1" };

    fn slice(labels: &Value, addresses: &Value) -> Virtual<Value> {
        Virtual(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": { "name": "db-1", "uid": "u1", "labels": labels },
            "endpoints": [{ "addresses": addresses, "conditions": { "ready": true }, "nodeName": "n1",
                "targetRef": { "kind": "Pod", "name": "p" }, "hints": {}, "zone": "z" }],
            "ports": [{ "port": 5432, "protocol": "TCP", "name": "sql" }],
        }))
    }

    fn labels() -> Value {
        json!({ SERVICE_NAME: "db", KEPT_BY: "me", "rowhouse.dev/tenant": "forged" })
    }

    fn run(own: &Virtual<Value>) -> Result<Option<Made>, Refused> {
        to_host(&place(), WHO, own, &|address| address == IpAddr::from([10, 1, 0, 7]))
    }

    #[test]
    fn a_slice_follows_its_service() {
        let host = run(&slice(&labels(), &json!(["8.8.8.8", "10.1.0.7"]))).unwrap().unwrap().object.0;
        assert_eq!(host["metadata"]["labels"][SERVICE_NAME], object_name("shop", "db"));
        assert_eq!(host["metadata"]["labels"][KEPT_BY], "rowhouse.dev");
        assert_eq!(host["metadata"]["labels"]["rowhouse.dev/tenant"], place().id.as_str());
        assert_eq!(
            host["endpoints"],
            json!([{ "addresses": ["8.8.8.8", "10.1.0.7"], "conditions": { "ready": true }, "zone": "z" }])
        );
        assert_eq!(host["ports"], json!([{ "port": 5432, "protocol": "TCP", "name": "sql" }]));
    }

    #[test]
    fn slices_of_selectors_and_of_nobody_need_no_twin() {
        for labels in [
            json!({ SERVICE_NAME: "db", KEPT_BY: BY_SELECTOR }),
            json!({ KEPT_BY: "me" }),
            json!({ SERVICE_NAME: "" }),
            json!(null),
        ] {
            assert_eq!(run(&slice(&labels, &json!(["8.8.8.8"]))).unwrap(), None, "{labels}");
        }
        let api = Identity { namespace: "default", name: "kubernetes", uid: "u" };
        let own = slice(&json!({ SERVICE_NAME: "kubernetes" }), &json!(["8.8.8.8"]));
        assert_eq!(to_host(&place(), api, &own, &|_| false).unwrap(), None);
    }

    #[test]
    fn nobody_is_led_to_what_is_not_the_tenants() {
        for address in [
            "127.0.0.1",
            "169.254.169.254",
            "10.96.0.1",
            "192.168.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "::1",
            "::ffff:10.96.0.1",
            "fd00::1",
            "x",
        ] {
            let refused = run(&slice(&labels(), &json!(["8.8.8.8", address]))).unwrap_err();
            assert_eq!(refused.field, "endpoints[0].addresses[1]", "{address}");
        }
        let mut open = place();
        open.isolation.network = NetworkIsolation::None;
        for (address, passes) in [("10.96.0.1", true), ("127.0.0.1", false), ("169.254.169.254", false)] {
            let made = to_host(&open, WHO, &slice(&labels(), &json!([address])), &|_| false);
            assert_eq!(made.is_ok(), passes, "{address}");
        }
        let mut named = slice(&labels(), &json!(["example.com"]));
        named.0["addressType"] = json!("FQDN");
        assert_eq!(run(&named).unwrap_err().field, "addressType");
        let mut future = slice(&labels(), &json!(["8.8.8.8"]));
        future.0["fromTheFuture"] = json!(1);
        assert_eq!(run(&future).unwrap_err().field, "fromTheFuture");
    }
}
