//! Tests of EndpointSlices: decisions, then the loop over an in-memory API.

use serde_json::json;

use super::plan::{ENDPOINTS_MAX, Wanted};
use super::*;
use crate::fake::Fake;
use crate::pod::Pod;
use crate::run::{Config, Which};
use crate::service::tests::{pod, service};

fn nowhere(_: &str) -> Option<String> {
    None
}

fn pods(count: usize) -> Vec<Pod> {
    (0..count).map(|n| pod(&format!("p{n:04}"), &format!("10.1.{}.{}", n / 200, n % 200), &json!({}))).collect()
}

/// The slices there are after a plan.
fn after(mut slices: Vec<Slice>, plan: Plan) -> Vec<Slice> {
    let slice = |name: String, wanted: Wanted| Slice {
        meta: crate::object::Meta { uid: name.clone(), name, labels: wanted.labels, ..Default::default() },
        address_type: wanted.family.as_str().to_owned(),
        ports: wanted.ports,
        endpoints: wanted.endpoints,
        owned: true,
    };
    slices.retain(|held| plan.deletes.iter().all(|gone| gone.meta.name != held.meta.name));
    for (held, wanted) in plan.updates {
        slices.retain(|slice| slice.meta.name != held.meta.name);
        slices.push(slice(held.meta.name, wanted));
    }
    let count = slices.len();
    slices.extend(plan.creates.into_iter().enumerate().map(|(n, wanted)| slice(format!("s{}", count + n), wanted)));
    slices
}

fn settled(service: &Service, pods: &[Pod], slices: Vec<Slice>) -> Vec<Slice> {
    let slices = after(slices.clone(), plan::plan(service, pods, slices, &nowhere));
    let again = plan::plan(service, pods, slices.clone(), &nowhere);
    assert!(again.creates.is_empty() && again.updates.is_empty() && again.deletes.is_empty(), "{again:?}");
    slices
}

#[test]
fn a_slice_says_what_pods_are() {
    let terminating = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let named = json!({"spec": {"hostname": "h", "subdomain": "web"}});
    let unready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let all = [
        pod("ready", "10.1.0.1", &named),
        pod("unready", "10.1.0.2", &unready),
        pod("going", "10.1.0.3", &terminating),
        pod("done", "10.1.0.4", &json!({"status": {"phase": "Succeeded"}})),
        pod("new", "", &json!({"status": {"podIPs": null}})),
    ];
    let zone = |node: &str| (node == "node").then(|| "z1".to_owned());
    let plan = plan::plan(&service(&json!({})), &all, Vec::new(), &zone);
    let [wanted] = &plan.creates[..] else { panic!("one slice") };
    assert_eq!(wanted.family.as_str(), "IPv4");
    assert_eq!(json!(wanted.ports), json!([{"name": "http", "protocol": "TCP", "port": 8080}]));
    assert_eq!(
        json!(wanted.endpoints[0]),
        json!({"addresses": ["10.1.0.1"], "conditions": {"ready": true, "serving": true, "terminating": false},
            "hostname": "h", "nodeName": "node", "zone": "z1",
            "targetRef": {"kind": "Pod", "namespace": "n", "name": "ready", "uid": "ready"}})
    );
    let conditions: Vec<_> = wanted.endpoints.iter().map(|e| e.conditions.clone()).collect();
    assert_eq!(json!(conditions[1]), json!({"ready": false, "serving": false, "terminating": false}));
    assert_eq!(json!(conditions[2]), json!({"ready": false, "serving": true, "terminating": true}));
    assert_eq!(conditions.len(), 3);
    let labels = [(MANAGED_BY_LABEL, MANAGED_BY), (SERVICE_NAME, "web"), ("app", "web")];
    assert!(labels.iter().all(|(key, value)| wanted.labels[*key] == *value) && wanted.labels.len() == 3);

    let eager = service(&json!({"spec": {"publishNotReadyAddresses": true}}));
    let plan = plan::plan(&eager, &all, Vec::new(), &nowhere);
    assert!(plan.creates[0].endpoints.iter().all(|endpoint| endpoint.conditions.ready == Some(true)));
}

#[test]
fn families_have_slices_of_their_own() {
    let dual = service(&json!({"spec": {"ipFamilies": ["IPv4", "IPv6"], "clusterIP": "None"}}));
    let slices = settled(&dual, &pods(2), Vec::new());
    let types: Vec<&str> = slices.iter().map(|slice| slice.address_type.as_str()).collect();
    assert_eq!(types, ["IPv4", "IPv6"]);
    assert_eq!(slices[1].endpoints[0].addresses, ["fd00::1"]);
    assert_eq!(slices[0].meta.labels[crate::service::HEADLESS], "");
    let single = settled(&service(&json!({})), &pods(2), slices);
    assert_eq!(single.len(), 1);
}

#[test]
fn slices_are_filled_and_little_is_changed() {
    let service = service(&json!({}));
    let slices = settled(&service, &pods(250), Vec::new());
    let mut sizes: Vec<usize> = slices.iter().map(|slice| slice.endpoints.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
    // Ten more: they go into the one with room, nothing else is touched.
    let plan = plan::plan(&service, &pods(260), slices.clone(), &nowhere);
    assert_eq!((plan.creates.len(), plan.updates.len(), plan.deletes.len()), (0, 1, 0));
    assert_eq!(plan.updates[0].1.endpoints.len(), 60);
    // Too many for the room that is left: a slice of their own.
    let slices = settled(&service, &pods(310), slices);
    assert!(slices.iter().all(|slice| slice.endpoints.len() <= ENDPOINTS_MAX));
    assert_eq!(slices.iter().map(|slice| slice.endpoints.len()).sum::<usize>(), 310);
    // Most go away.
    let slices = settled(&service, &pods(30), slices);
    assert_eq!(slices.iter().map(|slice| slice.endpoints.len()).sum::<usize>(), 30);
}

#[test]
fn an_empty_service_has_a_placeholder() {
    let service = service(&json!({}));
    let slices = settled(&service, &[], Vec::new());
    let [placeholder] = &slices[..] else { panic!("one slice") };
    assert!(placeholder.endpoints.is_empty() && placeholder.ports.is_empty());
    // It becomes the first real slice, and one again when the last pod is gone.
    let plan = plan::plan(&service, &pods(1), slices.clone(), &nowhere);
    assert_eq!((plan.creates.len(), plan.updates.len(), plan.deletes.len()), (0, 1, 0));
    let slices = after(slices, plan);
    assert_eq!(settled(&service, &[], slices).len(), 1);
}

#[test]
fn labels_follow_the_service() {
    let slices = settled(&service(&json!({})), &pods(1), Vec::new());
    let relabelled = service(&json!({"metadata": {"labels": {"app": null, "tier": "front"}}}));
    let plan = plan::plan(&relabelled, &pods(1), slices.clone(), &nowhere);
    let [(slice, wanted)] = &plan.updates[..] else { panic!("one update") };
    let patch = plan::patch(slice, wanted, None);
    assert_eq!(
        (&patch["metadata"]["labels"]["app"], &patch["metadata"]["labels"]["tier"]),
        (&Value::Null, &json!("front"))
    );
    // A slice of an earlier Service of the name is never changed into ours.
    let mut foreign = slices;
    foreign[0].owned = false;
    let plan = plan::plan(&service(&json!({})), &pods(1), foreign, &nowhere);
    assert_eq!((plan.creates.len(), plan.updates.len(), plan.deletes.len()), (1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn both_kinds_of_endpoints_follow_pods() {
    let fake = Fake::default();
    let tenant = tenancy::TenantId::from_uid("1");
    let namespace = tenancy::fleet::join(tenant, "n");
    fake.put(
        &kinds::nodes(),
        json!({"metadata": {"name": tenancy::fleet::join(tenant, "node"), "labels": {ZONE: "z"}}}),
    );
    let object = json!({"metadata": {"name": "web", "namespace": namespace, "labels": {"app": "web"}},
        "spec": {"clusterIP": "10.0.0.1", "ipFamilies": ["IPv4"], "selector": {"app": "web"},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}]}});
    fake.put(&kinds::services(), object);
    let shutdown = CancellationToken::new();
    let config = Config { fleet: fake.client(), which: [Which::Endpoints, Which::EndpointSlice].into() };
    let running = tokio::spawn(crate::run::run(config, shutdown.clone()));
    fake.eventually("a placeholder", |fake| fake.list(&kinds::endpoint_slices()).len() == 1).await;
    for n in 0..3 {
        let mut object = pod(&format!("p{n}"), &format!("10.1.0.{n}"), &json!({})).raw.value();
        object["metadata"]["namespace"] = json!(namespace);
        fake.put(&kinds::pods(), object);
    }
    let count = |fake: &Fake| {
        let slices = fake.list(&kinds::endpoint_slices());
        let in_slices: usize = slices.iter().map(|s| s["endpoints"].as_array().map_or(0, Vec::len)).sum();
        let endpoints = fake.get(&kinds::endpoints(), &namespace, "web").unwrap_or_default();
        let in_endpoints = endpoints["subsets"][0]["addresses"].as_array().map_or(0, Vec::len);
        (slices.len(), in_slices, in_endpoints)
    };
    fake.eventually("three endpoints", |fake| count(fake) == (1, 3, 3)).await;
    let slice = fake.list(&kinds::endpoint_slices()).remove(0);
    assert_eq!(slice["endpoints"][0]["zone"], "z");
    assert_eq!(slice["endpoints"][0]["targetRef"]["namespace"], "n");
    assert_eq!(slice["metadata"]["ownerReferences"][0]["kind"], "Service");
    fake.remove(&kinds::pods(), &namespace, "p1");
    fake.eventually("two endpoints", |fake| count(fake) == (1, 2, 2)).await;
    fake.remove(&kinds::services(), &namespace, "web");
    fake.eventually("no Endpoints", |fake| fake.list(&kinds::endpoints()).is_empty()).await;
    shutdown.cancel();
    running.await.unwrap();
}
