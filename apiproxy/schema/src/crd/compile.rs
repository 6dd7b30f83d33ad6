//! A CustomResourceDefinition to the resources it serves.

use std::sync::Arc;

use serde_json::Value;

use super::{at, flag, list, schema_of, strings, text};
use crate::{Column, Custom, Resource, Subresource};

/// Verbs of custom resources, in the order discovery shows them.
const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const SUBRESOURCE_VERBS: [&str; 3] = ["get", "patch", "update"];

/// Compiles a CustomResourceDefinition after defaulting: one resource per version, served or not, in the order of
/// `spec.versions`. Names are the accepted ones of the status as far as it has them.
pub fn compile(crd: &Value) -> Vec<Arc<Resource>> {
    let versions = list(crd, &["spec", "versions"]);
    let stored = versions.iter().find(|version| flag(version, &["storage"]));
    let storage_version = stored.map_or("", |version| text(version, &["name"]));
    versions.iter().map(|version| Arc::new(resource(crd, version, storage_version))).collect()
}

fn resource(crd: &Value, version: &Value, storage_version: &str) -> Resource {
    let group = text(crd, &["spec", "group"]).to_owned();
    let name = text(version, &["name"]).to_owned();
    let spec_names = at(crd, &["spec", "names"]).unwrap_or(&Value::Null);
    let accepted = at(crd, &["status", "acceptedNames"]).filter(|names| !text(names, &["plural"]).is_empty());
    let names = accepted.unwrap_or(spec_names);
    let named = |field: &str| {
        let accepted = text(names, &[field]);
        if accepted.is_empty() { text(spec_names, &[field]) } else { accepted }.to_owned()
    };
    let kind = named("kind");
    let openapi = at(version, &["schema", "openAPIV3Schema"]).unwrap_or(&Value::Null);
    let preserve_unknown = openapi.is_null() || flag(crd, &["spec", "preserveUnknownFields"]);
    let custom = Custom {
        crd_uid: text(crd, &["metadata", "uid"]).to_owned(),
        status: at(version, &["subresources", "status"]).is_some(),
        scale: at(version, &["subresources", "scale"]).map(scale),
        preserve_unknown,
        deprecation: deprecation(version, &group, &name, &kind),
        served: flag(version, &["served"]),
    };
    Resource {
        list_kind: named("listKind"),
        plural: named("plural"),
        singular: named("singular"),
        namespaced: text(crd, &["spec", "scope"]) == "Namespaced",
        short_names: strings(names, &["shortNames"]),
        categories: strings(names, &["categories"]),
        verbs: VERBS.map(str::to_owned).to_vec(),
        subresources: subresources(&custom, &group, &name, &kind),
        selectable_fields: selectable_fields(version),
        columns: columns(version),
        storage_group: group.clone(),
        storage_version: storage_version.to_owned(),
        schema: schema_of(openapi),
        custom: Some(custom),
        version: name,
        group,
        kind,
    }
}

fn scale(scale: &Value) -> (String, String, Option<String>) {
    let path = |name: &str| text(scale, &[name]).trim_start_matches('.').to_owned();
    let selector = path("labelSelectorPath");
    (path("specReplicasPath"), path("statusReplicasPath"), (!selector.is_empty()).then_some(selector))
}

fn deprecation(version: &Value, group: &str, name: &str, kind: &str) -> Option<String> {
    flag(version, &["deprecated"]).then(|| match text(version, &["deprecationWarning"]) {
        "" => format!("{group}/{name} {kind} is deprecated"),
        warning => warning.to_owned(),
    })
}

fn subresources(custom: &Custom, group: &str, version: &str, kind: &str) -> Vec<Subresource> {
    let subresource = |name: &str, group: &str, version: &str, kind: &str| Subresource {
        name: name.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        verbs: SUBRESOURCE_VERBS.map(str::to_owned).to_vec(),
    };
    let status = custom.status.then(|| subresource("status", group, version, kind));
    let scale = custom.scale.is_some().then(|| subresource("scale", "autoscaling", "v1", "Scale"));
    status.into_iter().chain(scale).collect()
}

fn selectable_fields(version: &Value) -> Vec<String> {
    let fields = list(version, &["selectableFields"]).iter();
    fields.map(|field| text(field, &["jsonPath"]).trim_start_matches('.').to_owned()).collect()
}

fn columns(version: &Value) -> Vec<Column> {
    let column = |name: &str, type_: &str, format: &str, description: String, path: &str| Column {
        name: name.to_owned(),
        type_: type_.to_owned(),
        format: format.to_owned(),
        priority: 0,
        description,
        json_path: Some(path.to_owned()),
    };
    let mut columns = vec![column("Name", "string", "name", "Name of the object.".to_owned(), ".metadata.name")];
    let given = list(version, &["additionalPrinterColumns"]);
    for wanted in given {
        let path = text(wanted, &["jsonPath"]);
        let description = match text(wanted, &["description"]) {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            description => description.to_owned(),
        };
        let mut column =
            column(text(wanted, &["name"]), text(wanted, &["type"]), text(wanted, &["format"]), description, path);
        let priority = wanted.get("priority").and_then(Value::as_i64).unwrap_or(0);
        column.priority = i32::try_from(priority).unwrap_or(0);
        columns.push(column);
    }
    if given.is_empty() {
        let description = "Time since the object was created.".to_owned();
        columns.push(column("Age", "date", "", description, ".metadata.creationTimestamp"));
    }
    columns
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SlotKind;

    #[test]
    fn a_definition_becomes_one_resource_per_version() {
        let crd = json!({
            "metadata": {"name": "bars.ex.com", "uid": "u"},
            "spec": {
                "group": "ex.com", "scope": "Cluster",
                "names": {"plural": "bars", "singular": "bar", "kind": "Bar", "listKind": "BarList", "shortNames": ["b"], "categories": ["all"]},
                "versions": [
                    {"name": "v1", "served": true, "storage": true,
                     "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                     "selectableFields": [{"jsonPath": ".spec.color"}],
                     "additionalPrinterColumns": [{"name": "Rep", "type": "integer", "jsonPath": ".spec.replicas", "priority": 1}],
                     "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}},
                    {"name": "v0", "served": false, "storage": false, "deprecated": true},
                ],
            },
        });
        let compiled = compile(&crd);
        let [v1, v0] = &compiled[..] else { panic!("two versions") };
        assert_eq!((v1.plural.as_str(), v1.list_kind.as_str(), v1.namespaced), ("bars", "BarList", false));
        assert_eq!((v0.storage_version.as_str(), v0.version.as_str()), ("v1", "v0"));
        let names: Vec<_> =
            v1.subresources.iter().map(|s| (s.name.as_str(), s.group.as_str(), s.kind.as_str())).collect();
        assert_eq!(names, [("status", "ex.com", "Bar"), ("scale", "autoscaling", "Scale")]);
        assert_eq!(v1.selectable_fields, ["spec.color"]);
        assert_eq!(v1.columns[1].description, "Custom resource definition column (in JSONPath format): .spec.replicas");
        assert_eq!(v0.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["Name", "Age"]);
        let custom = v0.custom.as_ref().unwrap();
        assert_eq!(custom.deprecation.as_deref(), Some("ex.com/v0 Bar is deprecated"));
        assert!(custom.preserve_unknown && !custom.served);
        let metadata = v1.schema.node().field("metadata").unwrap();
        assert!(matches!(metadata.slot().kind, SlotKind::Object(_)) && metadata.field("labels").is_some());
        assert_eq!(v1.custom.as_ref().unwrap().scale, Some(("spec.replicas".into(), "status.replicas".into(), None)));
    }
}
