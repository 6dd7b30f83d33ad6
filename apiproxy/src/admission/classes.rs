//! Classes that are filled in or asked: DefaultStorageClass, PersistentVolumeClaimResize, DefaultIngressClass (upstream:
//! `plugin/pkg/admission/storage`, `plugin/pkg/admission/network/defaultingressclass`).

use std::collections::BTreeSet;

use schema::quantity::Quantity;
use serde_json::{Value, json};
use store::Collection;

use super::{concerns, forbidden};
use crate::respond::Error;
use crate::write::Context;

/// Old way for a claim to name its class.
const CLAIM_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

/// What claims want to know of the storage classes of a tenant.
pub(super) struct StorageClasses {
    default: Option<String>,
    expandable: BTreeSet<String>,
}

/// The default ingress class of a tenant.
pub(super) struct IngressClass(Option<String>);

/// The class that is marked as default by one of the annotations: the newest of several, then the first by name.
fn marked(objects: &[Value], annotations: &[&str]) -> Option<String> {
    let is_marked = |object: &&Value| annotations.iter().any(|key| object["metadata"]["annotations"][key] == "true");
    let text = |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<&Value> = objects.iter().filter(is_marked).collect();
    all.sort_by_key(|object| (std::cmp::Reverse(text(object, "creationTimestamp")), text(object, "name")));
    all.first().map(|object| text(object, "name"))
}

fn storage_classes(context: &Context<'_>) -> std::sync::Arc<StorageClasses> {
    let collection = Collection::new("storage.k8s.io", "storageclasses");
    context.api.admission.storage_classes.get(context.api, context.tenant, &collection, "", |objects| {
        let default =
            ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
        let grows = objects.iter().filter(|object| object["allowVolumeExpansion"] == true);
        let names = grows.filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned));
        StorageClasses { default: marked(objects, &default), expandable: names.collect() }
    })
}

/// Names the default class in a claim or ingress that names none.
pub(super) fn mutate(context: &Context<'_>, value: &mut Value, old: Option<&Value>) {
    if old.is_some() || !value["spec"].is_object() {
        return;
    }
    if concerns(context, "", "persistentvolumeclaims") {
        let named = !value["spec"]["storageClassName"].is_null() || annotated(value, CLAIM_CLASS).is_some();
        if !named && let Some(class) = &storage_classes(context).default {
            value["spec"]["storageClassName"] = json!(class);
        }
    }
    if concerns(context, "networking.k8s.io", "ingresses") {
        let named =
            !value["spec"]["ingressClassName"].is_null() || annotated(value, "kubernetes.io/ingress.class").is_some();
        if named {
            return;
        }
        let collection = Collection::new("networking.k8s.io", "ingressclasses");
        let class = context.api.admission.ingress_class.get(context.api, context.tenant, &collection, "", |objects| {
            IngressClass(marked(objects, &["ingressclass.kubernetes.io/is-default-class"]))
        });
        if let Some(class) = &class.0 {
            value["spec"]["ingressClassName"] = json!(class);
        }
    }
}

fn annotated<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value["metadata"]["annotations"][key].as_str()
}

/// The class of a claim, by annotation or field.
pub(crate) fn of_claim(claim: &Value) -> &str {
    annotated(claim, CLAIM_CLASS).or_else(|| claim["spec"]["storageClassName"].as_str()).unwrap_or_default()
}

/// A claim grows only when it is bound and its class can. Errors: 403.
pub(super) fn judge(context: &Context<'_>, claim: &Value, old: Option<&Value>) -> Result<(), Error> {
    let Some(old) = old.filter(|_| concerns(context, "", "persistentvolumeclaims")) else { return Ok(()) };
    let size =
        |claim: &Value| Quantity::of(&claim["spec"]["resources"]["requests"]["storage"]).unwrap_or(Quantity::ZERO);
    if size(claim) <= size(old) {
        return Ok(());
    }
    if old["status"]["phase"] != "Bound" {
        let message = "Only bound persistent volume claims can be expanded";
        return Err(forbidden(context, claim, message.to_owned()));
    }
    let class = of_claim(claim);
    if class.is_empty() || class != of_claim(old) || !storage_classes(context).expandable.contains(class) {
        let message = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must \
             support resize";
        return Err(forbidden(context, claim, message.to_owned()));
    }
    Ok(())
}
