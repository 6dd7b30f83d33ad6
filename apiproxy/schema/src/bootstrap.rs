//! Objects every cluster starts with, as upstream's API server makes them on its first start.

use std::sync::LazyLock;

use serde_json::Value;

/// ClusterRoles, ClusterRoleBindings, Roles and RoleBindings of upstream's bootstrap policy
/// (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`), whole objects in that order, without uid and timestamps.
/// Aggregated roles (`admin`, `edit`, `view`) carry their aggregation rule and the rules it yields.
pub fn rbac() -> &'static [Value] {
    static RBAC: LazyLock<Vec<Value>> = LazyLock::new(|| parse(include_str!("../table/rbac.json")));
    &RBAC
}

/// The system PriorityClasses (`pkg/apis/scheduling/v1`), whole objects without uid and timestamps.
pub fn priority_classes() -> &'static [Value] {
    static CLASSES: LazyLock<Vec<Value>> = LazyLock::new(|| parse(include_str!("../table/priority-classes.json")));
    &CLASSES
}

fn parse(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("the committed objects parse: a test loads them")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::json;

    use super::*;

    fn find(kind: &str, name: &str) -> &'static Value {
        let found = rbac().iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    #[test]
    fn roles_are_upstreams() {
        let admin = find("ClusterRole", "cluster-admin");
        assert_eq!(admin["apiVersion"], "rbac.authorization.k8s.io/v1");
        assert_eq!(
            admin["rules"],
            json!([
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                {"nonResourceURLs": ["*"], "verbs": ["*"]}
            ])
        );
        assert_eq!(admin["metadata"]["labels"]["kubernetes.io/bootstrapping"], "rbac-defaults");
        assert_eq!(admin["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"], "true");
        let binding = find("ClusterRoleBinding", "cluster-admin");
        assert_eq!(binding["subjects"][0]["name"], "system:masters");
        assert_eq!(binding["roleRef"]["apiGroup"], "rbac.authorization.k8s.io");
        for role in ["system:discovery", "system:basic-user", "system:kube-scheduler", "system:node"] {
            find("ClusterRole", role);
        }
        assert_eq!(find("Role", "extension-apiserver-authentication-reader")["metadata"]["namespace"], "kube-system");
        find("ClusterRole", "system:controller:deployment-controller");
    }

    #[test]
    fn aggregated_roles_have_the_rules_of_their_parts() {
        let rules = |name: &str| find("ClusterRole", name)["rules"].as_array().cloned().unwrap_or_default();
        for (role, parts) in [
            ("view", &["system:aggregate-to-view"][..]),
            ("edit", &["system:aggregate-to-edit", "system:aggregate-to-view"]),
            ("admin", &["system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view"]),
        ] {
            assert!(find("ClusterRole", role)["aggregationRule"].is_object());
            for part in parts {
                for rule in rules(part) {
                    assert!(rules(role).contains(&rule), "{role} lacks {rule} of {part}");
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_system_classes_there() {
        let mut seen = HashSet::new();
        for object in rbac() {
            let key = (&object["kind"], &object["metadata"]["namespace"], &object["metadata"]["name"]);
            assert!(seen.insert(format!("{key:?}")), "{key:?} twice");
        }
        let values: Vec<_> = priority_classes().iter().map(|one| one["value"].as_i64().unwrap_or_default()).collect();
        assert_eq!(values, [2_000_001_000, 2_000_000_000]);
    }
}
