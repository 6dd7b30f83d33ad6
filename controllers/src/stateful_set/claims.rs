//! Who owns the claims of a StatefulSet: nobody, the set, or a pod that is scaled away, as the retention policy says
//! (upstream `stateful_set_utils.go`). Pure.

use serde_json::Value;

use super::view::StatefulSet;
use crate::informer::Raw;
use crate::kinds;
use crate::object::controller_reference;

/// The owner references a claim should have; `None` when they are right, or not ours to change.
pub(super) fn owners(held: &[Value], set: &StatefulSet, pod: &Raw) -> Option<Vec<Value>> {
    let (sets, pods) = (kinds::stateful_sets(), kinds::pods());
    let names = |owner: &Value, kind: &kube::core::ApiResource, name: &str| {
        owner["apiVersion"] == kind.api_version.as_str() && owner["kind"] == kind.kind.as_str() && owner["name"] == name
    };
    let of_set = |owner: &Value| names(owner, &sets, &set.meta.name);
    let of_pod = |owner: &Value| names(owner, &pods, pod.name());
    let stale = |owner: &Value| {
        (of_set(owner) && owner["uid"] != set.meta.uid.as_str()) || (of_pod(owner) && owner["uid"] != pod.uid())
    };
    if held.iter().any(stale) {
        // Of a set or pod of this name that is gone: the garbage collector decides.
        return None;
    }
    let policy = &set.spec.persistent_volume_claim_retention_policy;
    let scaled = set.ordinal(pod.name()).is_none_or(|ordinal| !set.ordinals().contains(&ordinal));
    let mut wanted: Vec<Value> = held.iter().filter(|owner| !of_set(owner) && !of_pod(owner)).cloned().collect();
    let keeps = !policy.deletes_with_set() && !policy.deletes_with_pod();
    let foreign = wanted.iter().any(|owner| owner["controller"] == true);
    // Somebody else's claim is left to them.
    if keeps || !foreign {
        if policy.deletes_with_pod() && scaled {
            wanted.push(controller_reference(&pods, pod.name(), pod.uid()));
        } else if policy.deletes_with_set() {
            wanted.push(controller_reference(&sets, &set.meta.name, &set.meta.uid));
        }
    }
    let facts = |owners: &[Value]| {
        let mut facts: Vec<(String, bool)> =
            owners.iter().map(|owner| (owner["uid"].to_string(), owner["controller"] == true)).collect();
        facts.sort();
        facts
    };
    (facts(held) != facts(&wanted)).then_some(wanted)
}

/// Whether a claim belongs to a pod of this name that is gone: the new one has to wait until the claim is, too.
pub(super) fn is_stale(held: &[Value], set: &StatefulSet, pod: &str) -> bool {
    set.spec.persistent_volume_claim_retention_policy.deletes_with_pod()
        && held.iter().any(|owner| owner["apiVersion"] == "v1" && owner["kind"] == "Pod" && owner["name"] == pod)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn owners_follow_the_policy() {
        let set_owner = || controller_reference(&kinds::stateful_sets(), "web", "set");
        let pod_owner = |ordinal: i32| controller_reference(&kinds::pods(), &format!("web-{ordinal}"), "pod");
        let other = || json!({"apiVersion": "v1", "kind": "X", "name": "x", "uid": "x", "controller": true});
        let plain = || json!({"apiVersion": "v1", "kind": "X", "name": "x", "uid": "x"});
        let stale = || controller_reference(&kinds::stateful_sets(), "web", "older");
        // (whenDeleted, whenScaled, ordinal of two replicas, held) → wanted
        let cases = [
            ("Retain", "Retain", 0, vec![], None),
            ("Retain", "Retain", 0, vec![set_owner(), plain()], Some(vec![plain()])),
            ("Delete", "Retain", 0, vec![], Some(vec![set_owner()])),
            ("Delete", "Retain", 0, vec![plain()], Some(vec![plain(), set_owner()])),
            ("Delete", "Retain", 0, vec![set_owner()], None),
            ("Delete", "Retain", 2, vec![], Some(vec![set_owner()])),
            ("Retain", "Delete", 0, vec![], None),
            ("Retain", "Delete", 0, vec![pod_owner(0)], Some(vec![])),
            ("Retain", "Delete", 2, vec![], Some(vec![pod_owner(2)])),
            ("Delete", "Delete", 0, vec![], Some(vec![set_owner()])),
            ("Delete", "Delete", 2, vec![set_owner()], Some(vec![pod_owner(2)])),
            ("Delete", "Retain", 0, vec![other()], None),
            ("Delete", "Retain", 0, vec![other(), set_owner()], Some(vec![other()])),
            ("Delete", "Retain", 0, vec![stale()], None),
        ];
        for (deleted, scaled, ordinal, held, want) in cases {
            let set = json!({"metadata": {"name": "web", "uid": "set"}, "spec": {"replicas": 2,
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": scaled}}});
            let set = StatefulSet::view(&Raw::from_value(&set).unwrap()).unwrap();
            let pod = json!({"metadata": {"name": format!("web-{ordinal}"), "uid": "pod"}});
            let pod = Raw::from_value(&pod).unwrap();
            assert_eq!(owners(&held, &set, &pod), want, "{deleted} {scaled} {ordinal} {held:?}");
            assert_eq!(is_stale(&[pod_owner(0)], &set, "web-0"), scaled == "Delete");
        }
    }
}
