//! Documents against what is known of upstream's.

use std::collections::BTreeSet;

use super::*;
use crate::Table;
use crate::crd;

fn of(group: &str, version: &str) -> Vec<Arc<Resource>> {
    let all = Table::builtin().resources().iter();
    all.filter(|one| one.group == group && one.version == version).cloned().collect()
}

fn references(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                into.insert(reference.clone());
            }
            fields.values().for_each(|one| references(one, into));
        }
        Value::Array(items) => items.iter().for_each(|one| references(one, into)),
        _ => {}
    }
}

fn example() -> Vec<Arc<Resource>> {
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com", "uid": "u"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}},
                "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": {
                    "type": "object",
                    "properties": {
                        "n": {"type": "integer", "minimum": 1, "default": 3},
                        "port": {"x-kubernetes-int-or-string": true},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "gone": {"type": "string", "nullable": true},
                        "list": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string", "enum": ["a"]}},
                    },
                }}}},
            }],
        },
        "status": {"acceptedNames": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
            "conditions": [{"type": "Established", "status": "True"}, {"type": "NamesAccepted", "status": "True"}]},
    });
    crd::compile(&crd)
}

#[test]
fn every_reference_is_defined_and_every_operation_has_its_own_id() {
    for group in Table::builtin().groups() {
        for version in &group.versions {
            let document = v3(&of(&group.name, version));
            let mut found = BTreeSet::new();
            references(&document, &mut found);
            for reference in found {
                let name = reference.strip_prefix("#/components/schemas/").unwrap();
                assert!(document["components"]["schemas"][name].is_object(), "{reference}");
            }
        }
    }
    let document = v2(Table::builtin().resources());
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        let name = reference.strip_prefix("#/definitions/").unwrap();
        assert!(document["definitions"][name].is_object(), "{reference}");
    }
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values().filter_map(|one| one.get("operationId")) {
            assert!(ids.insert(operation.to_string()), "{path}: {operation}");
        }
    }
}

#[test]
fn definitions_are_upstreams() {
    let document = v3(&of("", "v1"));
    let schema = |name: &str| document["components"]["schemas"][format!("io.k8s.api.core.v1.{name}")].clone();
    assert_eq!(
        schema("ContainerPort"),
        json!({"type": "object", "required": ["containerPort"], "properties": {
            "containerPort": {"type": "integer", "format": "int32", "default": 0},
            "hostIP": {"type": "string"},
            "hostPort": {"type": "integer", "format": "int32"},
            "name": {"type": "string"},
            "protocol": {"type": "string", "default": "TCP", "enum": ["SCTP", "TCP", "UDP"]},
        }})
    );
    let pod = schema("Pod");
    assert_eq!(pod["x-kubernetes-group-version-kind"], json!([{"group": "", "version": "v1", "kind": "Pod"}]));
    assert_eq!(
        pod["properties"]["spec"],
        json!({"default": {}, "allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}]})
    );
    let ports = &schema("Container")["properties"]["ports"];
    assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
    assert_eq!(ports["x-kubernetes-patch-merge-key"], "containerPort");
    assert_eq!(ports["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(schema("PodSpec")["properties"]["volumes"]["x-kubernetes-patch-strategy"], "merge,retainKeys");
    let quantity = &document["components"]["schemas"]["io.k8s.apimachinery.pkg.api.resource.Quantity"];
    assert_eq!(*quantity, json!({"oneOf": [{"type": "string"}, {"type": "number"}]}));
    let v2 = v2(&of("", "v1"));
    assert_eq!(v2["definitions"]["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"]["default"], Value::Null);
    assert_eq!(
        v2["definitions"]["io.k8s.api.core.v1.Pod"]["properties"]["spec"],
        json!({"$ref": "#/definitions/io.k8s.api.core.v1.PodSpec"})
    );
}

#[test]
fn kubectl_finds_what_it_looks_for() {
    let document = v3(&of("apps", "v1"));
    let path = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    let patch = &path["patch"];
    assert_eq!(patch["operationId"], "patchAppsV1NamespacedDeployment");
    assert_eq!(patch["x-kubernetes-action"], "patch");
    let kind = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    assert_eq!(patch["x-kubernetes-group-version-kind"], kind);
    let names: Vec<_> = patch["parameters"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
    let scale = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["get"];
    assert_eq!(scale["x-kubernetes-group-version-kind"]["kind"], "Scale");
    let everywhere = &document["paths"]["/apis/apps/v1/deployments"]["get"];
    assert_eq!(everywhere["operationId"], "listAppsV1DeploymentForAllNamespaces");
    let core = v3(&of("", "v1"));
    let exec = &core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/exec"];
    assert_eq!(exec["get"]["operationId"], "connectCoreV1GetNamespacedPodExec");
    assert!(exec["parameters"].as_array().unwrap().iter().any(|one| one["name"] == "command"));
    let node = &core["paths"]["/api/v1/nodes/{name}"];
    assert_eq!(node["get"]["operationId"], "readCoreV1Node");
    let collection = &core["paths"]["/api/v1/nodes"]["delete"];
    assert_eq!(collection["operationId"], "deleteCoreV1CollectionNode");
}

#[test]
fn custom_resources_are_described_alike() {
    let resources = example();
    let document = v3(&resources);
    let foo = &document["components"]["schemas"]["com.example.v1.Foo"];
    assert_eq!(foo["x-kubernetes-group-version-kind"][0]["kind"], "Foo");
    assert_eq!(foo["required"], json!(["spec"]));
    assert!(foo["properties"]["metadata"]["$ref"].as_str().unwrap().ends_with(".ObjectMeta"));
    let spec = &foo["properties"]["spec"]["properties"];
    assert_eq!(spec["n"], json!({"type": "integer", "minimum": 1, "default": 3}));
    assert_eq!(spec["port"], json!({"x-kubernetes-int-or-string": true}));
    assert_eq!(spec["gone"], json!({"type": "string", "nullable": true}));
    assert_eq!(spec["list"]["items"], json!({"type": "string", "enum": ["a"]}));
    let list = &document["components"]["schemas"]["com.example.v1.FooList"];
    assert_eq!(list["properties"]["items"]["items"]["$ref"], "#/components/schemas/com.example.v1.Foo");
    let patch = &document["paths"]["/apis/example.com/v1/namespaces/{namespace}/foos/{name}"]["patch"];
    assert_eq!(patch["operationId"], "patchExampleComV1NamespacedFoo");
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_null());
    assert!(document["paths"]["/apis/example.com/v1/namespaces/{namespace}/foos/{name}/status"]["put"].is_object());
    let v2 = v2(&resources);
    let spec = &v2["definitions"]["com.example.v1.Foo"]["properties"]["spec"]["properties"];
    assert_eq!(spec["n"], json!({"type": "integer", "minimum": 1}));
    assert_eq!(spec["gone"], json!({"x-kubernetes-preserve-unknown-fields": true}));
}

#[test]
fn descriptions_of_custom_resources_come_from_their_definition() {
    let resources = example();
    let written = json!({"description": "A foo.", "properties": {
        "metadata": {"description": "Its metadata."},
        "other": {"description": "Of nothing."},
        "spec": {"properties": {"list": {"items": {"description": "One of many."}}}},
    }});
    let mut document = v3(&resources);
    describe(&mut document, &resources[0], &written);
    let foo = &document["components"]["schemas"]["com.example.v1.Foo"];
    assert_eq!(foo["description"], "A foo.");
    assert_eq!(foo["properties"]["metadata"]["description"], "Its metadata.");
    assert!(foo["properties"]["metadata"]["allOf"][0]["$ref"].is_string());
    assert_eq!(foo["properties"]["spec"]["properties"]["list"]["items"]["description"], "One of many.");
    assert!(foo["properties"]["other"].is_null());
    let mut document = v2(&resources);
    describe(&mut document, &resources[0], &written);
    assert_eq!(document["definitions"]["com.example.v1.Foo"]["description"], "A foo.");
}

#[test]
fn the_index_names_documents_and_hashes() {
    let index = v3_index([("api/v1", "AB"), ("apis/apps/v1", "CD")]);
    assert_eq!(index["paths"]["apis/apps/v1"]["serverRelativeURL"], "/openapi/v3/apis/apps/v1?hash=CD");
    assert_eq!(v3_path("", "v1"), "api/v1");
    assert_eq!(v3_path("apps", "v1"), "apis/apps/v1");
}
