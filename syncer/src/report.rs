//! What tenants are told: Events and conditions, in virtual names only.

use controllers::events::{Level, Recorder, Regarding};
use jiff::Timestamp;
use kube::core::ApiResource;
use serde_json::{Value, json};
use tenancy::{Virtual, fleet};

use crate::json;
use crate::side::Key;
use crate::translate::Refused;

/// Reason of an Event about an object that cannot be brought to the host.
pub(crate) const REFUSED: &str = "SyncRefused";
/// Reason of an Event about an object the host has refused.
pub(crate) const HOST_REFUSED: &str = "HostRefused";
/// Reason of an Event about a part of an object that was left out.
pub(crate) const LEFT_OUT: &str = "SyncAdjusted";
/// Reason of an Event about a pod that is deleted because the host has lost or evicted it.
pub(crate) const EVICTED: &str = "HostEvicted";

/// Writes Events about virtual objects.
#[derive(Clone)]
pub(crate) struct Reporter {
    recorder: Recorder,
}

impl Reporter {
    /// Reports through a recorder of the fleet view.
    pub(crate) fn new(recorder: Recorder) -> Self {
        Self { recorder }
    }

    /// Tells about an object.
    pub(crate) fn tell(
        &self,
        kind: &ApiResource,
        key: &Key,
        own: &Virtual<Value>,
        level: Level,
        reason: &'static str,
        message: String,
    ) {
        let is_namespaced = !key.namespace.is_empty();
        let regarding = Regarding {
            api_version: kind.api_version.clone(),
            kind: kind.kind.clone(),
            // Events about objects without a namespace are in `default`, as upstream's.
            namespace: if is_namespaced { key.fleet_namespace() } else { fleet::join(key.tenant, "default") },
            name: key.name.to_string(),
            uid: crate::side::uid(&own.0).to_owned(),
            resource_version: json::text(&own.0, "/metadata/resourceVersion").to_owned(),
        };
        self.recorder.record(&regarding, level, reason, message);
    }
}

/// The conditions of a pod that cannot be brought to the host: `PodScheduled` is false, and says why. None when they
/// say so already.
pub(crate) fn refused_conditions(
    own: &Virtual<Value>,
    reason: &str,
    refused: &Refused,
    now: Timestamp,
) -> Option<Vec<Value>> {
    let message = refused.to_string();
    let before = json::items(&own.0, "/status/conditions");
    let is_scheduling = |condition: &&Value| json::text(condition, "/type") == "PodScheduled";
    let old = before.iter().find(is_scheduling);
    let says = |old: &Value| {
        json::text(old, "/status") == "False"
            && json::text(old, "/reason") == reason
            && json::text(old, "/message") == message
    };
    if old.is_some_and(says) {
        return None;
    }
    let was_false = old.filter(|old| json::text(old, "/status") == "False");
    let since =
        was_false.map(|old| json::text(old, "/lastTransitionTime").to_owned()).filter(|since| !since.is_empty());
    let mut conditions: Vec<Value> = before.iter().filter(|condition| !is_scheduling(condition)).cloned().collect();
    conditions.push(json!({
        "type": "PodScheduled", "status": "False", "reason": reason, "message": message, "lastProbeTime": null,
        "lastTransitionTime": since.unwrap_or_else(|| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    }));
    Some(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_said_once_and_keeps_its_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let refused = Refused::new("spec.volumes[0].nfs", "no");
        let mut own = Virtual(json!({ "status": { "conditions": [{ "type": "Mine", "status": "True" }] } }));
        let first = refused_conditions(&own, REFUSED, &refused, at(0)).unwrap();
        assert_eq!(first[0]["type"], "Mine");
        assert_eq!(first[1]["message"], "spec.volumes[0].nfs: no");
        own.0["status"]["conditions"] = json!(first);
        assert_eq!(refused_conditions(&own, REFUSED, &refused, at(60)), None);
        let second = refused_conditions(&own, HOST_REFUSED, &refused, at(60)).unwrap();
        assert_eq!(second[1]["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }
}
