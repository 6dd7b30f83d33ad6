//! StatefulSets.

use serde_json::Value;

use super::claim;
use super::pod::defaults::template;
use crate::json::{child, fill, fill_text, items_mut, set, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{NameRule, Scope, Strategy};

pub(super) static STATEFUL_SET: Strategy = Strategy {
    group: "apps",
    plural: "statefulsets",
    scope: Scope::Namespaced,
    name_rule: NameRule::DnsLabel,
    status: Status::Reset(r#"{"replicas":0,"availableReplicas":0}"#),
    generation: Generation::On(&["spec"]),
    default,
    ..BASE
};

fn default(version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill_text(spec, "podManagementPolicy", "OrderedReady");
    let strategy = child(spec, "updateStrategy");
    if text(strategy, "type").is_empty() {
        fill_text(strategy, "type", "RollingUpdate");
        child(strategy, "rollingUpdate");
    }
    if text(strategy, "type") == "RollingUpdate" && set(strategy, "rollingUpdate").is_some() {
        fill(child(strategy, "rollingUpdate"), "partition", 0);
    }
    let retention = child(spec, "persistentVolumeClaimRetentionPolicy");
    fill_text(retention, "whenDeleted", "Retain");
    fill_text(retention, "whenScaled", "Retain");
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", 10);
    template(spec);
    for template in items_mut(spec, "volumeClaimTemplates") {
        claim::default(version, template);
    }
}
