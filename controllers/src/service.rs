//! A view of Services, and which pods are behind them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::informer::{Change, Informer, Raw};
use crate::key::Key;
use crate::object::{Meta, nullable};
use crate::pod::Pod;

/// Label on the endpoints of a Service without a cluster IP.
pub(crate) const HEADLESS: &str = "service.kubernetes.io/headless";

/// Family of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// The family of an address.
    pub(crate) fn of(address: IpAddr) -> Self {
        if address.is_ipv6() { Self::V6 } else { Self::V4 }
    }

    /// As in `ipFamilies` and in `addressType` of slices.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// A Service as far as endpoints depend on it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Service {
    #[serde(rename = "metadata")]
    pub(crate) meta: Meta,
    #[serde(default)]
    pub(crate) spec: Spec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Spec {
    r#type: String,
    selector: Option<BTreeMap<String, String>>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) ports: Vec<Port>,
    #[serde(rename = "clusterIP")]
    cluster_ip: String,
    #[serde(deserialize_with = "nullable")]
    ip_families: Vec<String>,
    pub(crate) publish_not_ready_addresses: bool,
}

/// One port of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Port {
    pub(crate) name: String,
    port: i32,
    pub(crate) protocol: String,
    target_port: Value,
    pub(crate) app_protocol: Option<String>,
}

impl Port {
    /// The port number in a pod: by name among its containers and sidecars, or as it stands.
    pub(crate) fn in_pod(&self, pod: &Pod) -> Option<i32> {
        let Some(name) = self.target_port.as_str() else {
            let number = self.target_port.as_i64().and_then(|number| i32::try_from(number).ok());
            return Some(number.unwrap_or(self.port));
        };
        let sidecars = pod.spec.init_containers.iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
        let mut ports = pod.spec.containers.iter().chain(sidecars).flat_map(|container| &container.ports);
        let found = ports.find(|port| port.name == name && port.protocol == self.protocol)?;
        Some(found.container_port)
    }
}

impl Service {
    /// Whether our controllers write its endpoints; others are written by users, or are names elsewhere.
    pub(crate) fn has_endpoints(&self) -> bool {
        self.spec.r#type != "ExternalName" && self.spec.selector.is_some()
    }

    /// Whether the Service has no address of its own.
    pub(crate) fn is_headless(&self) -> bool {
        self.spec.cluster_ip.is_empty() || self.spec.cluster_ip == "None"
    }

    /// Whether the Service asks for having no address of its own, and therefore needs no ports.
    pub(crate) fn wants_no_ip(&self) -> bool {
        self.spec.cluster_ip == "None"
    }

    /// Whether a pod is behind the Service.
    pub(crate) fn selects(&self, pod: &Raw) -> bool {
        self.spec.selector.as_ref().is_some_and(|s| s.iter().all(|(key, value)| pod.label(key) == Some(value)))
    }

    /// The families the Service is served in; both while nothing tells.
    pub(crate) fn families(&self) -> Vec<Family> {
        let named = |family: &Family| self.spec.ip_families.iter().any(|name| name == family.as_str());
        let families: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(named).collect();
        if !families.is_empty() {
            return families;
        }
        self.spec.cluster_ip.parse().map_or_else(|_| vec![Family::V4, Family::V6], |ip| vec![Family::of(ip)])
    }

    /// The family of the Endpoints object, which knows only one.
    pub(crate) fn first_family(&self, pod: &Pod) -> Family {
        match self.spec.ip_families.first().map(String::as_str) {
            Some("IPv6") => return Family::V6,
            Some(_) => return Family::V4,
            None => {}
        }
        let address = if self.is_headless() { &pod.status.pod_ip } else { &self.spec.cluster_ip };
        address.parse().map_or(Family::V4, Family::of)
    }

    /// Whether the pod has a DNS name of its own under this Service.
    pub(crate) fn names(&self, pod: &Pod) -> bool {
        !pod.spec.hostname.is_empty() && pod.spec.subdomain == self.meta.name
    }

    /// The pods behind the Service. Errors: an unreadable pod.
    pub(crate) fn pods(&self, pods: &Informer) -> Result<Vec<Pod>, serde_json::Error> {
        let all = pods.by_namespace(&self.meta.namespace);
        all.into_iter().filter(|pod| self.selects(pod)).map(Pod::view).collect()
    }
}

/// The addresses of a pod in one family, written the usual way.
pub(crate) fn addresses(pod: &Pod, family: Family) -> Vec<String> {
    let parsed = pod.status.pod_ips.iter().filter_map(|ip| ip.ip.parse::<IpAddr>().ok());
    parsed.filter(|ip| Family::of(*ip) == family).map(|ip| ip.to_string()).collect()
}

/// The Services to look at after a pod changed.
pub(crate) fn affected(services: &Informer, change: &Change) -> Vec<Key> {
    if let (Some(old), Some(new)) = (&change.old, &change.new)
        && let (Ok(old), Ok(new)) = (Pod::view(old.clone()), Pod::view(new.clone()))
        && !matters(&old, &new)
    {
        return Vec::new();
    }
    let pods: Vec<&Arc<Raw>> = change.old.iter().chain(&change.new).collect();
    let selects =
        |service: &Arc<Raw>| service.view::<Service>().is_ok_and(|service| pods.iter().any(|pod| service.selects(pod)));
    let services = services.by_namespace(change.latest().namespace());
    services.iter().filter(|service| selects(service)).map(|service| service.key().clone()).collect()
}

/// Whether a change of a pod can change endpoints (`podEndpointsChanged`).
fn matters(old: &Pod, new: &Pod) -> bool {
    let addresses = |pod: &Pod| pod.status.pod_ips.iter().map(|ip| ip.ip.clone()).collect::<Vec<_>>();
    old.meta.labels != new.meta.labels
        || (&old.spec.hostname, &old.spec.subdomain) != (&new.spec.hostname, &new.spec.subdomain)
        || old.raw.is_deleting() != new.raw.is_deleting()
        || old.is_ready() != new.is_ready()
        || old.is_terminal() != new.is_terminal()
        || addresses(old) != addresses(new)
}

/// Leaves a Service what [`Service`] reads.
pub(crate) fn prune(service: &mut Value) {
    if let Some(object) = service.as_object_mut() {
        object.retain(|field, _| field == "metadata" || field == "spec");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("annotations");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A Service that selects `app: web`, as changed by a merge patch.
    pub(crate) fn service(patch: &Value) -> Service {
        let mut service = json!({
            "metadata": {"name": "web", "namespace": "n", "uid": "svc", "labels": {"app": "web"},
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ipFamilies": ["IPv4"], "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]},
        });
        json_patch::merge(&mut service, patch);
        serde_json::from_value(service).unwrap()
    }

    /// A ready pod behind it, as changed by a merge patch.
    pub(crate) fn pod(name: &str, ip: &str, patch: &Value) -> Pod {
        let mut pod = json!({
            "metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": "web"}},
            "spec": {"nodeName": "node", "containers": [
                {"name": "c", "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]},
            "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}, {"ip": "fd00::1"}], "conditions":
                [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:05Z"}]},
        });
        json_patch::merge(&mut pod, patch);
        Pod::view(Arc::new(Raw::from_value(&pod).unwrap())).unwrap()
    }

    #[test]
    fn ports_by_name_and_number() {
        let udp = json!([{"name": "c", "ports": [{"name": "http", "containerPort": 1, "protocol": "UDP"}]}]);
        let sidecar = json!({"spec": {"containers": udp, "initContainers": [
            {"name": "i", "ports": [{"name": "http", "containerPort": 2, "protocol": "TCP"}]},
            {"name": "s", "restartPolicy": "Always",
                "ports": [{"name": "http", "containerPort": 3, "protocol": "TCP"}]}]}});
        let cases = [
            (json!("http"), json!({}), Some(8080)),
            (json!("other"), json!({}), None),
            (json!(9000), json!({}), Some(9000)),
            (Value::Null, json!({}), Some(80)),
            (json!("http"), json!({"spec": {"containers": udp}}), None),
            (json!("http"), sidecar, Some(3)),
        ];
        for (target, patch, want) in cases {
            let port = Port { port: 80, protocol: "TCP".into(), target_port: target, ..Port::default() };
            assert_eq!(port.in_pod(&pod("a", "10.1.0.1", &patch)), want, "{port:?}");
        }
    }

    #[test]
    fn families_from_what_there_is() {
        let none = json!(null);
        let cases = [
            (json!(["IPv6", "IPv4"]), "10.0.0.1", vec![Family::V4, Family::V6], Family::V6),
            (none.clone(), "fd00::9", vec![Family::V6], Family::V6),
            (none.clone(), "10.0.0.1", vec![Family::V4], Family::V4),
            (none, "None", vec![Family::V4, Family::V6], Family::V4),
        ];
        for (families, ip, want, first) in cases {
            let service = service(&json!({"spec": {"ipFamilies": families, "clusterIP": ip}}));
            assert_eq!(service.families(), want);
            assert_eq!(service.first_family(&pod("a", "10.1.0.1", &json!({}))), first);
        }
    }

    #[test]
    fn only_some_changes_matter() {
        let before = pod("a", "10.1.0.1", &json!({}));
        let unready = json!({"status": {"conditions": []}});
        let cases = [
            (json!({"metadata": {"resourceVersion": "9", "annotations": {"a": "b"}}}), false),
            (json!({"metadata": {"labels": {"app": "db"}}}), true),
            (json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), true),
            (json!({"status": {"podIPs": [{"ip": "10.1.0.2"}]}}), true),
            (json!({"spec": {"hostname": "a"}}), true),
            (unready, true),
        ];
        for (patch, want) in cases {
            assert_eq!(matters(&before, &pod("a", "10.1.0.1", &patch)), want, "{patch}");
        }
    }
}
