//! Kinds that need little: whose scope, status, generation and update rules are most there is to say.

use super::pod::defaults::template;
use crate::json::{dig, fill};
use crate::strategy::{BASE, Generation, Status, StatusMeta};
use crate::{NameRule, Scope, Strategy};

pub(super) static POD_TEMPLATE: Strategy = Strategy {
    plural: "podtemplates",
    scope: Scope::Namespaced,
    generation: Generation::On(&["template"]),
    default: |_, obj| template(obj),
    ..BASE
};
pub(super) static CONTROLLER_REVISION: Strategy =
    Strategy { group: "apps", plural: "controllerrevisions", scope: Scope::Namespaced, ..BASE };
pub(super) static PRIORITY_CLASS: Strategy = Strategy {
    group: "scheduling.k8s.io",
    plural: "priorityclasses",
    scope: Scope::Cluster,
    generation: Generation::Own,
    default: |_, obj| fill(obj, "preemptionPolicy", "PreemptLowerPriority"),
    ..BASE
};
pub(super) static RUNTIME_CLASS: Strategy = Strategy {
    group: "node.k8s.io",
    plural: "runtimeclasses",
    scope: Scope::Cluster,
    create_on_update: true,
    unconditional_update: false,
    ..BASE
};
pub(super) static LEASE: Strategy = Strategy {
    group: "coordination.k8s.io",
    plural: "leases",
    scope: Scope::Namespaced,
    create_on_update: true,
    unconditional_update: false,
    ..BASE
};
pub(super) static LEASE_CANDIDATE: Strategy = Strategy { plural: "leasecandidates", ..copy_of_lease() };
pub(super) static IP_ADDRESS: Strategy = Strategy {
    group: "networking.k8s.io",
    plural: "ipaddresses",
    scope: Scope::Cluster,
    name_rule: NameRule::Ip,
    fields: &[],
    ..BASE
};
pub(super) static SERVICE_CIDR: Strategy = Strategy {
    group: "networking.k8s.io",
    plural: "servicecidrs",
    scope: Scope::Cluster,
    status: Status::Reset("{}"),
    status_meta: StatusMeta::Reset,
    ..BASE
};
pub(super) static STORAGE_VERSION: Strategy = Strategy {
    group: "internal.apiserver.k8s.io",
    plural: "storageversions",
    scope: Scope::Cluster,
    name_rule: NameRule::Other,
    status: Status::Reset("{}"),
    status_meta: StatusMeta::Reset,
    unconditional_update: false,
    ..BASE
};
pub(super) static STORAGE_MIGRATION: Strategy = Strategy {
    group: "storagemigration.k8s.io",
    plural: "storageversionmigrations",
    scope: Scope::Cluster,
    status: Status::Reset("{}"),
    status_meta: StatusMeta::Reset,
    unconditional_update: false,
    ..BASE
};
/// Definitions of custom resources: validated where they are compiled.
pub(super) static CUSTOM_RESOURCE_DEFINITION: Strategy = Strategy {
    group: "apiextensions.k8s.io",
    plural: "customresourcedefinitions",
    scope: Scope::Cluster,
    status: Status::Reset(r#"{"acceptedNames":{"plural":"","kind":""},"conditions":[],"storedVersions":[]}"#),
    generation: Generation::On(&["spec"]),
    unconditional_update: false,
    ..BASE
};
pub(super) static API_SERVICE: Strategy = Strategy {
    group: "apiregistration.k8s.io",
    plural: "apiservices",
    scope: Scope::Cluster,
    name_rule: NameRule::PathSegment,
    status: Status::Reset("{}"),
    unconditional_update: false,
    default: |_, obj| {
        if !dig(obj, "spec.service").is_null() {
            fill(crate::json::child(crate::json::child(obj, "spec"), "service"), "port", 443);
        }
    },
    ..BASE
};

const fn copy_of_lease() -> Strategy {
    Strategy {
        group: "coordination.k8s.io",
        scope: Scope::Namespaced,
        create_on_update: true,
        unconditional_update: false,
        ..BASE
    }
}
