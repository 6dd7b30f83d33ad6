//! What the names of a cluster mean (upstream: Kubernetes DNS-based service discovery, version 1.1.0). Pure: the tenant's
//! objects come through [`Records`].

use std::net::IpAddr;

use serde_json::Value;

use super::message::{A, AAAA, ANY, Data, PTR, Record, SRV, TTL, TXT};

/// The zone of every tenant.
pub(super) const ZONE: &str = "cluster.local";
/// Version of the specification that is followed.
const SCHEMA: &str = "1.1.0";

/// The objects of one tenant that names are made of.
pub(super) trait Records {
    /// Whether a namespace exists.
    fn has_namespace(&self, namespace: &str) -> bool;
    /// A Service.
    fn service(&self, namespace: &str, name: &str) -> Option<Value>;
    /// The EndpointSlices of a Service.
    fn slices(&self, namespace: &str, service: &str) -> Vec<Value>;
    /// Namespace and name of the Service with this ClusterIP.
    fn service_at(&self, address: IpAddr) -> Option<(String, String)>;
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Not ours to say: for the host's resolver.
    Foreign,
    /// There is no such name.
    NoName,
    /// The records of the wanted type; none when the name has others.
    Records(Vec<Record>),
    /// Another name for something that may be anywhere.
    Alias(String),
}

const NOTHING: Meaning = Meaning::Records(Vec::new());

/// Says what a name (lower case) means for a tenant.
pub(super) fn meaning(records: &impl Records, name: &str, kind: u16) -> Meaning {
    if let Some(address) = reverse(name) {
        return match records.service_at(address) {
            Some((namespace, service)) if matches!(kind, PTR | ANY) => {
                Meaning::Records(vec![record(name, Data::Ptr(format!("{service}.{namespace}.svc.{ZONE}")))])
            }
            Some(_) => NOTHING,
            // The host would answer with names of its own, and of other tenants.
            None if is_private(address) => Meaning::NoName,
            None => Meaning::Foreign,
        };
    }
    let Some(inside) = name.strip_suffix(ZONE) else { return Meaning::Foreign };
    let labels: Vec<&str> = match inside.strip_suffix('.') {
        Some(inside) => inside.rsplit('.').collect(),
        None if inside.is_empty() => Vec::new(),
        // `notcluster.local`
        None => return Meaning::Foreign,
    };
    match labels.as_slice() {
        [] | ["svc" | "pod"] => NOTHING,
        ["dns-version"] if matches!(kind, TXT | ANY) => {
            Meaning::Records(vec![record(name, Data::Txt(SCHEMA.to_owned()))])
        }
        ["dns-version"] => NOTHING,
        ["svc" | "pod", namespace] => exists(records.has_namespace(namespace)),
        ["pod", namespace, address] => pod(records, name, kind, namespace, address),
        ["svc", namespace, service, rest @ ..] => match records.service(namespace, service) {
            Some(object) => of_service(records, &Asked { name, kind, namespace, service }, &object, rest),
            None => Meaning::NoName,
        },
        _ => Meaning::NoName,
    }
}

fn exists(is_there: bool) -> Meaning {
    if is_there { NOTHING } else { Meaning::NoName }
}

fn record(name: &str, data: Data) -> Record {
    Record { name: name.to_owned(), data, ttl: TTL }
}

/// A name below `svc`.
struct Asked<'a> {
    name: &'a str,
    kind: u16,
    namespace: &'a str,
    service: &'a str,
}

impl Asked<'_> {
    fn host(&self) -> String {
        format!("{}.{}.svc.{ZONE}", self.service, self.namespace)
    }
}

/// `<service>.<namespace>.svc`, and what is before it, from right to left.
fn of_service(records: &impl Records, asked: &Asked<'_>, service: &Value, before: &[&str]) -> Meaning {
    if text(service, "/spec/type") == "ExternalName" {
        return match before {
            [] => Meaning::Alias(text(service, "/spec/externalName").trim_end_matches('.').to_ascii_lowercase()),
            _ => Meaning::NoName,
        };
    }
    let is_headless = text(service, "/spec/clusterIP") == "None";
    let endpoints = if is_headless { endpoints(&records.slices(asked.namespace, asked.service)) } else { Vec::new() };
    match before {
        [] if asked.kind == SRV => ports(asked, service, &endpoints, is_headless, |_, _| true),
        [] if is_headless => {
            Meaning::Records(endpoints.iter().filter_map(|one| address(asked.name, asked.kind, one.address)).collect())
        }
        [] => {
            let addresses = items(service, "/spec/clusterIPs").iter().filter_map(|ip| ip.as_str()?.parse().ok());
            Meaning::Records(addresses.filter_map(|ip| address(asked.name, asked.kind, ip)).collect())
        }
        [protocol, port] if protocol.starts_with('_') && port.starts_with('_') => {
            let wanted = |name: &str, spoken: &str| {
                format!("_{name}") == **port && format!("_{}", spoken.to_ascii_lowercase()) == **protocol
            };
            let is_there = matches!(ports(asked, service, &endpoints, is_headless, wanted), Meaning::Records(all) if !all.is_empty());
            match asked.kind {
                _ if !is_there => Meaning::NoName,
                SRV | ANY => ports(asked, service, &endpoints, is_headless, wanted),
                _ => NOTHING,
            }
        }
        [host] => {
            let own: Vec<&Endpoint> = endpoints.iter().filter(|one| one.label() == **host).collect();
            if own.is_empty() {
                return Meaning::NoName;
            }
            Meaning::Records(own.iter().filter_map(|one| address(asked.name, asked.kind, one.address)).collect())
        }
        _ => Meaning::NoName,
    }
}

/// SRV records: one per port of a Service with an address, one per port and endpoint of a headless one.
fn ports(
    asked: &Asked<'_>,
    service: &Value,
    endpoints: &[Endpoint],
    is_headless: bool,
    wanted: impl Fn(&str, &str) -> bool,
) -> Meaning {
    let mut out = Vec::new();
    if is_headless {
        for one in endpoints {
            for (_, _, number) in one.ports.iter().filter(|(name, protocol, _)| wanted(name, protocol)) {
                out.push(record(asked.name, Data::Srv(*number, format!("{}.{}", one.label(), asked.host()))));
            }
        }
    } else {
        for port in items(service, "/spec/ports") {
            let number = port["port"].as_u64().and_then(|number| u16::try_from(number).ok());
            if let Some(number) = number.filter(|_| wanted(text(port, "/name"), protocol(port))) {
                out.push(record(asked.name, Data::Srv(number, asked.host())));
            }
        }
    }
    Meaning::Records(out)
}

/// One address behind a headless Service.
struct Endpoint {
    address: IpAddr,
    hostname: String,
    /// Name, protocol, number.
    ports: Vec<(String, String, u16)>,
}

impl Endpoint {
    /// Its name in front of the Service's.
    fn label(&self) -> String {
        if self.hostname.is_empty() {
            self.address.to_string().replace(['.', ':'], "-")
        } else {
            self.hostname.to_ascii_lowercase()
        }
    }
}

/// What is ready. `publishNotReadyAddresses` has already made the rest ready in the slices.
fn endpoints(slices: &[Value]) -> Vec<Endpoint> {
    let mut out: Vec<Endpoint> = Vec::new();
    for slice in slices {
        let number = |port: &Value| u16::try_from(port["port"].as_u64()?).ok();
        let ports: Vec<_> = items(slice, "/ports")
            .iter()
            .filter_map(|port| Some((text(port, "/name").to_owned(), protocol(port).to_owned(), number(port)?)))
            .collect();
        let ready = items(slice, "/endpoints").iter().filter(|one| one["conditions"]["ready"] != false);
        for one in ready {
            for address in items(one, "/addresses").iter().filter_map(|address| address.as_str()?.parse().ok()) {
                let hostname = text(one, "/hostname").to_owned();
                // An address may stand in two slices while they are being rearranged.
                if !out.iter().any(|other| other.address == address && other.ports == ports) {
                    out.push(Endpoint { address, hostname, ports: ports.clone() });
                }
            }
        }
    }
    out
}

/// `10-1-2-3.<namespace>.pod`: the address in the name, whether or not a pod has it (CoreDNS: `pods insecure`).
fn pod(records: &impl Records, name: &str, kind: u16, namespace: &str, host: &str) -> Meaning {
    let parsed: Option<IpAddr> = match host.replace('-', ".").parse() {
        Ok(ip) => Some(IpAddr::V4(ip)),
        Err(_) => host.replace('-', ":").parse().ok().map(IpAddr::V6),
    };
    match parsed {
        Some(ip) if records.has_namespace(namespace) => Meaning::Records(address(name, kind, ip).into_iter().collect()),
        _ => Meaning::NoName,
    }
}

fn address(name: &str, kind: u16, ip: IpAddr) -> Option<Record> {
    match ip {
        IpAddr::V4(ip) if matches!(kind, A | ANY) => Some(record(name, Data::A(ip))),
        IpAddr::V6(ip) if matches!(kind, AAAA | ANY) => Some(record(name, Data::Aaaa(ip))),
        _ => None,
    }
}

/// The address a name of the reverse zones stands for.
fn reverse(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let parts: Vec<&str> = digits.rsplit('.').collect();
        return parts.join(".").parse().ok().map(IpAddr::V4);
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let digits: String = digits.rsplit('.').collect();
    (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(|bits| IpAddr::V6(bits.into()))
}

/// Addresses inside clusters and clouds: names for them are nobody's outside.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(ip) => {
            let mapped = ip.to_ipv4_mapped().is_some_and(|ip| is_private(ip.into()));
            mapped || ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn protocol(port: &Value) -> &str {
    match text(port, "/protocol") {
        "" => "TCP",
        protocol => protocol,
    }
}

#[cfg(test)]
mod tests;
