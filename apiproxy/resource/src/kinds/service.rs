//! Services.

use serde_json::{Value, json};

use crate::json::{at, child, drop_field, fill, fill_text, int, items_mut, list, put, same_at, set, size, text};
use crate::strategy::{BASE, Status};
use crate::{NameRule, Scope, Strategy};

mod validate;

pub(super) use validate::endpoint_ip;

pub(super) static SERVICE: Strategy = Strategy {
    plural: "services",
    scope: Scope::Namespaced,
    name_rule: NameRule::DnsLabel,
    status: Status::Reset(r#"{"loadBalancer":{}}"#),
    create_on_update: true,
    default,
    prepare_update,
    validate: |obj, errors| validate::service(obj, errors),
    validate_update: validate::update,
    validate_status: |new, _, errors| validate::balancer(new, errors),
    fields: &[
        ("spec.clusterIP", |service| text(at(service, "spec"), "clusterIP").to_owned()),
        ("spec.type", |service| text(at(service, "spec"), "type").to_owned()),
    ],
    ..BASE
};

/// Reachable from outside the cluster.
pub(super) fn external(spec: &Value) -> bool {
    match text(spec, "type") {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => size(spec, "externalIPs") > 0,
        _ => false,
    }
}

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill_text(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => drop_field(spec, "sessionAffinityConfig"),
        "ClientIP" if crate::json::dig(spec, "sessionAffinityConfig.clientIP.timeoutSeconds").is_null() => {
            put(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
        }
        _ => (),
    }
    fill_text(spec, "type", "ClusterIP");
    for port in items_mut(spec, "ports") {
        fill_text(port, "protocol", "TCP");
        let target = at(port, "targetPort");
        if target.is_null() || *target == json!(0) || *target == json!("") {
            let number = int(port, "port").unwrap_or(0);
            put(port, "targetPort", number);
        }
    }
    if external(spec) {
        fill_text(spec, "externalTrafficPolicy", "Cluster");
    }
    let kind = text(spec, "type").to_owned();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        fill(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", true);
        if let Some(balancer) = obj.pointer_mut("/status/loadBalancer") {
            for ingress in items_mut(balancer, "ingress") {
                if !text(ingress, "ip").is_empty() {
                    fill(ingress, "ipMode", "VIP");
                }
            }
        }
    }
}

/// Fields that no longer apply to a changed type go, unless the client changed them too (`dropTypeDependentFields`).
fn prepare_update(new: &mut Value, old: &Value) {
    let before = at(old, "spec");
    let spec = child(new, "spec");
    let (now_type, old_type) = (text(spec, "type").to_owned(), text(before, "type"));
    if old_type != "ExternalName" && now_type == "ExternalName" {
        if same_at(spec, before, "clusterIP") && same_at(spec, before, "clusterIPs") {
            drop_field(spec, "clusterIP");
            drop_field(spec, "clusterIPs");
        }
        for field in ["ipFamilies", "ipFamilyPolicy"] {
            drop_if_same(spec, before, field);
        }
    }
    let node_ports = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    if node_ports(old_type) && !node_ports(&now_type) {
        let known: Vec<i64> = list(before, "ports").iter().filter_map(|port| int(port, "nodePort")).collect();
        let fresh = |port: &Value| int(port, "nodePort").is_some_and(|number| number != 0 && !known.contains(&number));
        if !list(spec, "ports").iter().any(fresh) {
            items_mut(spec, "ports").iter_mut().for_each(|port| drop_field(port, "nodePort"));
        }
    }
    if health_check(before) && !health_check(spec) {
        drop_if_same(spec, before, "healthCheckNodePort");
    }
    if old_type == "LoadBalancer" && now_type != "LoadBalancer" {
        if set(before, "allocateLoadBalancerNodePorts").is_some() {
            drop_if_same(spec, before, "allocateLoadBalancerNodePorts");
        }
        drop_if_same(spec, before, "loadBalancerClass");
    }
    if external(before) && !external(spec) {
        drop_if_same(spec, before, "externalTrafficPolicy");
    }
    if now_type != "LoadBalancer" {
        put(child(new, "status"), "loadBalancer", json!({}));
    }
}

fn drop_if_same(spec: &mut Value, before: &Value, field: &str) {
    if same_at(spec, before, field) {
        drop_field(spec, field);
    }
}

/// Whether the service has a health check node port.
pub(super) fn health_check(spec: &Value) -> bool {
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changing_the_type_drops_what_no_longer_applies() {
        let old = json!({"spec": {"type": "NodePort", "externalTrafficPolicy": "Cluster", "clusterIP": "10.0.0.1",
            "clusterIPs": ["10.0.0.1"], "ports": [{"port": 1, "nodePort": 30000}]}});
        let mut new = old.clone();
        new["spec"]["type"] = json!("ExternalName");
        prepare_update(&mut new, &old);
        assert_eq!(new["spec"], json!({"type": "ExternalName", "ports": [{"port": 1}]}));
    }
}
