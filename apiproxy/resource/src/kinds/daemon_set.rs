//! DaemonSets.

use serde_json::Value;

use super::pod::defaults::template;
use crate::json::{child, fill, fill_text, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) static DAEMON_SET: Strategy = Strategy {
    group: "apps",
    plural: "daemonsets",
    scope: Scope::Namespaced,
    status: Status::Reset(
        r#"{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}"#,
    ),
    generation: Generation::On(&["spec"]),
    default,
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    let strategy = child(spec, "updateStrategy");
    fill_text(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = child(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", 1);
        fill(rolling, "maxSurge", 0);
    }
    fill(spec, "revisionHistoryLimit", 10);
    template(spec);
}
