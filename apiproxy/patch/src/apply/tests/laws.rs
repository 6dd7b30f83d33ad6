//! What holds for all objects and configurations.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::json::tests::any_json;

fn any_spec() -> impl Strategy<Value = Value> {
    let name = || prop_oneof![Just("a"), Just("b"), Just("c")];
    let container = (name(), prop::option::of(name()), prop::collection::btree_map(name(), name(), 0..2))
        .prop_map(|(name, image, limits)| json!({"name": name, "image": image, "resources": {"limits": limits}}));
    let containers = prop::collection::btree_map(name(), container, 0..3).prop_map(|items| {
        items
            .into_iter()
            .map(|(name, mut item)| {
                item["name"] = json!(name);
                item
            })
            .collect::<Vec<_>>()
    });
    (
        prop::option::of(0..3),
        prop::collection::btree_set(name(), 0..3),
        prop::collection::vec(name(), 0..2),
        containers,
        any_json(),
        prop::collection::btree_set((0..3, prop::option::of(name())), 0..3),
    )
        .prop_map(|(replicas, set, args, containers, free, ports)| {
            let ports: Vec<Value> = ports.into_iter().map(|(port, protocol)| json!({"port": port, "protocol": protocol.unwrap_or("TCP")})).collect();
            json!({"replicas": replicas, "set": set, "args": args, "containers": containers, "free": free, "ports": ports})
        })
        .prop_map(|mut spec| {
            let fields = spec.as_object_mut().unwrap();
            fields.retain(|_, value| !value.is_null());
            let mut seen = std::collections::BTreeSet::new();
            fields["ports"].as_array_mut().unwrap().retain(|port| seen.insert(port.to_string()));
            spec
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn applying_twice_is_applying_once(before in any_spec(), spec in any_spec()) {
        let live = forced(None, before, "other");
        let once = forced(Some(&live), spec.clone(), "one");
        let twice = applied_with(Some(&once), &config(spec), "one", false, LATER).unwrap();
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn who_applied_last_by_force_never_conflicts_and_has_its_values(before in any_spec(), spec in any_spec()) {
        let live = forced(None, before, "other");
        let got = forced(Some(&live), spec.clone(), "one");
        for name in ["replicas", "args"] {
            if let Some(value) = spec.get(name) {
                prop_assert_eq!(&got["spec"][name], value);
            }
        }
    }

    #[test]
    fn letting_go_of_everything_leaves_what_others_own(mine in any_spec(), theirs in any_spec()) {
        let alone = forced(None, theirs.clone(), "other");
        let both = forced(Some(&forced(None, mine, "one")), theirs, "other");
        let bare = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "n"}});
        let left = applied_with(Some(&both), &bare, "one", false, LATER).unwrap();
        prop_assert_eq!(owned(&left, "one"), Vec::<String>::new());
        prop_assert_eq!(owned(&left, "other"), owned(&alone, "other"));
    }

    #[test]
    fn arbitrary_objects_never_panic(live in any_json(), config in any_json(), entries in any_json()) {
        let schema = widget();
        let mut live = json!({"metadata": {"uid": "u", "managedFields": entries}, "spec": live});
        let config = json!({"apiVersion": "example.com/v1", "spec": config});
        let one = manager("one", Operation::Apply);
        let _ = apply(schema.node(), Some(&live), &config, &one, true, NOW, Reset::NOTHING);
        let old = live.clone();
        live["spec"] = config;
        track(schema.node(), Some(&old), &mut live, &one, NOW, Reset::NOTHING);
    }
}
