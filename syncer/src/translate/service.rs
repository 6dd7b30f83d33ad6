//! Services: born in the tenant; addresses and ports are given out by the host.

use serde_json::{Map, Value, json};
use tenancy::host::object_name;
use tenancy::{Host, Virtual, labels};

use super::metadata::{self, reserved_selector};
use super::rules::Rule::{Deny, Into, Keep, Rewrite};
use super::rules::{Handler, Outcome, Rewriter, Shape, Silent, Unknown, walk};
use super::{Identity, Origin, Place, Refused};
use crate::json;

/// Services are born in the tenant.
pub const ORIGIN: Origin = Origin::Tenant;

/// Annotation of host services the syncer has completed; those the apiproxy has just made lack it.
pub const COMPLETE: &str = "rowhouse.dev/complete";

/// `spec` of a service.
pub static SERVICE_SPEC: Shape = Shape {
    type_name: "core.v1.ServiceSpec",
    fields: &[
        ("allocateLoadBalancerNodePorts", Keep),
        ("clusterIP", Keep),
        ("clusterIPs", Keep),
        ("externalIPs", Deny("addresses outside the cluster could be taken from others (CVE-2020-8554)")),
        ("externalName", Keep),
        ("externalTrafficPolicy", Keep),
        ("healthCheckNodePort", Keep),
        ("internalTrafficPolicy", Keep),
        ("ipFamilies", Keep),
        ("ipFamilyPolicy", Keep),
        ("loadBalancerClass", Keep),
        ("loadBalancerIP", Deny("addresses of load balancers are given out by the host")),
        ("loadBalancerSourceRanges", Keep),
        ("ports", Into(&PORT)),
        ("publishNotReadyAddresses", Keep),
        (
            "selector",
            Rewrite(
                Handler::ServiceSelector,
                None,
                "kept, plus the tenant and the virtual namespace as reserved labels",
            ),
        ),
        ("sessionAffinity", Keep),
        ("sessionAffinityConfig", Into(&SESSION_AFFINITY)),
        ("trafficDistribution", Keep),
        ("type", Keep),
    ],
};
static PORT: Shape = Shape {
    type_name: "core.v1.ServicePort",
    fields: &[
        ("appProtocol", Keep),
        ("name", Keep),
        ("nodePort", Keep),
        ("port", Keep),
        ("protocol", Keep),
        ("targetPort", Keep),
    ],
};
static SESSION_AFFINITY: Shape =
    Shape { type_name: "core.v1.SessionAffinityConfig", fields: &[("clientIP", Into(&CLIENT_IP))] };
static CLIENT_IP: Shape = Shape { type_name: "core.v1.ClientIPConfig", fields: &[("timeoutSeconds", Keep)] };

/// `status` of a service, from the host to the tenant.
pub static SERVICE_STATUS: Shape = Shape {
    type_name: "core.v1.ServiceStatus",
    fields: &[("conditions", Into(&CONDITION)), ("loadBalancer", Into(&LOAD_BALANCER))],
};
static CONDITION: Shape = Shape {
    type_name: "apimachinery.pkg.apis.meta.v1.Condition",
    fields: &[
        ("lastTransitionTime", Keep),
        ("message", Keep),
        ("observedGeneration", super::rules::Rule::Ours("left out: counts the host's changes")),
        ("reason", Keep),
        ("status", Keep),
        ("type", Keep),
    ],
};
static LOAD_BALANCER: Shape = Shape { type_name: "core.v1.LoadBalancerStatus", fields: &[("ingress", Into(&INGRESS))] };
static INGRESS: Shape = Shape {
    type_name: "core.v1.LoadBalancerIngress",
    fields: &[("hostname", Keep), ("ip", Keep), ("ipMode", Keep), ("ports", Into(&PORT_STATUS))],
};
static PORT_STATUS: Shape =
    Shape { type_name: "core.v1.PortStatus", fields: &[("error", Keep), ("port", Keep), ("protocol", Keep)] };

/// Translates a service.
///
/// # Errors
/// [`Refused`] when it asks for something that has no honest translation.
pub fn to_host(place: &Place, who: Identity<'_>, service: &Virtual<Value>) -> Result<Host<Value>, Refused> {
    let Virtual(service) = service;
    let spec = service.get("spec").unwrap_or(&Value::Null);
    let spec = walk(&SERVICE_SPEC, spec, "spec", Unknown::Refuse, &mut Selector { place, who })?;
    let host_name = Host(object_name(who.namespace, who.name));
    let own = service.get("metadata").unwrap_or(&Value::Null);
    let mut metadata = metadata::twin(place, who, &host_name, own);
    metadata["annotations"][COMPLETE] = json!("true");
    Ok(Host(json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec })))
}

/// The status of the virtual service.
pub fn status_to_virtual(host: &Host<Value>) -> Virtual<Value> {
    let status = host.0.get("status").unwrap_or(&Value::Null);
    let out = walk(&SERVICE_STATUS, status, "status", Unknown::LeaveOut, &mut Silent);
    let mut out = out.unwrap_or_else(|_| json!({}));
    if let Some(out) = out.as_object_mut() {
        out.entry("loadBalancer").or_insert_with(|| json!({}));
    }
    Virtual(out)
}

/// Fields of a service's spec that the host gives out.
const ALLOCATED: &[&str] = &["clusterIP", "clusterIPs", "healthCheckNodePort", "ipFamilies", "ipFamilyPolicy"];

/// The part of a virtual service's spec that is still empty and that the host has filled in meanwhile (a service that
/// became a NodePort later); None when there is none.
pub fn allocated(own: &Virtual<Value>, host: &Host<Value>) -> Option<Virtual<Value>> {
    let (Virtual(own), Host(host)) = (own, host);
    let mut spec = Map::new();
    if json::text(own, "/spec/type") != "ExternalName" {
        let unset = |field: &&&str| own.pointer(&format!("/spec/{field}")).is_none_or(is_zero);
        for field in ALLOCATED.iter().filter(unset) {
            if let Some(value) = host.pointer(&format!("/spec/{field}")).filter(|value| !is_zero(value)) {
                spec.insert((*field).to_owned(), value.clone());
            }
        }
    }
    if let Some(ports) = node_ports(own, host) {
        spec.insert("ports".into(), Value::Array(ports));
    }
    (!spec.is_empty()).then_some(Virtual(Value::Object(spec)))
}

fn node_ports(own: &Value, host: &Value) -> Option<Vec<Value>> {
    if !matches!(json::text(own, "/spec/type"), "NodePort" | "LoadBalancer") {
        return None;
    }
    let host_ports = json::items(host, "/spec/ports");
    let mut ports = json::items(own, "/spec/ports").to_vec();
    let mut changed = false;
    for port in ports.iter_mut().filter(|port| port.get("nodePort").is_none_or(is_zero)) {
        let protocol = json::text(port, "/protocol").to_owned();
        let same = |one: &&Value| one.get("port") == port.get("port") && json::text(one, "/protocol") == protocol;
        let given = host_ports.iter().find(same).and_then(|one| one.get("nodePort")).filter(|port| !is_zero(port));
        if let (Some(given), Some(port)) = (given.cloned(), port.as_object_mut()) {
            port.insert("nodePort".into(), given);
            changed = true;
        }
    }
    changed.then_some(ports)
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        _ => false,
    }
}

struct Selector<'a> {
    place: &'a Place,
    who: Identity<'a>,
}

impl Rewriter for Selector<'_> {
    fn rewrite(&mut self, _: Handler, value: &Value, _: &Map<String, Value>, at: &str) -> Result<Outcome, Refused> {
        let own = value.as_object().cloned().unwrap_or_default();
        if let Some(key) = own.keys().find(|key| labels::is_reserved(key)) {
            return Err(Refused::new(at, &format!("the label {key:?} is reserved")));
        }
        if own.is_empty() {
            // Without a selector the tenant keeps the endpoints itself.
            return Ok(Outcome::Nothing);
        }
        let mut selector = own;
        selector.extend(reserved_selector(self.place, self.who.namespace));
        Ok(Outcome::Value(Value::Object(selector)))
    }
}

#[cfg(test)]
mod tests;
