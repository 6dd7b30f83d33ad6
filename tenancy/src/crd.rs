//! The CustomResourceDefinition of `Tenant`: derived from the Rust type, with the rules a derive cannot express.

use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{MAX_TENANT_NAME, Tenant, units};

/// Quantity text (`100m`, `2Gi`), as `resource.Quantity` reads it.
const QUANTITY: &str = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$";

/// Name of an object, such as a class.
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Value of a label.
const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

/// The complete definition, ready to apply: schema with defaults, validation rules, printer columns, status.
pub fn tenant_crd() -> Value {
    let mut crd = serde_json::to_value(Tenant::crd()).unwrap_or(Value::Null);
    let Some(schema) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") else { return crd };
    schema["x-kubernetes-validations"] = json!([
        {
            "rule": format!("self.metadata.name.size() <= {MAX_TENANT_NAME}"),
            "message": format!("a tenant's name has at most {MAX_TENANT_NAME} characters"),
        },
        {
            "rule": "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "message": "a tenant's name consists of lower case letters, digits and '-'",
        },
    ]);
    if let Some(fields) = schema.as_object_mut() {
        // A Tenant without a spec is one with all defaults.
        fields.remove("required");
    }
    let spec = &mut schema["properties"]["spec"];
    spec["default"] = json!({});
    for map in ["/quota", "/limits/default", "/limits/defaultRequest"] {
        limit(spec, map, "additionalProperties", json!({ "pattern": QUANTITY, "maxLength": 64 }));
        limit(spec, map, "", json!({ "maxProperties": 128 }));
    }
    for list in ["/access/adminUsers", "/access/adminGroups", "/isolation/allowedAnnotations"] {
        limit(spec, list, "items", json!({ "minLength": 1, "maxLength": 316 }));
        limit(spec, list, "", json!({ "maxItems": 256, "x-kubernetes-list-type": "set" }));
    }
    let reserved = json!([{
        "rule": "!self.exists(name, name.startsWith('system:'))",
        "message": "identities of the system cannot be given away",
    }]);
    for list in ["/access/adminUsers", "/access/adminGroups"] {
        limit(spec, list, "", json!({ "x-kubernetes-validations": reserved }));
    }
    limit(
        spec,
        "/ttl",
        "",
        json!({ "pattern": units::DURATION, "maxLength": 20, "x-kubernetes-validations": [{
            "rule": "self.matches('[1-9]')",
            "message": "a tenant lives longer than no time at all",
        }] }),
    );
    // Below that a tenant could not hold what it starts with.
    limit(spec, "/store/maxObjects", "", json!({ "minimum": 100, "maximum": 100_000_000 }));
    limit(spec, "/store/maxBytes", "", json!({ "pattern": units::BYTES, "maxLength": 8 }));
    let name = json!({ "minLength": 1, "maxLength": 253, "pattern": SUBDOMAIN });
    limit(spec, "/isolation/runtimeClassName", "", name);
    limit(spec, "/isolation/nodeSelector", "additionalProperties", json!({ "maxLength": 63, "pattern": LABEL_VALUE }));
    limit(spec, "/isolation/nodeSelector", "", json!({ "maxProperties": 64 }));
    limit(spec, "/isolation/tolerations", "", json!({ "maxItems": 64 }));
    limit(spec, "/isolation/tolerations", "items/properties/operator", json!({ "enum": ["Equal", "Exists"] }));
    limit(spec, "/isolation/tolerations", "items", json!({ "x-kubernetes-validations": toleration_rules() }));
    for (field, most) in [("key", 316), ("value", 63)] {
        limit(spec, "/isolation/tolerations", &format!("items/properties/{field}"), json!({ "maxLength": most }));
    }
    let effects = json!({ "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"] });
    limit(spec, "/isolation/tolerations", "items/properties/effect", effects);
    let status = &mut schema["properties"]["status"];
    limit(
        status,
        "/conditions",
        "",
        json!({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] }),
    );
    crd
}

/// What a host demands of a toleration (upstream: `ValidateTolerations`): refused here, not with every pod.
fn toleration_rules() -> Value {
    json!([
        {
            "rule": "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
            "message": "without a key the operator must be Exists",
        },
        {
            "rule": "!has(self.value) || self.value == '' || !has(self.operator) || self.operator != 'Exists'",
            "message": "the operator Exists takes no value",
        },
        {
            "rule": "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "message": "tolerationSeconds needs the effect NoExecute",
        },
    ])
}

/// Adds facts to the schema of the field at `path` (property names), or to what lies `below` it.
fn limit(schema: &mut Value, path: &str, below: &str, facts: Value) {
    let mut pointer: String = path.split('/').skip(1).flat_map(|name| ["/properties/", name]).collect();
    if !below.is_empty() {
        pointer.push('/');
        pointer.push_str(below);
    }
    if let (Some(Value::Object(place)), Value::Object(facts)) = (schema.pointer_mut(&pointer), facts) {
        place.extend(facts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        tenant_crd().pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap().clone()
    }

    fn at<'a>(schema: &'a Value, pointer: &str) -> &'a Value {
        schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer} missing in {schema:#}"))
    }

    #[test]
    fn names_and_columns() {
        let crd = tenant_crd();
        assert_eq!(crd["metadata"]["name"], "tenants.rowhouse.dev");
        assert_eq!(crd["spec"]["scope"], "Cluster");
        assert_eq!(crd["spec"]["versions"][0]["subresources"], json!({ "status": {} }));
        let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
        let names: Vec<_> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Phase", "Endpoint", "Expires", "Age"]);
    }

    #[test]
    fn every_limit_has_found_its_place() {
        let schema = schema();
        let spec = "/properties/spec/properties";
        for (pointer, expected) in [
            ("/x-kubernetes-validations/0/rule".to_owned(), json!("self.metadata.name.size() <= 54")),
            (format!("{spec}/ttl/pattern"), json!(units::DURATION)),
            (format!("{spec}/ttl/x-kubernetes-validations/0/rule"), json!("self.matches('[1-9]')")),
            (format!("{spec}/store/properties/maxObjects/minimum"), json!(100)),
            (format!("{spec}/store/properties/maxBytes/pattern"), json!(units::BYTES)),
            (format!("{spec}/quota/additionalProperties/pattern"), json!(QUANTITY)),
            (format!("{spec}/limits/properties/default/additionalProperties/pattern"), json!(QUANTITY)),
            (format!("{spec}/limits/properties/defaultRequest/maxProperties"), json!(128)),
            (format!("{spec}/isolation/properties/runtimeClassName/maxLength"), json!(253)),
            (format!("{spec}/isolation/properties/nodeSelector/additionalProperties/pattern"), json!(LABEL_VALUE)),
            (format!("{spec}/isolation/properties/tolerations/items/properties/value/maxLength"), json!(63)),
            (format!("{spec}/access/properties/adminUsers/x-kubernetes-list-type"), json!("set")),
            (format!("{spec}/access/properties/adminGroups/items/minLength"), json!(1)),
            (format!("{spec}/isolation/properties/allowedAnnotations/maxItems"), json!(256)),
            (format!("{spec}/isolation/properties/tolerations/items/properties/operator/enum/1"), json!("Exists")),
            (format!("{spec}/isolation/properties/tolerations/items/properties/effect/enum/2"), json!("NoExecute")),
            ("/properties/status/properties/conditions/x-kubernetes-list-map-keys/0".to_owned(), json!("type")),
        ] {
            assert_eq!(at(&schema, &pointer), &expected, "{pointer}");
        }
        assert!(schema.get("required").is_none());
    }

    #[test]
    fn defaults_are_those_of_the_type() {
        let schema = schema();
        let spec = at(&schema, "/properties/spec");
        assert_eq!(at(spec, "/default"), &json!({}));
        assert_eq!(at(spec, "/properties/isolation/properties/podSecurity/default"), "baseline");
        assert_eq!(at(spec, "/properties/isolation/properties/network/default"), "DefaultDeny");
        let switches = at(spec, "/properties/sync/properties");
        assert_eq!(at(switches, "/toHost/properties/networkPolicies/default"), true);
        assert_eq!(at(switches, "/fromHost/properties/storageClasses/default"), true);
        assert_eq!(at(switches, "/fromHost/properties/priorityClasses/default"), false);
        let partly: crate::SyncPolicy = serde_json::from_value(json!({ "toHost": { "ingresses": false } })).unwrap();
        assert!(!partly.to_host.ingresses && partly.to_host.endpoints && partly.from_host.storage_classes);
        let whole: crate::TenantSpec = serde_json::from_value(json!({})).unwrap();
        assert_eq!(whole, crate::TenantSpec::default());
    }

    /// What upstream demands of a structural schema: every property typed, no forbidden junctors at the top.
    #[test]
    fn the_schema_is_structural() {
        fn walk(schema: &Value, path: &str) {
            assert!(
                schema.get("type").is_some() || schema.get("x-kubernetes-int-or-string").is_some(),
                "{path}: {schema}"
            );
            for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if !(path.is_empty() && name == "metadata") {
                    walk(property, &format!("{path}.{name}"));
                }
            }
            for inner in ["items", "additionalProperties"] {
                if let Some(inner) = schema.get(inner).filter(|inner| inner.is_object()) {
                    walk(inner, &format!("{path}[]"));
                }
            }
        }
        walk(&schema(), "");
    }
}
