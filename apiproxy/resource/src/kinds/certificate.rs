//! Kinds of `certificates.k8s.io`.

use serde_json::Value;

use crate::json::{at, child, take_over, text};
use crate::strategy::{BASE, Status, StatusMeta};
use crate::{NameRule, Scope, Strategy};

const KIND: Strategy = Strategy { group: "certificates.k8s.io", scope: Scope::Cluster, ..BASE };

/// Who asks (`spec.username` and so on) is filled in by the request path, which knows the caller.
pub(super) static SIGNING_REQUEST: Strategy = Strategy {
    plural: "certificatesigningrequests",
    status: Status::Reset("{}"),
    prepare_update: |new, old| take_over(new, old, "spec"),
    prepare_status: keep_decisions,
    fields: &[("spec.signerName", |obj| text(at(obj, "spec"), "signerName").to_owned())],
    ..KIND
};
pub(super) static TRUST_BUNDLE: Strategy = Strategy {
    plural: "clustertrustbundles",
    name_rule: NameRule::Other,
    unconditional_update: false,
    fields: &[("spec.signerName", |obj| text(at(obj, "spec"), "signerName").to_owned())],
    ..KIND
};
pub(super) static POD_CERTIFICATE: Strategy = Strategy {
    plural: "podcertificaterequests",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    status_meta: StatusMeta::Reset,
    unconditional_update: false,
    fields: &[
        ("spec.signerName", |obj| text(at(obj, "spec"), "signerName").to_owned()),
        ("spec.podName", |obj| text(at(obj, "spec"), "podName").to_owned()),
        ("spec.nodeName", |obj| text(at(obj, "spec"), "nodeName").to_owned()),
    ],
    ..KIND
};

/// Approval and denial are the approval subresource's: the status subresource keeps the old ones.
fn keep_decisions(new: &mut Value, old: &Value) {
    let decided = |condition: &Value| matches!(text(condition, "type"), "Approved" | "Denied");
    let mut kept: Vec<Value> =
        crate::json::list(at(old, "status"), "conditions").iter().filter(|c| decided(c)).cloned().collect();
    let status = child(new, "status");
    kept.extend(crate::json::list(status, "conditions").iter().filter(|c| !decided(c)).cloned());
    if !kept.is_empty() {
        crate::json::put(status, "conditions", kept);
    }
}
