//! Where a pod asks for names: of its tenant's DNS, in the virtual namespace's search path.

use serde_json::{Map, Value, json};

use super::super::{Identity, Place};
use super::CLUSTER_DOMAIN;
use crate::json;

/// Limits of a pod's DNS configuration (upstream: `core/validation`, as the kubelet applies them).
const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARS: usize = 2048;

/// Writes the DNS policy out. `ClusterFirst` means the tenant's cluster: on the host that is the policy `None` with the
/// configuration a kubelet would make, and the pod's own added to it as a kubelet does. Other policies pass, as does
/// `ClusterFirst` on the host network, which is `Default`. Without a DNS of the tenant pods ask the host's.
pub(super) fn write_out(place: &Place, who: Identity<'_>, spec: &Value, out: &mut Map<String, Value>) {
    let policy = json::text(spec, "/dnsPolicy");
    let on_host_network = spec.get("hostNetwork").and_then(Value::as_bool) == Some(true);
    let is_cluster = match policy {
        "" | "ClusterFirst" => !on_host_network,
        other => other == "ClusterFirstWithHostNet",
    };
    match place.resolver.as_ref().filter(|_| is_cluster) {
        Some(resolver) => {
            let config = config(who, spec.get("dnsConfig").unwrap_or(&Value::Null), resolver);
            out.insert("dnsPolicy".into(), json!("None"));
            out.insert("dnsConfig".into(), config);
        }
        None => json::set(out, "dnsPolicy", spec.get("dnsPolicy").filter(|policy| !policy.is_null()).cloned()),
    }
}

fn config(who: Identity<'_>, own: &Value, resolver: &str) -> Value {
    let mut nameservers = vec![json!(resolver)];
    extend(&mut nameservers, json::items(own, "/nameservers"));
    nameservers.truncate(MAX_NAMESERVERS);
    let services = format!("svc.{CLUSTER_DOMAIN}");
    let mut searches = vec![json!(format!("{}.{services}", who.namespace)), json!(services), json!(CLUSTER_DOMAIN)];
    extend(&mut searches, json::items(own, "/searches"));
    searches.truncate(MAX_SEARCHES);
    let length = |searches: &[Value]| searches.iter().map(|one| one.as_str().map_or(0, str::len) + 1).sum::<usize>();
    while length(&searches) > MAX_SEARCH_CHARS + 1 {
        searches.pop();
    }
    let own_options = json::items(own, "/options");
    let mut options: Vec<Value> = own_options.to_vec();
    if !own_options.iter().any(|option| json::text(option, "/name") == "ndots") {
        options.insert(0, json!({ "name": "ndots", "value": "5" }));
    }
    json!({ "nameservers": nameservers, "searches": searches, "options": options })
}

fn extend(list: &mut Vec<Value>, more: &[Value]) {
    for one in more {
        if !list.contains(one) {
            list.push(one.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::metadata::tests::place;
    use super::*;

    fn made(spec: &Value, resolver: Option<&str>) -> Value {
        let place = Place { resolver: resolver.map(str::to_owned), ..place() };
        let who = Identity { namespace: "shop", name: "web", uid: "u" };
        let mut out = Map::new();
        if let Some(own) = spec.get("dnsConfig") {
            out.insert("dnsConfig".into(), own.clone());
        }
        write_out(&place, who, spec, &mut out);
        Value::Object(out)
    }

    #[test]
    fn cluster_first_is_the_tenants_cluster() {
        let ours = json!({ "dnsPolicy": "None", "dnsConfig": {
            "nameservers": ["10.96.7.7"],
            "searches": ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"],
            "options": [{ "name": "ndots", "value": "5" }] } });
        let host_network = json!({ "dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true });
        for spec in [json!({}), json!({ "dnsPolicy": "ClusterFirst" }), host_network] {
            assert_eq!(made(&spec, Some("10.96.7.7")), ours, "{spec}");
        }
        for policy in ["Default", "None"] {
            let spec = json!({ "dnsPolicy": policy, "dnsConfig": { "nameservers": ["1.1.1.1"] } });
            assert_eq!(made(&spec, Some("10.96.7.7")), spec);
        }
        let falls_back = json!({ "dnsPolicy": "ClusterFirst", "hostNetwork": true });
        assert_eq!(made(&falls_back, Some("10.96.7.7")), json!({ "dnsPolicy": "ClusterFirst" }));
        assert_eq!(made(&json!({ "dnsPolicy": "ClusterFirst" }), None), json!({ "dnsPolicy": "ClusterFirst" }));
    }

    #[test]
    fn what_the_pod_wants_is_added_within_upstreams_limits() {
        let own = json!({ "nameservers": ["10.96.7.7", "1.1.1.1", "8.8.8.8", "9.9.9.9"], "searches": ["corp.example", "cluster.local"],
            "options": [{ "name": "ndots", "value": "2" }, { "name": "edns0" }] });
        let config = made(&json!({ "dnsConfig": own }), Some("10.96.7.7"))["dnsConfig"].clone();
        assert_eq!(config["nameservers"], json!(["10.96.7.7", "1.1.1.1", "8.8.8.8"]));
        assert_eq!(config["searches"].as_array().unwrap().len(), 4);
        assert_eq!(config["searches"][3], "corp.example");
        assert_eq!(config["options"], own["options"]);
        let many: Vec<String> = (0..40).map(|one| format!("{one}.{}", "x".repeat(200))).collect();
        let config = made(&json!({ "dnsConfig": { "searches": many } }), Some("10.96.7.7"))["dnsConfig"].clone();
        let searches = config["searches"].as_array().unwrap();
        assert!(
            searches.len() <= 32 && searches.iter().map(|one| one.as_str().unwrap().len() + 1).sum::<usize>() <= 2049
        );
    }
}
