//! Cases of service translation.

use super::super::metadata::tests::place;
use super::*;

const WHO: Identity<'static> = Identity { namespace: "shop", name: "web", uid: "u1" };

fn service(spec: &Value) -> Virtual<Value> {
    Virtual(json!({ "metadata": { "name": "web", "uid": "u1", "labels": { "a": "b" } }, "spec": spec }))
}

#[test]
fn selectors_carry_the_reserved_labels() {
    let id = place().id;
    let own = service(&json!({
        "type": "NodePort", "clusterIP": "10.96.1.1", "clusterIPs": ["10.96.1.1"], "selector": { "app": "web" },
        "ports": [{ "port": 80, "targetPort": "http", "protocol": "TCP", "nodePort": 30080 }],
        "sessionAffinityConfig": { "clientIP": { "timeoutSeconds": 10 } }
    }));
    let Host(host) = to_host(&place(), WHO, &own).unwrap();
    assert_eq!(
        host["spec"]["selector"],
        json!({ "app": "web", "rowhouse.dev/tenant": id.as_str(), "rowhouse.dev/namespace": "shop" })
    );
    assert_eq!(host["spec"]["ports"][0]["nodePort"], 30080);
    assert_eq!(host["spec"]["clusterIP"], "10.96.1.1");
    assert_eq!(host["metadata"]["annotations"]["rowhouse.dev/uid"], "u1");
}

#[test]
fn without_a_selector_none_is_made() {
    for spec in [
        json!({ "clusterIP": "None" }),
        json!({ "selector": {} }),
        json!({ "type": "ExternalName", "externalName": "x" }),
    ] {
        let Host(host) = to_host(&place(), WHO, &service(&spec)).unwrap();
        assert_eq!(host["spec"].get("selector"), None, "{spec}");
    }
}

#[test]
fn what_reaches_for_others_is_refused() {
    for (spec, field) in [
        (json!({ "externalIPs": ["8.8.8.8"] }), "spec.externalIPs"),
        (json!({ "loadBalancerIP": "1.2.3.4" }), "spec.loadBalancerIP"),
        (json!({ "selector": { "rowhouse.dev/tenant": "other" } }), "spec.selector"),
        (json!({ "fromTheFuture": 1 }), "spec.fromTheFuture"),
        (json!({ "ports": [{ "port": 1, "fromTheFuture": 1 }] }), "spec.ports[0].fromTheFuture"),
    ] {
        assert_eq!(to_host(&place(), WHO, &service(&spec)).unwrap_err().field, field);
    }
}

#[test]
fn addresses_come_back() {
    let host = Host(json!({
        "spec": { "clusterIP": "10.96.1.1", "clusterIPs": ["10.96.1.1"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
            "ports": [{ "port": 80, "protocol": "TCP", "nodePort": 31000 }, { "port": 80, "protocol": "UDP", "nodePort": 31001 }] },
        "status": { "loadBalancer": { "ingress": [{ "ip": "1.2.3.4", "fromTheFuture": 1 }] }, "fromTheFuture": 1 }
    }));
    assert_eq!(status_to_virtual(&host).0, json!({ "loadBalancer": { "ingress": [{ "ip": "1.2.3.4" }] } }));
    let own = service(
        &json!({ "type": "NodePort", "clusterIP": "10.96.1.1", "clusterIPs": ["10.96.1.1"], "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack", "ports": [{ "port": 80, "protocol": "UDP" }, { "port": 80, "protocol": "TCP", "nodePort": 31000 }] }),
    );
    assert_eq!(
        allocated(&own, &host).unwrap().0,
        json!({ "ports": [{ "port": 80, "protocol": "UDP", "nodePort": 31001 }, { "port": 80, "protocol": "TCP", "nodePort": 31000 }] })
    );
    let fresh = service(&json!({ "type": "ClusterIP", "ports": [{ "port": 80 }] }));
    assert_eq!(allocated(&fresh, &host).unwrap().0["clusterIP"], "10.96.1.1");
    assert_eq!(allocated(&service(&json!({ "type": "ExternalName" })), &host), None);
}
