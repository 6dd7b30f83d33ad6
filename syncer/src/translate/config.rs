//! ConfigMaps and Secrets: born in the tenant, on the host while a pod refers to them.

use serde_json::{Map, Value, json};
use tenancy::host::object_name;
use tenancy::{Host, Virtual};

use super::{Identity, Origin, Place, Refused, metadata};
use crate::json;

/// ConfigMaps and Secrets are born in the tenant.
pub const ORIGIN: Origin = Origin::Tenant;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// Fields that pass, with what happens to them; all others are refused. `type` is rewritten by [`host_type`].
pub const FIELDS: &[(Kind, &[&str])] =
    &[(Kind::ConfigMap, &["binaryData", "data", "immutable"]), (Kind::Secret, &["data", "immutable", "type"])];

/// Types of Secrets that mean nothing to controllers of the host. Every other type becomes `Opaque`: a Secret of type
/// `kubernetes.io/service-account-token`, say, would be filled with a token of the host.
const PASSIVE_TYPES: &[&str] = &[
    "Opaque",
    "kubernetes.io/basic-auth",
    "kubernetes.io/dockercfg",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/ssh-auth",
    "kubernetes.io/tls",
];

impl Kind {
    /// As in `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::ConfigMap => "ConfigMap",
            Kind::Secret => "Secret",
        }
    }

    fn fields(self) -> &'static [&'static str] {
        FIELDS.iter().find(|(kind, _)| *kind == self).map_or(&[], |(_, fields)| fields)
    }
}

/// Translates a ConfigMap or Secret.
///
/// # Errors
/// [`Refused`] for a field nobody has thought about yet.
pub fn to_host(place: &Place, who: Identity<'_>, kind: Kind, own: &Virtual<Value>) -> Result<Host<Value>, Refused> {
    let Virtual(own) = own;
    let host_name = Host(object_name(who.namespace, who.name));
    let mut out = Map::new();
    for (field, value) in own.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        match field.as_str() {
            "apiVersion" | "kind" | "metadata" => {}
            "type" if kind == Kind::Secret => {
                drop(out.insert("type".into(), json!(host_type(json::text(own, "/type")))));
            }
            known if kind.fields().contains(&known) => drop(out.insert(field.clone(), value.clone())),
            other => return Err(Refused::new(other, "this field is not known here and cannot be translated")),
        }
    }
    out.insert("apiVersion".into(), json!("v1"));
    out.insert("kind".into(), json!(kind.as_str()));
    let metadata = metadata::twin(place, who, &host_name, own.get("metadata").unwrap_or(&Value::Null));
    out.insert("metadata".into(), metadata);
    Ok(Host(Value::Object(out)))
}

/// The type of the host Secret.
pub fn host_type(own: &str) -> &str {
    if PASSIVE_TYPES.contains(&own) { own } else { "Opaque" }
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::place;
    use super::*;

    const WHO: Identity<'static> = Identity { namespace: "shop", name: "config", uid: "u1" };

    #[test]
    fn contents_pass_and_host_meaning_does_not() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": { "name": "config", "namespace": "shop", "uid": "u1",
                "annotations": { "kubernetes.io/service-account.name": "default", "note": "mine" },
                "ownerReferences": [{ "kind": "X" }], "finalizers": ["a/b"] },
            "data": { "token": "eA==" }, "immutable": true
        });
        let Host(host) = to_host(&place(), WHO, Kind::Secret, &Virtual(secret)).unwrap();
        assert_eq!(host["type"], "Opaque");
        assert_eq!(host["data"], json!({ "token": "eA==" }));
        assert_eq!(host["immutable"], true);
        assert_eq!(host["metadata"]["annotations"]["note"], "mine");
        assert_eq!(host["metadata"]["annotations"]["kubernetes.io/service-account.name"], Value::Null);
        assert_eq!(host["metadata"]["ownerReferences"], Value::Null);
        assert_eq!(host["metadata"]["finalizers"], Value::Null);
        assert_eq!(host["metadata"]["name"], object_name("shop", "config"));
    }

    #[test]
    fn types_the_host_acts_on_become_opaque() {
        for kept in PASSIVE_TYPES {
            assert_eq!(host_type(kept), *kept);
        }
        for other in ["bootstrap.kubernetes.io/token", "kubernetes.io/service-account-token", "helm.sh/release.v1", ""]
        {
            assert_eq!(host_type(other), "Opaque");
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let map = json!({ "metadata": {}, "data": {}, "future": 1 });
        assert_eq!(to_host(&place(), WHO, Kind::ConfigMap, &Virtual(map)).unwrap_err().field, "future");
        let map = json!({ "metadata": {}, "type": "x" });
        assert_eq!(to_host(&place(), WHO, Kind::ConfigMap, &Virtual(map)).unwrap_err().field, "type");
    }
}
