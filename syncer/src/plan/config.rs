//! ConfigMaps and Secrets.
//!
//! | # | tenant | host | plan |
//! |---|---|---|---|
//! | 1 | – | –, or being deleted | nothing |
//! | 2 | – | there | delete the host object, after a live read |
//! | 3 | there, referenced | – | create; or refuse |
//! | 4 | there, not referenced | – | nothing |
//! | 5 | there | twin of another uid | delete the host object, after a live read |
//! | 6 | there, not referenced | there | release: delete the host object |
//! | 7 | there, referenced | there | update when it differs |

use serde_json::Value;
use tenancy::{Host, Virtual};

use super::{Action, DeleteHost, Plan, Proof};
use crate::json;
use crate::pair::{Pair, Sides};
use crate::side::{Key, twin_uid, uid};
use crate::translate::config::{Kind, to_host};
use crate::translate::{Place, applied};

/// Whether a pod of the namespace refers to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A pod does.
    Referenced,
    /// None does.
    Unused,
}

/// Decides about a ConfigMap or Secret.
pub fn plan(place: &Place, key: &Key, kind: Kind, pair: &Pair, usage: Use) -> Plan {
    match pair.sides() {
        Sides::Neither => Vec::new(),
        Sides::HostOnly(host) => delete(host, Proof::Gone(twin_uid(host).to_owned())),
        Sides::VirtualOnly(_) if usage == Use::Unused => Vec::new(),
        Sides::VirtualOnly(own) => make(place, key, kind, own, None),
        Sides::Both(own, host) if uid(&own.0) != twin_uid(host) => delete(host, Proof::Gone(twin_uid(host).to_owned())),
        Sides::Both(_, host) if usage == Use::Unused => delete(host, Proof::Unreferenced),
        Sides::Both(own, host) => make(place, key, kind, own, Some(host)),
    }
}

fn delete(host: &Host<Value>, proof: Proof) -> Plan {
    if json::is_deleting(&host.0) {
        return Vec::new();
    }
    vec![Action::DeleteHost(DeleteHost { uid: uid(&host.0).to_owned(), grace: None, proof })]
}

fn make(place: &Place, key: &Key, kind: Kind, own: &Virtual<Value>, there: Option<&Host<Value>>) -> Plan {
    match to_host(place, key.identity(uid(&own.0)), kind, own) {
        Err(refused) => vec![Action::Refuse(refused)],
        Ok(now) => match there {
            None => vec![Action::Create(now)],
            Some(host) if applied::is_applied(host, &now) => Vec::new(),
            Some(_) => vec![Action::Update(now)],
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pair::Synced;
    use crate::translate::metadata::tests::place;

    fn key() -> Key {
        Key::new(place().id, "shop", "conf")
    }

    fn own(data: &Value) -> Virtual<Value> {
        Virtual(json!({ "metadata": { "name": "conf", "uid": "u1" }, "data": data }))
    }

    fn twin(extra: &[(&str, Value)]) -> Host<Value> {
        let Host(mut host) =
            to_host(&place(), key().identity("u1"), Kind::ConfigMap, &own(&json!({ "a": "b" }))).unwrap();
        let all = |value: &Value| -> Value {
            Value::Object(value.as_object().unwrap().keys().map(|name| (format!("f:{name}"), json!({}))).collect())
        };
        let fields = json!({ "f:data": all(&host["data"]), "f:metadata": {
            "f:labels": all(&host["metadata"]["labels"]), "f:annotations": all(&host["metadata"]["annotations"]) } });
        host["metadata"]["managedFields"] =
            json!([{ "manager": "rowhouse", "operation": "Apply", "fieldsV1": fields }]);
        host["metadata"]["uid"] = json!("h1");
        for (pointer, value) in extra {
            *host.pointer_mut(pointer).unwrap() = value.clone();
        }
        Host(host)
    }

    fn run(own: Option<Virtual<Value>>, host: Option<Host<Value>>, usage: Use) -> Plan {
        plan(&place(), &key(), Kind::ConfigMap, &Pair::new(&Synced::assumed(), own, host), usage)
    }

    fn delete_by(proof: Proof) -> Action {
        Action::DeleteHost(DeleteHost { uid: "h1".into(), grace: None, proof })
    }

    #[test]
    fn every_row() {
        use Use::{Referenced, Unused};
        let data = json!({ "a": "b" });
        assert_eq!(run(None, None, Referenced), []);
        assert_eq!(run(None, Some(twin(&[])), Unused), [delete_by(Proof::Gone("u1".into()))]);
        assert!(matches!(&run(Some(own(&data)), None, Referenced)[..], [Action::Create(_)]));
        assert_eq!(run(Some(own(&data)), None, Unused), []);
        let other = twin(&[("/metadata/annotations/rowhouse.dev~1uid", json!("u0"))]);
        assert_eq!(run(Some(own(&data)), Some(other), Referenced), [delete_by(Proof::Gone("u0".into()))]);
        assert_eq!(run(Some(own(&data)), Some(twin(&[])), Unused), [delete_by(Proof::Unreferenced)]);
        assert_eq!(run(Some(own(&data)), Some(twin(&[])), Referenced), []);
        assert!(matches!(&run(Some(own(&json!({ "a": "c" }))), Some(twin(&[])), Referenced)[..], [Action::Update(_)]));
        let drifted = twin(&[("/data/a", json!("drift"))]);
        assert!(matches!(&run(Some(own(&data)), Some(drifted), Referenced)[..], [Action::Update(_)]));
    }
}
