//! What a Tenant's status says, computed from what was found.

use jiff::Timestamp;
use tenancy::{Condition, Phase, SecretRef, TenantStatus};

/// Condition: the API is served and its kubeconfig is there.
pub(crate) const READY: &str = "Ready";
/// Condition: the host namespace is there, with its walls.
pub(crate) const HOST_NAMESPACE_READY: &str = "HostNamespaceReady";
/// Condition: pods of the tenant reach its API.
pub(crate) const API_REACHABLE: &str = "APIReachableFromPods";
/// Condition: deletes of host objects are being held back.
pub(crate) const DELETES_HELD: &str = "DeletesHeld";

/// Condition: the tenant's time is almost over.
pub(crate) const EXPIRING: &str = "Expiring";

/// One answer to one question about a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Type of the condition.
    pub(crate) about: &'static str,
    /// The answer.
    pub(crate) verdict: Verdict,
    /// Machine-readable reason.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It holds.
    True,
    /// It does not, and this will change by itself.
    NotYet,
    /// It does not, and somebody has to act.
    Stuck,
}

impl Finding {
    /// Something holds.
    pub(crate) fn holds(about: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::True, reason, message: message.into() }
    }

    /// Something does not hold yet.
    pub(crate) fn not_yet(about: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::NotYet, reason, message: message.into() }
    }

    /// Something does not hold until somebody acts.
    pub(crate) fn stuck(about: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { about, verdict: Verdict::Stuck, reason, message: message.into() }
    }
}

/// Facts of a status beside its conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Served {
    /// Tenant id.
    pub(crate) id: String,
    /// URL of its API.
    pub(crate) endpoint: String,
    /// Its host namespace.
    pub(crate) host_namespace: String,
    /// When its time is over.
    pub(crate) expires_at: Option<String>,
    /// Its kubeconfig.
    pub(crate) kubeconfig: Option<SecretRef>,
}

/// The status to write. Conditions that are not among the findings stay, except [`DELETES_HELD`] and [`EXPIRING`], which
/// go when they are over; times of transition stay while the answer does.
pub(crate) fn status(
    before: &TenantStatus,
    served: Served,
    findings: &[Finding],
    generation: Option<i64>,
    now: Timestamp,
) -> TenantStatus {
    let mut conditions: Vec<Condition> = before
        .conditions
        .iter()
        .filter(|old| old.type_ != DELETES_HELD && old.type_ != EXPIRING)
        .filter(|old| !findings.iter().any(|finding| finding.about == old.type_))
        .cloned()
        .collect();
    for finding in findings {
        let status = if finding.verdict == Verdict::True { "True" } else { "False" };
        let old = before.conditions.iter().find(|old| old.type_ == finding.about && old.status == status);
        conditions.push(Condition {
            type_: finding.about.to_owned(),
            status: status.to_owned(),
            reason: finding.reason.to_owned(),
            message: finding.message.clone(),
            last_transition_time: old.map_or_else(|| seconds(now), |old| old.last_transition_time.clone()),
            observed_generation: generation,
        });
    }
    conditions.sort_by_key(|condition| order(&condition.type_));
    let is_ready = conditions.iter().any(|one| one.type_ == READY && one.status == "True");
    let is_stuck =
        findings.iter().any(|one| one.verdict == Verdict::Stuck && matches!(one.about, READY | HOST_NAMESPACE_READY));
    let phase = match (is_stuck, is_ready) {
        (true, _) => Phase::Failed,
        (false, true) => Phase::Ready,
        (false, false) => Phase::Pending,
    };
    TenantStatus {
        phase: Some(phase),
        id: Some(served.id),
        endpoint: Some(served.endpoint),
        host_namespace: Some(served.host_namespace),
        expires_at: served.expires_at,
        kubeconfig_secret_ref: served.kubeconfig.or_else(|| before.kubeconfig_secret_ref.clone()),
        conditions,
    }
}

fn order(about: &str) -> usize {
    [READY, HOST_NAMESPACE_READY, API_REACHABLE].iter().position(|known| *known == about).unwrap_or(usize::MAX)
}

/// A time as Kubernetes writes it.
pub(crate) fn seconds(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn phases_follow_the_findings() {
        let cases = [
            (vec![Finding::holds(READY, "Served", "")], Phase::Ready),
            (
                vec![Finding::holds(READY, "Served", ""), Finding::not_yet(HOST_NAMESPACE_READY, "Wait", "")],
                Phase::Ready,
            ),
            (
                vec![Finding::holds(READY, "Served", ""), Finding::stuck(HOST_NAMESPACE_READY, "Taken", "")],
                Phase::Failed,
            ),
            (vec![Finding::holds(READY, "Served", ""), Finding::stuck(API_REACHABLE, "No", "")], Phase::Ready),
            (vec![Finding::not_yet(READY, "Wait", "")], Phase::Pending),
            (vec![], Phase::Pending),
        ];
        for (findings, phase) in cases {
            let status = status(&TenantStatus::default(), Served::default(), &findings, None, at(0));
            assert_eq!(status.phase, Some(phase), "{findings:?}");
        }
    }

    #[test]
    fn transition_times_stay_while_the_answer_does() {
        let held = Finding::stuck(DELETES_HELD, "Limit", "");
        let first =
            status(&TenantStatus::default(), Served::default(), &[Finding::holds(READY, "A", ""), held], None, at(0));
        let second = status(&first, Served::default(), &[Finding::holds(READY, "B", "")], None, at(60));
        assert_eq!(second.conditions.len(), 1);
        assert_eq!(second.conditions[0].last_transition_time, "1970-01-01T00:00:00Z");
        assert_eq!(second.conditions[0].reason, "B");
        let third = status(&second, Served::default(), &[Finding::not_yet(READY, "C", "")], Some(3), at(61));
        assert_eq!(third.conditions[0].last_transition_time, "1970-01-01T00:01:01Z");
        assert_eq!(third.conditions[0].observed_generation, Some(3));
    }
}
