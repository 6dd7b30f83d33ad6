//! What a tenant leaves on the host beside its workload: one namespace and the few objects that make it a cell.

use std::net::IpAddr;

use kube::core::ApiResource;
use serde_json::{Value, json};
use tenancy::{NetworkIsolation, PodSecurity, TenantId, TenantName, TenantSpec, host, labels};

use crate::account::POD_ACCOUNT;
use crate::kinds;

/// Name of the Service (and EndpointSlice) through which pods reach their tenant's API.
pub(crate) const API_SERVICE: &str = "kubernetes-api";
/// Name of the quota, limit range and network policy.
pub(crate) const WALLS: &str = "rowhouse";
/// Addresses inside of clusters and clouds: everything a default-deny tenant does not reach. Link-local includes the
/// metadata services of clouds.
const INSIDE_V4: &[&str] = &["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
const INSIDE_V6: &[&str] = &["fc00::/7", "fe80::/10"];

/// What the footprint is computed from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    /// The tenant.
    pub(crate) id: TenantId,
    /// Its name.
    pub(crate) name: TenantName,
    /// What its owner wants.
    pub(crate) spec: TenantSpec,
    /// Port on which pods reach this tenant's API; None when they cannot.
    pub(crate) port: Option<u16>,
    /// Addresses of the apiproxies; none while none is known.
    pub(crate) doors: Vec<IpAddr>,
    /// Namespace of the apiproxies, when they are pods of the host.
    pub(crate) doors_namespace: Option<String>,
}

/// One object of the footprint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// Its kind.
    pub(crate) kind: &'static ApiResource,
    /// Its name.
    pub(crate) name: &'static str,
    /// The object to apply; None when there must be none.
    pub(crate) object: Option<Value>,
}

impl Facts {
    /// Name of the host namespace.
    pub(crate) fn namespace(&self) -> String {
        host::namespace(&self.name)
    }

    fn metadata(&self, name: &str) -> Value {
        json!({
            "name": name,
            "namespace": self.namespace(),
            "labels": { labels::TENANT: self.id.as_str(), labels::MANAGED_BY: labels::MANAGER },
        })
    }

    fn wanted(&self, kind: &'static ApiResource, name: &'static str, fields: Option<Value>) -> Wanted {
        let object = fields.map(|mut object| {
            object["apiVersion"] = json!(kind.api_version);
            object["kind"] = json!(kind.kind);
            let mut metadata = self.metadata(name);
            if let Some(more) = object["metadata"]["labels"].as_object() {
                for (key, value) in more {
                    metadata["labels"][key] = value.clone();
                }
            }
            object["metadata"] = metadata;
            object
        });
        Wanted { kind, name, object }
    }
}

/// The host namespace.
pub(crate) fn namespace(facts: &Facts) -> Value {
    let level = match facts.spec.isolation.pod_security {
        PodSecurity::Privileged => "privileged",
        PodSecurity::Baseline => "baseline",
        PodSecurity::Restricted => "restricted",
    };
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": facts.namespace(),
            "labels": {
                labels::TENANT: facts.id.as_str(),
                labels::MANAGED_BY: labels::MANAGER,
                "pod-security.kubernetes.io/enforce": level,
                "pod-security.kubernetes.io/audit": level,
                "pod-security.kubernetes.io/warn": level,
            },
            "annotations": { labels::TENANT_NAME_ANNOTATION: facts.name },
        },
    })
}

/// Everything in the host namespace that is not workload.
pub(crate) fn objects(facts: &Facts) -> Vec<Wanted> {
    let spec = &facts.spec;
    let quota = (!spec.quota.is_empty()).then(|| json!({ "spec": { "hard": spec.quota } }));
    let account = json!({ "automountServiceAccountToken": false });
    let mut all = vec![
        facts.wanted(&kinds::SERVICE_ACCOUNTS, POD_ACCOUNT, Some(account)),
        facts.wanted(&kinds::SERVICES, API_SERVICE, Some(api_service(facts))),
        facts.wanted(&kinds::RESOURCE_QUOTAS, WALLS, quota),
        facts.wanted(&kinds::LIMIT_RANGES, WALLS, limit_range(spec)),
        facts.wanted(&kinds::NETWORK_POLICIES, WALLS, network_policy(facts)),
    ];
    // While no apiproxy is known, what leads to them stays as it is.
    if facts.port.is_none() || !facts.doors.is_empty() {
        all.push(facts.wanted(&kinds::ENDPOINT_SLICES, API_SERVICE, endpoints(facts)));
    }
    all
}

/// Without a selector: its endpoint is ours to name.
fn api_service(facts: &Facts) -> Value {
    let port = |name: &str, port: u16, protocol: &str, target: u16| json!({ "name": name, "port": port, "protocol": protocol, "targetPort": target });
    let ports = match facts.port {
        None => vec![port("https", 443, "TCP", 443)],
        Some(target) => {
            vec![port("https", 443, "TCP", target), port("dns", 53, "UDP", target), port("dns-tcp", 53, "TCP", target)]
        }
    };
    json!({ "spec": { "type": "ClusterIP", "ports": ports } })
}

fn endpoints(facts: &Facts) -> Option<Value> {
    let port = facts.port?;
    let is_v4 = facts.doors.iter().all(IpAddr::is_ipv4);
    let endpoints: Vec<Value> = facts
        .doors
        .iter()
        .map(|ip| json!({ "addresses": [ip.to_string()], "conditions": { "ready": true } }))
        .collect();
    Some(json!({
        "metadata": { "labels": {
            "kubernetes.io/service-name": API_SERVICE, "endpointslice.kubernetes.io/managed-by": labels::RESERVED_DOMAIN } },
        "addressType": if is_v4 { "IPv4" } else { "IPv6" },
        "endpoints": endpoints,
        "ports": [
            { "name": "https", "port": port, "protocol": "TCP" },
            // Names are answered at the same port: a client that speaks TLS is told from one that asks for a name.
            { "name": "dns", "port": port, "protocol": "UDP" },
            { "name": "dns-tcp", "port": port, "protocol": "TCP" },
        ],
    }))
}

fn limit_range(spec: &TenantSpec) -> Option<Value> {
    let limits = &spec.limits;
    let mut item = json!({ "type": "Container" });
    for (field, values) in [("default", &limits.default), ("defaultRequest", &limits.default_request)] {
        if !values.is_empty() {
            item[field] = json!(values);
        }
    }
    (item.as_object().is_some_and(|item| item.len() > 1)).then(|| json!({ "spec": { "limits": [item] } }))
}

/// Selects on the reserved label only: tenants cannot move a pod out of it.
fn network_policy(facts: &Facts) -> Option<Value> {
    if facts.spec.isolation.network == NetworkIsolation::None {
        return None;
    }
    let own = json!({ "podSelector": { "matchLabels": { labels::TENANT: facts.id.as_str() } } });
    let dns = json!({
        "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } } }],
        "ports": [{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }],
    });
    let world = json!({ "to": [
        { "ipBlock": { "cidr": "0.0.0.0/0", "except": INSIDE_V4 } },
        { "ipBlock": { "cidr": "::/0", "except": INSIDE_V6 } },
    ] });
    // With a DNS of its own a tenant has no business at the host's, which knows everybody's names.
    let egress = vec![json!({ "to": [own] }), world, api_egress(facts).unwrap_or(dns)];
    Some(json!({ "spec": {
        "podSelector": { "matchLabels": { labels::TENANT: facts.id.as_str() } },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{ "from": [own] }],
        "egress": egress,
    } }))
}

/// The way to the tenant's own API. Pods are named by their namespace: not every network takes the address of a pod for
/// an address outside. Nobody but the apiproxies listens on the tenant's port there.
fn api_egress(facts: &Facts) -> Option<Value> {
    let port = facts.port?;
    let to: Vec<Value> = match &facts.doors_namespace {
        Some(namespace) => {
            vec![json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } } })]
        }
        None => facts
            .doors
            .iter()
            .map(|ip| json!({ "ipBlock": { "cidr": format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 }) } }))
            .collect(),
    };
    // An empty list would mean everywhere.
    (!to.is_empty()).then(
        || json!({ "to": to, "ports": [{ "protocol": "TCP", "port": port }, { "protocol": "UDP", "port": port }] }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(spec: Value) -> Facts {
        Facts {
            id: TenantId::from_uid("u"),
            name: TenantName::parse("acme").unwrap(),
            spec: serde_json::from_value(spec).unwrap(),
            port: None,
            doors: Vec::new(),
            doors_namespace: None,
        }
    }

    fn object(facts: &Facts, kind: &str) -> Option<Value> {
        objects(facts).into_iter().find(|wanted| wanted.kind.kind == kind).unwrap().object
    }

    #[test]
    fn a_plain_tenant_gets_a_cell_and_no_quota() {
        let facts = facts(json!({}));
        assert_eq!(namespace(&facts)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "baseline");
        assert_eq!(namespace(&facts)["metadata"]["name"], "rowhouse-acme");
        assert_eq!(object(&facts, "ResourceQuota"), None);
        assert_eq!(object(&facts, "LimitRange"), None);
        assert_eq!(object(&facts, "EndpointSlice"), None);
        assert_eq!(object(&facts, "ServiceAccount").unwrap()["automountServiceAccountToken"], false);
        assert_eq!(object(&facts, "Service").unwrap()["spec"].get("selector"), None);
        let policy = object(&facts, "NetworkPolicy").unwrap();
        let own = json!({ "matchLabels": { "rowhouse.dev/tenant": facts.id.as_str() } });
        assert_eq!(policy["spec"]["podSelector"], own);
        assert_eq!(policy["spec"]["ingress"], json!([{ "from": [{ "podSelector": own }] }]));
        assert_eq!(policy["spec"]["egress"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn every_object_is_ours_by_label() {
        let mut facts = facts(json!({ "quota": { "pods": "5" }, "limits": { "default": { "cpu": "1" } } }));
        (facts.port, facts.doors) = (Some(7001), vec![[10, 0, 0, 5].into(), [10, 0, 0, 6].into()]);
        for wanted in objects(&facts) {
            let object = wanted.object.unwrap();
            assert_eq!(object["metadata"]["labels"]["rowhouse.dev/tenant"], facts.id.as_str());
            assert_eq!(object["metadata"]["labels"]["rowhouse.dev/managed-by"], "rowhouse");
            assert_eq!(object["metadata"]["namespace"], "rowhouse-acme");
        }
        assert_eq!(object(&facts, "ResourceQuota").unwrap()["spec"]["hard"], json!({ "pods": "5" }));
        assert_eq!(
            object(&facts, "LimitRange").unwrap()["spec"]["limits"],
            json!([{ "type": "Container", "default": { "cpu": "1" } }])
        );
        let slice = object(&facts, "EndpointSlice").unwrap();
        assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], API_SERVICE);
        assert_eq!(
            (&slice["endpoints"][0]["addresses"][0], &slice["ports"][0]["port"]),
            (&json!("10.0.0.5"), &json!(7001))
        );
        assert_eq!(object(&facts, "Service").unwrap()["spec"]["ports"][0]["targetPort"], 7001);
        assert_eq!(slice["endpoints"][1]["addresses"][0], "10.0.0.6");
        let egress = |facts: &Facts| object(facts, "NetworkPolicy").unwrap()["spec"]["egress"].clone();
        assert_eq!(egress(&facts)[2]["to"][0]["ipBlock"]["cidr"], "10.0.0.5/32");
        assert!(!egress(&facts).to_string().contains("kube-system"), "the host's DNS knows everybody's names");
        assert_eq!(object(&facts, "Service").unwrap()["spec"]["ports"][1]["port"], 53);
        facts.doors_namespace = Some("control".to_owned());
        let to = json!([{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "control" } } }]);
        assert_eq!(egress(&facts)[2]["to"], to);
        facts.doors.clear();
        assert_eq!(egress(&facts)[2]["to"], to, "the policy does not depend on who is up");
        let is_slice = |wanted: &Wanted| wanted.kind.kind == "EndpointSlice";
        assert!(!objects(&facts).iter().any(is_slice), "without apiproxies the slice stays as it is");
        facts.doors_namespace = None;
        let last = egress(&facts)[2].clone();
        assert!(last["to"].as_array().is_some_and(|to| !to.is_empty()), "no rule for everywhere: {last}");
    }

    #[test]
    fn isolation_is_the_operators_choice() {
        let facts = facts(json!({ "isolation": { "podSecurity": "restricted", "network": "None" } }));
        assert_eq!(namespace(&facts)["metadata"]["labels"]["pod-security.kubernetes.io/warn"], "restricted");
        assert_eq!(object(&facts, "NetworkPolicy"), None);
    }
}
