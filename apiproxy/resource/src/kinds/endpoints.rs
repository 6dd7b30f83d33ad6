//! Endpoints and EndpointSlices.

use std::collections::HashSet;

use schema::field::Error;
use serde_json::{Map, Value};

use super::pod::containers::port_number;
use super::pod::spec::one_of;
use super::service::endpoint_ip;
use crate::json::{dig, fill, fill_text, int, items_mut, list, opt_text, same, same_at, set, size, text, texts};
use crate::strategy::{BASE, Generation, bump_generation};
use crate::{Errors, NameRule, Path, Scope, Strategy, format, meta};

pub(super) static ENDPOINTS: Strategy = Strategy {
    plural: "endpoints",
    validate,
    validate_update: |new, old, errors| {
        meta::check_create(new, Scope::Namespaced, NameRule::DnsSubdomain, errors);
        if !same_at(new, old, "subsets") {
            validate(new, errors);
        }
    },
    scope: Scope::Namespaced,
    create_on_update: true,
    default: |_, obj| {
        for subset in items_mut(obj, "subsets") {
            items_mut(subset, "ports").iter_mut().for_each(|port| fill_text(port, "protocol", "TCP"));
        }
    },
    ..BASE
};

pub(super) static ENDPOINT_SLICE: Strategy = Strategy {
    group: "discovery.k8s.io",
    plural: "endpointslices",
    scope: Scope::Namespaced,
    generation: Generation::Own,
    default: |_, obj| {
        for port in items_mut(obj, "ports") {
            fill(port, "name", "");
            fill(port, "protocol", "TCP");
        }
    },
    prepare_update: slice_update,
    validate: |obj, errors| {
        slice(obj, errors);
        slice_endpoints(obj, errors);
    },
    validate_update: |new, old, errors| {
        slice(new, errors);
        if !same_at(new, old, "endpoints") {
            slice_endpoints(new, errors);
        }
        meta::immutable(&Path::root(""), "addressType", new, old, errors);
    },
    ..BASE
};

fn slice_update(new: &mut Value, old: &Value) {
    let body = |obj: &Value| -> Value {
        let fields = obj.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata");
        Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>())
    };
    if !same(&body(new), &body(old)) || !same(dig(new, "metadata.labels"), dig(old, "metadata.labels")) {
        bump_generation(new, old);
    }
}

fn validate(obj: &Value, errors: &mut Errors) {
    let root = Path::root("");
    for (index, subset) in list(obj, "subsets").iter().enumerate() {
        let path = root.item("subsets", index);
        if size(subset, "addresses") == 0 && size(subset, "notReadyAddresses") == 0 {
            errors.push(Error::required(path, "must specify `addresses` or `notReadyAddresses`"));
        }
        for kind in ["addresses", "notReadyAddresses"] {
            for (index, one) in list(subset, kind).iter().enumerate() {
                address(one, &path.item(kind, index), errors);
            }
        }
        let ports = list(subset, "ports");
        for (index, port) in ports.iter().enumerate() {
            let path = path.item("ports", index);
            match text(port, "name") {
                "" if ports.len() > 1 => errors.push(Error::required(path.child("name"), "")),
                "" => (),
                name => format::invalid_each(&path.child("name"), name, format::dns_label(name), errors),
            }
            port_number(int(port, "port").unwrap_or(0), &path.child("port"), errors);
            protocols(port, &path, errors);
        }
    }
}

fn protocols(port: &Value, path: &Path<'_>, errors: &mut Errors) {
    one_of(port, "protocol", &["SCTP", "TCP", "UDP"], path, errors);
    if let Some(protocol) = opt_text(port, "appProtocol") {
        format::invalid_each(&path.child("appProtocol"), protocol, format::qualified_name(protocol), errors);
    }
}

fn address(address: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (ip, host) = (text(address, "ip"), text(address, "hostname"));
    let here = path.child("ip");
    format::legacy_ip(&here, ip, errors);
    if !host.is_empty() {
        format::invalid_each(&path.child("hostname"), host, format::dns_label(host), errors);
    }
    if let Some(node) = opt_text(address, "nodeName") {
        format::invalid_each(&path.child("nodeName"), node, format::dns_subdomain(node), errors);
    }
    if format::parse_ip(ip).is_none() {
        errors.push(Error::invalid(here, ip, "must be a valid IP address"));
    }
    endpoint_ip(ip, &here, errors);
}

fn slice(obj: &Value, errors: &mut Errors) {
    let root = Path::root("");
    one_of(obj, "addressType", &["FQDN", "IPv4", "IPv6"], &root, errors);
    let ports = list(obj, "ports");
    if ports.len() > 20_000 {
        errors.push(Error::too_many("ports", ports.len(), 20_000));
        return;
    }
    let mut names: HashSet<&str> = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = root.item("ports", index);
        let name = text(port, "name");
        if !name.is_empty() {
            format::invalid_each(&path.child("name"), name, format::dns_label(name), errors);
        }
        if !names.insert(name) {
            errors.push(Error::duplicate(path.child("name"), name));
        }
        protocols(port, &path, errors);
    }
}

fn slice_endpoints(obj: &Value, errors: &mut Errors) {
    let root = Path::root("");
    let endpoints = list(obj, "endpoints");
    if endpoints.len() > 1000 {
        errors.push(Error::too_many("endpoints", endpoints.len(), 1000));
        return;
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = root.item("endpoints", index);
        let addresses = texts(endpoint, "addresses");
        if addresses.is_empty() {
            errors.push(Error::required(path.child("addresses"), "must contain at least 1 address"));
        } else if addresses.len() > 100 {
            errors.push(Error::too_many(path.child("addresses"), addresses.len(), 100));
        }
        for (index, address) in addresses.into_iter().enumerate() {
            slice_address(text(obj, "addressType"), address, &path, index, errors);
        }
        if let Some(node) = opt_text(endpoint, "nodeName") {
            format::invalid_each(&path.child("nodeName"), node, format::dns_subdomain(node), errors);
        }
        if let Some(host) = opt_text(endpoint, "hostname") {
            format::invalid_each(&path.child("hostname"), host, format::dns_label(host), errors);
        }
        hints(endpoint, &path, errors);
    }
}

fn slice_address(kind: &str, address: &str, path: &Path<'_>, index: usize, errors: &mut Errors) {
    let here = path.item("addresses", index);
    let before = errors.len();
    match kind {
        "IPv4" => format::legacy_ip(&here, address, errors),
        "IPv6" => format::strict_ip(&here, address, errors),
        "FQDN" => {
            let name = address.strip_suffix('.').unwrap_or(address);
            let wrong = format::dns_subdomain(name);
            if !wrong.is_empty() {
                errors.push(Error::invalid(here, name, wrong.join(",")));
            } else if !name.contains('.') {
                let detail = "should be a domain with at least two segments separated by dots";
                errors.push(Error::invalid(here, name, detail));
            }
            return;
        }
        _ => return,
    }
    if errors.len() == before {
        if format::parse_ip(address).is_some_and(|ip| ip.is_ipv4() != (kind == "IPv4")) {
            errors.push(Error::invalid(path.child("addresses"), address, format!("must be an {kind} address")));
        }
        endpoint_ip(address, &here, errors);
    }
}

fn hints(endpoint: &Value, path: &Path<'_>, errors: &mut Errors) {
    let Some(hints) = set(endpoint, "hints") else { return };
    let path = path.child("hints");
    for (field, rule) in
        [("forZones", format::label_value as fn(&str) -> Vec<String>), ("forNodes", format::dns_subdomain)]
    {
        let items = list(hints, field);
        if items.len() > 8 {
            errors.push(Error::too_many(path.child(field), items.len(), 8));
            return;
        }
        let mut names: Vec<&str> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let item_path = path.item(field, index);
            let here = item_path.child("name");
            let name = text(item, "name");
            if names.contains(&name) {
                errors.push(Error::duplicate(here, name));
            } else {
                names.push(name);
            }
            format::invalid_each(&here, name, rule(name), errors);
        }
    }
}
