//! Events of host pods, told to the tenant: born on the host.

use serde_json::{Map, Value, json};
use tenancy::{Host, Virtual};

use super::names::Names;
use super::{Identity, Origin};
use crate::json;

/// Events of pods are born on the host.
pub const ORIGIN: Origin = Origin::Host;

/// Fields that pass as they are. What else an event has is rewritten (`metadata`, `involvedObject`, `message`) or left
/// out (`related`, which may be an object of the host).
pub const KEPT: &[&str] = &[
    "action",
    "count",
    "eventTime",
    "firstTimestamp",
    "lastTimestamp",
    "reason",
    "reportingComponent",
    "reportingInstance",
    "series",
    "source",
    "type",
];

/// The tenant's copy of an event of its pod's host twin. `who` is the virtual pod.
pub fn to_virtual(who: Identity<'_>, event: &Host<Value>, names: &Names) -> Virtual<Value> {
    let Host(event) = event;
    let mut out = Map::new();
    for field in KEPT {
        json::set(&mut out, field, event.get(*field).filter(|value| !value.is_null()).cloned());
    }
    let host_name = json::text(event, "/metadata/name");
    let suffix = host_name.rsplit_once('.').map_or(host_name, |(_, suffix)| suffix);
    let room = 253usize.saturating_sub(suffix.len() + 1);
    let name = format!("{}.{suffix}", who.name.get(..room).unwrap_or(who.name));
    let mut about = json!({
        "apiVersion": "v1", "kind": "Pod", "namespace": who.namespace, "name": who.name, "uid": who.uid,
    });
    let field_path = json::text(event, "/involvedObject/fieldPath");
    if let (Some(about), false) = (about.as_object_mut(), field_path.is_empty()) {
        about.insert("fieldPath".into(), json!(field_path));
    }
    out.insert("apiVersion".into(), json!("v1"));
    out.insert("kind".into(), json!("Event"));
    out.insert("metadata".into(), json!({ "name": name, "namespace": who.namespace }));
    out.insert("involvedObject".into(), about);
    out.insert("message".into(), json!(names.to_virtual(json::text(event, "/message"))));
    Virtual(Value::Object(out))
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::place;
    use super::*;
    use tenancy::host::object_name;

    #[test]
    fn an_event_names_the_virtual_pod_only() {
        let who = Identity { namespace: "shop", name: "web", uid: "u1" };
        let host_pod = object_name("shop", "web");
        let secret = object_name("shop", "creds");
        let pod = json!({ "spec": { "volumes": [{ "name": "c", "secret": { "secretName": "creds" } }] } });
        let names = Names::of_pod(&place(), who, &pod);
        let event = json!({
            "metadata": { "name": format!("{host_pod}.17a"), "namespace": "rowhouse-acme", "uid": "h" },
            "involvedObject": { "kind": "Pod", "name": host_pod, "namespace": "rowhouse-acme", "uid": "hu",
                "resourceVersion": "5", "fieldPath": "spec.containers{c}" },
            "related": { "kind": "Node", "name": "n1" },
            "reason": "FailedMount", "type": "Warning", "count": 3,
            "message": format!("MountVolume failed for {host_pod}_rowhouse-acme: secret \"{secret}\" not found"),
            "source": { "component": "kubelet", "host": "n1" },
        });
        let Virtual(own) = to_virtual(who, &Host(event), &names);
        assert_eq!(own["metadata"], json!({ "name": "web.17a", "namespace": "shop" }));
        assert_eq!(own["message"], "MountVolume failed for web_shop: secret \"creds\" not found");
        assert_eq!(own["involvedObject"]["uid"], "u1");
        assert_eq!(own["involvedObject"]["fieldPath"], "spec.containers{c}");
        assert_eq!(own["involvedObject"]["resourceVersion"], Value::Null);
        assert_eq!(own["related"], Value::Null);
        assert_eq!(own["count"], 3);
        assert!(!own.to_string().contains("rowhouse-acme") && !own.to_string().contains(&host_pod), "{own}");
    }
}
