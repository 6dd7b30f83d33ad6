//! Names, labels and annotations of host objects.

use serde_json::{Map, Value, json};
use tenancy::{Host, labels};

use super::{Identity, Place};
use crate::json;

/// Domains whose annotation keys steer components of a host (network plugins, runtimes, autoscalers, service meshes,
/// cloud load balancers). A key of one of them, or of a domain below it, does not pass unless the Tenant allows it.
const STEERING_DOMAINS: &[&str] = &[
    "amazonaws.com",
    "aliyun.com",
    "aliyuncs.com",
    "antrea.io",
    "azure.com",
    "cilium.io",
    "cncf.io",
    "containerd.io",
    "crio.io",
    "digitalocean.com",
    "fluentd.org",
    "google.com",
    "gke.io",
    "hashicorp.com",
    "istio.io",
    "k8s.io",
    "k8s.ovn.org",
    "katacontainers.io",
    "kubernetes.io",
    "kubevirt.io",
    "linkerd.io",
    "linode.com",
    "metallb.io",
    "metallb.universe.tf",
    "nvidia.com",
    "openshift.io",
    "oraclecloud.com",
    "ovn.org",
    "projectcalico.org",
    "tigera.io",
    "vmware.com",
    "weave.works",
];

/// Beginnings of keys that container runtimes read; they have no domain.
const RUNTIME_PREFIXES: &[&str] = &[
    "com.github.containers.",
    "cpu-",
    "dev.gvisor.",
    "io.containerd.",
    "io.containers.",
    "io.crun.",
    "io.cri-containerd.",
    "io.katacontainers.",
    "io.kubernetes.",
    "io.podman.",
    "irq-",
    "module.wasm.image",
    "org.opencontainers.",
    "org.systemd.",
    "run.oci.",
];

/// Metadata of a host twin: name, namespace, the tenant's labels and passing annotations, and what is reserved.
///
/// `own` is the virtual object's metadata. Values that are not text are left out; the API cannot hold any.
pub fn twin(place: &Place, who: Identity<'_>, host_name: &Host<String>, own: &Value) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".into(), json!(host_name.0));
    metadata.insert("namespace".into(), json!(place.host_namespace));
    metadata.insert("labels".into(), Value::Object(host_labels(place, who, json::object(own, "/labels"))));
    metadata
        .insert("annotations".into(), Value::Object(host_annotations(place, who, json::object(own, "/annotations"))));
    Value::Object(metadata)
}

fn host_labels(place: &Place, who: Identity<'_>, own: Option<&Map<String, Value>>) -> Map<String, Value> {
    let mut all: Map<String, Value> = own
        .into_iter()
        .flatten()
        .filter(|(key, value)| value.is_string() && !labels::is_reserved(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    all.insert(labels::TENANT.into(), json!(place.id.as_str()));
    all.insert(labels::NAMESPACE.into(), json!(who.namespace));
    all.insert(labels::MANAGED_BY.into(), json!(labels::MANAGER));
    all
}

fn host_annotations(place: &Place, who: Identity<'_>, own: Option<&Map<String, Value>>) -> Map<String, Value> {
    let mut all: Map<String, Value> = own
        .into_iter()
        .flatten()
        .filter(|(key, value)| value.is_string() && annotation_passes(key, &place.isolation.allowed_annotations))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    all.insert(labels::UID_ANNOTATION.into(), json!(who.uid));
    all.insert(labels::NAME_ANNOTATION.into(), json!(who.name));
    all.insert(labels::NAMESPACE_ANNOTATION.into(), json!(who.namespace));
    all
}

/// Whether an annotation of a tenant's object may stand on the host twin. `allowed` is the Tenant's policy: exact keys,
/// or a prefix followed by `*`. Reserved keys never pass.
///
/// ```
/// use syncer::translate::metadata::annotation_passes;
/// assert!(annotation_passes("prometheus.io/scrape", &[]));
/// assert!(!annotation_passes("cni.projectcalico.org/ipAddrs", &[]));
/// assert!(annotation_passes("cni.projectcalico.org/ipAddrs", &["cni.projectcalico.org/*".into()]));
/// assert!(!annotation_passes("rowhouse.dev/uid", &["*".into()]));
/// ```
pub fn annotation_passes(key: &str, allowed: &[String]) -> bool {
    if labels::is_reserved(key) {
        return false;
    }
    let matches = |rule: &String| match rule.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => key == rule,
    };
    if allowed.iter().any(matches) {
        return true;
    }
    let lower = key.to_ascii_lowercase();
    if RUNTIME_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return false;
    }
    let Some((domain, _)) = lower.split_once('/') else { return true };
    !STEERING_DOMAINS
        .iter()
        .any(|steering| domain.strip_suffix(steering).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// The requirement every host selector carries: only this tenant, only this virtual namespace.
pub fn reserved_selector(place: &Place, namespace: &str) -> Map<String, Value> {
    Map::from_iter([
        (labels::TENANT.to_owned(), json!(place.id.as_str())),
        (labels::NAMESPACE.to_owned(), json!(namespace)),
    ])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tenancy::{TenantId, TenantName};

    /// The tenant `acme` with an address for its API.
    pub(crate) fn place() -> Place {
        Place {
            id: TenantId::from_uid("acme-uid"),
            name: TenantName::parse("acme").unwrap(),
            host_namespace: "rowhouse-acme".into(),
            service_ip: Some("10.96.7.7".into()),
            resolver: None,
            isolation: tenancy::Isolation::default(),
            sync: tenancy::SyncPolicy::default(),
        }
    }

    #[test]
    fn labels_keep_key_and_value_and_reserved_ones_are_ours() {
        let own = json!({
            "labels": { "app": "web", "rowhouse.dev/tenant": "other", "x.rowhouse.dev/y": "z", "app.kubernetes.io/name": "n" },
            "annotations": { "note": "x", "rowhouse.dev/uid": "forged", "rowhouse.dev/name": "forged" }
        });
        let who = Identity { namespace: "shop", name: "web.1", uid: "u1" };
        let twin = twin(&place(), who, &Host("h".into()), &own);
        let id = TenantId::from_uid("acme-uid");
        assert_eq!(
            twin["labels"],
            json!({ "app": "web", "app.kubernetes.io/name": "n", "rowhouse.dev/tenant": id.as_str(),
                    "rowhouse.dev/namespace": "shop", "rowhouse.dev/managed-by": "rowhouse" })
        );
        assert_eq!(
            twin["annotations"],
            json!({ "note": "x", "rowhouse.dev/uid": "u1", "rowhouse.dev/name": "web.1", "rowhouse.dev/namespace": "shop" })
        );
        assert_eq!((&twin["name"], &twin["namespace"]), (&json!("h"), &json!("rowhouse-acme")));
    }

    #[test]
    fn annotations_that_steer_the_host_do_not_pass() {
        let denied = [
            "cni.projectcalico.org/ipAddrs",
            "k8s.v1.cni.cncf.io/networks",
            "container.apparmor.security.beta.kubernetes.io/c",
            "seccomp.security.alpha.kubernetes.io/pod",
            "cluster-autoscaler.kubernetes.io/safe-to-evict",
            "service.beta.kubernetes.io/aws-load-balancer-internal",
            "scheduler.alpha.kubernetes.io/node-selector",
            "kubernetes.io/limit-ranger",
            "KUBERNETES.IO/x",
            "io.kubernetes.cri.untrusted-workload",
            "io.katacontainers.config.hypervisor.kernel",
            "run.oci.handler",
            "sidecar.istio.io/inject",
            "vault.hashicorp.com/agent-inject",
            "cpu-quota.crio.io",
            "irq-load-balancing.crio.io",
            "rowhouse.dev/tenant",
            "sub.rowhouse.dev/x",
        ];
        for key in denied {
            assert!(!annotation_passes(key, &[]), "{key}");
        }
        for key in ["prometheus.io/port", "note", "example.com/x", "notkubernetes.io/x", "checksum/config"] {
            assert!(annotation_passes(key, &[]), "{key}");
        }
        let policy = ["sidecar.istio.io/inject".to_owned(), "cilium.io/*".to_owned()];
        assert!(annotation_passes("sidecar.istio.io/inject", &policy));
        assert!(annotation_passes("cilium.io/x", &policy));
        assert!(!annotation_passes("sidecar.istio.io/other", &policy));
        assert!(!annotation_passes("rowhouse.dev/uid", &["*".to_owned()]));
    }
}
