//! Roles, ClusterRoles and their bindings.

use serde_json::Value;

use crate::json::{child, fill_text, items_mut, text};
use crate::strategy::BASE;
use crate::{NameRule, Scope, Strategy};

const GROUP: &str = "rbac.authorization.k8s.io";
const KIND: Strategy = Strategy { group: GROUP, name_rule: NameRule::PathSegment, create_on_update: true, ..BASE };

pub(super) static ROLE: Strategy = Strategy { plural: "roles", scope: Scope::Namespaced, ..KIND };
pub(super) static CLUSTER_ROLE: Strategy = Strategy { plural: "clusterroles", scope: Scope::Cluster, ..KIND };
pub(super) static ROLE_BINDING: Strategy =
    Strategy { plural: "rolebindings", scope: Scope::Namespaced, default: binding_default, ..KIND };
pub(super) static CLUSTER_ROLE_BINDING: Strategy =
    Strategy { plural: "clusterrolebindings", scope: Scope::Cluster, default: binding_default, ..KIND };

fn binding_default(_version: &str, obj: &mut Value) {
    fill_text(child(obj, "roleRef"), "apiGroup", GROUP);
    for subject in items_mut(obj, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            fill_text(subject, "apiGroup", GROUP);
        }
    }
}
