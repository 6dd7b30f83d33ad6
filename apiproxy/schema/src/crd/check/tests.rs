//! Tests of validation of definitions; expected errors were seen on a kube-apiserver 1.36.3.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::crd::defaults;

fn base() -> Value {
    json!({"metadata": {"name": "foos.e.com"}, "spec": {"group": "e.com", "scope": "Namespaced",
        "names": {"plural": "foos", "kind": "Foo"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
            "type": "object", "properties": {"spec": {"type": "object"}}}}}]}})
}

/// The errors of a definition in which one part is replaced (null removes it).
fn errors_with(pointer: &str, part: Value) -> String {
    let mut crd = base();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = crd.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if part.is_null() {
        parent.remove(field);
    } else {
        parent.insert(field.to_owned(), part);
    }
    defaults(&mut crd);
    validate_create(&crd).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";

#[test]
fn a_good_definition_passes() {
    assert_eq!(errors_with("/spec/scope", json!("Cluster")), "");
}

#[test]
fn definitions_are_checked() {
    let label = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
    let version = |part: Value| {
        let mut version = base()["spec"]["versions"][0].clone();
        for (field, value) in part.as_object().unwrap() {
            version[field] = value.clone();
        }
        json!([version])
    };
    let cases: Vec<(&str, Value, String)> = vec![
        ("/metadata/name", json!("x.e.com"), r#"metadata.name: Invalid value: "x.e.com": must be spec.names.plural+"."+spec.group"#.into()),
        ("/spec/scope", json!("X"), r#"spec.scope: Unsupported value: "X": supported values: "Cluster", "Namespaced""#.into()),
        ("/spec/scope", json!(null), "spec.scope: Required value".into()),
        ("/spec/names/kind", json!(null), "spec.names.singular: Required value, spec.names.kind: Required value, spec.names.listKind: Required value".into()),
        ("/spec/names/listKind", json!("Foo"), r#"spec.names.listKind: Invalid value: "Foo": kind and listKind may not be the same"#.into()),
        ("/spec/names/shortNames", json!(["A"]), format!(r#"spec.names.shortNames[0]: Invalid value: "A": {label}"#)),
        ("/spec/versions", json!([]), "spec.versions: Invalid value: []: must have exactly one version marked as storage version, status.storedVersions: Invalid value: null: must have at least one stored version".into()),
        ("/spec/versions", version(json!({"name": "1"})), format!(r#"spec.versions[0].name: Invalid value: "1": {label}, spec.version: Invalid value: "1": {label}"#)),
        ("/spec/versions/0/schema", json!(null), "spec.versions[0].schema.openAPIV3Schema: Required value".into()),
        ("/spec/versions", version(json!({"deprecationWarning": "x"})), r#"spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions"#.into()),
        ("/spec/versions", version(json!({"additionalPrinterColumns": [{"name": "", "type": "x", "format": "y", "jsonPath": "spec"}]})),
         r#"spec.additionalPrinterColumns[0].name: Required value, spec.additionalPrinterColumns[0].type: Invalid value: "x": must be one of boolean,date,integer,number,string, spec.additionalPrinterColumns[0].format: Invalid value: "y": must be one of byte,date,date-time,double,float,int32,int64,password, spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting with ."#.into()),
        ("/spec/versions", version(json!({"subresources": {"scale": {"specReplicasPath": ".x", "statusReplicasPath": "status.y", "labelSelectorPath": ".z"}}})),
         r#"spec.subresources.scale.specReplicasPath: Invalid value: ".x": should be a json path under .spec, spec.subresources.scale.statusReplicasPath: Invalid value: "status.y": must be a simple json path starting with ., spec.subresources.scale.labelSelectorPath: Invalid value: ".z": should be a json path under either .spec or .status"#.into()),
        ("/spec/versions", version(json!({"selectableFields": [{"jsonPath": ".spec.x"}, {"jsonPath": ""}, {"jsonPath": ".spec"}, {"jsonPath": "spec"}]})),
         r#"spec.selectableFields[0].jsonPath: Invalid value: ".spec.x": is an invalid path: does not refer to a valid field, spec.selectableFields[1].jsonPath: Required value, spec.selectableFields[2].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed., spec.selectableFields[3].jsonPath: Invalid value: "spec": is an invalid path: expected [ or . but got: spec"#.into()),
        ("/spec/preserveUnknownFields", json!(true), "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead".into()),
        ("/spec/conversion", json!({"strategy": "X"}), r#"spec.conversion.strategy: Unsupported value: "X": supported values: "None", "Webhook""#.into()),
        ("/spec/conversion", json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v3"], "clientConfig": {}}}),
         r#"spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required, spec.conversion.conversionReviewVersions: Invalid value: ["v3"]: must include at least one of v1, v1beta1"#.into()),
    ];
    for (pointer, part, want) in cases {
        assert_eq!(errors_with(pointer, part), want, "{pointer}");
    }
}

#[test]
fn protected_groups_need_approval() {
    let mut crd = base();
    crd["spec"]["group"] = json!("x.k8s.io");
    crd["metadata"]["name"] = json!("foos.x.k8s.io");
    defaults(&mut crd);
    let errors = |crd: &Value| validate_create(crd).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        errors(&crd),
        [
            r#"metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111"#
        ]
    );
    crd["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": "bad"});
    assert!(errors(&crd)[0].contains("with either a URL or a reason starting with \"unapproved\""));
    for good in ["unapproved, testing", "https://github.com/kubernetes/enhancements/pull/1111"] {
        crd["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": good});
        assert!(errors(&crd).is_empty());
    }
}

#[test]
#[allow(clippy::too_many_lines)] // One table.
fn schemas_are_checked() {
    let at = "spec.validation.openAPIV3Schema.properties[spec].properties[a]";
    let cases: Vec<(Value, &str)> = vec![
        (json!({}), "@.type: Required value: must not be empty for specified object fields"),
        (
            json!({"type": "foo"}),
            r#"@.type: Unsupported value: "foo": supported values: "array", "boolean", "integer", "number", "object", "string""#,
        ),
        (json!({"type": "array"}), "@.items: Required value: must be specified"),
        (
            json!({"type": "array", "items": {}}),
            "@.items.type: Required value: must not be empty for specified array items",
        ),
        (
            json!({"type": "array", "items": [{"type": "string"}]}),
            "@.items: Forbidden: items must be a schema object and not an array",
        ),
        (
            json!({"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
            "@.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
            "@.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": false}),
            "@.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ),
        (
            json!({"type": "string", "default": 5}),
            r#"@.default: Invalid value: "integer":  in body must be of type string: "integer""#,
        ),
        (
            json!({"type": "object", "default": {"x": 1}}),
            r#"@.default: Invalid value: {"x":1}: must not have unknown fields"#,
        ),
        (
            json!({"type": "integer", "minimum": 5, "default": 1}),
            "@.default: Invalid value: 1:  in body should be greater than or equal to 5",
        ),
        (json!({"type": "string", "x-kubernetes-int-or-string": true}), ""),
        (json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}), ""),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true}),
            "@.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "map"}),
            "@.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map, @.items.type: Invalid value: \"string\": must be object if parent array's x-kubernetes-list-type is map",
        ),
        (
            json!({"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "z", "z"]}),
            "@.x-kubernetes-list-map-keys: Invalid value: [\"k\",\"z\",\"z\"]: entries must all be names of item properties, @.x-kubernetes-list-map-keys: Invalid value: [\"k\",\"z\",\"z\"]: entries must all be names of item properties, @.x-kubernetes-list-map-keys: Invalid value: [\"k\",\"z\",\"z\"]: must not contain duplicate entries, @.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
        (
            json!({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"}),
            "@.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
        ),
        (
            json!({"type": "array", "items": {"type": "string", "nullable": true}, "x-kubernetes-list-type": "set"}),
            "@.items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-map-keys": ["a"]}),
            "@.x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty",
        ),
        (
            json!({"type": "string", "x-kubernetes-map-type": "x"}),
            r#"@.type: Invalid value: "string": must be object if x-kubernetes-map-type is specified, @.x-kubernetes-map-type: Unsupported value: "x": supported values: "atomic", "granular""#,
        ),
        (
            json!({"type": "string", "anyOf": [{"description": "d", "default": "x", "minLength": 1}]}),
            "@.anyOf[0].default: Forbidden: must be undefined to be structural, @.anyOf[0].description: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "string", "not": {"type": "string", "title": "a", "nullable": true}}),
            "@.not.nullable: Forbidden: must be false to be structural, @.not.title: Forbidden: must be empty to be structural, @.not.type: Forbidden: must be empty to be structural",
        ),
    ];
    for (schema, want) in cases {
        assert_eq!(errors_with(SPEC, json!({"a": schema})), want.replace('@', at), "{schema}");
    }
}

#[test]
fn roots_are_checked() {
    let root = "/spec/versions/0/schema/openAPIV3Schema";
    for (schema, want) in [
        (
            json!({"type": "array", "items": {"type": "string"}}),
            r#".type: Invalid value: "array": must be object at the root"#,
        ),
        (json!({"type": "object", "nullable": true}), ".nullable: Forbidden: nullable cannot be true at the root"),
        (json!({"properties": {}}), ".type: Required value: must not be empty at the root"),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            ".additionalProperties: Forbidden: must not be used at the root",
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            ".properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "default": "a"}}}}}),
            ".properties[metadata].properties[name].default: Forbidden: must not be set in top-level metadata",
        ),
        (
            json!({"type": "object", "properties": {"kind": {"type": "integer"}}}),
            r#".properties[kind].type: Invalid value: "integer": must be string"#,
        ),
    ] {
        assert_eq!(errors_with(root, schema.clone()), format!("spec.validation.openAPIV3Schema{want}"), "{schema}");
    }
}

#[test]
fn updates_keep_what_is_fixed() {
    let mut old = base();
    defaults(&mut old);
    let mut new = old.clone();
    new["spec"]["scope"] = json!("Cluster");
    new["spec"]["names"]["plural"] = json!("oofs");
    let errors =
        |new: &Value, old: &Value| validate_update(new, old).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(errors(&new, &old), [r#"spec.names.plural: Invalid value: "oofs": field is immutable"#]);
    crate::crd::established(&mut old, "2026-01-02T03:04:05Z", None);
    assert_eq!(errors(&new, &old)[0], r#"spec.scope: Invalid value: "Cluster": field is immutable"#);
    let mut new = old.clone();
    new["spec"]["versions"][0]["name"] = json!("v2");
    let found = errors(&new, &old);
    assert!(
        found[0].contains("must have the storage version v2")
            && found[1].starts_with(
                "status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; v1 was previously"
            )
    );
}

fn any_schema() -> impl Strategy<Value = Value> {
    let names = "(type|properties|items|additionalProperties|default|anyOf|not|pattern|x-kubernetes-list-type|x-kubernetes-list-map-keys|x-kubernetes-validations|a|metadata|rule|required|enum)";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "(object|array|string|map|self.a|\\(|)".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_definition_panics(schema in any_schema(), spec in any_schema()) {
        let mut crd = base();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema;
        crd["spec"]["conversion"] = spec.clone();
        defaults(&mut crd);
        let _ = (validate_create(&crd), validate_update(&crd, &base()), crate::crd::compile(&crd));
        let mut crd = json!({"spec": spec.clone(), "status": spec.clone(), "metadata": spec});
        defaults(&mut crd);
        let _ = (validate_create(&crd), crate::crd::compile(&crd));
        crate::crd::established(&mut crd, "", None);
    }
}
