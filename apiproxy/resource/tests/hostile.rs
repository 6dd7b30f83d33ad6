//! Nothing a client sends makes these functions panic or take more than linear time.

use proptest::prelude::*;
use schema::Table;
use serde_json::{Value, json};

/// Every string that upstream's golden inputs contain, as keys and values to build nonsense from.
fn vocabulary() -> Vec<String> {
    fn words(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                found.push(key.clone());
                words(value, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| words(item, found)),
            Value::String(text) => found.push(text.clone()),
            _ => (),
        }
    }
    let mut found = Vec::new();
    for text in [include_str!("../golden/defaults.json"), include_str!("../golden/validation.json")] {
        let cases: Vec<Value> = serde_json::from_str(text).expect("golden files are lists of cases");
        cases.iter().for_each(|case| words(&case["input"], &mut found));
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn nonsense() -> impl Strategy<Value = Value> {
    let words = vocabulary();
    let word = move || proptest::sample::select(words.clone());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(word(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn everything(group: &str, plural: &str, version: &str, mut new: Value, old: &Value) {
    let strategy = resource::strategy(group, plural);
    strategy.default(version, &mut new);
    strategy.prepare_create(&mut new);
    let _ = strategy.validate_create(&new);
    let _ = strategy.warnings(&new, Some(old));
    let _ = strategy.fields(&new);
    let mut update = new.clone();
    strategy.prepare_update(&mut update, old);
    let _ = strategy.validate_update(&update, old);
    strategy.prepare_status(&mut new, old);
    let _ = strategy.validate_status(&new, old);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn nonsense_never_panics(spec in nonsense(), status in nonsense(), old in nonsense()) {
        let now = "2026-01-01T00:00:00Z".parse().expect("a time");
        let obj = json!({"metadata": spec, "spec": spec, "status": status, "subsets": status, "rules": spec, "webhooks": spec,
            "ports": spec, "endpoints": status, "data": spec, "roleRef": spec, "subjects": status});
        for resource in Table::builtin().resources() {
            everything(&resource.storage_group, &resource.plural, &resource.version, obj.clone(), &old);
            let _ = resource::table::row(resource, &obj, now);
            let mut converted = obj.clone();
            resource::convert::to_storage(resource, &mut converted);
            resource::convert::from_storage(resource, &mut converted);
            let _ = resource::scale::read(resource, &obj);
        }
    }
}

/// Tens of thousands of entries in every list of a pod: quadratic work would take minutes here.
#[test]
fn long_lists_take_linear_work() {
    let many = |make: &dyn Fn(usize) -> Value| (0..30_000).map(make).collect::<Vec<_>>();
    let container = json!({
        "name": "c", "image": "i",
        "env": many(&|n| json!({"name": format!("v{n}")})),
        "ports": many(&|n| json!({"name": format!("p{n}"), "containerPort": 1, "hostPort": n + 1})),
        "volumeMounts": many(&|n| json!({"name": format!("v{n}"), "mountPath": format!("/{n}")})),
        "resources": {"claims": many(&|n| json!({"name": format!("c{n}"), "request": "r"}))}});
    let mut pod = json!({"metadata": {"name": "p", "namespace": "n", "resourceVersion": "1"}, "spec": {
        "containers": [container],
        "volumes": many(&|n| json!({"name": format!("v{n}"), "ephemeral": {}})),
        "tolerations": many(&|n| json!({"key": format!("k{n}"), "operator": "Exists"})),
        "schedulingGates": many(&|n| json!({"name": format!("g{n}")})),
        "resourceClaims": many(&|n| json!({"name": format!("c{n}")})),
        "topologySpreadConstraints": many(&|n| json!({"topologyKey": format!("t{n}"), "whenUnsatisfiable": "DoNotSchedule"}))}});
    let pods = resource::strategy("", "pods");
    pods.default("v1", &mut pod);
    assert!(!pods.validate_create(&pod).is_empty());
    assert!(!pods.validate_update(&pod, &pod).is_empty());
    assert!(pods.warnings(&pod, None).len() < 2);
}
