//! Which node is chosen, and what is said when none is.

use super::*;
use serde_json::{Value, json};

fn node(name: &str, change: impl Fn(&mut Value)) -> Node {
    let mut node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"zone": name}},
        "spec": {},
        "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "3"}},
    });
    change(&mut node);
    serde_json::from_value(node).unwrap()
}

fn pod(spec: &Value) -> Pod {
    let mut full = json!({"containers": [{"name": "c"}]});
    for (key, value) in spec.as_object().unwrap() {
        full[key] = value.clone();
    }
    serde_json::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": full})).unwrap()
}

fn requesting(cpu: &str, memory: &str) -> Pod {
    pod(&json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}))
}

fn cluster(nodes: impl IntoIterator<Item = Node>) -> Cluster {
    let mut cluster = Cluster::default();
    nodes.into_iter().for_each(|node| cluster.set_node(node));
    cluster
}

fn key(name: &str) -> Key {
    Key::new("default", name)
}

#[test]
fn spreads_by_share_in_use() {
    let mut cluster = cluster([node("a", |_| {}), node("b", |_| {})]);
    let mut chosen = Vec::new();
    for index in 0..4 {
        let pod = requesting("500m", "128Mi");
        let name = cluster.choose(&pod).unwrap();
        cluster.place(&key(&index.to_string()), &pod, name.clone());
        chosen.push(name);
    }
    assert_eq!(chosen, ["a", "b", "a", "b"]);
}

#[test]
fn says_why_nothing_fits_as_upstream_does() {
    let taint = |value: &str| json!([{"key": "team", "value": value, "effect": "NoSchedule"}]);
    let nodes = || {
        [
            node("a", |_| {}),
            node("b", |node| node["spec"]["taints"] = taint("x")),
            node("c", |node| node["spec"]["unschedulable"] = json!(true)),
        ]
    };
    let cases = [
        (requesting("1", "1Gi"), Ok("a")),
        (
            requesting("3", "8Gi"),
            Err("0/3 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, \
                1 node(s) had untolerated taint(s), 1 node(s) were unschedulable."),
        ),
        (
            pod(&json!({"nodeSelector": {"zone": "nowhere"}})),
            Err("0/3 nodes are available: 1 node(s) were unschedulable, \
                2 node(s) didn't match Pod's node affinity/selector."),
        ),
        (pod(&json!({"nodeSelector": {"zone": "b"}, "tolerations": [{"key": "team", "value": "x"}]})), Ok("b")),
        (pod(&json!({"nodeSelector": {"zone": "b"}, "tolerations": [{"operator": "Exists"}]})), Ok("b")),
        (
            pod(&json!({"nodeSelector": {"zone": "b"}, "tolerations": [{"key": "team", "value": "y"}]})),
            Err("0/3 nodes are available: 1 node(s) had untolerated taint(s), \
                1 node(s) were unschedulable, 1 node(s) didn't match Pod's node affinity/selector."),
        ),
        (
            pod(&json!({"nodeSelector": {"zone": "c"},
                "tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]})),
            Ok("c"),
        ),
    ];
    for (pod, expected) in cases {
        let chosen = cluster(nodes()).choose(&pod);
        let sorted = |text: &str| {
            let mut words: Vec<_> = text.split([':', ',', '.']).map(|part| part.trim().to_owned()).collect();
            words.sort();
            words
        };
        match (chosen, expected) {
            (Err(said), Err(expected)) => assert_eq!(sorted(&said), sorted(expected)),
            (chosen, expected) => assert_eq!(chosen.as_deref().ok(), expected.ok()),
        }
    }
    assert_eq!(Cluster::default().choose(&pod(&json!({}))).unwrap_err(), "no nodes available to schedule pods");
}

#[test]
fn pods_take_and_give_back() {
    let mut cluster = cluster([node("a", |_| {})]);
    for name in ["1", "2", "3"] {
        cluster.place(&key(name), &pod(&json!({})), "a".to_owned());
    }
    assert_eq!(cluster.choose(&pod(&json!({}))).unwrap_err(), "0/1 nodes are available: 1 Too many pods.");
    cluster.remove_pod(&key("1"));
    assert_eq!(cluster.choose(&pod(&json!({}))).as_deref(), Ok("a"));

    let mut ended = pod(&json!({"nodeName": "a"}));
    cluster.set_pod(&key("4"), &ended);
    assert!(cluster.choose(&pod(&json!({}))).is_err());
    ended.status = serde_json::from_value(json!({"phase": "Succeeded"})).unwrap();
    cluster.set_pod(&key("4"), &ended);
    assert!(cluster.choose(&pod(&json!({}))).is_ok(), "a pod that has ended takes nothing");
}

#[test]
fn an_old_version_of_a_pod_does_not_undo_an_assumed_placement() {
    let mut cluster = cluster([node("a", |_| {})]);
    let large = requesting("2", "1Gi");
    cluster.place(&key("1"), &large, "a".to_owned());
    cluster.set_pod(&key("1"), &large);
    assert!(cluster.choose(&requesting("1", "1Gi")).is_err());
}

#[test]
fn requests_of_init_containers_and_sidecars() {
    let resources = |cpu: &str| json!({"requests": {"cpu": cpu}});
    let pod = pod(&json!({
        "containers": [{"name": "a", "resources": resources("100m")}, {"name": "b", "resources": resources("0.2")}],
        "initContainers": [
            {"name": "s", "restartPolicy": "Always", "resources": resources("50m")},
            {"name": "i", "resources": resources("300m")},
        ],
        "overhead": {"cpu": "5m"},
    }));
    assert_eq!(requests(pod.spec.as_ref().unwrap()), Amounts::from([("cpu".to_owned(), 355)]));
}
