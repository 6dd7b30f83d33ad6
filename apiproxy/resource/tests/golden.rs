//! Cases made by upstream's own code (`apiproxy/schema/generator`): defaults, validation messages, printed rows, ages.

use std::sync::Arc;

use schema::{Resource, Table};
use serde_json::{Value, json};

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("golden files are lists of cases")
}

fn name(case: &Value) -> &str {
    case["name"].as_str().unwrap_or("?")
}

/// The built-in resource that serves an object's kind.
fn resource(obj: &Value) -> Option<&'static Arc<Resource>> {
    let api_version = obj["apiVersion"].as_str()?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = obj["kind"].as_str()?;
    let matches = |one: &&Arc<Resource>| one.group == group && one.version == version && one.kind == kind;
    Table::builtin().resources().iter().find(matches)
}

/// Decodes and defaults an object as the request path does.
fn defaulted(resource: &Resource, mut obj: Value) -> Value {
    let node = resource.schema.node();
    schema::conform::conform(node, &mut obj).expect("golden inputs are of the right types");
    schema::defaults::apply(node, &mut obj);
    resource::of(resource).default(&resource.version, &mut obj);
    schema::conform::conform(node, &mut obj).expect("defaults are of the right types");
    obj
}

#[test]
fn defaults_are_upstreams() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for case in cases(include_str!("../golden/defaults.json")) {
        let Some(resource) = resource(&case["input"]) else { continue };
        seen += 1;
        let found = defaulted(resource, case["input"].clone());
        if found != case["output"] {
            wrong.push(format!("{}\n found {found}\n want  {}", name(&case), case["output"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen > 80, "only {seen} cases had a resource");
}

#[test]
fn defaults_are_stable() {
    for case in cases(include_str!("../golden/defaults.json")) {
        let Some(resource) = resource(&case["input"]) else { continue };
        let once = defaulted(resource, case["input"].clone());
        assert_eq!(defaulted(resource, once.clone()), once, "{}", name(&case));
    }
}

/// Field, reason and message of each error.
fn errors_of(case: &Value) -> Vec<Value> {
    let input = &case["input"];
    let resource = resource(input).expect("every case is of a built-in resource");
    let mut obj = defaulted(resource, input.clone());
    obj["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    obj["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    let strategy = resource::of(resource);
    strategy.fold(&mut obj);
    strategy.prepare_create(&mut obj);
    resource::convert::to_storage(resource, &mut obj);
    let errors = strategy.validate_create(&obj);
    errors.iter().map(|one| json!({"field": one.field, "type": one.reason(), "message": one.body()})).collect()
}

#[test]
fn validation_says_what_upstream_says() {
    let mut wrong = Vec::new();
    for case in cases(include_str!("../golden/validation.json")) {
        // Definitions of custom resources are validated by the schema crate.
        if case["input"]["kind"] == "CustomResourceDefinition" {
            continue;
        }
        let mut found = errors_of(&case);
        let mut want = case["errors"].as_array().cloned().unwrap_or_default();
        // A cluster that forbids privileged containers altogether is a flag of upstream's server; every real cluster
        // allows them, and leaves it to admission.
        want.retain(|one| one["message"] != "Forbidden: disallowed by cluster policy");
        if case.get("unordered").is_some() {
            found.sort_by_key(Value::to_string);
            want.sort_by_key(Value::to_string);
        }
        if found != want {
            let show = |list: &[Value]| list.iter().map(|one| format!("    {one}\n")).collect::<String>();
            wrong.push(format!("{}\n  found\n{}  want\n{}", name(&case), show(&found), show(&want)));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn rows_are_upstreams() {
    let mut wrong = Vec::new();
    let now = "2026-01-01T00:00:00Z".parse().expect("a time");
    for case in cases(include_str!("../golden/tables.json")) {
        let Some(resource) = resource(&case["input"]) else {
            wrong.push(format!("{}: no resource", name(&case)));
            continue;
        };
        let mut obj = case["input"].clone();
        schema::conform::conform(resource.schema.node(), &mut obj).expect("golden inputs are of the right types");
        let found = json!([resource::table::row(resource, &obj, now)]);
        if found != case["rows"] {
            wrong.push(format!("{}\n found {found}\n want  {}", name(&case), case["rows"]));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn ages_are_upstreams() {
    for case in cases(include_str!("../golden/durations.json")) {
        let seconds = case["seconds"].as_i64().expect("a number");
        assert_eq!(resource::table::human_duration(seconds), case["text"].as_str().unwrap_or(""), "{seconds}");
    }
}
