//! What a tenant leaves on the host beside its workload: one namespace and the few objects that make it a cell.

use std::net::IpAddr;

use kube::core::ApiResource;
use serde_json::{Value, json};
use tenancy::{NetworkIsolation, PodSecurity, TenantId, TenantName, TenantSpec, host, labels};

use crate::account::POD_ACCOUNT;
use crate::kinds;
use crate::translate::addresses::{INSIDE_V4, INSIDE_V6};

/// Name of the Service (and EndpointSlice) through which pods reach their tenant's API.
pub(crate) const API_SERVICE: &str = "kubernetes-api";
/// Name of the quota, limit range and network policy.
pub(crate) const WALLS: &str = "rowhouse";
/// Name of the network policy with what pods may receive that no policy of the tenant isolates.
const WALLS_INGRESS: &str = "rowhouse-ingress";
/// Name of the network policy with what such pods may send.
const WALLS_EGRESS: &str = "rowhouse-egress";

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
    /// Whether the tenant has network policies of its own on the host.
    pub(crate) is_policed: bool,
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
    ];
    // While no apiproxy is known, what leads to them stays as it is.
    if facts.port.is_none() || !facts.doors.is_empty() {
        all.push(facts.wanted(&kinds::ENDPOINT_SLICES, API_SERVICE, endpoints(facts)));
    }
    let policies = network_policies(facts);
    all.extend(policies.map(|(name, policy)| facts.wanted(&kinds::NETWORK_POLICIES, name, policy)));
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

/// Selects on reserved labels only: tenants cannot move a pod out of it. Policies add up, so where the tenant has some of
/// its own, what is open to every pod is taken apart from what is open only to pods they leave alone. The last to be
/// written is the one that closes.
fn network_policies(facts: &Facts) -> [(&'static str, Option<Value>); 3] {
    if facts.spec.isolation.network == NetworkIsolation::None {
        return [(WALLS_INGRESS, None), (WALLS_EGRESS, None), (WALLS, None)];
    }
    let every = json!({ "matchLabels": { labels::TENANT: facts.id.as_str() } });
    let own = json!({ "podSelector": every });
    let dns = json!({
        "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } } }],
        "ports": [{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }],
    });
    let world = json!({ "to": [
        { "ipBlock": { "cidr": "0.0.0.0/0", "except": INSIDE_V4 } },
        { "ipBlock": { "cidr": "::/0", "except": INSIDE_V6 } },
    ] });
    // With a DNS of its own a tenant has no business at the host's, which knows everybody's names.
    let always = vec![api_egress(facts).unwrap_or(dns)];
    let (from_own, to_others) = (json!([{ "from": [own] }]), vec![json!({ "to": [own] }), world]);
    let policy = |selector: &Value, types: &[&str], ingress: &Value, egress: &[Value]| {
        let mut spec = json!({ "podSelector": selector, "policyTypes": types });
        for (kind, field, rules) in [("Ingress", "ingress", ingress), ("Egress", "egress", &json!(egress))] {
            // The host leaves an empty list out; the type says what it would have meant.
            if types.contains(&kind) && rules.as_array().is_some_and(|rules| !rules.is_empty()) {
                spec[field] = rules.clone();
            }
        }
        json!({ "spec": spec })
    };
    let both = ["Ingress", "Egress"];
    if !facts.is_policed {
        let open: Vec<Value> = to_others.into_iter().chain(always).collect();
        return [(WALLS_INGRESS, None), (WALLS_EGRESS, None), (WALLS, Some(policy(&every, &both, &from_own, &open)))];
    }
    let unless = |label: &str| {
        let mut selector = every.clone();
        selector["matchExpressions"] = json!([{ "key": label, "operator": "DoesNotExist" }]);
        selector
    };
    [
        (WALLS_INGRESS, Some(policy(&unless(labels::ISOLATED_INGRESS), &["Ingress"], &from_own, &[]))),
        (WALLS_EGRESS, Some(policy(&unless(labels::ISOLATED_EGRESS), &["Egress"], &json!([]), &to_others))),
        (WALLS, Some(policy(&every, &both, &json!([]), &always))),
    ]
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
            is_policed: false,
        }
    }

    fn object(facts: &Facts, kind: &str) -> Option<Value> {
        objects(facts).into_iter().rfind(|wanted| wanted.kind.kind == kind).unwrap().object
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
        for object in objects(&facts).into_iter().filter_map(|wanted| wanted.object) {
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
    fn policies_of_the_tenant_can_close_what_is_open_inside() {
        let mut facts = facts(json!({}));
        facts.is_policed = true;
        let all: Vec<_> = objects(&facts).into_iter().filter(|wanted| wanted.kind.kind == "NetworkPolicy").collect();
        let names: Vec<_> = all.iter().map(|wanted| wanted.name).collect();
        assert_eq!(names, ["rowhouse-ingress", "rowhouse-egress", "rowhouse"]);
        let spec = |at: usize| all[at].object.as_ref().unwrap()["spec"].clone();
        assert_eq!((spec(2).get("ingress"), &spec(2)["policyTypes"]), (None, &json!(["Ingress", "Egress"])));
        assert_eq!(spec(2)["egress"].as_array().unwrap().len(), 1, "DNS only");
        assert_eq!(spec(2)["podSelector"].get("matchExpressions"), None);
        for (at, label, kind) in
            [(0, "rowhouse.dev/isolated-ingress", "Ingress"), (1, "rowhouse.dev/isolated-egress", "Egress")]
        {
            let unless = json!([{ "key": label, "operator": "DoesNotExist" }]);
            assert_eq!(spec(at)["podSelector"]["matchExpressions"], unless);
            assert_eq!(spec(at)["policyTypes"], json!([kind]));
        }
        assert_eq!(spec(0)["ingress"].as_array().unwrap().len(), 1);
        assert_eq!(spec(1)["egress"].as_array().unwrap().len(), 2);
        facts.spec.isolation.network = NetworkIsolation::None;
        assert_eq!(object(&facts, "NetworkPolicy"), None);
    }

    #[test]
    fn isolation_is_the_operators_choice() {
        let facts = facts(json!({ "isolation": { "podSecurity": "restricted", "network": "None" } }));
        assert_eq!(namespace(&facts)["metadata"]["labels"]["pod-security.kubernetes.io/warn"], "restricted");
        assert_eq!(object(&facts, "NetworkPolicy"), None);
    }
}
