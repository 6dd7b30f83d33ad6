//! Classes of the host: born there, seen by tenants. One entry per kind.
//!
//! A class is published once for all tenants; what a tenant sees of it is the same for all. Objects of a tenant may name
//! only classes of the host the tenant sees: one of its own making says nothing to the host.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use kube::core::ApiResource;
use serde_json::{Map, Value, json};
use tenancy::{Host, SyncFromHost, Virtual, labels};

use super::{Origin, Refused};
use crate::{json, kinds};

/// Classes are born on the host.
pub const ORIGIN: Origin = Origin::Host;

/// A kind of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// StorageClass.
    Storage,
    /// IngressClass.
    Ingress,
    /// PriorityClass.
    Priority,
    /// RuntimeClass.
    Runtime,
}

/// Which classes of a kind tenants see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Those that are not labelled `rowhouse.dev/tenants: "false"`.
    UnlessHidden,
    /// Those labelled `rowhouse.dev/tenants: "true"`.
    WhenLabelled,
}

/// What the mechanism has to know about a kind of classes.
#[derive(Debug)]
pub struct Entry {
    /// The kind.
    pub class: Class,
    /// Its API.
    pub resource: &'static LazyLock<ApiResource>,
    /// Which of them tenants see.
    pub shown: Shown,
    /// Top-level fields that pass. All others stay on the host.
    pub fields: &'static [&'static str],
    /// Annotation that makes a class the default one, which tenants see.
    pub default_annotation: Option<&'static str>,
}

/// All kinds of classes.
///
/// What a StorageClass hands to its provisioner (`parameters`, `mountOptions`, `allowedTopologies`) can name secrets and
/// machines of the host and stays there, as do `parameters` of an IngressClass and `scheduling` of a RuntimeClass.
pub static CLASSES: &[Entry] = &[
    Entry {
        class: Class::Storage,
        resource: &kinds::STORAGE_CLASSES,
        shown: Shown::UnlessHidden,
        fields: &["allowVolumeExpansion", "provisioner", "reclaimPolicy", "volumeBindingMode"],
        default_annotation: Some("storageclass.kubernetes.io/is-default-class"),
    },
    Entry {
        class: Class::Ingress,
        resource: &kinds::INGRESS_CLASSES,
        shown: Shown::UnlessHidden,
        fields: &["spec"],
        default_annotation: Some("ingressclass.kubernetes.io/is-default-class"),
    },
    Entry {
        class: Class::Priority,
        resource: &kinds::PRIORITY_CLASSES,
        shown: Shown::WhenLabelled,
        fields: &["description", "preemptionPolicy", "value"],
        default_annotation: None,
    },
    Entry {
        class: Class::Runtime,
        resource: &kinds::RUNTIME_CLASSES,
        shown: Shown::UnlessHidden,
        fields: &["handler", "overhead"],
        default_annotation: None,
    },
];

impl Class {
    /// Its entry in the table.
    pub fn entry(self) -> &'static Entry {
        let found = CLASSES.iter().find(|entry| entry.class == self);
        found.expect("CLASSES has an entry for every variant, as the test `every_class_has_an_entry` shows")
    }

    /// Whether the Tenant's switches let it be seen.
    pub fn is_on(self, switches: &SyncFromHost) -> bool {
        match self {
            Class::Storage => switches.storage_classes,
            Class::Ingress => switches.ingress_classes,
            Class::Priority => switches.priority_classes,
            Class::Runtime => switches.runtime_classes,
        }
    }

    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            Class::Storage => "storage class",
            Class::Ingress => "ingress class",
            Class::Priority => "priority class",
            Class::Runtime => "runtime class",
        }
    }
}

/// Whether tenants see a class of the host. Those of the system are never among them.
pub fn is_shown(entry: &Entry, class: &Host<Value>) -> bool {
    let label = json::object(&class.0, "/metadata/labels").and_then(|all| all.get(labels::TENANTS)?.as_str());
    let is_system = entry.class == Class::Priority && json::text(&class.0, "/metadata/name").starts_with("system-");
    let is_default_priority = class.0.get("globalDefault").and_then(Value::as_bool) == Some(true);
    !is_system
        && !json::is_deleting(&class.0)
        && match entry.shown {
            Shown::UnlessHidden => label != Some("false"),
            // A default would raise every pod of every tenant that sees it.
            Shown::WhenLabelled => label == Some("true") && !is_default_priority,
        }
}

/// Whether it is the default class of its kind.
pub fn is_default(entry: &Entry, class: &Host<Value>) -> bool {
    let annotations = json::object(&class.0, "/metadata/annotations");
    let value = entry.default_annotation.and_then(|key| annotations?.get(key)?.as_str());
    value == Some("true")
}

/// What tenants see of a class.
pub fn to_virtual(entry: &Entry, class: &Host<Value>) -> Virtual<Value> {
    let mut out = Map::new();
    for field in entry.fields {
        json::set(&mut out, field, class.0.get(*field).filter(|value| !value.is_null()).cloned());
    }
    if entry.class == Class::Ingress
        && let Some(spec) = out.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.remove("parameters");
    }
    let mut metadata = json!({
        "name": json::text(&class.0, "/metadata/name"),
        "labels": { labels::MANAGED_BY: labels::MANAGER },
    });
    if let Some(key) = entry.default_annotation.filter(|_| is_default(entry, class)) {
        metadata["annotations"] = json!({ key: "true" });
    }
    out.insert("apiVersion".into(), json!(entry.resource.api_version));
    out.insert("kind".into(), json!(entry.resource.kind));
    out.insert("metadata".into(), metadata);
    Virtual(Value::Object(out))
}

/// The classes of one kind that a tenant may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The kind, as people say it.
    pub kind: &'static str,
    /// Names.
    pub names: BTreeSet<String>,
    /// The default, if there is one: of several the youngest, as upstream.
    pub default: Option<String>,
}

impl Offer {
    /// Whether the tenant may name a class.
    ///
    /// # Errors
    /// [`Refused`] when it may not; at the field `at`.
    pub fn check(&self, name: &str, at: &str) -> Result<(), Refused> {
        if self.names.contains(name) {
            return Ok(());
        }
        Err(Refused::new(at, &format!("the host offers this cluster no {} {name:?}", self.kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(labels: &Value, annotations: &Value) -> Host<Value> {
        Host(json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": "fast", "uid": "u", "labels": labels, "annotations": annotations, "managedFields": [] },
            "provisioner": "csi.example", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": true, "mountOptions": ["sec=krb5"],
            "parameters": { "csi.storage.k8s.io/provisioner-secret-name": "root-of-all" },
            "allowedTopologies": [{ "matchLabelExpressions": [] }],
        }))
    }

    #[test]
    fn every_class_has_an_entry() {
        for class in [Class::Storage, Class::Ingress, Class::Priority, Class::Runtime] {
            assert_eq!(class.entry().class, class);
        }
        assert_eq!(CLASSES.len(), 4);
    }

    #[test]
    fn what_belongs_to_the_host_stays_there() {
        let annotations =
            json!({ "storageclass.kubernetes.io/is-default-class": "true", "kubectl.kubernetes.io/last": "root" });
        let shown = to_virtual(Class::Storage.entry(), &storage(&json!({ "team": "infra" }), &annotations)).0;
        assert_eq!(
            shown,
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": { "name": "fast", "labels": { "rowhouse.dev/managed-by": "rowhouse" },
                    "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
                "provisioner": "csi.example", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
                "allowVolumeExpansion": true,
            })
        );
        let ingress = Host(
            json!({ "metadata": { "name": "edge" }, "spec": { "controller": "x", "parameters": { "name": "secret" } } }),
        );
        assert_eq!(to_virtual(Class::Ingress.entry(), &ingress).0["spec"], json!({ "controller": "x" }));
        let runtime = Host(
            json!({ "metadata": { "name": "kata" }, "handler": "kata", "scheduling": { "nodeSelector": { "a": "b" } } }),
        );
        assert_eq!(to_virtual(Class::Runtime.entry(), &runtime).0.get("scheduling"), None);
    }

    #[test]
    fn an_administrator_decides_what_is_shown() {
        let label = |value: &str| json!({ "rowhouse.dev/tenants": value });
        let shown = |labels: &Value| is_shown(Class::Storage.entry(), &storage(labels, &json!({})));
        assert!(shown(&json!({})) && shown(&label("true")) && !shown(&label("false")));
        let priority = |name: &str, labels: &Value, global: bool| {
            let class = json!({ "metadata": { "name": name, "labels": labels }, "value": 5, "globalDefault": global });
            is_shown(Class::Priority.entry(), &Host(class))
        };
        assert!(priority("batch", &label("true"), false));
        for (name, labels, global) in [
            ("batch", json!({}), false),
            ("batch", label("true"), true),
            ("system-node-critical", label("true"), false),
        ] {
            assert!(!priority(name, &labels, global), "{name} {labels} {global}");
        }
    }

    #[test]
    fn only_what_is_offered_can_be_named() {
        let offer = Offer { kind: "storage class", names: ["fast".into()].into(), default: None };
        assert_eq!(offer.check("fast", "spec.x"), Ok(()));
        let refused = offer.check("slow", "spec.x").unwrap_err().to_string();
        assert_eq!(refused, "spec.x: the host offers this cluster no storage class \"slow\"");
    }
}
