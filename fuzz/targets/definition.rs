//! CustomResourceDefinitions, and objects of the kinds they define: rules, pruning, defaults, validation, OpenAPI.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schema::crd;
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let mut values = serde_json::Deserializer::from_slice(data).into_iter::<Value>();
    let Some(Ok(shape)) = values.next() else { return };
    let object = values.next().and_then(Result::ok).unwrap_or_else(|| json!({}));
    let mut definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com", "uid": "u"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": shape}}],
        },
    });
    if !crd::validate_create(&definition).is_empty() {
        return;
    }
    crd::established(&mut definition, "2026-01-01T00:00:00Z", None);
    for resource in crd::compile(&definition) {
        let mut object = object.clone();
        if !object.is_object() {
            continue;
        }
        schema::prune::prune(resource.schema.node(), &mut object);
        schema::defaults::apply(resource.schema.node(), &mut object);
        schema::validate::validate(&resource.schema, &object, None);
        schema::validate::validate(&resource.schema, &object, Some(&object));
    }
});
