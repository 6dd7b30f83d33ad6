//! Cases of network policy translation.

use super::super::metadata::tests::place;
use super::*;

const WHO: Identity<'static> = Identity { namespace: "shop", name: "db", uid: "u1" };

fn made(place: &Place, spec: &Value) -> Result<Made, Refused> {
    let policy = Virtual(json!({ "metadata": { "name": "db", "uid": "u1" }, "spec": spec }));
    to_host(place, WHO, &policy, &|selector| match json::text(selector, "/matchLabels/team") {
        "front" => vec!["blog".into(), "shop".into()],
        _ => Vec::new(),
    })
}

fn spec(spec: &Value) -> Value {
    made(&place(), spec).unwrap().object.0["spec"].clone()
}

fn reserved(namespace: &str) -> Value {
    json!({ "rowhouse.dev/tenant": place().id.as_str(), "rowhouse.dev/namespace": namespace })
}

fn tenant() -> Value {
    json!({ "rowhouse.dev/tenant": place().id.as_str() })
}

#[test]
fn pods_are_those_of_the_tenant() {
    let host = spec(&json!({
        "podSelector": { "matchLabels": { "app": "db" } }, "policyTypes": ["Ingress"],
        "ingress": [{ "from": [
            { "podSelector": {} },
            { "namespaceSelector": {} },
            { "namespaceSelector": { "matchLabels": { "team": "front" } }, "podSelector": { "matchLabels": { "app": "web" } } },
            { "namespaceSelector": { "matchLabels": { "team": "none" } } },
        ], "ports": [{ "port": 5432, "protocol": "TCP" }] }]
    }));
    assert_eq!(host["podSelector"]["matchLabels"]["rowhouse.dev/namespace"], "shop");
    assert_eq!(host["podSelector"]["matchLabels"]["app"], "db");
    let from = &host["ingress"][0]["from"];
    assert_eq!(from[0], json!({ "podSelector": { "matchLabels": reserved("shop") } }));
    assert_eq!(from[1], json!({ "podSelector": { "matchLabels": tenant() } }));
    assert_eq!(from[2]["podSelector"]["matchExpressions"][0]["values"], json!(["blog", "shop"]));
    assert_eq!(from[2]["podSelector"]["matchLabels"]["app"], "web");
    assert_eq!(from[3]["podSelector"]["matchExpressions"][0]["operator"], "DoesNotExist");
    assert!(!host.to_string().contains("namespaceSelector"), "{host}");
    assert_eq!(host["ingress"][0]["ports"], json!([{ "port": 5432, "protocol": "TCP" }]));
}

#[test]
fn a_tenant_does_not_open_what_the_operator_closes() {
    let open = |block: Value| json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": block }] }] });
    assert_eq!(spec(&open(json!({ "cidr": "10.0.0.0/8" })))["egress"], Value::Null);
    assert_eq!(spec(&open(json!({ "cidr": "169.254.169.254/32" })))["egress"], Value::Null);
    let host = spec(&open(json!({ "cidr": "0.0.0.0/0", "except": ["1.1.1.0/24"] })));
    let except = host["egress"][0]["to"][0]["ipBlock"]["except"].as_array().unwrap();
    assert!(except.contains(&json!("10.0.0.0/8")) && except.contains(&json!("1.1.1.0/24")), "{except:?}");
    assert_eq!(
        spec(&open(json!({ "cidr": "8.8.8.0/24" })))["egress"][0]["to"][0]["ipBlock"],
        json!({ "cidr": "8.8.8.0/24" })
    );
    // One peer that is left keeps the rule; the other one goes with a note.
    let two = json!({ "podSelector": {}, "ingress": [{ "from": [{ "ipBlock": { "cidr": "192.168.0.0/24" } }, { "podSelector": {} }] }] });
    let made = made(&place(), &two).unwrap();
    assert_eq!(made.object.0["spec"]["ingress"][0]["from"].as_array().unwrap().len(), 1);
    assert_eq!(made.notes.len(), 1, "{:?}", made.notes);
}

#[test]
fn everybody_means_whom_the_wall_leaves() {
    for rule in [json!({}), json!({ "from": [] }), json!({ "from": null, "ports": [{ "port": 80 }] })] {
        let host = spec(&json!({ "podSelector": {}, "ingress": [rule] }));
        let from = host["ingress"][0]["from"].as_array().unwrap();
        assert_eq!(from[0], json!({ "podSelector": { "matchLabels": tenant() } }));
        assert!(from[1]["ipBlock"]["except"].as_array().unwrap().contains(&json!("10.0.0.0/8")));
        assert_eq!(from.len(), 3);
    }
    let mut open = place();
    open.isolation.network = NetworkIsolation::None;
    let own =
        json!({ "podSelector": {}, "ingress": [{}], "egress": [{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }] }] });
    let host = made(&open, &own).unwrap().object.0["spec"].clone();
    assert_eq!(host["ingress"], json!([{}]));
    assert_eq!(host["egress"], own["egress"]);
}

#[test]
fn denying_rules_stay_denying() {
    let both = json!(["Ingress", "Egress"]);
    let host = spec(&json!({ "podSelector": {}, "policyTypes": both, "ingress": [] }));
    assert_eq!((host.get("ingress"), &host["policyTypes"]), (None, &both));
    // Without types and without what is left of its rules, the policy would no longer be about what goes out.
    let lost = json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }] }] });
    let host = spec(&lost);
    assert_eq!((host.get("egress"), &host["policyTypes"]), (None, &both));
    assert_eq!(spec(&json!({ "podSelector": {} }))["policyTypes"], json!(["Ingress"]));
}

#[test]
fn what_has_no_honest_translation_is_refused() {
    for (own, field) in [
        (json!({ "podSelector": { "matchLabels": { "rowhouse.dev/tenant": "b" } } }), "spec.podSelector"),
        (
            json!({ "podSelector": {}, "ingress": [{ "from": [{ "podSelector": { "matchLabels": { "rowhouse.dev/tenant": "b" } } }] }] }),
            "spec.ingress[0].from[0].podSelector",
        ),
        (
            json!({ "podSelector": {}, "egress": [{ "to": [{ "fromTheFuture": {} }] }] }),
            "spec.egress[0].to[0].fromTheFuture",
        ),
        (json!({ "podSelector": {}, "egress": [{ "fromTheFuture": {} }] }), "spec.egress[0].fromTheFuture"),
        (
            json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "nonsense" } }] }] }),
            "spec.egress[0].to[0].ipBlock.cidr",
        ),
        (json!({ "podSelector": {}, "egress": [{ "to": [{}] }] }), "spec.egress[0].to[0]"),
        (json!({ "podSelector": {}, "fromTheFuture": 1 }), "spec.fromTheFuture"),
    ] {
        assert_eq!(made(&place(), &own).unwrap_err().field, field);
    }
}

#[test]
fn pods_are_isolated_by_the_policies_that_select_them() {
    let pod = Virtual(json!({ "metadata": { "labels": { "app": "db" } } }));
    let of = |specs: &[Value]| {
        let policies: Vec<Value> = specs.iter().map(|spec| json!({ "spec": spec })).collect();
        let found = isolated(policies.iter(), &pod);
        (found.ingress, found.egress)
    };
    assert_eq!(of(&[]), (false, false));
    assert_eq!(of(&[json!({ "podSelector": { "matchLabels": { "app": "web" } } })]), (false, false));
    assert_eq!(of(&[json!({ "podSelector": {}, "policyTypes": ["Egress"] })]), (false, true));
    assert_eq!(of(&[json!({ "podSelector": {} })]), (true, false));
    assert_eq!(of(&[json!({ "podSelector": {}, "egress": [{}] })]), (true, true));
    assert_eq!(
        of(&[
            json!({ "podSelector": {}, "policyTypes": ["Ingress"] }),
            json!({ "podSelector": {}, "policyTypes": ["Egress"] })
        ]),
        (true, true)
    );
}

#[test]
fn isolation_stands_on_the_host_pod() {
    let mut pod = Host(json!({ "metadata": { "labels": { "app": "db" } } }));
    Isolated { ingress: false, egress: true }.mark(&mut pod);
    assert_eq!(pod.0["metadata"]["labels"], json!({ "app": "db", "rowhouse.dev/isolated-egress": "true" }));
}
