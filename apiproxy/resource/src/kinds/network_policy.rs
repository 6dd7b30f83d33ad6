//! NetworkPolicies.

use schema::field::Error;
use serde_json::{Value, json};

use super::pod::containers::port_number;
use super::workload::SPEC;
use crate::json::{at, child, fill, int, items_mut, list, opt_text, put, set, size, text, texts};
use crate::strategy::{BASE, Generation};
use crate::{Errors, Path, Scope, Strategy, format, selector};

pub(super) static NETWORK_POLICY: Strategy = Strategy {
    group: "networking.k8s.io",
    plural: "networkpolicies",
    scope: Scope::Namespaced,
    generation: Generation::On(&["spec"]),
    default,
    validate: |obj, errors| validate(at(obj, "spec"), errors),
    validate_update: |new, _, errors| validate(at(new, "spec"), errors),
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    for direction in ["ingress", "egress"] {
        for rule in items_mut(spec, direction) {
            for port in items_mut(rule, "ports") {
                fill(port, "protocol", "TCP");
            }
        }
    }
    if size(spec, "policyTypes") == 0 {
        let types = if size(spec, "egress") > 0 { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        put(spec, "policyTypes", types);
    }
}

fn validate(spec: &Value, errors: &mut Errors) {
    selector::validate(at(spec, "podSelector"), &SPEC.child("podSelector"), errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in list(spec, direction).iter().enumerate() {
            let path = SPEC.item(direction, index);
            for (index, one) in list(rule, "ports").iter().enumerate() {
                port(one, &path.item("ports", index), errors);
            }
            for (index, one) in list(rule, peers).iter().enumerate() {
                peer(one, &path.item(peers, index), errors);
            }
        }
    }
    let types = texts(spec, "policyTypes");
    if types.len() > 2 {
        let shown = at(spec, "policyTypes").clone();
        errors.push(Error::invalid(SPEC.child("policyTypes"), shown, "may not specify more than two policyTypes"));
        return;
    }
    for (index, kind) in types.into_iter().enumerate() {
        if !matches!(kind, "Ingress" | "Egress") {
            errors.push(Error::not_supported(SPEC.item("policyTypes", index), kind, &["Ingress", "Egress"]));
        }
    }
}

fn port(port: &Value, path: &Path<'_>, errors: &mut Errors) {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    if let Some(protocol) = opt_text(port, "protocol").filter(|protocol| !PROTOCOLS.contains(protocol)) {
        errors.push(Error::not_supported(path.child("protocol"), protocol, &PROTOCOLS));
    }
    let end = int(port, "endPort");
    let end_path = path.child("endPort");
    match at(port, "port") {
        Value::Null => {
            if let Some(end) = end {
                errors.push(Error::invalid(end_path, end, "may not be specified when `port` is not specified"));
            }
        }
        Value::String(name) => {
            if let Some(end) = end {
                errors.push(Error::invalid(end_path, end, "may not be specified when `port` is non-numeric"));
            }
            format::invalid_each(&path.child("port"), name, format::port_name(name), errors);
        }
        number => {
            let number = number.as_i64().unwrap_or(0);
            port_number(number, &path.child("port"), errors);
            if let Some(end) = end {
                if end < number {
                    errors.push(Error::invalid(end_path, number, "must be greater than or equal to `port`"));
                }
                port_number(end, &end_path, errors);
            }
        }
    }
}

fn peer(peer: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut kinds = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if let Some(chosen) = set(peer, field) {
            kinds += 1;
            selector::validate(chosen, &path.child(field), errors);
        }
    }
    match set(peer, "ipBlock") {
        Some(block) => {
            ip_block(block, &path.child("ipBlock"), errors);
            if kinds > 0 {
                errors.push(Error::forbidden(path, "may not specify both ipBlock and another peer"));
            }
        }
        None if kinds == 0 => errors.push(Error::required(path, "must specify a peer")),
        None => (),
    }
}

fn ip_block(block: &Value, path: &Path<'_>, errors: &mut Errors) {
    let cidr = text(block, "cidr");
    if cidr.is_empty() {
        errors.push(Error::required(path.child("cidr"), ""));
        return;
    }
    format::legacy_cidr(&path.child("cidr"), cidr, errors);
    let Some(whole) = format::parse_cidr(cidr) else { return };
    for (index, except) in texts(block, "except").into_iter().enumerate() {
        let path = path.item("except", index);
        format::legacy_cidr(&path, except, errors);
        let Some(part) = format::parse_cidr(except) else { continue };
        if !format::cidr_contains(whole, part.0) || whole.1 >= part.1 {
            errors.push(Error::invalid(path, except, "must be a strict subset of `cidr`"));
        }
    }
}
