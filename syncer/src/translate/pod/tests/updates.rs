//! Cases of changes to pods the host already has.

use super::*;

#[test]
fn updates_change_what_may_change() {
    let mut spec = container(&json!({}));
    spec["schedulingGates"] = json!([{ "name": "wait" }]);
    let made = translate(&spec).unwrap().object;
    let mut now = container(&json!({}));
    now["containers"][0]["image"] = json!("nginx:2");
    now["activeDeadlineSeconds"] = json!(5);
    now["tolerations"] = json!([{ "key": "node.kubernetes.io/x", "operator": "Exists" }]);
    let Virtual(mut own) = pod(&now);
    own["metadata"]["labels"] = json!({ "app": "other" });
    let moved = Place { service_ip: Some("10.96.9.9".into()), ..place() };
    let now = to_host(&moved, WHO, &Virtual(own), &[]).unwrap().object;
    let mut live = made.clone();
    live.0["spec"]["tolerations"] = json!([{ "key": "node.kubernetes.io/not-ready", "operator": "Exists" }]);
    let Host(out) = update(&now, &made, &live);
    assert_eq!(out["metadata"]["labels"]["app"], "other");
    assert_eq!(out["spec"]["containers"][0]["image"], "nginx:2");
    assert_eq!(out["spec"]["containers"][0]["env"], made.0["spec"]["containers"][0]["env"]);
    assert_eq!(out["spec"]["activeDeadlineSeconds"], 5);
    assert_eq!(out["spec"].get("schedulingGates"), None);
    assert_eq!(out["spec"]["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!(update(&made, &made, &live), made);
}

#[test]
fn a_pod_that_is_held_back_may_be_steered_more_narrowly() {
    let mut spec = container(&json!({}));
    spec["schedulingGates"] = json!([{ "name": "queue" }]);
    let held = translate(&spec).unwrap().object;
    // A queue admits the pod: it names the nodes and removes its gate in one write.
    let mut admitted = container(&json!({}));
    admitted["nodeSelector"] = json!({ "pool": "batch" });
    admitted["affinity"] = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
        { "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["a"] }] }] } } });
    let admitted = translate(&admitted).unwrap().object;
    let Host(out) = update(&admitted, &held, &held);
    assert_eq!(out["spec"]["nodeSelector"], json!({ "pool": "batch" }));
    assert_eq!(out["spec"]["affinity"], admitted.0["spec"]["affinity"]);
    assert_eq!(out["spec"].get("schedulingGates"), None);
    let free = translate(&container(&json!({}))).unwrap().object;
    let Host(out) = update(&admitted, &free, &free);
    assert_eq!(
        (out["spec"].get("nodeSelector"), out["spec"].get("affinity")),
        (None, None),
        "the host would refuse it"
    );
}
