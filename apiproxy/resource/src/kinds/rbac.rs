//! Roles, ClusterRoles and their bindings.

use schema::field::Error;
use serde_json::Value;

use crate::go::{self, Field};
use crate::json::{at, child, fill_text, items_mut, list, same_at, set, size, text};
use crate::strategy::BASE;
use crate::{Errors, NameRule, Path, Scope, Strategy, format, selector};

const GROUP: &str = "rbac.authorization.k8s.io";
const KIND: Strategy = Strategy { group: GROUP, name_rule: NameRule::PathSegment, create_on_update: true, ..BASE };

pub(super) static ROLE: Strategy = Strategy {
    plural: "roles",
    scope: Scope::Namespaced,
    validate: |obj, errors| rules(obj, Scope::Namespaced, errors),
    validate_update: |new, _, errors| rules(new, Scope::Namespaced, errors),
    ..KIND
};
pub(super) static CLUSTER_ROLE: Strategy = Strategy {
    plural: "clusterroles",
    scope: Scope::Cluster,
    validate: cluster_role,
    validate_update: |new, _, errors| cluster_role(new, errors),
    ..KIND
};
pub(super) static ROLE_BINDING: Strategy = Strategy {
    plural: "rolebindings",
    scope: Scope::Namespaced,
    default: binding_default,
    validate: |obj, errors| binding(obj, Scope::Namespaced, errors),
    validate_update: |new, old, errors| binding_update(new, old, Scope::Namespaced, errors),
    ..KIND
};
pub(super) static CLUSTER_ROLE_BINDING: Strategy = Strategy {
    plural: "clusterrolebindings",
    scope: Scope::Cluster,
    default: binding_default,
    validate: |obj, errors| binding(obj, Scope::Cluster, errors),
    validate_update: |new, old, errors| binding_update(new, old, Scope::Cluster, errors),
    ..KIND
};

fn binding_default(_version: &str, obj: &mut Value) {
    fill_text(child(obj, "roleRef"), "apiGroup", GROUP);
    for subject in items_mut(obj, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            fill_text(subject, "apiGroup", GROUP);
        }
    }
}

fn rules(role: &Value, scope: Scope, errors: &mut Errors) {
    let root = Path::root("");
    for (index, rule) in list(role, "rules").iter().enumerate() {
        let path = root.item("rules", index);
        if size(rule, "verbs") == 0 {
            errors.push(Error::required(path.child("verbs"), "verbs must contain at least one value"));
        }
        if size(rule, "nonResourceURLs") > 0 {
            let urls = at(rule, "nonResourceURLs");
            let path = path.child("nonResourceURLs");
            if scope == Scope::Namespaced {
                let detail = "namespaced rules cannot apply to non-resource URLs";
                errors.push(Error::invalid(path, urls.clone(), detail));
            }
            if ["apiGroups", "resources", "resourceNames"].iter().any(|field| size(rule, field) > 0) {
                let detail = "rules cannot apply to both regular resources and non-resource URLs";
                errors.push(Error::invalid(path, urls.clone(), detail));
            }
            continue;
        }
        for (field, what) in [("apiGroups", "api group"), ("resources", "resource")] {
            if size(rule, field) == 0 {
                let detail = format!("resource rules must supply at least one {what}");
                errors.push(Error::required(path.child(field), detail));
            }
        }
    }
}

fn cluster_role(role: &Value, errors: &mut Errors) {
    rules(role, Scope::Cluster, errors);
    let Some(aggregation) = set(role, "aggregationRule") else { return };
    let path = Path::root("aggregationRule");
    let selectors = list(aggregation, "clusterRoleSelectors");
    if selectors.is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.push(Error::required(path.child("clusterRoleSelectors"), detail));
    }
    for (index, one) in selectors.iter().enumerate() {
        let path = path.item("clusterRoleSelectors", index);
        selector::validate(one, &path, errors);
        if !selector::is_valid(one) {
            errors.push(Error::invalid(path, Value::Null, "invalid label selector."));
        }
    }
}

fn binding(obj: &Value, scope: Scope, errors: &mut Errors) {
    let reference = at(obj, "roleRef");
    let path = Path::root("roleRef");
    let kinds: &[&str] = if scope == Scope::Namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if text(reference, "apiGroup") != GROUP {
        errors.push(Error::not_supported(path.child("apiGroup"), text(reference, "apiGroup"), &[GROUP]));
    }
    if !kinds.contains(&text(reference, "kind")) {
        errors.push(Error::not_supported(path.child("kind"), text(reference, "kind"), kinds));
    }
    match text(reference, "name") {
        "" => errors.push(Error::required(path.child("name"), "")),
        name => format::invalid_each(&path.child("name"), name, format::path_segment(name, false), errors),
    }
    let root = Path::root("");
    for (index, one) in list(obj, "subjects").iter().enumerate() {
        subject(one, scope, &root.item("subjects", index), errors);
    }
}

fn subject(subject: &Value, scope: Scope, path: &Path<'_>, errors: &mut Errors) {
    let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
    if name.is_empty() {
        errors.push(Error::required(path.child("name"), ""));
    }
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                format::invalid_each(&path.child("name"), name, format::dns_subdomain(name), errors);
            }
            if !group.is_empty() {
                errors.push(Error::not_supported(path.child("apiGroup"), group, &[""]));
            }
            if scope == Scope::Cluster && text(subject, "namespace").is_empty() {
                errors.push(Error::required(path.child("namespace"), ""));
            }
        }
        "User" | "Group" => {
            if group != GROUP {
                errors.push(Error::not_supported(path.child("apiGroup"), group, &[GROUP]));
            }
        }
        kind => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.push(Error::not_supported(path.child("kind"), kind, &kinds));
        }
    }
}

/// A role reference as upstream's errors show it.
const ROLE_REF: [Field; 3] =
    [Field::leaf("APIGroup", "apiGroup"), Field::leaf("Kind", "kind"), Field::leaf("Name", "name")];

fn binding_update(new: &Value, old: &Value, scope: Scope, errors: &mut Errors) {
    binding(new, scope, errors);
    if !same_at(new, old, "roleRef") {
        let reference = at(new, "roleRef");
        let shown = go::shown(reference, &ROLE_REF);
        errors.push(Error::invalid("roleRef", reference.clone(), "cannot change roleRef").showing(shown));
    }
}
