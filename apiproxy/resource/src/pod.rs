//! What only pods have: graceful deletion and the subresources `ephemeralcontainers`, `resize` and `binding`.

use serde_json::Value;

use crate::json::{at, int, text};

/// Seconds a pod is given to end, as upstream's pod strategy decides (`CheckGracefulDelete`): what the request asks, else
/// what the pod says; 0 for pods that are on no node or have ended. Never negative.
pub fn grace_period(pod: &Value, requested: Option<i64>) -> i64 {
    let spec = at(pod, "spec");
    let period = requested.or_else(|| int(spec, "terminationGracePeriodSeconds")).unwrap_or(0);
    let ended = matches!(text(at(pod, "status"), "phase"), "Failed" | "Succeeded");
    match period {
        _ if text(spec, "nodeName").is_empty() || ended => 0,
        period if period < 0 => 1,
        period => period,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn grace_follows_upstream() {
        let pod = |node: &str, phase: &str| json!({"spec": {"nodeName": node, "terminationGracePeriodSeconds": 30}, "status": {"phase": phase}});
        assert_eq!(grace_period(&pod("n", "Running"), None), 30);
        assert_eq!(grace_period(&pod("n", "Running"), Some(5)), 5);
        assert_eq!(grace_period(&pod("n", "Running"), Some(-1)), 1);
        assert_eq!(grace_period(&pod("", "Pending"), None), 0);
        assert_eq!(grace_period(&pod("n", "Succeeded"), Some(60)), 0);
    }
}
