//! Pods: born in the tenant, run on the host.

mod dns;
mod downward;
mod environment;
mod referenced;
mod resources;
mod rewrite;
mod selectors;
pub mod shapes;
mod status;
#[cfg(test)]
mod tests;
mod update;

use serde_json::{Map, Value, json};
use tenancy::host::object_name;
use tenancy::{Host, Virtual, labels};

pub use downward::{Companion, TokenRequest};
pub use environment::ServiceLink;
pub use referenced::Referenced;
pub use resources::resize;
pub use status::{Observed, POD_STATUS, gate_conditions, status_to_virtual};
pub use update::update;

use super::rules::{Unknown, walk};
use super::{Identity, Origin, Place, Refused, metadata};
use crate::account::POD_ACCOUNT;
use crate::json;
use rewrite::PodRewriter;

/// Pods are born in the tenant.
pub const ORIGIN: Origin = Origin::Tenant;
/// Cluster domain of a tenant.
pub const CLUSTER_DOMAIN: &str = "cluster.local";
/// Field of a pod's spec that only its subresource takes.
const EPHEMERAL: &str = "ephemeralContainers";
/// Longest hostname a kernel takes.
const MAX_HOSTNAME: usize = 64;
/// Longest label of a hostname.
const MAX_LABEL: usize = 63;

/// A pod as the host gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct HostPod {
    /// The object to apply.
    pub object: Host<Value>,
    /// What must stand in its companion Secret.
    pub companion: Companion,
    /// Its ephemeral containers, for the subresource of the same name; or why they cannot be there. The pod itself is made
    /// without them.
    pub ephemeral: Result<Vec<Value>, Refused>,
    /// What was left out and may surprise: told to the tenant in a Warning event.
    pub notes: Vec<String>,
}

/// Host name of the Secret with a pod's tokens and virtual downward values. The slash cannot occur in a virtual name,
/// so no Secret of the tenant has the same host name; the uid keeps a pod's successor away from it.
pub fn companion_name(who: Identity<'_>) -> String {
    object_name(who.namespace, &format!("{}/{}", who.name, who.uid))
}

/// Translates a pod. `services` are the tenant's services in the pod's namespace.
///
/// # Errors
/// [`Refused`] when something the pod asks for has no honest translation.
pub fn to_host(
    place: &Place,
    who: Identity<'_>,
    pod: &Virtual<Value>,
    services: &[ServiceLink],
) -> Result<HostPod, Refused> {
    let Virtual(pod) = pod;
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let mut rewriter = PodRewriter::new(place, who, pod);
    let mut out = match walk(&shapes::POD_SPEC, spec, "spec", Unknown::Refuse, &mut rewriter)? {
        Value::Object(out) => out,
        _ => Map::new(),
    };
    out.insert("serviceAccountName".into(), json!(POD_ACCOUNT));
    out.insert("automountServiceAccountToken".into(), json!(false));
    out.insert("enableServiceLinks".into(), json!(false));
    rewriter.isolate(&mut out);
    name_host(who, spec, &mut out)?;
    alias_api(place, &mut out);
    dns::write_out(place, who, spec, &mut out);
    let ephemeral = rewriter.take_ephemeral().map(|containers| {
        out.insert(EPHEMERAL.into(), Value::Array(containers));
    });
    environment::write_out(place, who, spec, services, &mut out);
    let ephemeral = ephemeral.map(|()| match out.remove(EPHEMERAL) {
        Some(Value::Array(containers)) => containers,
        _ => Vec::new(),
    });
    let host_name = Host(object_name(who.namespace, who.name));
    let mut metadata = metadata::twin(place, who, &host_name, pod.get("metadata").unwrap_or(&Value::Null));
    if let Some(wish) = resources::wish(&out) {
        metadata["annotations"][labels::RESOURCES_ANNOTATION] = json!(wish);
    }
    let (companion, notes) = rewriter.finish();
    let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": out });
    Ok(HostPod { object: Host(object), companion, ephemeral, notes })
}

/// The pod's own name for itself is the virtual one.
fn name_host(who: Identity<'_>, spec: &Value, out: &mut Map<String, Value>) -> Result<(), Refused> {
    if spec.get("hostNetwork").and_then(Value::as_bool) == Some(true) {
        return Ok(());
    }
    if let Some(name) = spec.get("hostnameOverride").filter(|name| !name.is_null()) {
        out.insert("hostnameOverride".into(), name.clone());
        return Ok(());
    }
    let (own, subdomain) = (json::text(spec, "/hostname"), json::text(spec, "/subdomain"));
    let base = if own.is_empty() { who.name } else { own };
    let base = base.get(..MAX_LABEL).unwrap_or(base).trim_end_matches(['-', '.']);
    if spec.get("setHostnameAsFQDN").and_then(Value::as_bool) == Some(true) && !subdomain.is_empty() {
        let full = format!("{base}.{subdomain}.{}.svc.{CLUSTER_DOMAIN}", who.namespace);
        if full.len() > MAX_HOSTNAME {
            let why = format!("the full name \"{full}\" is longer than {MAX_HOSTNAME} characters");
            return Err(Refused::new("spec.setHostnameAsFQDN", &why));
        }
        out.insert("hostnameOverride".into(), json!(full));
    } else if base.contains('.') {
        out.insert("hostnameOverride".into(), json!(base));
    } else {
        out.insert("hostname".into(), json!(base));
    }
    Ok(())
}

/// The in-cluster names of the API lead to the tenant's API, not to the host's.
fn alias_api(place: &Place, out: &mut Map<String, Value>) {
    let Some(ip) = &place.service_ip else { return };
    let names = ["kubernetes.default.svc.cluster.local", "kubernetes.default.svc", "kubernetes.default", "kubernetes"];
    let entry = json!({ "ip": ip, "hostnames": names });
    match out.get_mut("hostAliases").and_then(Value::as_array_mut) {
        Some(list) => match list.iter_mut().find(|alias| json::text(alias, "/ip") == ip) {
            // One entry per address: the list is keyed by it.
            Some(alias) => extend_hostnames(alias, &names),
            None => list.push(entry),
        },
        None => drop(out.insert("hostAliases".into(), json!([entry]))),
    }
}

fn extend_hostnames(alias: &mut Value, names: &[&str]) {
    if let Some(list) = alias.get_mut("hostnames").and_then(Value::as_array_mut) {
        for name in names {
            if !list.iter().any(|known| known == name) {
                list.push(json!(name));
            }
        }
    }
}
