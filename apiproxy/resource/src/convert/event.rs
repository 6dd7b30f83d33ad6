//! Events: `v1` and `events.k8s.io/v1` are one object under two sets of names.

use serde_json::Value;

use super::rename;

const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Core to events.k8s.io.
pub(super) fn to_events(obj: &mut Value) {
    rename(obj, &NAMES);
}

/// events.k8s.io to core.
pub(super) fn to_core(obj: &mut Value) {
    rename(obj, &NAMES.map(|(core, events)| (events, core)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn there_and_back() {
        let core = json!({"involvedObject": {"kind": "Pod"}, "message": "m", "count": 2, "reason": "R", "reportingComponent": "c"});
        let mut obj = core.clone();
        to_events(&mut obj);
        assert_eq!(
            obj,
            json!({"regarding": {"kind": "Pod"}, "note": "m", "deprecatedCount": 2, "reason": "R", "reportingController": "c"})
        );
        to_core(&mut obj);
        assert_eq!(obj, core);
    }
}
