//! Validation of object metadata (`k8s.io/apimachinery/pkg/api/validation/objectmeta.go`).

use std::collections::HashSet;

use schema::field::{Error, go_quote};
use serde_json::Value;

use crate::json::{at, entries, flag, int, list, same_at, text, texts};
use crate::{Errors, Path, Scope, format, go};

/// Upstream's limit for all annotations of an object, in bytes of keys and values.
pub const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// What names of a kind look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// `NameIsDNSSubdomain`: most kinds.
    DnsSubdomain,
    /// `NameIsDNSLabel`: namespaces, services, stateful sets.
    DnsLabel,
    /// Any path segment: RBAC kinds.
    PathSegment,
    /// A canonical IP address: IPAddress.
    Ip,
    /// Validated with the rest of the object (ClusterTrustBundle, CustomResourceDefinition, StorageVersion).
    Other,
}

impl NameRule {
    /// What is wrong with a name; `prefix` when it is a generateName. Empty when it is fine.
    pub fn check(self, name: &str, prefix: bool) -> Vec<String> {
        let masked;
        let name = match self {
            NameRule::DnsSubdomain | NameRule::DnsLabel if prefix && name.len() > 1 && name.ends_with('-') => {
                masked = format!("{}a", name.get(..name.len() - 2).unwrap_or_default());
                &masked
            }
            _ => name,
        };
        match self {
            NameRule::DnsSubdomain => format::dns_subdomain(name),
            NameRule::DnsLabel => format::dns_label(name),
            NameRule::PathSegment => format::path_segment(name, prefix),
            NameRule::Ip => {
                let mut errors = Vec::new();
                format::strict_ip(&Path::root(""), name, &mut errors);
                errors.into_iter().map(|error| error.detail).collect()
            }
            NameRule::Other => Vec::new(),
        }
    }
}

const META: Path<'static> = Path::root("metadata");

/// What is wrong with the metadata of a new object. The name is generated before.
pub fn validate_create(obj: &Value, namespaced: bool, name_rule: NameRule) -> Vec<Error> {
    let mut errors = Vec::new();
    check_create(obj, if namespaced { Scope::Namespaced } else { Scope::Cluster }, name_rule, &mut errors);
    errors
}

pub(crate) fn check_create(obj: &Value, scope: Scope, name_rule: NameRule, errors: &mut Errors) {
    let meta = at(obj, "metadata");
    let generate = text(meta, "generateName");
    if !generate.is_empty() {
        format::invalid_each(&META.child("generateName"), generate, name_rule.check(generate, true), errors);
    }
    match text(meta, "name") {
        "" => errors.push(Error::required(META.child("name"), "name or generateName is required")),
        name => format::invalid_each(&META.child("name"), name, name_rule.check(name, false), errors),
    }
    let namespace = text(meta, "namespace");
    let path = META.child("namespace");
    match scope {
        Scope::Namespaced if namespace.is_empty() => errors.push(Error::required(path, "")),
        Scope::Namespaced => format::invalid_each(&path, namespace, format::dns_label(namespace), errors),
        Scope::Cluster if !namespace.is_empty() => errors.push(Error::forbidden(path, "not allowed on this type")),
        Scope::Cluster | Scope::Any => (),
    }
    if let Some(generation) = int(meta, "generation").filter(|generation| *generation < 0) {
        errors.push(Error::invalid(META.child("generation"), generation, "must be greater than or equal to 0"));
    }
    shared(meta, errors);
    finalizers(meta, errors);
    managed_fields(meta, errors);
    kube_finalizers(meta, errors);
}

/// What is wrong with the metadata of an update.
pub fn validate_update(new: &Value, old: &Value) -> Vec<Error> {
    let mut errors = Vec::new();
    let (new, old) = (at(new, "metadata"), at(old, "metadata"));
    if !at(old, "deletionTimestamp").is_null() {
        let before: HashSet<&str> = texts(old, "finalizers").into_iter().collect();
        let mut added: Vec<&str> =
            texts(new, "finalizers").into_iter().filter(|name| !before.contains(*name)).collect();
        added.sort_unstable();
        added.dedup();
        if !added.is_empty() {
            let list: Vec<String> = added.iter().map(|name| go_quote(name)).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                list.join(", ")
            );
            errors.push(Error::forbidden(META.child("finalizers"), detail));
        }
    }
    if text(new, "resourceVersion").is_empty() {
        errors.push(Error::invalid(META.child("resourceVersion"), "", "must be specified for an update"));
    }
    let generation = int(new, "generation").unwrap_or(0);
    if generation < int(old, "generation").unwrap_or(0) {
        errors.push(Error::invalid(META.child("generation"), generation, "must not be decremented"));
    }
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        immutable(&META, field, new, old, &mut errors);
    }
    shared(new, &mut errors);
    managed_fields(new, &mut errors);
    kube_finalizers(new, &mut errors);
    errors
}

/// `ValidateImmutableField` on a field of two objects.
pub(crate) fn immutable(path: &Path<'_>, field: &str, new: &Value, old: &Value, errors: &mut Errors) {
    if !same_at(new, old, field) {
        let value = at(new, field);
        let error = Error::invalid(path.child(field), value.clone(), "field is immutable");
        let is_selector = field == "selector" && value.is_object();
        errors.push(if is_selector { error.showing(go::ordered(value, &go::SELECTOR)) } else { error });
    }
}

fn shared(meta: &Value, errors: &mut Errors) {
    labels(at(meta, "labels"), &META.child("labels"), errors);
    annotations(meta, &META.child("annotations"), errors);
    owners(meta, errors);
}

/// `ValidateLabels`.
pub(crate) fn labels(labels: &Value, path: &Path<'_>, errors: &mut Errors) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        format::invalid_each(path, key, format::qualified_name(key), errors);
        let value = value.as_str().unwrap_or("");
        format::invalid_each(path, value, format::label_value(value), errors);
    }
}

/// `ValidateAnnotations`, of an object's metadata.
pub(crate) fn annotations(meta: &Value, path: &Path<'_>, errors: &mut Errors) {
    let mut total = 0usize;
    for (key, value) in entries(meta, "annotations") {
        total += key.len() + value.as_str().map_or(0, str::len);
        format::invalid_each(path, key, format::qualified_name(&key.to_lowercase()), errors);
    }
    if total > ANNOTATIONS_LIMIT {
        errors.push(Error::too_long(path, ANNOTATIONS_LIMIT));
    }
}

/// Fields of an owner reference in Go's order.
const OWNER: [&str; 6] = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];

fn owners(meta: &Value, errors: &mut Errors) {
    let path = META.child("ownerReferences");
    let owners = list(meta, "ownerReferences");
    let mut controller: Option<String> = None;
    for owner in owners {
        let api_version = text(owner, "apiVersion");
        // More than one slash is no group version at all.
        let version = match api_version.split('/').collect::<Vec<_>>()[..] {
            [version] | [_, version] => version,
            _ => "",
        };
        if version.is_empty() {
            errors.push(Error::invalid(path.child("apiVersion"), api_version, "version must not be empty"));
        }
        for field in ["kind", "name", "uid"] {
            if text(owner, field).is_empty() {
                errors.push(Error::invalid(path.child(field), text(owner, field), "must not be empty"));
            }
        }
        if api_version == "v1" && text(owner, "kind") == "Event" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(Error::invalid(path, owner.clone(), detail).showing(go::ordered(owner, &OWNER)));
        }
        if flag(owner, "controller") {
            let name = format!("{}/{}", text(owner, "kind"), text(owner, "name"));
            match &controller {
                Some(first) => {
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                    );
                    let shown: Vec<String> = owners.iter().map(|owner| go::ordered(owner, &OWNER)).collect();
                    let shown = format!("[{}]", shown.join(","));
                    errors.push(Error::invalid(path, owners.to_vec(), detail).showing(shown));
                }
                None => controller = Some(name),
            }
        }
    }
}

fn finalizers(meta: &Value, errors: &mut Errors) {
    let path = META.child("finalizers");
    let names = texts(meta, "finalizers");
    for name in &names {
        format::invalid_each(&path, name, format::qualified_name(name), errors);
    }
    if names.contains(&"orphan") && names.contains(&"foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(Error::invalid(path, at(meta, "finalizers").clone(), detail));
    }
}

/// Finalizers without a domain are upstream's own (`validateKubeFinalizerName`).
fn kube_finalizers(meta: &Value, errors: &mut Errors) {
    for (index, name) in texts(meta, "finalizers").into_iter().enumerate() {
        if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(Error::invalid(META.item("finalizers", index), name, detail));
        }
    }
}

fn managed_fields(meta: &Value, errors: &mut Errors) {
    for (index, entry) in list(meta, "managedFields").iter().enumerate() {
        let path = META.item("managedFields", index);
        let operation = text(entry, "operation");
        if !matches!(operation, "Apply" | "Update") {
            errors.push(Error::invalid(path.child("operation"), operation, "must be `Apply` or `Update`"));
        }
        let kind = text(entry, "fieldsType");
        if !matches!(kind, "" | "FieldsV1") {
            errors.push(Error::invalid(path.child("fieldsType"), kind, "must be `FieldsV1`"));
        }
        let manager = text(entry, "manager");
        if manager.len() > 128 {
            errors.push(Error::too_long(path.child("manager"), 128));
        }
        if let Some((at, c)) = manager.char_indices().find(|(_, c)| c.is_control()) {
            let detail = format!("invalid character U+{:04X} (at position {at})", c as u32);
            errors.push(Error::invalid(path.child("manager"), manager, detail));
        }
        if text(entry, "subresource").len() > 256 {
            errors.push(Error::too_long(path.child("subresource"), 256));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn create(meta: &Value) -> Vec<String> {
        let obj = json!({"metadata": meta});
        validate_create(&obj, true, NameRule::DnsSubdomain).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn good_metadata_passes() {
        let meta = json!({"name": "a.b", "namespace": "n", "labels": {"a/b": "", "x": "y"}, "annotations": {"A/B": "x"},
            "finalizers": ["orphan", "a.b/c"], "generateName": "a."});
        assert_eq!(create(&json!({"name": "a", "namespace": "n", "generateName": "a-"})), [""; 0]);
        assert_eq!(create(&meta).len(), 1, "generateName may not end with a dot");
    }

    #[test]
    fn says_what_is_wrong_in_upstreams_words() {
        assert_eq!(
            create(&json!({})),
            ["metadata.name: Required value: name or generateName is required", "metadata.namespace: Required value"]
        );
        let owners = json!([
            {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1", "controller": true},
            {"apiVersion": "v1", "kind": "Pod", "name": "b", "uid": "2", "controller": true}]);
        let errors = create(&json!({"name": "a", "namespace": "n", "ownerReferences": owners}));
        assert!(errors[0].ends_with("Found \"true\" in references for Pod/a and Pod/b"), "{errors:?}");
        let errors =
            create(&json!({"name": "a", "namespace": "n", "annotations": {"a": "x".repeat(ANNOTATIONS_LIMIT)}}));
        assert_eq!(errors, ["metadata.annotations: Too long: may not be more than 262144 bytes"]);
        let errors = create(&json!({"name": "a", "namespace": "n", "finalizers": ["mine"]}));
        assert_eq!(
            errors,
            [
                "metadata.finalizers[0]: Invalid value: \"mine\": name is neither a standard finalizer name nor is it fully qualified"
            ]
        );
    }

    #[test]
    fn updates_keep_identity() {
        let old = json!({"metadata": {"name": "a", "uid": "1", "resourceVersion": "1", "deletionTimestamp": "t", "finalizers": ["a/b"]}});
        let new = json!({"metadata": {"name": "a", "uid": "2", "resourceVersion": "1", "deletionTimestamp": "t", "finalizers": ["a/c"]}});
        let errors: Vec<String> = validate_update(&new, &old).iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"a/c\"}",
                "metadata.uid: Invalid value: \"2\": field is immutable"
            ]
        );
        assert!(validate_update(&old, &old).is_empty());
    }
}
