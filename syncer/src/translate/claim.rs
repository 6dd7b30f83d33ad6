//! PersistentVolumeClaims: born in the tenant, provisioned and bound on the host.

use serde_json::{Map, Value, json};
use tenancy::host::object_name;
use tenancy::{Host, Virtual};

use super::class::Offer;
use super::rules::Rule::{Deny, Into, Keep, Ours, Rewrite};
use super::rules::{Handler, Outcome, Rewriter, Shape, Silent, Unknown, walk};
use super::volume::volume_name;
use super::{Identity, Made, Origin, Place, Refused, metadata};
use crate::json;

/// Claims are born in the tenant.
pub const ORIGIN: Origin = Origin::Tenant;
/// Finalizer of claims: upstream's, kept by the syncer until the host has let the claim go.
pub const PROTECTION: &str = "kubernetes.io/pvc-protection";

/// `spec` of a claim.
pub static CLAIM_SPEC: Shape = Shape {
    type_name: "core.v1.PersistentVolumeClaimSpec",
    fields: &[
        ("accessModes", Keep),
        (
            "dataSource",
            Rewrite(Handler::Claim, Some(&SOURCE), "a claim of the same namespace: its host name; others are refused"),
        ),
        ("dataSourceRef", Ours("said by dataSource")),
        ("resources", Into(&RESOURCES)),
        ("selector", Deny("volumes of the host are not chosen by label: name a storage class")),
        (
            "storageClassName",
            Rewrite(
                Handler::Class,
                None,
                "a class the tenant sees, or its default; others, and none at all, are refused: they could lead to any volume of the host",
            ),
        ),
        ("volumeAttributesClassName", Deny("volume attributes classes are not available yet")),
        ("volumeMode", Keep),
        (
            "volumeName",
            Ours("the host binds; the volume the tenant sees has a name of its own, another one is refused"),
        ),
    ],
};
static RESOURCES: Shape =
    Shape { type_name: "core.v1.VolumeResourceRequirements", fields: &[("limits", Keep), ("requests", Keep)] };
static SOURCE: Shape = Shape {
    type_name: "core.v1.TypedLocalObjectReference",
    fields: &[("apiGroup", Keep), ("kind", Keep), ("name", Keep)],
};

/// `status` of a claim, from the host to the tenant.
pub static CLAIM_STATUS: Shape = Shape {
    type_name: "core.v1.PersistentVolumeClaimStatus",
    fields: &[
        ("accessModes", Keep),
        ("allocatedResourceStatuses", Keep),
        ("allocatedResources", Keep),
        ("capacity", Keep),
        ("conditions", Into(&CONDITION)),
        ("currentVolumeAttributesClassName", Ours("left out: no volume attributes classes yet")),
        ("modifyVolumeStatus", Ours("left out: no volume attributes classes yet")),
        ("phase", Keep),
    ],
};
static CONDITION: Shape = Shape {
    type_name: "core.v1.PersistentVolumeClaimCondition",
    fields: &[
        ("lastProbeTime", Keep),
        ("lastTransitionTime", Keep),
        ("message", Ours("left out: may name volumes and machines of the host")),
        ("reason", Keep),
        ("status", Keep),
        ("type", Keep),
    ],
};

/// Translates a claim. `classes` are the storage classes the tenant sees.
///
/// # Errors
/// [`Refused`] when there is no honest translation.
pub fn to_host(
    place: &Place,
    who: Identity<'_>,
    claim: &Virtual<Value>,
    classes: &Offer,
    there: Option<&Host<Value>>,
) -> Result<Made, Refused> {
    let Virtual(claim) = claim;
    let spec = claim.get("spec").unwrap_or(&Value::Null);
    let named = json::text(spec, "/volumeName");
    if !named.is_empty() && named != volume_name(who) {
        return Err(Refused::new("spec.volumeName", "volumes are chosen by the host; name a storage class"));
    }
    // A class may vanish under a claim that is bound already.
    let held = there.map(|host| json::text(&host.0, "/spec/storageClassName")).filter(|name| !name.is_empty());
    let mut out = walk(&CLAIM_SPEC, spec, "spec", Unknown::Refuse, &mut Names { who, classes, held })?;
    if out.get("storageClassName").is_none() {
        let name = held.map(str::to_owned).or_else(|| classes.default.clone());
        let name = name.ok_or_else(|| {
            Refused::new("spec.storageClassName", "no class is named, and this cluster has no default class")
        })?;
        out["storageClassName"] = json!(name);
    }
    let host_name = Host(object_name(who.namespace, who.name));
    let metadata = metadata::twin(place, who, &host_name, claim.get("metadata").unwrap_or(&Value::Null));
    let object = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": out });
    Ok(Made { object: Host(object), notes: Vec::new() })
}

/// The status of the virtual claim.
pub fn status_to_virtual(host: &Host<Value>) -> Virtual<Value> {
    let status = host.0.get("status").unwrap_or(&Value::Null);
    let out = walk(&CLAIM_STATUS, status, "status", Unknown::LeaveOut, &mut Silent);
    let mut out = out.unwrap_or_else(|_| json!({}));
    if let Some(out) = out.as_object_mut() {
        out.entry("phase").or_insert_with(|| json!("Pending"));
    }
    Virtual(out)
}

/// What of a claim's spec the host has decided and the virtual one lacks: the volume, under its virtual name, and the
/// class. None when there is nothing.
pub fn decided(who: Identity<'_>, own: &Virtual<Value>, host: &Host<Value>) -> Option<Virtual<Value>> {
    let mut spec = Map::new();
    if is_bound(host) && json::text(&own.0, "/spec/volumeName").is_empty() {
        spec.insert("volumeName".into(), json!(volume_name(who)));
    }
    let class = json::text(&host.0, "/spec/storageClassName");
    if own.0.pointer("/spec/storageClassName").is_none_or(Value::is_null) && !class.is_empty() {
        spec.insert("storageClassName".into(), json!(class));
    }
    (!spec.is_empty()).then_some(Virtual(Value::Object(spec)))
}

/// Whether the host has bound a claim.
pub fn is_bound(host: &Host<Value>) -> bool {
    json::text(&host.0, "/status/phase") == "Bound" && !json::text(&host.0, "/spec/volumeName").is_empty()
}

struct Names<'a> {
    who: Identity<'a>,
    classes: &'a Offer,
    held: Option<&'a str>,
}

impl Rewriter for Names<'_> {
    fn rewrite(
        &mut self,
        handler: Handler,
        value: &Value,
        _: &Map<String, Value>,
        at: &str,
    ) -> Result<Outcome, Refused> {
        match handler {
            Handler::Class => {
                let name = value.as_str().unwrap_or_default();
                if name.is_empty() {
                    let why = "volumes without a class belong to the host: name a storage class";
                    return Err(Refused::new(at, why));
                }
                if self.held != Some(name) {
                    self.classes.check(name, at)?;
                }
                Ok(Outcome::Value(value.clone()))
            }
            Handler::Claim => {
                let mut made = walk(&SOURCE, value, at, Unknown::Refuse, self)?;
                let (group, kind) = (json::text(value, "/apiGroup"), json::text(value, "/kind"));
                if (group, kind) != ("", "PersistentVolumeClaim") {
                    return Err(Refused::new(at, "only claims of the same namespace can be copied"));
                }
                made["name"] = json!(object_name(self.who.namespace, json::text(value, "/name")));
                Ok(Outcome::Value(made))
            }
            _ => Err(Refused::new(at, "this field does not belong to a claim")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::place;
    use super::*;

    const WHO: Identity<'static> = Identity { namespace: "shop", name: "data", uid: "u1" };

    fn offer() -> Offer {
        Offer { kind: "storage class", names: ["fast".into()].into(), default: None }
    }

    fn claim(spec: &Value) -> Virtual<Value> {
        let annotations =
            json!({ "volume.kubernetes.io/selected-node": "n1", "volume.beta.kubernetes.io/storage-class": "x" });
        Virtual(json!({ "metadata": { "name": "data", "uid": "u1", "annotations": annotations }, "spec": spec }))
    }

    fn run(spec: &Value) -> Result<Value, Refused> {
        to_host(&place(), WHO, &claim(spec), &offer(), None).map(|made| made.object.0)
    }

    #[test]
    fn a_claim_asks_for_the_same() {
        let host = run(&json!({
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } }, "volumeMode": "Filesystem",
            "storageClassName": "fast", "volumeName": "pvc-u1",
            "dataSource": { "kind": "PersistentVolumeClaim", "name": "old" }, "dataSourceRef": { "kind": "PersistentVolumeClaim", "name": "old" }
        }))
        .unwrap();
        assert_eq!(
            host["spec"],
            json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } }, "volumeMode": "Filesystem",
                "storageClassName": "fast", "dataSource": { "kind": "PersistentVolumeClaim", "name": object_name("shop", "old") } })
        );
        assert!(!host.to_string().contains("selected-node") && !host.to_string().contains("beta"), "{host}");
    }

    #[test]
    fn a_claim_without_a_class_never_reaches_a_volume_of_the_host() {
        assert_eq!(run(&json!({})).unwrap_err().field, "spec.storageClassName");
        assert_eq!(run(&json!({ "storageClassName": "" })).unwrap_err().field, "spec.storageClassName");
        assert_eq!(run(&json!({ "storageClassName": "hidden" })).unwrap_err().field, "spec.storageClassName");
        let with_default = Offer { default: Some("fast".into()), ..offer() };
        let made = to_host(&place(), WHO, &claim(&json!({})), &with_default, None).unwrap();
        assert_eq!(made.object.0["spec"]["storageClassName"], "fast");
        // What is bound stays bound when the class goes.
        let there = Host(json!({ "spec": { "storageClassName": "gone" } }));
        for spec in [json!({ "storageClassName": "gone" }), json!({})] {
            let made = to_host(&place(), WHO, &claim(&spec), &offer(), Some(&there)).unwrap();
            assert_eq!(made.object.0["spec"]["storageClassName"], "gone");
        }
    }

    #[test]
    fn what_reaches_for_others_is_refused() {
        let with = |field: &str, value: Value| json!({ "storageClassName": "fast", field: value });
        for (spec, field) in [
            (with("volumeName", json!("pv-of-another")), "spec.volumeName"),
            (with("selector", json!({ "matchLabels": { "a": "b" } })), "spec.selector"),
            (with("volumeAttributesClassName", json!("gold")), "spec.volumeAttributesClassName"),
            (
                with(
                    "dataSource",
                    json!({ "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s" }),
                ),
                "spec.dataSource",
            ),
            (with("fromTheFuture", json!(1)), "spec.fromTheFuture"),
        ] {
            assert_eq!(run(&spec).unwrap_err().field, field);
        }
    }

    #[test]
    fn the_host_decides_volume_and_class() {
        let host = Host(json!({
            "spec": { "volumeName": "pvc-of-the-host", "storageClassName": "fast" },
            "status": { "phase": "Bound", "capacity": { "storage": "2Gi" }, "accessModes": ["ReadWriteOnce"], "fromTheFuture": 1,
                "conditions": [{ "type": "Resizing", "status": "True", "message": "on pvc-of-the-host" }] }
        }));
        let own = claim(&json!({}));
        assert_eq!(decided(WHO, &own, &host).unwrap().0, json!({ "volumeName": "pvc-u1", "storageClassName": "fast" }));
        let done = claim(&json!({ "volumeName": "pvc-u1", "storageClassName": "fast" }));
        assert_eq!(decided(WHO, &done, &host), None);
        let status = status_to_virtual(&host).0;
        assert_eq!((&status["phase"], &status["capacity"]["storage"]), (&json!("Bound"), &json!("2Gi")));
        assert!(!status.to_string().contains("pvc-of-the-host") && status.get("fromTheFuture").is_none(), "{status}");
        let waiting = Host(json!({ "spec": { "storageClassName": "fast" }, "status": { "phase": "Pending" } }));
        assert_eq!(decided(WHO, &claim(&json!({ "storageClassName": "fast" })), &waiting), None);
        assert_eq!(status_to_virtual(&Host(json!({}))).0, json!({ "phase": "Pending" }));
    }
    #[test]
    fn pods_mount_the_twins_of_claims() {
        use super::super::pod;
        let who = Identity { namespace: "shop", name: "web-0", uid: "u1" };
        let template = json!({ "volumeClaimTemplate": { "spec": { "storageClassName": "fast" } } });
        let spec = json!({ "containers": [{ "name": "c", "image": "i" }], "volumes": [
            { "name": "data", "persistentVolumeClaim": { "claimName": "data-web-0", "readOnly": true } },
            { "name": "scratch", "ephemeral": template }] });
        let own = Virtual(json!({ "metadata": { "name": "web-0", "namespace": "shop" }, "spec": spec }));
        let made = pod::to_host(&place(), who, &own, &[]).unwrap().object.0;
        assert_eq!(
            made["spec"]["volumes"],
            json!([
                { "name": "data", "persistentVolumeClaim": { "claimName": object_name("shop", "data-web-0"), "readOnly": true } },
                { "name": "scratch", "persistentVolumeClaim": { "claimName": object_name("shop", "web-0-scratch") } }
            ])
        );
        let claims = pod::Referenced::by(&own.0).claims;
        assert_eq!(claims.into_iter().collect::<Vec<_>>(), ["data-web-0", "web-0-scratch"]);
        let mut closed = place();
        closed.sync.to_host.persistent_volume_claims = false;
        let refused = pod::to_host(&closed, who, &own, &[]).unwrap_err();
        assert_eq!(refused.field, "spec.volumes[0].persistentVolumeClaim.claimName");
    }
}
