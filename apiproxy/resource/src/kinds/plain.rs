//! Kinds that need little: whose scope, status, generation and update rules are most there is to say.

use schema::field::Error;
use serde_json::Value;

use super::pod::amounts;
use super::pod::defaults::template;
use super::pod::scheduling;
use super::pod::spec as pod_spec;
use super::pod::spec::one_of;
use super::workload::SPEC;
use crate::json::{at, dig, fill, int, list, opt_text, same_at, set, text};
use crate::strategy::{BASE, Generation, Status, StatusMeta};
use crate::{Errors, NameRule, Path, Scope, Strategy, format, meta};

pub(super) static POD_TEMPLATE: Strategy = Strategy {
    plural: "podtemplates",
    scope: Scope::Namespaced,
    generation: Generation::On(&["template"]),
    default: |_, obj| template(obj),
    validate: |obj, errors| pod_spec::template(at(obj, "template"), &Path::root("template"), errors),
    validate_update: |new, _, errors| pod_spec::template(at(new, "template"), &Path::root("template"), errors),
    ..BASE
};
pub(super) static CONTROLLER_REVISION: Strategy = Strategy {
    group: "apps",
    plural: "controllerrevisions",
    scope: Scope::Namespaced,
    validate: revision,
    validate_update: |new, old, errors| {
        revision(new, errors);
        meta::immutable(&Path::root(""), "data", new, old, errors);
    },
    ..BASE
};
pub(super) static PRIORITY_CLASS: Strategy = Strategy {
    group: "scheduling.k8s.io",
    plural: "priorityclasses",
    scope: Scope::Cluster,
    generation: Generation::Own,
    default: |_, obj| fill(obj, "preemptionPolicy", "PreemptLowerPriority"),
    validate: priority_class,
    validate_update: |new, old, errors| {
        if !same_at(new, old, "value") {
            errors.push(Error::forbidden("value", "may not be changed in an update."));
        }
        meta::immutable(&Path::root(""), "preemptionPolicy", new, old, errors);
    },
    ..BASE
};
pub(super) static RUNTIME_CLASS: Strategy = Strategy {
    group: "node.k8s.io",
    plural: "runtimeclasses",
    validate: runtime_class,
    validate_update: |new, old, errors| meta::immutable(&Path::root(""), "handler", new, old, errors),
    scope: Scope::Cluster,
    create_on_update: true,
    unconditional_update: false,
    ..BASE
};
pub(super) static LEASE: Strategy = Strategy {
    group: "coordination.k8s.io",
    plural: "leases",
    validate: lease,
    validate_update: |new, _, errors| lease(new, errors),
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

fn revision(obj: &Value, errors: &mut Errors) {
    if set(obj, "data").is_none() {
        errors.push(Error::required("data", "data is mandatory"));
    }
    if let Some(number) = int(obj, "revision").filter(|number| *number < 0) {
        errors.push(Error::invalid("revision", number, "must be greater than or equal to 0"));
    }
}

fn priority_class(obj: &Value, errors: &mut Errors) {
    const HIGHEST: i64 = 1_000_000_000;
    let name = text(at(obj, "metadata"), "name");
    let value = int(obj, "value").unwrap_or(0);
    if name.starts_with("system-") {
        let known = match name {
            "system-node-critical" => value == 2_000_001_000,
            "system-cluster-critical" => value == 2_000_000_000,
            _ => false,
        };
        if !known {
            let detail = "priority class names with 'system-' prefix are reserved for system use only. error: ";
            let why = match name {
                "system-node-critical" => "value of system-node-critical PriorityClass must be 2000001000".to_owned(),
                "system-cluster-critical" => {
                    "value of system-cluster-critical PriorityClass must be 2000000000".to_owned()
                }
                _ => format!("{name} is not a known system priority class"),
            };
            errors.push(Error::forbidden("metadata.name", format!("{detail}{why}")));
        }
    } else if value > HIGHEST {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        errors.push(Error::forbidden("value", detail));
    }
    if opt_text(obj, "preemptionPolicy").is_some() {
        one_of(obj, "preemptionPolicy", &["PreemptLowerPriority", "Never"], &Path::root(""), errors);
    }
}

fn runtime_class(obj: &Value, errors: &mut Errors) {
    match text(obj, "handler") {
        "" => errors.push(Error::required("handler", "")),
        handler => format::invalid_each(&Path::root("handler"), handler, format::dns_label(handler), errors),
    }
    if let Some(overhead) = set(obj, "overhead") {
        amounts::limits_only(at(overhead, "podFixed"), &Path::root("overhead"), errors);
    }
    if let Some(scheduling) = set(obj, "scheduling") {
        let path = Path::root("scheduling");
        meta::labels(at(scheduling, "nodeSelector"), &path.child("nodeSelector"), errors);
        scheduling::tolerations(list(scheduling, "tolerations"), &path.child("tolerations"), errors);
    }
}

fn lease(obj: &Value, errors: &mut Errors) {
    let spec = at(obj, "spec");
    if let Some(seconds) = int(spec, "leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        errors.push(Error::invalid(SPEC.child("leaseDurationSeconds"), seconds, "must be greater than 0"));
    }
    if let Some(count) = int(spec, "leaseTransitions").filter(|count| *count < 0) {
        errors.push(Error::invalid(SPEC.child("leaseTransitions"), count, "must be greater than or equal to 0"));
    }
    if !text(spec, "preferredHolder").is_empty() && text(spec, "strategy").is_empty() {
        let detail = "may only be specified if `strategy` is defined";
        errors.push(Error::forbidden(SPEC.child("preferredHolder"), detail));
    }
}
