//! Pods, and the pod templates inside other kinds.

pub(crate) mod defaults;
mod image;
pub(crate) mod prepare;

use serde_json::Value;

use crate::fields::shown;
use crate::json::{at, dig, list, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) static POD: Strategy = Strategy {
    plural: "pods",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    generation: Generation::On(&["spec"]),
    default: defaults::pod,
    prepare_create: prepare::create,
    prepare_status: prepare::status,
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
