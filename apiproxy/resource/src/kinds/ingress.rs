//! Ingresses and IngressClasses.

use serde_json::Value;

use crate::json::fill;
use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) static INGRESS: Strategy = Strategy {
    group: "networking.k8s.io",
    plural: "ingresses",
    scope: Scope::Namespaced,
    status: Status::Reset(r#"{"loadBalancer":{}}"#),
    generation: Generation::On(&["spec"]),
    ..BASE
};

pub(super) static INGRESS_CLASS: Strategy = Strategy {
    group: "networking.k8s.io",
    plural: "ingressclasses",
    scope: Scope::Cluster,
    generation: Generation::On(&["spec"]),
    default: class_default,
    ..BASE
};

fn class_default(_version: &str, obj: &mut Value) {
    if let Some(parameters) = obj.pointer_mut("/spec/parameters").filter(|parameters| parameters.is_object()) {
        fill(parameters, "scope", "Cluster");
    }
}
