//! The table against facts of Kubernetes 1.36 that are known without it.

use serde_json::json;

use super::*;
use crate::{ListType, Node, Scalar, SlotKind};

fn walk<'a>(schema: &'a Schema, path: &str) -> Node<'a> {
    let mut node = schema.node();
    for step in path.split('.') {
        node =
            if step == "[]" { node.items() } else { node.field(step) }.unwrap_or_else(|| panic!("{path}: no {step}"));
    }
    node
}

fn schema(group: &str, version: &str, kind: &str) -> Schema {
    Table::builtin().kind(group, version, kind).unwrap_or_else(|| panic!("no {group}/{version} {kind}"))
}

#[test]
fn list_keys_and_patch_keys_are_upstreams() {
    let map = |keys: &[&str]| ListType::Map(keys.iter().map(ToString::to_string).collect());
    let cases = [
        ("Pod", "spec.containers", map(&["name"]), Some("name")),
        ("Pod", "spec.containers.[].ports", map(&["containerPort", "protocol"]), Some("containerPort")),
        ("Pod", "spec.containers.[].env", map(&["name"]), Some("name")),
        ("Pod", "spec.containers.[].volumeMounts", map(&["mountPath"]), Some("mountPath")),
        ("Pod", "spec.containers.[].args", ListType::Atomic, None),
        ("Pod", "spec.volumes", map(&["name"]), Some("name")),
        ("Pod", "spec.tolerations", ListType::Atomic, None),
        ("Pod", "spec.topologySpreadConstraints", map(&["topologyKey", "whenUnsatisfiable"]), Some("topologyKey")),
        ("Pod", "status.conditions", map(&["type"]), Some("type")),
        ("Pod", "metadata.finalizers", ListType::Set, None),
        ("Pod", "metadata.ownerReferences", map(&["uid"]), Some("uid")),
        ("Service", "spec.ports", map(&["port", "protocol"]), Some("port")),
        ("Service", "spec.clusterIPs", ListType::Atomic, None),
        ("ServiceAccount", "secrets", map(&["name"]), Some("name")),
    ];
    for (kind, path, list, merge_key) in cases {
        let schema = schema("", "v1", kind);
        let node = walk(&schema, path);
        assert_eq!(node.list_type(), Some(&list), "{kind} {path}");
        assert_eq!(node.slot().patch.merge_key.as_deref(), merge_key, "{kind} {path}");
    }
    let pod = schema("", "v1", "Pod");
    let volumes = &walk(&pod, "spec.volumes").slot().patch;
    assert!(volumes.merge && volumes.retain_keys);
    let finalizers = &walk(&pod, "metadata.finalizers").slot().patch;
    assert!(finalizers.merge && !finalizers.retain_keys);
    let deployment = schema("apps", "v1", "Deployment");
    let strategy = &walk(&deployment, "spec.strategy").slot().patch;
    assert!(strategy.retain_keys && !strategy.merge);
}

#[test]
fn go_facts_are_upstreams() {
    let deployment = schema("apps", "v1", "Deployment");
    let go = |path: &str| walk(&deployment, path).slot().go.clone().unwrap_or_default();
    let replicas = go("spec.replicas");
    assert!(replicas.pointer && replicas.omitempty);
    assert_eq!((replicas.proto, replicas.owner.as_str(), replicas.go_type.as_str()), (1, "DeploymentSpec", "int32"));
    assert_eq!(go("spec").go_type, "v1.DeploymentSpec");
    let template = go("spec.template");
    assert!(!template.pointer && !template.omitempty);
    assert_eq!(template.go_type, "v1.PodTemplateSpec");
    assert_eq!(go("spec.template.spec.containers").go_type, "[]v1.Container");
    assert_eq!(go("spec.selector.matchLabels").go_type, "map[string]string");
    assert_eq!(go("spec.template.spec.containers.[].resources.limits").go_type, "v1.ResourceList");
    assert_eq!(go("spec.template.spec.restartPolicy").go_type, "v1.RestartPolicy");
    let host_path = go("spec.template.spec.volumes.[].hostPath");
    assert_eq!(host_path.inlined, [(2, "io.k8s.api.core.v1.VolumeSource".to_owned())]);
    assert!(go("metadata.creationTimestamp").omitzero);
    assert!(!go("status").omitzero);
}

#[test]
fn kinds_of_values_are_upstreams() {
    let pod = schema("", "v1", "Pod");
    let scalar = |path: &str| match walk(&pod, path).slot().kind {
        SlotKind::Scalar(scalar) => scalar,
        ref other => panic!("{path}: {other:?}"),
    };
    assert_eq!(scalar("spec.containers.[].resources.limits.cpu"), Scalar::Quantity);
    assert_eq!(scalar("spec.containers.[].livenessProbe.httpGet.port"), Scalar::IntOrString);
    assert_eq!(scalar("metadata.creationTimestamp"), Scalar::Time);
    assert_eq!(scalar("spec.terminationGracePeriodSeconds"), Scalar::Int64);
    assert_eq!(scalar("spec.priority"), Scalar::Int32);
    let secret = schema("", "v1", "Secret");
    assert!(matches!(walk(&secret, "data.key").slot().kind, SlotKind::Scalar(Scalar::Bytes)));
    let lease = schema("coordination.k8s.io", "v1", "Lease");
    assert!(matches!(walk(&lease, "spec.renewTime").slot().kind, SlotKind::Scalar(Scalar::MicroTime)));
    assert!(matches!(walk(&pod, "metadata.managedFields.[].fieldsV1").slot().kind, SlotKind::Any));
}

#[test]
fn defaults_enums_and_required_are_upstreams() {
    let pod = schema("", "v1", "Pod");
    let protocol = walk(&pod, "spec.containers.[].ports.[].protocol").slot();
    assert_eq!(protocol.default, Some(json!("TCP")));
    assert_eq!(protocol.allowed, [json!("SCTP"), json!("TCP"), json!("UDP")]);
    assert_eq!(walk(&pod, "spec.containers.[].ports.[].containerPort").slot().default, None);
    assert_eq!(walk(&pod, "spec.containers.[]").object().unwrap().required, ["name"]);
    assert_eq!(walk(&pod, "spec").object().unwrap().required, ["containers"]);
    assert!(walk(&pod, "spec.nodeSelector").atomic());
    assert!(!walk(&pod, "metadata.labels").atomic());
    assert!(walk(&pod, "spec.containers.[].env.[].valueFrom.fieldRef").atomic());
    assert!(!walk(&pod, "spec").atomic());
    // ObjectReference is atomic, but not here.
    let volume = schema("", "v1", "PersistentVolume");
    let claim = walk(&volume, "spec.claimRef");
    assert!(!claim.atomic());
    assert_eq!(claim.object().unwrap().name, "io.k8s.api.core.v1.ObjectReference");
    assert_eq!(claim.slot().go.as_ref().unwrap().go_type, "v1.ObjectReference");
}

#[test]
fn resources_are_upstreams() {
    let table = Table::builtin();
    let pods = table.resource("", "v1", "pods").unwrap();
    assert_eq!((pods.kind.as_str(), pods.singular.as_str(), pods.namespaced), ("Pod", "pod", true));
    assert_eq!(pods.short_names, ["po"]);
    assert_eq!(pods.categories, ["all"]);
    assert_eq!(pods.verbs, ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    let subresources: Vec<_> = pods.subresources.iter().map(|one| one.name.as_str()).collect();
    let expected = ["attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy"];
    assert_eq!(subresources, [&expected[..], &["resize", "status"]].concat());
    assert!(pods.selectable_fields.contains(&"spec.nodeName".to_owned()));
    assert_eq!(pods.columns[0].name, "Name");
    assert_eq!(pods.columns.iter().filter(|column| column.priority == 0).count(), 5);
    let scale = table.resource("apps", "v1", "deployments").unwrap().subresources[0].clone();
    assert_eq!((scale.group.as_str(), scale.version.as_str(), scale.kind.as_str()), ("autoscaling", "v1", "Scale"));
    let reviews = table.resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews").unwrap();
    assert_eq!(reviews.verbs, ["create"]);
    assert!(!table.resource("", "v1", "namespaces").unwrap().namespaced);
    assert_eq!(table.resource("", "v1", "endpoints").unwrap().singular, "endpoints");
    assert!(table.resource("metrics.k8s.io", "v1beta1", "pods").is_none());
    assert!(table.resource("apps", "v1beta1", "deployments").is_none());
}

#[test]
fn storage_is_shared_where_upstream_shares_it() {
    let table = Table::builtin();
    let storage = |group: &str, version: &str, plural: &str| {
        let resource = table.resource(group, version, plural).unwrap();
        (resource.storage_group.as_str(), resource.storage_version.as_str())
    };
    assert_eq!(storage("events.k8s.io", "v1", "events"), ("", "v1"));
    assert_eq!(storage("", "v1", "events"), ("", "v1"));
    assert_eq!(storage("autoscaling", "v1", "horizontalpodautoscalers"), ("autoscaling", "v2"));
    assert_eq!(storage("autoscaling", "v2", "horizontalpodautoscalers"), ("autoscaling", "v2"));
    let crds = storage("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    assert_eq!(crds, ("apiextensions.k8s.io", "v1"));
    for resource in table.resources() {
        let stored = table.resource(&resource.storage_group, &resource.storage_version, &resource.plural);
        assert!(stored.is_some(), "{} {}", resource.group, resource.plural);
    }
}

#[test]
fn groups_come_in_discovery_order() {
    let table = Table::builtin();
    let names: Vec<_> = table.groups().iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names[..4], ["", "apiregistration.k8s.io", "apps", "events.k8s.io"]);
    assert_eq!(names.len(), 21);
    let autoscaling = table.groups().iter().find(|group| group.name == "autoscaling").unwrap();
    assert_eq!(autoscaling.versions, ["v2", "v1"]);
}

#[test]
fn every_listed_resource_has_its_list_kind_and_every_subresource_its_kind() {
    let table = Table::builtin();
    for resource in table.resources() {
        if resource.verbs.iter().any(|verb| verb == "list") {
            let list = table.kind(&resource.group, &resource.version, &resource.list_kind);
            assert!(list.is_some_and(|list| list.node().field("items").is_some()), "{}", resource.list_kind);
            assert!(!resource.columns.is_empty(), "{}", resource.plural);
        }
        for sub in &resource.subresources {
            let group = if sub.version.is_empty() { &resource.group } else { &sub.group };
            let version = if sub.version.is_empty() { &resource.version } else { &sub.version };
            assert!(table.kind(group, version, &sub.kind).is_some(), "{}/{} {}", resource.plural, sub.name, sub.kind);
        }
    }
}

#[test]
fn machinery_kinds_exist_in_every_group_version() {
    for kind in ["DeleteOptions", "PatchOptions", "Status", "WatchEvent"] {
        assert!(Table::builtin().kind("apps", "v1", kind).is_some(), "{kind}");
    }
    for (group, version, kind) in [
        ("policy", "v1", "Eviction"),
        ("authentication.k8s.io", "v1", "TokenRequest"),
        ("", "v1", "Binding"),
        ("", "v1", "List"),
        ("autoscaling", "v1", "Scale"),
        ("meta.k8s.io", "v1", "Table"),
        ("meta.k8s.io", "v1", "PartialObjectMetadataList"),
        ("admission.k8s.io", "v1", "AdmissionReview"),
    ] {
        assert!(Table::builtin().kind(group, version, kind).is_some(), "{kind}");
    }
    assert!(Table::builtin().kind("apps", "v1", "Pod").is_none());
}

#[test]
fn deprecated_kinds_warn() {
    let table = Table::builtin();
    assert_eq!(
        table.deprecation("", "v1", "Endpoints"),
        Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
    );
    assert_eq!(table.deprecation("", "v1", "Pod"), None);
}

#[test]
fn a_broken_table_is_an_error() {
    for (types, kinds, resources) in [
        ("[", "{}", "[]"),
        (r#"{"A":{"fields":{"b":{"type":"C"}}}}"#, "{}", "[]"),
        ("{}", r#"{"v1/A":"A"}"#, "[]"),
        ("{}", r#"{"A":"A"}"#, "[]"),
    ] {
        assert!(load::parse(types, kinds, resources).is_err(), "{types} {kinds} {resources}");
    }
}
