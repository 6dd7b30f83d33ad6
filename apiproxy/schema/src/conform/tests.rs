//! Tests of conforming; expected errors and paths were seen on a kube-apiserver 1.36.3.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Graph, ListType, Schema, TypeIndex};

fn field(kind: SlotKind, owner: &str, go_type: &str, pointer: bool, omitempty: bool) -> Slot {
    let go = GoField { owner: owner.into(), go_type: go_type.into(), pointer, omitempty, ..GoField::default() };
    Slot { go: Some(Box::new(go)), ..Slot::of(kind) }
}

fn list(items: SlotKind) -> SlotKind {
    SlotKind::List { items: Box::new(Slot::of(items)), list: ListType::Atomic }
}

fn map(values: SlotKind) -> SlotKind {
    SlotKind::Map { values: Box::new(Slot::of(values)), atomic: false }
}

fn left_out(mut slot: Slot) -> Slot {
    if let Some(go) = &mut slot.go {
        go.omitzero = true;
    }
    slot
}

/// A little Deployment: enough of the real one to show every rule.
pub(crate) fn deployment() -> Schema {
    use Scalar::{Bytes, Duration, Int32, IntOrString, Quantity, String as Text, Time};
    let scalar = SlotKind::Scalar;
    let object = |index| SlotKind::Object(TypeIndex(index));
    let type_of = |name: &str, fields: Vec<(&str, Slot)>| ObjectType {
        name: name.to_owned(),
        properties: fields.into_iter().map(|(name, slot)| (name.to_owned(), slot)).collect::<BTreeMap<_, _>>(),
        ..ObjectType::default()
    };
    let f = field;
    let inlined = |mut slot: Slot| {
        if let Some(go) = &mut slot.go {
            go.inlined = vec![(1, "VolumeSource".to_owned())];
        }
        slot
    };
    let types = vec![
        type_of(
            "io.k8s.api.apps.v1.Deployment",
            vec![
                ("apiVersion", f(scalar(Text), "TypeMeta", "string", false, true)),
                ("kind", f(scalar(Text), "TypeMeta", "string", false, true)),
                ("metadata", f(object(1), "Deployment", "v1.ObjectMeta", false, true)),
                ("spec", f(object(2), "Deployment", "v1.DeploymentSpec", false, true)),
                ("status", f(object(4), "Deployment", "v1.DeploymentStatus", false, true)),
            ],
        ),
        type_of(
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
            vec![
                ("name", f(scalar(Text), "ObjectMeta", "string", false, true)),
                ("labels", f(map(scalar(Text)), "ObjectMeta", "map[string]string", false, true)),
                ("creationTimestamp", left_out(f(scalar(Time), "ObjectMeta", "v1.Time", false, true))),
                ("deletionTimestamp", f(scalar(Time), "ObjectMeta", "v1.Time", true, true)),
            ],
        ),
        type_of(
            "io.k8s.api.apps.v1.DeploymentSpec",
            vec![
                ("replicas", f(scalar(Int32), "DeploymentSpec", "int32", true, true)),
                ("minReadySeconds", f(scalar(Int32), "DeploymentSpec", "int32", false, true)),
                ("maxSurge", f(scalar(IntOrString), "DeploymentSpec", "intstr.IntOrString", true, true)),
                ("timeout", f(scalar(Duration), "DeploymentSpec", "v1.Duration", true, true)),
                ("containers", f(list(object(3)), "DeploymentSpec", "[]v1.Container", false, false)),
                ("data", f(map(scalar(Bytes)), "DeploymentSpec", "map[string][]uint8", false, true)),
                ("path", inlined(f(scalar(Text), "VolumeSource", "string", false, true))),
            ],
        ),
        type_of(
            "io.k8s.api.core.v1.Container",
            vec![
                ("name", f(scalar(Text), "Container", "string", false, false)),
                ("command", f(list(scalar(Text)), "Container", "[]string", false, true)),
                ("resources", f(object(5), "Container", "v1.ResourceRequirements", false, true)),
            ],
        ),
        type_of(
            "io.k8s.api.apps.v1.DeploymentStatus",
            vec![
                ("at", f(scalar(Time), "DeploymentStatus", "v1.Time", false, true)),
                ("ready", f(scalar(Int32), "DeploymentStatus", "int32", false, false)),
            ],
        ),
        type_of(
            "io.k8s.api.core.v1.ResourceRequirements",
            vec![("limits", f(map(scalar(Quantity)), "ResourceRequirements", "v1.ResourceList", false, true))],
        ),
    ];
    Schema { graph: Arc::new(Graph { types }), root: Arc::new(Slot::of(object(0))) }
}

fn conformed(mut value: Value) -> Result<(Value, Vec<String>), String> {
    let unknown = conform(deployment().node(), &mut value).map_err(|error| error.to_string())?;
    Ok((value, unknown))
}

#[test]
fn type_errors_are_upstreams() {
    let cases = [
        (
            json!({"spec": {"replicas": "3"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"replicas": 3.5}}),
            "json: cannot unmarshal number 3.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"replicas": 3.0}}),
            "json: cannot unmarshal number 3.0 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"replicas": 3_000_000_000_u64}}),
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": "x"}),
            "json: cannot unmarshal string into Go struct field Deployment.spec of type v1.DeploymentSpec",
        ),
        (
            json!({"spec": {"containers": {}}}),
            "json: cannot unmarshal object into Go struct field DeploymentSpec.spec.containers of type []v1.Container",
        ),
        (
            json!({"spec": {"containers": [5]}}),
            "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.containers of type v1.Container",
        ),
        (
            json!({"spec": {"containers": [{"name": 5}]}}),
            "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string",
        ),
        (
            json!({"metadata": {"labels": {"a": 5}}}),
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            json!({"metadata": {"labels": []}}),
            "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            json!({"metadata": {"creationTimestamp": 5}}),
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        (
            json!({"spec": {"maxSurge": true}}),
            "json: cannot unmarshal bool into Go struct field DeploymentSpec.spec.maxSurge of type int32",
        ),
        (
            json!({"spec": {"path": true}}),
            "json: cannot unmarshal bool into Go struct field DeploymentSpec.spec.VolumeSource.path of type string",
        ),
        (
            json!({"metadata": {"creationTimestamp": "abc"}}),
            "parsing time \"abc\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"abc\" as \"2006\"",
        ),
        (
            json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "abc"}}}]}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (json!({"spec": {"data": {"a": "!"}}}), "illegal base64 data at input byte 0"),
        (json!([1]), "json: cannot unmarshal array into Go value of type v1.Deployment"),
    ];
    for (value, want) in cases {
        assert_eq!(conformed(value).unwrap_err(), want);
    }
}

#[test]
fn built_in_kinds_are_read_as_upstream() {
    let pod = crate::Table::builtin().kind("", "v1", "Pod").unwrap();
    for (spec, want) in [
        (
            json!({"volumes": [{"name": "v", "hostPath": {"path": 5}}]}),
            "number into Go struct field HostPathVolumeSource.spec.volumes.VolumeSource.hostPath.path of type string",
        ),
        (
            json!({"ephemeralContainers": [{"name": 5}]}),
            "number into Go struct field EphemeralContainer.spec.ephemeralContainers.EphemeralContainerCommon.name of type string",
        ),
        (json!({"nodeSelector": {"a": true}}), "bool into Go struct field PodSpec.spec.nodeSelector of type string"),
        (json!({"tolerations": {}}), "object into Go struct field PodSpec.spec.tolerations of type []v1.Toleration"),
    ] {
        let error = conform(pod.node(), &mut json!({"spec": spec})).unwrap_err().to_string();
        assert_eq!(error, format!("json: cannot unmarshal {want}"));
    }
}

#[test]
fn text_errors_come_before_type_errors() {
    let error = conformed(json!({"metadata": {"name": 5}, "spec": {"timeout": "x"}})).unwrap_err();
    assert_eq!(error, "time: invalid duration \"x\"");
}

#[test]
fn unknown_fields_are_dropped_with_their_paths() {
    let (value, unknown) = conformed(json!({
        "zed": 1, "spec": {"Replicas": 1, "containers": [{"name": "a"}, {"name": "b", "foo": {"bar": 1}}]},
        "metadata": {"labels": {"any.key/x": "v"}},
    }))
    .unwrap();
    assert_eq!(unknown, ["spec.containers[1].foo", "spec.Replicas", "zed"]);
    assert_eq!(value["metadata"]["labels"], json!({"any.key/x": "v"}));
    assert!(value.get("zed").is_none() && value["spec"].get("Replicas").is_none());
}

#[test]
fn objects_take_the_form_go_writes() {
    let (value, _) = conformed(json!({
        "metadata": {"name": "", "labels": {}, "creationTimestamp": null, "deletionTimestamp": "2026-01-02T03:04:05.5+01:00"},
        "spec": {
            "replicas": 0, "minReadySeconds": 0, "maxSurge": "25%", "timeout": "90m", "data": {"a": null},
            "containers": [{"name": "c", "command": [], "resources": {"limits": {"cpu": "0.5", "memory": 1024, "x": null}}}, null],
        },
    }))
    .unwrap();
    assert_eq!(
        value,
        json!({
            "metadata": {"deletionTimestamp": "2026-01-02T02:04:05Z"},
            "spec": {
                "replicas": 0, "maxSurge": "25%", "timeout": "1h30m0s", "data": {"a": ""},
                "containers": [
                    {"name": "c", "resources": {"limits": {"cpu": "500m", "memory": "1024", "x": "0"}}},
                    {"name": "", "resources": {}},
                ],
            },
            "status": {"at": null, "ready": 0},
        })
    );
}

#[test]
fn empty_objects_get_what_go_always_writes() {
    let empty = json!({"metadata": {}, "spec": {"containers": null}, "status": {"at": null, "ready": 0}});
    assert_eq!(conformed(json!(null)).unwrap().0, empty);
    assert_eq!(conformed(json!({"spec": {"containers": []}, "status": null})).unwrap().0, empty);
}

fn any_json() -> impl Strategy<Value = Value> {
    let names =
        "(metadata|spec|status|labels|name|replicas|containers|resources|limits|cpu|data|timeout|at|maxSurge|x)";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(|5|1.5Gi|2026-01-02T03:04:05Z|90m|aGVsbG8=|\\PC{0,5})".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn conform_is_idempotent_and_never_panics(value in any_json()) {
        if let Ok((first, _)) = conformed(value) {
            let (second, unknown) = conformed(first.clone()).unwrap();
            prop_assert_eq!(second, first);
            prop_assert!(unknown.is_empty());
        }
    }
}
