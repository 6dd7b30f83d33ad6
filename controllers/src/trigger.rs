//! When the change happened that endpoints are written for: `endpoints.kubernetes.io/last-change-trigger-time`, from
//! which others measure how long programming a network takes (upstream `TriggerTimeTracker`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::key::Key;
use crate::object::parse_time;
use crate::pod::Pod;
use crate::service::Service;

/// The annotation.
pub(crate) const ANNOTATION: &str = "endpoints.kubernetes.io/last-change-trigger-time";

#[derive(Default)]
struct Seen {
    service: Option<Timestamp>,
    pods: HashMap<String, Timestamp>,
}

/// The times seen at the last look at each Service.
#[derive(Default)]
pub(crate) struct TriggerTimes {
    services: Mutex<HashMap<Key, Seen>>,
}

impl TriggerTimes {
    /// The earliest time that is new since the last look; at the first look the Service's creation.
    pub(crate) fn look(&self, key: &Key, service: &Service, pods: &[Pod]) -> Option<Timestamp> {
        let times = pods.iter().filter_map(|pod| Some((pod.meta.name.clone(), pod.ready_changed()?)));
        let seen = Seen { service: parse_time(&service.meta.creation_timestamp), pods: times.collect() };
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = services.get(key) else {
            let created = seen.service;
            services.insert(key.clone(), seen);
            return created;
        };
        let newer = |time: Timestamp, before: Option<&Timestamp>| before.is_none_or(|before| time > *before);
        let pods = seen.pods.iter().filter(|(name, time)| newer(**time, before.pods.get(*name))).map(|(_, time)| *time);
        let service = seen.service.filter(|time| newer(*time, before.service.as_ref()));
        let earliest = pods.chain(service).min();
        services.insert(key.clone(), seen);
        earliest
    }

    /// The Service is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.services.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::{pod, service};
    use serde_json::json;

    #[test]
    fn the_earliest_new_time_counts() {
        let times = TriggerTimes::default();
        let (key, service) = (Key::new("n", "web"), service(&json!({})));
        let ready = |name: &str, second: &str| {
            pod(
                name,
                "10.0.0.1",
                &json!({"status": {"conditions": [{"type": "Ready", "status": "False",
                "lastTransitionTime": format!("2026-01-01T00:00:{second}Z")}]}}),
            )
        };
        let at = |second: &str| Some(format!("2026-01-01T00:00:{second}Z").parse().unwrap());
        assert_eq!(times.look(&key, &service, &[ready("a", "10")]), at("00"), "first: the Service's creation");
        assert_eq!(times.look(&key, &service, &[ready("a", "10")]), None);
        let pods = [ready("a", "30"), ready("b", "20")];
        assert_eq!(times.look(&key, &service, &pods), at("20"));
        times.forget(&key);
        assert_eq!(times.look(&key, &service, &pods), at("00"));
    }
}
