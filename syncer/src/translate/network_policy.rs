//! NetworkPolicies: born in the tenant. On the host policies add up, so a tenant's must not allow what the operator's
//! wall closes: peers are pods of the tenant, or addresses outside of the private blocks.

use serde_json::{Map, Value, json};
use tenancy::host::object_name;
use tenancy::{Host, NetworkIsolation, Virtual, labels};

use super::addresses::{Block, Outside, outside};
use super::rules::Rule::{Into, Keep, Rewrite};
use super::rules::{Handler, Outcome, Rewriter, Shape, Unknown, walk};
use super::selector::{self, Reach};
use super::{Identity, Made, Origin, Place, Refused, metadata};
use crate::json;

/// Network policies are born in the tenant.
pub const ORIGIN: Origin = Origin::Tenant;

/// `spec` of a network policy.
pub static NETWORK_POLICY_SPEC: Shape = Shape {
    type_name: "networking.v1.NetworkPolicySpec",
    fields: &[
        ("egress", Rewrite(Handler::PolicyRules, Some(&EGRESS_RULE), RULES)),
        ("ingress", Rewrite(Handler::PolicyRules, Some(&INGRESS_RULE), RULES)),
        (
            "podSelector",
            Rewrite(Handler::OwnSelector, None, "kept, plus the tenant and the virtual namespace as reserved labels"),
        ),
        ("policyTypes", Keep),
    ],
};
const RULES: &str = "each by its own table; one without peers means the peers the operator's wall leaves open";
const PEERS: &str = "each by its own table; a rule none of whose peers is left goes too";
static INGRESS_RULE: Shape = Shape {
    type_name: "networking.v1.NetworkPolicyIngressRule",
    fields: &[("from", Rewrite(Handler::PolicyPeers, Some(&PEER), PEERS)), ("ports", Into(&PORT))],
};
static EGRESS_RULE: Shape = Shape {
    type_name: "networking.v1.NetworkPolicyEgressRule",
    fields: &[("ports", Into(&PORT)), ("to", Rewrite(Handler::PolicyPeers, Some(&PEER), PEERS))],
};
static PORT: Shape = Shape {
    type_name: "networking.v1.NetworkPolicyPort",
    fields: &[("endPort", Keep), ("port", Keep), ("protocol", Keep)],
};
static PEER: Shape = Shape {
    type_name: "networking.v1.NetworkPolicyPeer",
    fields: &[
        (
            "ipBlock",
            Rewrite(
                Handler::PolicyPeers,
                Some(&IP_BLOCK),
                "kept, without the private blocks unless the Tenant's isolation.network is None",
            ),
        ),
        (
            "namespaceSelector",
            Rewrite(
                Handler::PolicyPeers,
                None,
                "the virtual namespaces it selects, as a requirement on the reserved label in podSelector; followed when their labels change",
            ),
        ),
        (
            "podSelector",
            Rewrite(Handler::PolicyPeers, None, "kept, plus the tenant and the virtual namespaces as reserved labels"),
        ),
    ],
};
static IP_BLOCK: Shape = Shape { type_name: "networking.v1.IPBlock", fields: &[("cidr", Keep), ("except", Keep)] };

/// Translates a network policy. `namespaces` gives the virtual namespaces a selector means.
///
/// # Errors
/// [`Refused`] when there is no honest translation.
pub fn to_host(
    place: &Place,
    who: Identity<'_>,
    policy: &Virtual<Value>,
    namespaces: &dyn Fn(&Value) -> Vec<String>,
) -> Result<Made, Refused> {
    let Virtual(policy) = policy;
    let spec = policy.get("spec").unwrap_or(&Value::Null);
    let mut rewriter = Policy { place, who, namespaces, notes: Vec::new() };
    let mut spec = walk(&NETWORK_POLICY_SPEC, spec, "spec", Unknown::Refuse, &mut rewriter)?;
    if spec.get("policyTypes").is_none() {
        let has_egress = !json::items(policy, "/spec/egress").is_empty();
        spec["policyTypes"] = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
    let host_name = Host(object_name(who.namespace, who.name));
    let metadata = metadata::twin(place, who, &host_name, policy.get("metadata").unwrap_or(&Value::Null));
    let object =
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec });
    Ok(Made { object: Host(object), notes: rewriter.notes })
}

/// Directions in which pods are isolated by a policy of the tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Isolated {
    /// Towards the pod.
    pub ingress: bool,
    /// From the pod.
    pub egress: bool,
}

impl Isolated {
    /// Writes it down on a host pod, where the operator's wall looks for it.
    pub fn mark(self, pod: &mut Host<Value>) {
        let Some(all) = pod.0.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) else { return };
        for (key, _) in [(labels::ISOLATED_INGRESS, self.ingress), (labels::ISOLATED_EGRESS, self.egress)]
            .iter()
            .filter(|(_, on)| *on)
        {
            all.insert((*key).to_owned(), json!("true"));
        }
    }
}

/// What the network policies of a virtual namespace isolate of a pod in it (upstream: a pod is isolated in a direction as
/// soon as one policy of that type selects it).
pub fn isolated<'a>(policies: impl Iterator<Item = &'a Value>, pod: &Virtual<Value>) -> Isolated {
    let labels = json::object(&pod.0, "/metadata/labels");
    let get = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let mut found = Isolated::default();
    for policy in policies {
        if !selector::matches(policy.pointer("/spec/podSelector").unwrap_or(&Value::Null), get) {
            continue;
        }
        let types = json::items(policy, "/spec/policyTypes");
        let has = |kind: &str| types.iter().any(|one| one == kind);
        found.ingress |= types.is_empty() || has("Ingress");
        found.egress |= has("Egress") || (types.is_empty() && !json::items(policy, "/spec/egress").is_empty());
    }
    found
}

struct Policy<'a> {
    place: &'a Place,
    who: Identity<'a>,
    namespaces: &'a dyn Fn(&Value) -> Vec<String>,
    notes: Vec<String>,
}

impl Policy<'_> {
    fn has_wall(&self) -> bool {
        self.place.isolation.network == NetworkIsolation::DefaultDeny
    }

    fn rules(&mut self, value: &Value, at: &str) -> Result<Vec<Value>, Refused> {
        let (shape, field) = if at.ends_with("egress") { (&EGRESS_RULE, "to") } else { (&INGRESS_RULE, "from") };
        let mut out = Vec::new();
        for (index, rule) in value.as_array().into_iter().flatten().enumerate() {
            let mut made = walk(shape, rule, &format!("{at}[{index}]"), Unknown::Refuse, self)?;
            let named = rule.get(field).and_then(Value::as_array).is_some_and(|peers| !peers.is_empty());
            let left = made.get(field).and_then(Value::as_array).is_some_and(|peers| !peers.is_empty());
            if named && !left {
                // An empty list would mean everybody.
                continue;
            }
            if !named && self.has_wall() {
                made[field] = self.everybody();
            }
            out.push(made);
        }
        Ok(out)
    }

    /// All peers the operator's wall leaves: the tenant's own pods, and the world.
    fn everybody(&self) -> Value {
        let block = |cidr: &str| {
            let except = Block::parse(cidr).map(|block| outside(&block));
            match except {
                Some(Outside::Except(except)) => json!({ "ipBlock": { "cidr": cidr, "except": except } }),
                _ => json!({ "ipBlock": { "cidr": cidr } }),
            }
        };
        let own = selector::to_host(self.place, &Reach::Tenant, &json!({}), "").unwrap_or_default();
        json!([{ "podSelector": own }, block("0.0.0.0/0"), block("::/0")])
    }

    fn peers(&mut self, value: &Value, at: &str) -> Result<Vec<Value>, Refused> {
        let mut out = Vec::new();
        for (index, peer) in value.as_array().into_iter().flatten().enumerate() {
            let at = format!("{at}[{index}]");
            let fields = peer.as_object().ok_or_else(|| Refused::new(&at, "must be an object"))?;
            if let Some(field) = fields.keys().find(|field| PEER.rule(field).is_none()) {
                let why = "this field is not known here and cannot be translated";
                return Err(Refused::new(&format!("{at}.{field}"), why));
            }
            let set = |field: &str| fields.get(field).filter(|value| !value.is_null());
            match (set("ipBlock"), set("podSelector"), set("namespaceSelector")) {
                (Some(block), None, None) => out.extend(self.block(block, &format!("{at}.ipBlock"))?),
                (None, None, None) | (Some(_), ..) => {
                    return Err(Refused::new(&at, "must be an ipBlock, or selectors"));
                }
                (None, pods, namespaces) => {
                    let reach = match namespaces {
                        None => Reach::Namespace(self.who.namespace.to_owned()),
                        Some(all) if selector::is_empty(all) => Reach::Tenant,
                        Some(some) => Reach::Namespaces((self.namespaces)(some)),
                    };
                    let pods = pods.cloned().unwrap_or_else(|| json!({}));
                    let pods = selector::to_host(self.place, &reach, &pods, &format!("{at}.podSelector"))?;
                    out.push(json!({ "podSelector": pods }));
                }
            }
        }
        Ok(out)
    }

    fn block(&mut self, value: &Value, at: &str) -> Result<Option<Value>, Refused> {
        let mut made = walk(&IP_BLOCK, value, at, Unknown::Refuse, self)?;
        let cidr = json::text(value, "/cidr").to_owned();
        let block =
            Block::parse(&cidr).ok_or_else(|| Refused::new(&format!("{at}.cidr"), "not a block of addresses"))?;
        if !self.has_wall() {
            return Ok(Some(json!({ "ipBlock": made })));
        }
        match outside(&block) {
            Outside::Whole => {}
            Outside::Nothing => {
                self.notes.push(format!("{at}: {cidr} is left out: pods of this cluster reach no private addresses"));
                return Ok(None);
            }
            Outside::Except(cut) => {
                let mut except = json::items(&made, "/except").to_vec();
                let new = cut.into_iter().map(|block| json!(block)).filter(|block| !except.contains(block));
                let new: Vec<Value> = new.collect();
                except.extend(new);
                made["except"] = Value::Array(except);
            }
        }
        Ok(Some(json!({ "ipBlock": made })))
    }
}

impl Rewriter for Policy<'_> {
    fn rewrite(
        &mut self,
        handler: Handler,
        value: &Value,
        _: &Map<String, Value>,
        at: &str,
    ) -> Result<Outcome, Refused> {
        match handler {
            Handler::OwnSelector => {
                let reach = Reach::Namespace(self.who.namespace.to_owned());
                selector::to_host(self.place, &reach, value, at).map(Outcome::Value)
            }
            // The host leaves an empty list out, and the types say what it would have meant.
            Handler::PolicyRules => match self.rules(value, at)? {
                none if none.is_empty() => Ok(Outcome::Nothing),
                rules => Ok(Outcome::Value(Value::Array(rules))),
            },
            Handler::PolicyPeers => Ok(Outcome::Value(Value::Array(self.peers(value, at)?))),
            _ => Err(Refused::new(at, "this field does not belong to a network policy")),
        }
    }
}

#[cfg(test)]
mod tests;
