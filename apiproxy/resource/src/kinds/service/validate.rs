//! Validation of Services (`validateService`).

use std::collections::HashSet;
use std::net::IpAddr;

use schema::field::Error;
use serde_json::{Value, json};

use super::{external, health_check};
use crate::go::{self, Field};
use crate::json::{at, dig, int, list, opt_text, set, size, text, texts};
use crate::kinds::pod::containers::port_number;
use crate::kinds::pod::probes::port as port_or_name;
use crate::kinds::pod::spec::one_of;
use crate::{Errors, Path, format, meta};

const SPEC: Path<'static> = Path::root("spec");
const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

fn headless(spec: &Value) -> bool {
    let ips = texts(spec, "clusterIPs");
    ips.first().map_or(text(spec, "clusterIP") == "None", |ip| ips.len() == 1 && *ip == "None")
}

/// What is wrong with a Service, besides its metadata.
pub(super) fn service(obj: &Value, errors: &mut Errors) {
    let spec = at(obj, "spec");
    let kind = text(spec, "type");
    let headless = headless(spec);
    if size(spec, "ports") == 0 && !headless && kind != "ExternalName" {
        errors.push(Error::required(SPEC.child("ports"), ""));
    }
    if headless && matches!(kind, "LoadBalancer" | "NodePort") {
        let detail = format!("may not be set to 'None' for {kind} services");
        errors.push(Error::invalid(SPEC.item("clusterIPs", 0), "None", detail));
    }
    if kind == "ExternalName" {
        external_name(spec, errors);
    }
    ports(spec, errors);
    meta::labels(at(spec, "selector"), &SPEC.child("selector"), errors);
    affinity(spec, errors);
    if kind != "ExternalName" {
        cluster_ips(spec, errors);
    }
    for (index, ip) in texts(spec, "externalIPs").into_iter().enumerate() {
        let path = SPEC.item("externalIPs", index);
        let before = errors.len();
        format::legacy_ip(&path, ip, errors);
        if errors.len() == before {
            endpoint_ip(ip, &path, errors);
        }
    }
    one_of(spec, "type", &TYPES, &SPEC, errors);
    node_ports(spec, errors);
    balancer_fields(obj, spec, errors);
    class(spec, errors);
    traffic(spec, errors);
}

fn external_name(spec: &Value, errors: &mut Errors) {
    const DETAIL: &str = "may not be set for ExternalName services";
    for field in ["clusterIPs", "ipFamilies"].into_iter().filter(|field| size(spec, field) > 0) {
        errors.push(Error::forbidden(SPEC.child(field), DETAIL));
    }
    if set(spec, "ipFamilyPolicy").is_some() {
        errors.push(Error::forbidden(SPEC.child("ipFamilyPolicy"), DETAIL));
    }
    let name = text(spec, "externalName");
    let path = SPEC.child("externalName");
    match name.strip_suffix('.').unwrap_or(name) {
        "" => errors.push(Error::required(path, "")),
        name => format::invalid_each(&path, name, format::dns_subdomain(name), errors),
    }
}

fn ports(spec: &Value, errors: &mut Errors) {
    let ports = list(spec, "ports");
    let mut names: HashSet<&str> = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = SPEC.item("ports", index);
        let name = text(port, "name");
        if name.is_empty() {
            if ports.len() > 1 {
                errors.push(Error::required(path.child("name"), ""));
            }
        } else {
            format::invalid_each(&path.child("name"), name, format::dns_label(name), errors);
            if !names.insert(name) {
                errors.push(Error::duplicate(path.child("name"), name));
            }
        }
        port_number(int(port, "port").unwrap_or(0), &path.child("port"), errors);
        one_of(port, "protocol", &["SCTP", "TCP", "UDP"], &path, errors);
        port_or_name(at(port, "targetPort"), &path.child("targetPort"), errors);
        if let Some(protocol) = opt_text(port, "appProtocol") {
            format::invalid_each(&path.child("appProtocol"), protocol, format::qualified_name(protocol), errors);
        }
    }
}

fn affinity(spec: &Value, errors: &mut Errors) {
    one_of(spec, "sessionAffinity", &["ClientIP", "None"], &SPEC, errors);
    let path = SPEC.child("sessionAffinityConfig");
    let config = set(spec, "sessionAffinityConfig");
    match text(spec, "sessionAffinity") {
        "None" if config.is_some() => {
            errors.push(Error::forbidden(path, "must not be set when session affinity is None"));
        }
        "ClientIP" => {
            const DETAIL: &str = "when session affinity type is ClientIP";
            let Some(config) = config else { return errors.push(Error::required(path, DETAIL)) };
            let Some(client) = set(config, "clientIP") else {
                return errors.push(Error::required(path.child("clientIP"), DETAIL));
            };
            let path = path.child("clientIP.timeoutSeconds");
            match int(client, "timeoutSeconds") {
                None => errors.push(Error::required(path, DETAIL)),
                Some(seconds) if !(1..=86400).contains(&seconds) => {
                    errors.push(Error::invalid(path, seconds, "must be greater than 0 and less than 86400"));
                }
                Some(_) => (),
            }
        }
        _ => (),
    }
}

fn cluster_ips(spec: &Value, errors: &mut Errors) {
    let path = SPEC.child("clusterIPs");
    let shown = || at(spec, "clusterIPs").clone();
    let (first, ips) = (text(spec, "clusterIP"), texts(spec, "clusterIPs"));
    match (first, ips.first()) {
        ("", Some(_)) => {
            errors.push(Error::invalid(path, shown(), "must be empty when `clusterIP` is not specified"));
        }
        ("", None) => (),
        (_, None) => errors.push(Error::required(path, "")),
        (first, Some(ip)) if *ip != first => {
            errors.push(Error::invalid(path, shown(), "first value must match `clusterIP`"));
        }
        _ => (),
    }
    let families = texts(spec, "ipFamilies");
    let mut known: HashSet<&str> = HashSet::new();
    for (index, family) in families.iter().enumerate() {
        let path = SPEC.item("ipFamilies", index);
        if !matches!(*family, "IPv4" | "IPv6") {
            errors.push(Error::not_supported(path, *family, &["IPv4", "IPv6"]));
        }
        if !known.insert(family) {
            errors.push(Error::duplicate(path, *family));
        }
    }
    const POLICIES: [&str; 3] = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    if let Some(policy) = opt_text(spec, "ipFamilyPolicy").filter(|policy| !POLICIES.contains(policy)) {
        errors.push(Error::not_supported(SPEC.child("ipFamilyPolicy"), policy, &POLICIES));
    }
    let before = errors.len();
    for (index, ip) in ips.iter().enumerate() {
        if index == 0 && *ip == "None" {
            if ips.len() > 1 {
                errors.push(Error::invalid(path, shown(), "'None' must be the first and only value"));
            }
            continue;
        }
        format::legacy_ip(&SPEC.item("clusterIPs", index), ip, errors);
    }
    let bad = errors.len() > before;
    if ips.len() > 2 {
        errors.push(Error::invalid(path, shown(), "may only hold up to 2 values"));
    }
    if !bad {
        match_families(spec, &ips, &families, errors);
    }
}

fn match_families(spec: &Value, ips: &[&str], families: &[&str], errors: &mut Errors) {
    let v6: Vec<bool> = ips.iter().map(|ip| format::parse_ip(ip).is_some_and(|ip| ip.is_ipv6())).collect();
    if ips.len() > 1 && v6.iter().all(|is| *is == v6[0]) {
        let detail = "may specify no more than one IP for each IP family";
        errors.push(Error::invalid(SPEC.child("clusterIPs"), at(spec, "clusterIPs").clone(), detail));
    }
    if headless(spec) {
        return;
    }
    for (index, ((ip, is_v6), family)) in ips.iter().zip(v6).zip(families).enumerate() {
        let wanted = match (*family, is_v6) {
            ("IPv4", true) => "IPv4",
            ("IPv6", false) => "IPv6",
            _ => continue,
        };
        let detail = format!("expected an {wanted} value as indicated by `ipFamilies[{index}]`");
        errors.push(Error::invalid(SPEC.item("clusterIPs", index), *ip, detail));
    }
}

/// Addresses that cannot be an endpoint (`ValidateEndpointIP`).
pub(crate) fn endpoint_ip(text: &str, path: &Path<'_>, errors: &mut Errors) {
    let Some(ip) = format::parse_ip(text) else { return };
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    };
    let link_multicast = match ip {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    };
    let mut say = |detail: String| errors.push(Error::invalid(path, text, detail));
    if ip.is_unspecified() {
        say(format!("may not be unspecified ({text})"));
    }
    if ip.is_loopback() {
        say("may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned());
    }
    if link_local {
        say("may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned());
    }
    if link_multicast {
        say("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned());
    }
}

/// A port as upstream's errors show it.
const PORT: [Field; 6] = [
    Field::leaf("Name", "name"),
    Field::leaf("Protocol", "protocol"),
    Field::leaf("AppProtocol", "appProtocol"),
    Field::leaf("Port", "port"),
    Field::leaf("TargetPort", "targetPort"),
    Field::leaf("NodePort", "nodePort"),
];

fn node_ports(spec: &Value, errors: &mut Errors) {
    let ports = list(spec, "ports");
    let mut taken: HashSet<(&str, i64)> = HashSet::new();
    let mut seen: HashSet<(&str, i64)> = HashSet::new();
    let node_port = |port: &Value| int(port, "nodePort").filter(|number| *number != 0);
    if text(spec, "type") == "ClusterIP" {
        for (index, _) in ports.iter().enumerate().filter(|(_, port)| node_port(port).is_some()) {
            let path = SPEC.item("ports", index);
            errors.push(Error::forbidden(path.child("nodePort"), "may not be used when `type` is 'ClusterIP'"));
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let Some(number) = node_port(port) else { continue };
        let key = (text(port, "protocol"), number);
        if !taken.insert(key) {
            errors.push(Error::duplicate(SPEC.item("ports", index).child("nodePort"), number));
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let key = (text(port, "protocol"), int(port, "port").unwrap_or(0));
        if !seen.insert(key) {
            // Upstream shows the key it compares: a port with nothing else in it.
            let shown = json!({"name": "", "protocol": key.0, "port": key.1, "targetPort": 0, "nodePort": 0});
            let text = go::shown(&shown, &PORT);
            errors.push(Error::duplicate(SPEC.item("ports", index), shown).showing(text));
        }
    }
}

fn balancer_fields(obj: &Value, spec: &Value, errors: &mut Errors) {
    const DETAIL: &str = "may only be used when `type` is 'LoadBalancer'";
    const ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let balancer = text(spec, "type") == "LoadBalancer";
    let ranges = texts(spec, "loadBalancerSourceRanges");
    if !ranges.is_empty() {
        // The capital letter is upstream's.
        let path = SPEC.child("LoadBalancerSourceRanges");
        if !balancer {
            errors.push(Error::forbidden(path, DETAIL));
        }
        for (index, range) in ranges.into_iter().enumerate() {
            format::legacy_cidr(&path.index(index), range.trim(), errors);
        }
    } else if let Some(ranges) = opt_text(dig(obj, "metadata.annotations"), ANNOTATION) {
        let root = Path::root("metadata.annotations");
        let path = root.key(ANNOTATION);
        if !balancer {
            errors.push(Error::forbidden(path, DETAIL));
        }
        for range in ranges.split(',').map(str::trim).filter(|_| !ranges.trim().is_empty()) {
            format::legacy_cidr(&path, range, errors);
        }
    }
    match set(spec, "allocateLoadBalancerNodePorts") {
        Some(_) if !balancer => errors.push(Error::forbidden(SPEC.child("allocateLoadBalancerNodePorts"), DETAIL)),
        None if balancer => errors.push(Error::required("allocateLoadBalancerNodePorts", "")),
        _ => (),
    }
}

fn class(spec: &Value, errors: &mut Errors) {
    let Some(class) = opt_text(spec, "loadBalancerClass") else { return };
    let path = SPEC.child("loadBalancerClass");
    if text(spec, "type") == "LoadBalancer" {
        format::invalid_each(&path, class, format::qualified_name(class), errors);
    } else {
        errors.push(Error::forbidden(path, "may only be used when `type` is 'LoadBalancer'"));
    }
}

fn traffic(spec: &Value, errors: &mut Errors) {
    let path = SPEC.child("externalTrafficPolicy");
    let policy = text(spec, "externalTrafficPolicy");
    if external(spec) {
        one_of(spec, "externalTrafficPolicy", &["Cluster", "Local"], &SPEC, errors);
    } else if !policy.is_empty() {
        errors.push(Error::invalid(path, policy, "may only be set for externally-accessible services"));
    }
    let path = SPEC.child("healthCheckNodePort");
    let number = int(spec, "healthCheckNodePort").unwrap_or(0);
    // A service that needs one and has none gets it from the host that allocates ports.
    match (health_check(spec), number) {
        (_, 0) => (),
        (true, number) => port_number(number, &path, errors),
        (false, number) => {
            let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.push(Error::invalid(path, number, detail));
        }
    }
    let path = SPEC.child("internalTrafficPolicy");
    match opt_text(spec, "internalTrafficPolicy") {
        None if matches!(text(spec, "type"), "NodePort" | "LoadBalancer" | "ClusterIP") => {
            errors.push(Error::required(path, ""));
        }
        Some(policy) if !matches!(policy, "Cluster" | "Local") => {
            errors.push(Error::not_supported(path, policy, &["Cluster", "Local"]));
        }
        _ => (),
    }
    const DISTRIBUTIONS: [&str; 3] = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    if let Some(wish) = opt_text(spec, "trafficDistribution").filter(|wish| !DISTRIBUTIONS.contains(wish)) {
        errors.push(Error::not_supported(SPEC.child("trafficDistribution"), wish, &DISTRIBUTIONS));
    }
}

/// What is wrong with a change of a Service.
pub(super) fn update(new: &Value, old: &Value, errors: &mut Errors) {
    let (spec, before) = (at(new, "spec"), at(old, "spec"));
    if text(spec, "type") != "ExternalName" && text(before, "type") != "ExternalName" {
        let (now_headless, was_headless) = (headless(spec), headless(before));
        if !(now_headless && was_headless) {
            once_set("clusterIPs", "clusterIP", (spec, before), errors);
        }
        if !now_headless && !was_headless {
            once_set("ipFamilies", "ipFamily", (spec, before), errors);
        }
    }
    let balancer = |spec: &Value| text(spec, "type") == "LoadBalancer";
    if balancer(spec) && balancer(before) && at(spec, "loadBalancerClass") != at(before, "loadBalancerClass") {
        let shown = at(spec, "loadBalancerClass").clone();
        errors.push(Error::invalid(SPEC.child("loadBalancerClass"), shown, "may not change once set"));
    }
    let number = |spec: &Value| int(spec, "healthCheckNodePort").unwrap_or(0);
    if health_check(spec) && health_check(before) && number(spec) != number(before) {
        errors.push(Error::forbidden(SPEC.child("healthCheckNodePort"), "field is immutable"));
    }
    service(new, errors);
}

/// A primary address or family, once set, stays; a second may come and go.
fn once_set(field: &str, one: &str, (spec, before): (&Value, &Value), errors: &mut Errors) {
    let (new, old) = (texts(spec, field), texts(before, field));
    let shown = || at(spec, field).clone();
    const CHANGED: &str = "may not change once set";
    if old.len() == new.len() {
        for (index, _) in old.iter().zip(&new).enumerate().filter(|(_, (old, new))| old != new) {
            let place = if field == "clusterIPs" { index } else { 0 };
            errors.push(Error::invalid(SPEC.item(field, place), shown(), CHANGED));
        }
        return;
    }
    if old.len() > new.len() && texts(spec, "clusterIPs").is_empty() {
        let detail = format!("primary {one} can not be unset");
        errors.push(Error::invalid(SPEC.item(field, 0), shown(), detail));
    }
    if let (Some(old), Some(new)) = (old.first(), new.first())
        && old != new
    {
        errors.push(Error::invalid(SPEC.item(field, 0), at(spec, "clusterIPs").clone(), CHANGED));
    }
    if old.len() > new.len() && new.len() == 1 && text(spec, "ipFamilyPolicy") != "SingleStack" {
        let detail = format!("must be set to 'SingleStack' when releasing the secondary {one}");
        errors.push(Error::invalid(SPEC.child("ipFamilyPolicy"), at(spec, "ipFamilyPolicy").clone(), detail));
    }
}

/// What is wrong with the status of a Service.
pub(super) fn balancer(obj: &Value, errors: &mut Errors) {
    let spec = at(obj, "spec");
    let path = Path::root("status.loadBalancer");
    let ingress = list(dig(obj, "status.loadBalancer"), "ingress");
    if text(spec, "type") != "LoadBalancer" && !ingress.is_empty() {
        let detail = "may only be used when `spec.type` is 'LoadBalancer'";
        errors.push(Error::forbidden(path.child("ingress"), detail));
        return;
    }
    for (index, one) in ingress.iter().enumerate() {
        let path = path.item("ingress", index);
        let (ip, mode, host) = (text(one, "ip"), opt_text(one, "ipMode"), text(one, "hostname"));
        if !ip.is_empty() {
            format::legacy_ip(&path.child("ip"), ip, errors);
        }
        match mode {
            None if !ip.is_empty() => {
                errors.push(Error::required(path.child("ipMode"), "must be specified when `ip` is set"));
            }
            Some(_) if ip.is_empty() => {
                errors.push(Error::forbidden(path.child("ipMode"), "may not be specified when `ip` is not set"));
            }
            Some(mode) if !matches!(mode, "Proxy" | "VIP") => {
                errors.push(Error::not_supported(path.child("ipMode"), mode, &["Proxy", "VIP"]));
            }
            _ => (),
        }
        if !host.is_empty() {
            format::invalid_each(&path.child("hostname"), host, format::dns_subdomain(host), errors);
            if format::parse_ip(host).is_some() {
                let detail = "must be a DNS name, not an IP address";
                errors.push(Error::invalid(path.child("hostname"), host, detail));
            }
        }
    }
}
