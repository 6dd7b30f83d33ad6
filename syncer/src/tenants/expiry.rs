//! The end of a tenant that was made for a time: `spec.ttl`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenancy::{Tenant, units};

use super::status::{EXPIRING, Finding, seconds};

/// A tenth of its life before a tenant ends its owner is told, but at most this long.
const LONGEST_NOTICE: Duration = Duration::from_secs(3600);
/// Nobody waits longer than this for an end: clocks are set.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Where a tenant stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It stays until somebody deletes it.
    Never,
    /// It ends at this time; its owner is told from the other time on.
    At(Timestamp, Timestamp),
}

impl Expiry {
    /// The end of a tenant. A ttl that cannot be read (the definition refuses it) ends nothing.
    pub(super) fn of(tenant: &Tenant) -> Self {
        let life = tenant.spec.ttl.as_deref().and_then(units::duration);
        let born = tenant.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let (Some(life), Some(born)) = (life, born) else { return Self::Never };
        let after = |time: Duration| SignedDuration::try_from(time).ok().and_then(|time| born.checked_add(time).ok());
        match (after(life), after(life.saturating_sub((life / 10).min(LONGEST_NOTICE)))) {
            (Some(end), Some(notice)) => Self::At(end, notice),
            // Beyond the end of the calendar.
            _ => Self::Never,
        }
    }

    /// Since when the tenant should be gone.
    pub(super) fn over(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(end, _) if end <= now => Some(end),
            _ => None,
        }
    }

    /// The end, for the status.
    pub(super) fn end(self) -> Option<String> {
        match self {
            Self::At(end, _) => Some(seconds(end)),
            Self::Never => None,
        }
    }

    /// What the owner is told shortly before the end.
    pub(super) fn finding(self, now: Timestamp) -> Option<Finding> {
        match self {
            Self::At(end, notice) if notice <= now => {
                let message = format!("the tenant is deleted at {}; a longer spec.ttl keeps it", seconds(end));
                Some(Finding::holds(EXPIRING, "TTL", message))
            }
            _ => None,
        }
    }

    /// How long until something changes.
    pub(super) fn next_look(self, now: Timestamp) -> Duration {
        let Self::At(end, notice) = self else { return Duration::MAX };
        let next = if notice > now { notice } else { end };
        let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        // Times are compared by the millisecond: not a moment too early.
        (wait + Duration::from_millis(5)).min(LONGEST_WAIT)
    }
}

/// An Event of the host about a Tenant.
pub(super) fn event(tenant: &Tenant, reason: &str, message: &str, now: Timestamp) -> Value {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    let time = seconds(now);
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": { "name": format!("{name}.{:x}", now.as_nanosecond()), "namespace": "default" },
        "involvedObject": { "apiVersion": "rowhouse.dev/v1alpha1", "kind": "Tenant", "name": name, "uid": tenant.metadata.uid },
        "type": "Warning", "reason": reason, "message": message, "count": 1, "firstTimestamp": time, "lastTimestamp": time,
        "source": { "component": "rowhouse" }, "reportingComponent": "rowhouse",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(ttl: &str) -> Tenant {
        let metadata = json!({ "name": "acme", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z" });
        serde_json::from_value(json!({ "metadata": metadata, "spec": { "ttl": ttl } })).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }

    #[test]
    fn a_tenant_ends_after_its_time_and_says_so_before() {
        let expiry = Expiry::of(&tenant("1h"));
        assert_eq!(expiry.end().as_deref(), Some("2026-01-01T01:00:00Z"));
        assert_eq!((expiry.over(at(3599)), expiry.over(at(3600))), (None, Some(at(3600))));
        assert!(expiry.finding(at(3239)).is_none() && expiry.finding(at(3240)).is_some());
        assert_eq!(expiry.next_look(at(0)).as_secs(), 3240);
        assert_eq!(expiry.next_look(at(3240)).as_secs(), 360);
        assert_eq!(expiry.next_look(at(4000)).as_secs(), 0);
        let long = Expiry::of(&tenant("1000h"));
        assert!(long.finding(at(999 * 3600 - 1)).is_none() && long.finding(at(999 * 3600)).is_some());
    }

    #[test]
    fn others_stay() {
        for ttl in ["", "0s", "soon"] {
            assert_eq!(Expiry::of(&tenant(ttl)), Expiry::Never, "{ttl}");
        }
        assert_eq!(Expiry::Never.over(at(1)), None);
        assert_eq!(Expiry::Never.next_look(at(1)), Duration::MAX, "no tenant is looked at for nothing");
    }

    #[test]
    fn events_are_about_the_tenant() {
        let event = event(&tenant("1h"), "Expiring", "soon", at(0));
        assert_eq!(event["involvedObject"]["uid"], "u");
        assert!(event["metadata"]["name"].as_str().unwrap().starts_with("acme."));
    }
}
