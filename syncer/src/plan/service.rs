//! Services. The apiproxy makes the host Service before the tenant's create returns, so a host Service may be there
//! before its virtual twin is seen: a young one without a twin is left alone.
//!
//! | # | tenant | host | plan |
//! |---|---|---|---|
//! | 1 | `default/kubernetes` | any | nothing: the apiproxy's own |
//! | 2 | – | –, or being deleted | nothing |
//! | 3 | –, or another uid | younger than 30 s, not yet completed by us | wait |
//! | 4 | –, or another uid | there | delete the host service, after a live read |
//! | 5 | being deleted, or of type ExternalName | – | nothing |
//! | 6 | there | – | create; or refuse |
//! | 7 | of type ExternalName | there | delete the host service: a name needs nothing of the host, and what follows names there must not be led anywhere |
//! | 8 | there | there | update what differs, addresses and status back |

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tenancy::{Host, Virtual};

use super::{Action, DeleteHost, Plan, Proof};
use crate::json;
use crate::pair::{Pair, Sides};
use crate::side::{Key, twin_uid, uid};
use crate::translate::service::{COMPLETE, allocated, status_to_virtual, to_host};
use crate::translate::{Place, applied};

/// How long a host Service may be without a virtual twin.
pub const YOUNG: Duration = Duration::from_secs(30);

/// Decides about a service.
pub fn plan(place: &Place, key: &Key, pair: &Pair, now: Timestamp) -> Plan {
    if (&*key.namespace, &*key.name) == ("default", "kubernetes") {
        return Vec::new();
    }
    match pair.sides() {
        Sides::Neither => Vec::new(),
        Sides::HostOnly(host) => without_twin(host, now),
        Sides::VirtualOnly(own) if json::is_deleting(&own.0) || is_name(own) => Vec::new(),
        Sides::VirtualOnly(own) => match to_host(place, key.identity(uid(&own.0)), own) {
            Ok(made) => vec![Action::Create(made)],
            Err(refused) => vec![Action::Refuse(refused)],
        },
        Sides::Both(own, host) if uid(&own.0) != twin_uid(host) => without_twin(host, now),
        Sides::Both(own, host) if is_name(own) => {
            let delete = DeleteHost { uid: uid(&host.0).to_owned(), grace: None, proof: Proof::Unwanted };
            if json::is_deleting(&host.0) { Vec::new() } else { vec![Action::DeleteHost(delete)] }
        }
        Sides::Both(own, host) => both(place, key, own, host),
    }
}

/// Whether the service is only another name for something.
fn is_name(own: &Virtual<Value>) -> bool {
    json::text(&own.0, "/spec/type") == "ExternalName"
}

fn without_twin(host: &Host<Value>, now: Timestamp) -> Plan {
    if json::is_deleting(&host.0) {
        return Vec::new();
    }
    let made: Option<Timestamp> = json::text(&host.0, "/metadata/creationTimestamp").parse().ok();
    let age = made.and_then(|made| Duration::try_from(now.duration_since(made)).ok()).unwrap_or_default();
    // Completed by us: its twin has been seen, so nothing is on its way.
    if age < YOUNG && !is_complete(host) {
        // A whole second more, because creation times have no fractions.
        let after = YOUNG - age + Duration::from_secs(1);
        return vec![Action::Wait { after, until: "the tenant's service" }];
    }
    let proof = Proof::Gone(twin_uid(host).to_owned());
    vec![Action::DeleteHost(DeleteHost { uid: uid(&host.0).to_owned(), grace: None, proof })]
}

/// Whether the syncer has applied the host service, and not only the apiproxy.
fn is_complete(host: &Host<Value>) -> bool {
    host.0.pointer("/metadata/annotations").is_some_and(|all| all.get(COMPLETE).is_some())
}

fn both(place: &Place, key: &Key, own: &Virtual<Value>, host: &Host<Value>) -> Plan {
    let mut plan = Vec::new();
    match to_host(place, key.identity(uid(&own.0)), own) {
        Err(refused) => plan.push(Action::Refuse(refused)),
        Ok(now) if applied::is_applied(host, &now) => {}
        Ok(now) => plan.push(Action::Update(now)),
    }
    plan.extend(allocated(own, host).map(Action::ReportSpec));
    let status = status_to_virtual(host);
    if own.0.get("status") != Some(&status.0) {
        plan.push(Action::ReportStatus(status));
    }
    plan
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pair::Synced;
    use crate::translate::metadata::tests::place;

    const BORN: &str = "2026-01-01T00:00:00Z";

    fn key() -> Key {
        Key::new(place().id, "shop", "web")
    }

    fn own() -> Virtual<Value> {
        let spec = json!({ "type": "ClusterIP", "clusterIP": "10.96.1.1", "clusterIPs": ["10.96.1.1"], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "selector": { "app": "web" }, "ports": [{ "port": 80, "protocol": "TCP" }] });
        Virtual(json!({ "metadata": { "name": "web", "uid": "u1" }, "spec": spec, "status": { "loadBalancer": {} } }))
    }

    fn twin(twin_of: &str) -> Host<Value> {
        let Host(mut host) = to_host(&place(), key().identity(twin_of), &own()).unwrap();
        let all = |value: &Value| -> Value {
            Value::Object(value.as_object().unwrap().keys().map(|name| (format!("f:{name}"), json!({}))).collect())
        };
        let fields = json!({ "f:spec": all(&host["spec"]), "f:metadata": {
            "f:labels": all(&host["metadata"]["labels"]), "f:annotations": all(&host["metadata"]["annotations"]) } });
        host["metadata"]["managedFields"] =
            json!([{ "manager": "rowhouse", "operation": "Apply", "fieldsV1": fields }]);
        host["metadata"]["uid"] = json!("h1");
        host["metadata"]["creationTimestamp"] = json!(BORN);
        host["status"] = json!({ "loadBalancer": {} });
        Host(host)
    }

    /// The form in which the apiproxy makes it.
    fn made(twin_of: &str) -> Host<Value> {
        let mut made = twin(twin_of);
        made.0["metadata"]["annotations"].as_object_mut().unwrap().remove(COMPLETE);
        let fields = &mut made.0["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:annotations"];
        fields.as_object_mut().unwrap().remove(&format!("f:{COMPLETE}"));
        made
    }

    fn run(key: &Key, own: Option<Virtual<Value>>, host: Option<Host<Value>>, age: i64) -> Plan {
        let now = BORN.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(age);
        plan(&place(), key, &Pair::new(&Synced::assumed(), own, host), now)
    }

    #[test]
    fn every_row() {
        let gone = |uid: &str| {
            Action::DeleteHost(DeleteHost { uid: "h1".into(), grace: None, proof: Proof::Gone(uid.into()) })
        };
        let api = Key::new(place().id, "default", "kubernetes");
        assert_eq!(run(&api, Some(own()), None, 0), []);
        assert_eq!(run(&key(), None, None, 0), []);
        let wait = Action::Wait { after: Duration::from_secs(21), until: "the tenant's service" };
        assert_eq!(run(&key(), None, Some(made("u1")), 10), std::slice::from_ref(&wait));
        assert_eq!(run(&key(), Some(own()), Some(made("u2")), 10), [wait]);
        assert_eq!(run(&key(), None, Some(twin("u1")), 10), [gone("u1")]);
        assert_eq!(run(&key(), None, Some(twin("u1")), 30), [gone("u1")]);
        assert_eq!(run(&key(), Some(own()), Some(twin("u0")), 31), [gone("u0")]);
        let mut going = own();
        going.0["metadata"]["deletionTimestamp"] = json!(BORN);
        assert_eq!(run(&key(), Some(going), None, 0), []);
        assert!(matches!(&run(&key(), Some(own()), None, 0)[..], [Action::Create(_)]));
        let mut bad = own();
        bad.0["spec"]["externalIPs"] = json!(["8.8.8.8"]);
        assert!(matches!(&run(&key(), Some(bad), None, 0)[..], [Action::Refuse(_)]));
        let mut name = own();
        name.0["spec"] = json!({ "type": "ExternalName", "externalName": "kubernetes.default.svc.cluster.local" });
        assert_eq!(run(&key(), Some(name.clone()), None, 0), []);
        let unwanted = DeleteHost { uid: "h1".into(), grace: None, proof: Proof::Unwanted };
        assert_eq!(run(&key(), Some(name), Some(twin("u1")), 99), [Action::DeleteHost(unwanted)]);
        assert_eq!(run(&key(), Some(own()), Some(twin("u1")), 99), []);
    }

    #[test]
    fn the_form_made_by_the_apiproxy_is_completed() {
        let plan = run(&key(), Some(own()), Some(made("u1")), 0);
        let [Action::Update(Host(update))] = &plan[..] else { panic!("{plan:?}") };
        assert_eq!(update["spec"]["selector"]["app"], "web");
        let mut balanced = twin("u1");
        balanced.0["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "1.2.3.4" }] } });
        assert!(matches!(&run(&key(), Some(own()), Some(balanced), 0)[..], [Action::ReportStatus(_)]));
    }
}
