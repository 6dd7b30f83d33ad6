//! Every row of the table.

use serde_json::json;

use super::*;
use crate::pair::Synced;
use crate::translate::metadata::tests::place;

fn key() -> Key {
    Key::new(place().id, "shop", "web")
}

fn own(extra: &Value) -> Virtual<Value> {
    let mut pod = json!({
        "metadata": { "name": "web", "namespace": "shop", "uid": "u1", "generation": 1 },
        "spec": { "containers": [{ "name": "c", "image": "i" }] }, "status": { "phase": "Pending", "qosClass": "BestEffort" }
    });
    merge(&mut pod, extra);
    Virtual(pod)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The host twin of `own`, as server-side apply leaves it.
fn twin(of: &Virtual<Value>, extra: &Value) -> Host<Value> {
    let Host(mut host) = pod::to_host(&place(), key().identity("u1"), of, &[]).unwrap().object;
    let all = |value: &Value| -> Value {
        let fields = value.as_object().unwrap().keys().map(|name| (format!("f:{name}"), json!({})));
        Value::Object(fields.collect())
    };
    let fields = json!({
        "f:metadata": { "f:labels": all(&host["metadata"]["labels"]), "f:annotations": all(&host["metadata"]["annotations"]) },
        "f:spec": all(&host["spec"])
    });
    host["metadata"]["managedFields"] = json!([{ "manager": "rowhouse", "operation": "Apply", "fieldsV1": fields }]);
    host["metadata"]["uid"] = json!("h1");
    host["status"] = json!({ "phase": "Pending" });
    merge(&mut host, extra);
    Host(host)
}

fn run(own: Option<Virtual<Value>>, host: Option<Host<Value>>) -> Plan {
    run_with(own, host, &Granted::default())
}

fn run_with(own: Option<Virtual<Value>>, host: Option<Host<Value>>, granted: &Granted) -> Plan {
    plan(&place(), &key(), &Pair::new(&Synced::assumed(), own, host), &Vec::new, granted)
}

fn going(grace: i64) -> Value {
    json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace } })
}

fn delete_host(grace: Option<i64>, proof: Proof) -> Action {
    Action::DeleteHost(DeleteHost { uid: "h1".into(), grace, proof })
}

#[test]
fn rows_1_to_3_without_a_virtual_pod() {
    assert_eq!(run(None, None), []);
    assert_eq!(run(None, Some(twin(&own(&json!({})), &going(30)))), []);
    assert_eq!(run(None, Some(twin(&own(&json!({})), &json!({})))), [delete_host(None, Proof::Gone("u1".into()))]);
}

#[test]
fn row_4_finishes_a_deletion() {
    let finish = Action::DeleteVirtual { uid: "u1".into(), grace: 0, because: None };
    assert_eq!(run(Some(own(&going(30))), None), [finish]);
    // Only finalizers keep it: nothing more to do.
    assert_eq!(run(Some(own(&going(0))), None), []);
}

#[test]
fn rows_5_to_7_without_a_host_pod() {
    assert_eq!(run(Some(own(&json!({ "status": { "phase": "Succeeded" } }))), None), []);
    let bound = json!({ "spec": { "nodeName": "n1" }, "status": { "conditions": [{ "type": "PodScheduled", "status": "True" }] } });
    let lost = Action::DeleteVirtual { uid: "u1".into(), grace: 0, because: Some(HOST_LOST) };
    assert_eq!(run(Some(own(&bound)), None), [lost]);
    let by_hand = run(Some(own(&json!({ "spec": { "nodeName": "n1" } }))), None);
    assert!(matches!(&by_hand[..], [Action::Refuse(refused)] if refused.field == "spec.nodeName"), "{by_hand:?}");
}

#[test]
fn row_8_waits_for_the_api_address() {
    let nowhere = Place { service_ip: None, ..place() };
    let pair = Pair::new(&Synced::assumed(), Some(own(&json!({}))), None);
    assert!(matches!(&plan(&nowhere, &key(), &pair, &Vec::new, &Granted::default())[..], [Action::Wait { .. }]));
}

#[test]
fn row_9_creates_or_refuses() {
    assert!(matches!(&run(Some(own(&json!({}))), None)[..], [Action::Create(_)]));
    let token = json!({ "spec": { "volumes": [{ "name": "t", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }] } });
    assert!(
        matches!(&run(Some(own(&token)), None)[..], [Action::Companion { uid, .. }, Action::Create(_)] if uid == "u1")
    );
    let tolerant = json!({ "spec": { "tolerations": [{ "operator": "Exists" }] } });
    assert!(matches!(&run(Some(own(&tolerant)), None)[..], [Action::Create(_), Action::Note(_)]));
    let refused = run(Some(own(&json!({ "spec": { "schedulerName": "mine" } }))), None);
    assert!(matches!(&refused[..], [Action::Refuse(_)]));
}

#[test]
fn row_10_never_adopts_a_twin_of_another_pod() {
    let other = json!({ "metadata": { "annotations": { "rowhouse.dev/uid": "u0" } } });
    let host = twin(&own(&json!({})), &other);
    assert_eq!(run(Some(own(&json!({}))), Some(host)), [delete_host(None, Proof::Gone("u0".into()))]);
    let mut gone = other;
    merge(&mut gone, &going(30));
    assert_eq!(run(Some(own(&json!({}))), Some(twin(&own(&json!({})), &gone))), []);
}

#[test]
fn rows_11_and_12_pass_the_grace_to_the_host() {
    let pod = own(&going(7));
    assert_eq!(run(Some(pod.clone()), Some(twin(&pod, &json!({})))), [delete_host(Some(7), Proof::Deleting)]);
    assert_eq!(run(Some(pod.clone()), Some(twin(&pod, &going(30)))), [delete_host(Some(7), Proof::Deleting)]);
    assert_eq!(run(Some(pod.clone()), Some(twin(&pod, &going(7)))), []);
    assert_eq!(run(Some(pod.clone()), Some(twin(&pod, &going(0)))), []);
}

#[test]
fn row_13_passes_an_eviction_to_the_tenant() {
    let pod = own(&json!({}));
    let plan = run(Some(pod.clone()), Some(twin(&pod, &going(12))));
    assert!(
        matches!(&plan[..], [Action::DeleteVirtual { uid, grace: 12, because: Some(_) }] if uid == "u1"),
        "{plan:?}"
    );
}

#[test]
fn row_14_in_step_does_nothing() {
    let pod = own(&json!({}));
    assert_eq!(run(Some(pod.clone()), Some(twin(&pod, &json!({})))), []);
}

#[test]
fn row_14_updates_labels_and_images() {
    let host = twin(&own(&json!({})), &json!({}));
    let changed = own(
        &json!({ "metadata": { "labels": { "new": "label" } }, "spec": { "containers": [{ "name": "c", "image": "i2" }] } }),
    );
    let plan = run(Some(changed), Some(host));
    let [Action::Update(Host(update))] = &plan[..] else { panic!("{plan:?}") };
    assert_eq!(update["metadata"]["labels"]["new"], "label");
    assert_eq!(update["spec"]["containers"][0]["image"], "i2");
}

#[test]
fn row_14_adds_ephemeral_containers_once() {
    let plain = own(&json!({}));
    let ephemeral = json!([{ "name": "debug", "image": "busybox", "targetContainerName": "c" }]);
    let debugged = own(&json!({ "spec": { "ephemeralContainers": ephemeral } }));
    let plan = run(Some(debugged.clone()), Some(twin(&plain, &json!({ "metadata": { "resourceVersion": "5" } }))));
    let [Action::AddEphemeral(Host(patch))] = &plan[..] else { panic!("{plan:?}") };
    assert_eq!(patch["metadata"], json!({ "resourceVersion": "5" }));
    let added = &patch["spec"]["ephemeralContainers"][0];
    assert_eq!((&added["name"], &added["targetContainerName"]), (&json!("debug"), &json!("c")));
    assert_eq!(added["env"][0]["name"], "KUBERNETES_SERVICE_HOST", "it reaches the tenant's API");
    let there =
        twin(&plain, &json!({ "spec": { "ephemeralContainers": [{ "name": "debug" }, { "name": "host's" }] } }));
    assert_eq!(run(Some(debugged.clone()), Some(there)), []);
    assert!(
        matches!(&run(Some(debugged), None)[..], [Action::Create(Host(pod))] if pod["spec"].get("ephemeralContainers").is_none())
    );
    // What cannot be brought over does not hold up the rest.
    let refused = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "ephemeralContainers": [{ "name": "x", "fromTheFuture": 1 }] } });
    let plan = run(Some(own(&refused)), Some(twin(&plain, &json!({}))));
    assert!(matches!(&plan[..], [Action::Refuse(_), Action::Update(_)]), "{plan:?}");
}

#[test]
fn row_14_resizes_last_and_notes_it_after() {
    let sized = |cpu: &str| {
        own(
            &json!({ "spec": { "containers": [{ "name": "c", "image": "i", "resources": { "requests": { "cpu": cpu } } }] } }),
        )
    };
    assert_eq!(run(Some(sized("1")), Some(twin(&sized("1"), &json!({})))), []);
    let running = json!({ "status": { "phase": "Running" } });
    let plan = run(Some(sized("2")), Some(twin(&sized("1"), &running)));
    let [Action::ReportStatus(_), Action::Resize(Host(patch)), Action::Update(Host(update))] = &plan[..] else {
        panic!("{plan:?}")
    };
    assert_eq!(patch["spec"]["containers"], json!([{ "name": "c", "resources": { "requests": { "cpu": "2" } } }]));
    assert!(update["metadata"]["annotations"]["rowhouse.dev/resources"].as_str().unwrap().contains("\"2\""));
    assert_eq!(update["spec"]["containers"][0]["resources"]["requests"]["cpu"], "2", "as resized before");
}

#[test]
fn row_14_sees_drift() {
    let pod = own(&json!({ "metadata": { "labels": { "app": "web" } } }));
    let drifted = twin(&pod, &json!({ "metadata": { "labels": { "app": "elsewhere" } } }));
    assert!(matches!(&run(Some(pod), Some(drifted))[..], [Action::Update(_)]));
}

#[test]
fn row_14_without_managed_fields_applies_metadata_only() {
    let pod = own(&json!({}));
    let mut host = twin(&pod, &json!({}));
    host.0["metadata"]["managedFields"] = Value::Null;
    let plan = run(Some(pod), Some(host));
    assert!(matches!(&plan[..], [Action::Update(Host(update))] if update.get("spec").is_none()), "{plan:?}");
}

#[test]
fn row_14_mirrors_node_and_status() {
    let pod = own(&json!({}));
    let running = json!({ "spec": { "nodeName": "n1" }, "status": { "phase": "Running", "podIP": "10.1.1.1" } });
    let plan = run(Some(pod.clone()), Some(twin(&pod, &running)));
    let [Action::Bind { node }, Action::ReportStatus(Virtual(status))] = &plan[..] else { panic!("{plan:?}") };
    assert_eq!(node, "n1");
    assert_eq!(status["podIP"], "10.1.1.1");
    let elsewhere = own(&json!({ "spec": { "nodeName": "n2" } }));
    let plan = run(Some(elsewhere.clone()), Some(twin(&elsewhere, &running)));
    assert!(matches!(&plan[..], [Action::Refuse(_), Action::ReportStatus(_)]), "{plan:?}");
}

#[test]
fn row_14_hands_gates_to_the_host() {
    let gated = own(&json!({ "spec": { "readinessGates": [{ "conditionType": "lb" }] },
        "status": { "conditions": [{ "type": "lb", "status": "True" }] } }));
    let plan = run(Some(gated.clone()), Some(twin(&gated, &json!({}))));
    assert!(matches!(&plan[..], [Action::SetGates(gates)] if gates.len() == 1), "{plan:?}");
    let set = json!({ "status": { "conditions": [{ "type": "lb", "status": "True" }] } });
    assert_eq!(run(Some(gated.clone()), Some(twin(&gated, &set))), []);
}

#[test]
fn what_others_grant_is_on_the_host_pod() {
    let isolated = Isolated { ingress: true, egress: false };
    let granted = Granted { isolated, priority_class: Some("batch".into()) };
    let made = run_with(Some(own(&json!({}))), None, &granted);
    let [Action::Create(Host(pod))] = &made[..] else { panic!("{made:?}") };
    assert_eq!(pod["metadata"]["labels"]["rowhouse.dev/isolated-ingress"], "true");
    assert_eq!(pod["spec"]["priorityClassName"], "batch");
    let there = twin(&own(&json!({})), &json!({}));
    let granted = Granted { isolated, priority_class: None };
    let later = run_with(Some(own(&json!({}))), Some(there), &granted);
    let update = later.iter().find_map(|action| match action {
        Action::Update(Host(pod)) => Some(pod),
        _ => None,
    });
    assert_eq!(update.unwrap()["metadata"]["labels"]["rowhouse.dev/isolated-ingress"], "true");
}
