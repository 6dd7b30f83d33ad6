//! Environment variables of services: those of the tenant, never those of the host.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tenancy::Virtual;

use super::super::{Identity, Place};
use super::EPHEMERAL;
use crate::json;

/// A service a pod is told of through its environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceLink {
    /// Virtual name.
    pub name: String,
    /// Its ClusterIP.
    pub cluster_ip: String,
    /// Name (may be empty), port and protocol of every port.
    pub ports: Vec<(String, u64, String)>,
}

impl ServiceLink {
    /// The link of a service; None for headless ones and those without an address.
    pub fn of(service: &Virtual<Value>) -> Option<Self> {
        let Virtual(service) = service;
        let cluster_ip = json::text(service, "/spec/clusterIP");
        if cluster_ip.is_empty() || cluster_ip == "None" {
            return None;
        }
        let port = |port: &Value| {
            let protocol = match json::text(port, "/protocol") {
                "" => "TCP",
                protocol => protocol,
            };
            let number = port.get("port").and_then(Value::as_u64).unwrap_or_default();
            (json::text(port, "/name").to_owned(), number, protocol.to_owned())
        };
        Some(Self {
            name: json::text(service, "/metadata/name").to_owned(),
            cluster_ip: cluster_ip.to_owned(),
            ports: json::items(service, "/spec/ports").iter().map(port).collect(),
        })
    }

    /// The variables, as upstream's kubelet names them.
    fn variables(&self) -> Vec<(String, String)> {
        let Some((_, first, _)) = self.ports.first() else { return Vec::new() };
        let prefix = variable(&self.name);
        let mut all = vec![
            (format!("{prefix}_SERVICE_HOST"), self.cluster_ip.clone()),
            (format!("{prefix}_SERVICE_PORT"), first.to_string()),
        ];
        for (name, port, _) in self.ports.iter().filter(|(name, ..)| !name.is_empty()) {
            all.push((format!("{prefix}_SERVICE_PORT_{}", variable(name)), port.to_string()));
        }
        let host =
            if self.cluster_ip.contains(':') { format!("[{}]", self.cluster_ip) } else { self.cluster_ip.clone() };
        for (index, (_, port, protocol)) in self.ports.iter().enumerate() {
            let url = format!("{}://{host}:{port}", protocol.to_ascii_lowercase());
            if index == 0 {
                all.push((format!("{prefix}_PORT"), url.clone()));
            }
            let port_prefix = format!("{prefix}_PORT_{port}_{}", protocol.to_ascii_uppercase());
            all.push((port_prefix.clone(), url));
            all.push((format!("{port_prefix}_PROTO"), protocol.to_ascii_lowercase()));
            all.push((format!("{port_prefix}_PORT"), port.to_string()));
            all.push((format!("{port_prefix}_ADDR"), self.cluster_ip.clone()));
        }
        all
    }
}

fn variable(name: &str) -> String {
    name.to_ascii_uppercase().replace(['-', '.'], "_")
}

/// Writes the service variables in front of every container's own, so that a container's own definition of a name wins
/// and `$(NAME)` works in it. The API's variables are always there: without them the kubelet would fill in the host's.
pub(super) fn write_out(
    place: &Place,
    who: Identity<'_>,
    spec: &Value,
    services: &[ServiceLink],
    out: &mut Map<String, Value>,
) {
    let mut links = Vec::new();
    if spec.get("enableServiceLinks").and_then(Value::as_bool) != Some(false) {
        let is_api = |link: &ServiceLink| who.namespace == "default" && link.name == "kubernetes";
        links.extend(services.iter().filter(|link| !is_api(link)).flat_map(ServiceLink::variables));
    }
    if let Some(ip) = &place.service_ip {
        let port = ("https".to_owned(), 443, "TCP".to_owned());
        let api = ServiceLink { name: "kubernetes".into(), cluster_ip: ip.clone(), ports: vec![port] };
        let own = api.variables();
        // A service of the tenant called `kubernetes` elsewhere must not lead away from its API.
        links.retain(|(name, _)| !own.iter().any(|(reserved, _)| reserved == name));
        links.extend(own);
    }
    for list in ["initContainers", "containers", EPHEMERAL] {
        for container in out.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            prepend(container, &links);
        }
    }
}

fn prepend(container: &mut Value, variables: &[(String, String)]) {
    let Some(container) = container.as_object_mut() else { return };
    let own = match container.remove("env") {
        Some(Value::Array(own)) => own,
        _ => Vec::new(),
    };
    let mut seen: BTreeSet<String> = own.iter().map(|variable| json::text(variable, "/name").to_owned()).collect();
    let mut env: Vec<Value> = variables
        .iter()
        .filter(|(name, _)| seen.insert(name.clone()))
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    env.extend(own);
    if !env.is_empty() {
        container.insert("env".into(), Value::Array(env));
    }
}
