//! The same requests, answered by kube-apiserver 1.36.3 and by this crate.
//!
//! `upstream.jsonl` holds what the real server answered, one request a line: `before` is the stored object when it is not
//! what the previous request of the same object left, `after` the object or Status it answered. First come the schemas of
//! two custom kinds. What lies after patching (defaults, validation, allocation) is not this crate's: results must be
//! contained in the answers, and keep what no request changed.

#![allow(clippy::unwrap_used, reason = "the recorded answers have what is read from them")]

use std::collections::HashMap;

use patch::apply::{ApplyError, Manager, Operation, Reset, apply, track};
use patch::{PatchError, json_patch, merge_patch, strategic};
use schema::{Schema, Table};
use serde_json::{Value, json};

struct Case {
    line: Value,
    before: Option<Value>,
    schema: Schema,
}

impl Case {
    fn text(&self, name: &str) -> &str {
        self.line[name].as_str().unwrap_or_default()
    }

    fn failed(&self) -> bool {
        self.line["code"].as_u64().unwrap() >= 400
    }

    fn manager(&self, operation: Operation) -> Manager {
        Manager {
            name: self.text("manager").to_owned(),
            operation,
            api_version: self.text("apiVersion").to_owned(),
            subresource: self.text("subresource").to_owned(),
        }
    }

    /// When upstream answered: the latest time in the answer.
    fn now(&self) -> String {
        let entries = self.line["after"]["metadata"]["managedFields"].as_array();
        let times = entries.into_iter().flatten().filter_map(|entry| entry["time"].as_str());
        times.max().unwrap_or("2026-01-02T03:04:05Z").to_owned()
    }

    fn reset(&self) -> Reset<'static> {
        match (self.text("kind"), self.text("subresource")) {
            ("ConfigMap", _) => Reset::NOTHING,
            ("Gadget", "status") => Reset::Fields(&["metadata", "spec"]),
            ("Deployment", "status") => Reset::Fields(&["spec", "metadata.labels"]),
            ("Pod", "status") => Reset::Fields(&["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"]),
            (_, "status") => Reset::Fields(&["spec"]),
            (_, "scale") => Reset::NOTHING,
            _ => Reset::Fields(&["status"]),
        }
    }

    /// Everything about the answer that is not as upstream's.
    fn differences(&self) -> Vec<String> {
        match self.text("verb") {
            "apply" => self.applied(),
            "create" | "update" | "scale" => self.tracked(),
            _ => {
                let mut differences = self.patched();
                if !self.failed() {
                    differences.extend(self.tracked());
                }
                differences
            }
        }
    }

    fn applied(&self) -> Vec<String> {
        let force = self.line["force"].as_bool().unwrap_or_default();
        let manager = self.manager(Operation::Apply);
        let node = self.schema.node();
        let got = apply(node, self.before.as_ref(), &self.line["body"], &manager, force, &self.now(), self.reset());
        let want = &self.line["after"];
        let got = match got {
            Ok(got) => got,
            Err(error) => return compare("status", &apply_status(&error), &self.status()),
        };
        // Validation comes after applying.
        if self.failed() && self.text_of_status().contains("is invalid: ") {
            return Vec::new();
        }
        let mut differences = compare("managedFields", &managed(&got), &managed(want));
        differences.extend(self.object(&got));
        differences
    }

    fn tracked(&self) -> Vec<String> {
        let want = &self.line["after"];
        let mut new = want.clone();
        let sent = if self.text("verb") == "update" { Some(&self.line["body"]) } else { self.before.as_ref() };
        let sent = sent.and_then(|sent| sent.pointer("/metadata/managedFields")).cloned();
        new["metadata"]["managedFields"] = sent.unwrap_or_default();
        if self.text("verb") == "create" {
            // Set by admission, after ownership is settled.
            for (kind, part, name) in [
                ("Pod", "spec", "tolerations"),
                ("Pod", "spec", "priority"),
                ("Pod", "spec", "preemptionPolicy"),
                ("PersistentVolumeClaim", "metadata", "finalizers"),
            ] {
                if self.text("kind") == kind {
                    new[part].as_object_mut().unwrap().remove(name);
                }
            }
        }
        let manager = self.manager(Operation::Update);
        track(self.schema.node(), self.before.as_ref(), &mut new, &manager, &self.now(), self.reset());
        compare("managedFields", &managed(&new), &managed(want))
    }

    fn patched(&self) -> Vec<String> {
        let mut got = self.before.clone().unwrap_or_default();
        let body = &self.line["body"];
        let result = match self.text("verb") {
            "json" => json_patch(&mut got, body),
            "merge" => merge_patch(&mut got, body),
            _ => strategic(self.schema.node(), &mut got, body),
        };
        match result {
            Err(error) => compare("status", &patch_status(&error), &self.status()),
            Ok(()) if self.failed() && self.text_of_status().contains("is invalid: ") => Vec::new(),
            Ok(()) => self.object(&got),
        }
    }

    fn text_of_status(&self) -> &str {
        self.line["after"]["message"].as_str().unwrap_or_default()
    }

    fn status(&self) -> Value {
        if !self.failed() {
            return json!("success");
        }
        let after = &self.line["after"];
        let mut causes: Vec<Value> = after["details"]["causes"].as_array().cloned().unwrap_or_default();
        causes.sort_by_key(ToString::to_string);
        json!({"code": after["code"], "reason": after["reason"].as_str().unwrap_or_default(), "message": after["message"], "causes": causes})
    }

    fn object(&self, got: &Value) -> Vec<String> {
        if self.failed() {
            return vec![format!("succeeded, upstream: {}", self.text_of_status())];
        }
        let want = &self.line["after"];
        let mut differences = Vec::new();
        let mut got = got.clone();
        for volatile in ["managedFields", "generation", "resourceVersion", "uid", "creationTimestamp"] {
            got["metadata"].as_object_mut().unwrap().remove(volatile);
        }
        if self.text("subresource") == "status" {
            got = json!({"status": got["status"]});
        }
        if self.text("verb") == "apply" && self.text("subresource").is_empty() && want.get("spec").is_some() {
            // The strategy takes it back.
            got.as_object_mut().unwrap().remove("status");
        }
        contained("", &got, want, &mut differences);
        if let Some(mut before) = self.before.clone().filter(|_| self.text("subresource").is_empty()) {
            before.as_object_mut().unwrap().remove("status");
            kept("", &before, want, &got, &mut differences);
        }
        differences
    }
}

fn compare(what: &str, got: &Value, want: &Value) -> Vec<String> {
    if got == want { Vec::new() } else { vec![format!("{what}\n   got {got}\n  want {want}")] }
}

fn managed(object: &Value) -> Value {
    object["metadata"]["managedFields"].clone()
}

fn apply_status(error: &ApplyError) -> Value {
    let (code, reason) = match error {
        ApplyError::Conflict(_) => (409, "Conflict"),
        ApplyError::BadRequest(_) => (400, "BadRequest"),
        ApplyError::Internal(_) => (500, ""),
    };
    let mut causes: Vec<Value> = match error {
        ApplyError::Conflict(conflicts) => conflicts
            .iter()
            .map(|one| json!({"reason": "FieldManagerConflict", "message": one.message(), "field": one.field}))
            .collect(),
        _ => Vec::new(),
    };
    causes.sort_by_key(ToString::to_string);
    json!({"code": code, "reason": reason, "message": error.to_string(), "causes": causes})
}

fn patch_status(error: &PatchError) -> Value {
    json!({"code": error.code(), "reason": error.reason(), "message": error.message(), "causes": []})
}

/// Whether a value is null or empty, which upstream does not tell apart from absent.
fn nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(nothing),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn contained(path: &str, got: &Value, want: &Value, differences: &mut Vec<String>) {
    match (got, want) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                match b.get(name) {
                    Some(want) => contained(&format!("{path}.{name}"), value, want, differences),
                    None if nothing(value) => {}
                    None => differences.push(format!("{path}.{name}: {value} is too much")),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (got, want)) in a.iter().zip(b).enumerate() {
                contained(&format!("{path}[{index}]"), got, want, differences);
            }
        }
        // Decoding and defaulting come later.
        _ if got == want
            || (nothing(got) && (got.is_null() || nothing(want)))
            || path.ends_with(".cpu")
            || path.ends_with(".memory") => {}
        _ => differences.push(format!("{path}: got {got}, want {want}")),
    }
}

/// What the request left alone upstream must be in the result too.
fn kept(path: &str, before: &Value, after: &Value, got: &Value, differences: &mut Vec<String>) {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return };
    for (name, old) in before {
        let path = format!("{path}.{name}");
        let volatile = [
            "metadata.managedFields",
            "metadata.generation",
            "metadata.resourceVersion",
            "metadata.uid",
            "metadata.creationTimestamp",
        ];
        if volatile.contains(&path.trim_start_matches('.')) {
            continue;
        }
        match (after.get(name), got.get(name)) {
            (Some(new), None) if new == old && !nothing(old) => differences.push(format!("{path}: {old} was lost")),
            (Some(new), Some(got)) => kept(&path, old, new, got, differences),
            _ => {}
        }
    }
}

fn schema_of(line: &Value, custom: &HashMap<String, Schema>) -> Schema {
    let kind = line["kind"].as_str().unwrap();
    custom.get(kind).cloned().unwrap_or_else(|| {
        let version = line["apiVersion"].as_str().unwrap();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        Table::builtin().kind(group, version, kind).unwrap()
    })
}

#[test]
fn answers_are_upstreams() {
    let mut custom = HashMap::new();
    let mut stored: HashMap<String, Value> = HashMap::new();
    let mut failures = String::new();
    for line in include_str!("upstream.jsonl").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line.get("schema").is_some() {
            custom.insert(line["kind"].as_str().unwrap().to_owned(), schema::crd::schema_of(&line["schema"]));
            continue;
        }
        let key = format!("{}/{}", line["kind"], line["name"]);
        let before = match line.get("before") {
            None => stored.get(&key).cloned(),
            Some(Value::Null) => None,
            Some(before) => Some(before.clone()),
        };
        let case = Case { schema: schema_of(&line, &custom), before: before.clone(), line };
        for difference in case.differences() {
            failures.push_str(&format!("{}: {difference}\n", case.text("title")));
        }
        let after = if case.failed() { before } else { Some(case.line["after"].clone()) };
        stored.extend(after.map(|after| (key, after)));
    }
    assert!(failures.is_empty(), "\n{failures}");
}
