//! Names of a small shop and what they mean.

use serde_json::json;

use super::*;

struct Shop;

impl Records for Shop {
    fn has_namespace(&self, namespace: &str) -> bool {
        namespace == "shop"
    }

    fn service(&self, namespace: &str, name: &str) -> Option<Value> {
        let spec = match (namespace, name) {
            ("shop", "web") => json!({ "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"], "ports": [
                { "name": "http", "port": 80, "protocol": "TCP" }, { "name": "dns", "port": 53, "protocol": "UDP" }] }),
            ("shop", "db") => {
                json!({ "clusterIP": "None", "clusterIPs": ["None"], "ports": [{ "name": "sql", "port": 5432 }] })
            }
            ("shop", "away") => json!({ "type": "ExternalName", "externalName": "Example.com." }),
            _ => return None,
        };
        Some(json!({ "spec": spec }))
    }

    fn slices(&self, _: &str, service: &str) -> Vec<Value> {
        assert_eq!(service, "db");
        let ports = json!([{ "name": "sql", "port": 15432, "protocol": "TCP" }]);
        let slice = |endpoints: Value| json!({ "ports": ports, "endpoints": endpoints });
        vec![
            slice(json!([
                { "addresses": ["10.1.0.1"], "hostname": "db-0", "conditions": { "ready": true } },
                { "addresses": ["10.1.0.2"], "conditions": {} },
                { "addresses": ["10.1.0.3"], "conditions": { "ready": false } }])),
            slice(json!([{ "addresses": ["10.1.0.1"], "hostname": "db-0" }])),
        ]
    }

    fn service_at(&self, address: IpAddr) -> Option<(String, String)> {
        (address.to_string() == "10.96.0.7").then(|| ("shop".into(), "web".into()))
    }
}

fn ask(name: &str, kind: u16) -> Meaning {
    meaning(&Shop, name, kind)
}

/// The data of the records, sorted out of their names.
fn data(name: &str, kind: u16) -> Vec<Data> {
    match ask(name, kind) {
        Meaning::Records(records) => {
            assert!(records.iter().all(|record| record.name == name));
            records.into_iter().map(|record| record.data).collect()
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn services_have_their_addresses() {
    let web = "web.shop.svc.cluster.local";
    assert_eq!(data(web, A), [Data::A([10, 96, 0, 7].into())]);
    assert_eq!(data(web, AAAA), [Data::Aaaa("fd00::7".parse().unwrap())]);
    assert_eq!(data(web, TXT), []);
    assert_eq!(data(web, SRV), [Data::Srv(80, web.into()), Data::Srv(53, web.into())]);
    assert_eq!(data("_http._tcp.web.shop.svc.cluster.local", SRV), [Data::Srv(80, web.into())]);
    assert_eq!(data("_http._tcp.web.shop.svc.cluster.local", A), []);
    assert_eq!(data("7.0.96.10.in-addr.arpa", PTR), [Data::Ptr(web.into())]);
    assert_eq!(ask("away.shop.svc.cluster.local", A), Meaning::Alias("example.com".into()));
}

#[test]
fn headless_services_have_those_of_what_is_ready() {
    let db = "db.shop.svc.cluster.local";
    let (first, second) = (Data::A([10, 1, 0, 1].into()), Data::A([10, 1, 0, 2].into()));
    assert_eq!(data(db, A), [first.clone(), second.clone()]);
    assert_eq!(data(db, AAAA), []);
    assert_eq!(data(&format!("db-0.{db}"), A), [first]);
    assert_eq!(data(&format!("10-1-0-2.{db}"), A), [second]);
    let hosts = [Data::Srv(15432, format!("db-0.{db}")), Data::Srv(15432, format!("10-1-0-2.{db}"))];
    assert_eq!(data(&format!("_sql._tcp.{db}"), SRV), hosts);
}

#[test]
fn names_of_the_zone_that_are_not_there() {
    for name in [
        "none.shop.svc.cluster.local",
        "web.elsewhere.svc.cluster.local",
        "elsewhere.svc.cluster.local",
        "_ssh._tcp.web.shop.svc.cluster.local",
        "_http._udp.web.shop.svc.cluster.local",
        "x.web.shop.svc.cluster.local",
        "10-1-0-3.db.shop.svc.cluster.local",
        "a.b.c.web.shop.svc.cluster.local",
        "x.away.shop.svc.cluster.local",
        "google.com.cluster.local",
        "*.shop.svc.cluster.local",
        "10-1-2-3.elsewhere.pod.cluster.local",
        "notanaddress.shop.pod.cluster.local",
        "1.0.0.10.in-addr.arpa",
        "1.1.168.192.in-addr.arpa",
    ] {
        assert_eq!(ask(name, A), Meaning::NoName, "{name}");
    }
    for name in ["cluster.local", "svc.cluster.local", "pod.cluster.local", "shop.svc.cluster.local"] {
        assert_eq!(ask(name, A), NOTHING, "{name}");
    }
}

#[test]
fn pods_by_address_and_the_version() {
    assert_eq!(data("10-1-2-3.shop.pod.cluster.local", A), [Data::A([10, 1, 2, 3].into())]);
    assert_eq!(data("fd00--5.shop.pod.cluster.local", AAAA), [Data::Aaaa("fd00::5".parse().unwrap())]);
    assert_eq!(data("dns-version.cluster.local", TXT), [Data::Txt("1.1.0".into())]);
}

#[test]
fn everything_else_is_for_the_hosts_resolver() {
    for name in ["example.com", "notcluster.local", "local", "", "8.8.8.8.in-addr.arpa", "arpa", "x.in-addr.arpa"] {
        assert_eq!(ask(name, A), Meaning::Foreign, "{name}");
    }
}
