//! Pods, and the pod templates inside other kinds.

pub(crate) mod amounts;
mod annotations;
pub(crate) mod containers;
pub(crate) mod defaults;
pub(crate) mod diff;
mod env;
mod image;
pub(crate) mod needs;
pub(crate) mod prepare;
pub(crate) mod probes;
mod projected;
pub(crate) mod scheduling;
mod security;
pub(crate) mod spec;
pub(crate) mod update;
pub(crate) mod volumes;
pub(crate) mod warnings;

use schema::field::Error;
use serde_json::Value;

use crate::fields::shown;
use crate::json::{at, dig, list, set, size, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Errors, NameRule, Path, Scope, Strategy, meta};

pub(super) static POD: Strategy = Strategy {
    plural: "pods",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    generation: Generation::On(&["spec"]),
    default: defaults::pod,
    prepare_create: prepare::create,
    prepare_status: prepare::status,
    validate: create,
    validate_update: update::pod,
    validate_status: update::status,
    warnings: warnings::pod,
    fields: &[
        ("spec.nodeName", |pod| text(at(pod, "spec"), "nodeName").to_owned()),
        ("spec.restartPolicy", |pod| text(at(pod, "spec"), "restartPolicy").to_owned()),
        ("spec.schedulerName", |pod| text(at(pod, "spec"), "schedulerName").to_owned()),
        ("spec.serviceAccountName", |pod| text(at(pod, "spec"), "serviceAccountName").to_owned()),
        ("spec.hostNetwork", |pod| crate::json::flag(at(pod, "spec"), "hostNetwork").to_string()),
        ("status.phase", |pod| text(at(pod, "status"), "phase").to_owned()),
        ("status.podIP", pod_ip),
        ("status.nominatedNodeName", |pod| shown(dig(pod, "status.nominatedNodeName"))),
    ],
    ..BASE
};

fn pod_ip(pod: &Value) -> String {
    let status = at(pod, "status");
    list(status, "podIPs").first().map_or(text(status, "podIP"), |ip| text(ip, "ip")).to_owned()
}

/// What is wrong with a new pod, besides its metadata (`ValidatePodCreate`).
fn create(pod: &Value, errors: &mut Errors) {
    body(pod, errors);
    let spec = at(pod, "spec");
    let path = Path::root("spec");
    if size(spec, "ephemeralContainers") > 0 {
        errors.push(Error::forbidden(path.child("ephemeralContainers"), "cannot be set on create"));
    }
    if !text(spec, "nodeName").is_empty() && size(spec, "schedulingGates") > 0 {
        let detail = "cannot be set until all schedulingGates have been cleared";
        errors.push(Error::forbidden(path.child("nodeName"), detail));
    }
    annotations::profiles_match(at(pod, "metadata"), spec, &path, errors);
}

/// What is wrong with a pod as a whole, metadata included (`validatePodMetadataAndSpec`).
fn whole(pod: &Value, errors: &mut Errors) {
    meta::check_create(pod, Scope::Namespaced, NameRule::DnsSubdomain, errors);
    body(pod, errors);
}

fn body(pod: &Value, errors: &mut Errors) {
    let (meta, spec) = (at(pod, "metadata"), at(pod, "spec"));
    let path = Path::root("spec");
    annotations::check(meta, spec, &Path::root("metadata").child("annotations"), errors);
    spec::validate(spec, spec::Place::Pod(meta), &path, errors);
    if text(spec, "serviceAccountName").is_empty() {
        for (index, volume) in list(spec, "volumes").iter().enumerate() {
            let volume_path = path.item("volumes", index);
            let volume_path = volume_path.child("projected");
            for (index, source) in list(at(volume, "projected"), "sources").iter().enumerate() {
                if set(source, "serviceAccountToken").is_some() {
                    let detail = "must not be specified when serviceAccountName is not set";
                    let place = volume_path.item("sources", index);
                    errors.push(Error::forbidden(place.child("serviceAccountToken"), detail));
                }
            }
        }
    }
    for kind in ["containers", "initContainers"] {
        for (index, container) in list(spec, kind).iter().enumerate() {
            containers::padded_image(container, &path.item(kind, index), errors);
        }
    }
}
