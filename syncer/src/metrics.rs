//! What the syncer tells about itself.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabel {
    kind: &'static str,
    action: &'static str,
    outcome: &'static str,
}

/// Counters and histograms of the sync. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    lag: Family<KindLabel, Histogram>,
    steps: Family<KindLabel, Counter>,
    actions: Family<WriteLabel, Counter>,
    refused: Family<KindLabel, Counter>,
    held: Counter,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("rowhouse_syncer");
        let lag = Family::new_with_constructor(lag_histogram as fn() -> Histogram);
        let (steps, actions) = (Family::default(), Family::default());
        let (refused, held, leader) = (Family::default(), Counter::default(), Gauge::default());
        registry.register("lag_seconds", "From seeing a change to having acted on it", lag.clone());
        registry.register("steps", "Looks at an object", steps.clone());
        registry.register("actions", "Writes to the host and to tenants", actions.clone());
        registry.register("refused", "Objects that could not be brought to the host", refused.clone());
        registry.register("held_deletes", "Deletes of host objects held back by the limit", held.clone());
        registry.register("leader", "1 while this process does the work, 0 while it stands by", leader.clone());
        Self { registry: Arc::new(Mutex::new(registry)), lag, steps, actions, refused, held, leader }
    }
}

/// From a millisecond to half a minute.
fn lag_histogram() -> Histogram {
    Histogram::new(prometheus_client::metrics::histogram::exponential_buckets(0.001, 2.0, 16))
}

impl Metrics {
    /// All metrics in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner)).is_err() {
            // Writing to a String does not fail; a metric that cannot be written leaves a note instead of nothing.
            let _ = writeln!(text, "# incomplete");
        }
        text
    }

    /// This process does the work from now on.
    pub fn lead(&self) {
        self.leader.set(1);
    }

    pub(crate) fn stepped(&self, kind: &'static str, since: Option<Instant>) {
        self.steps.get_or_create(&KindLabel { kind }).inc();
        if let Some(since) = since {
            self.lag.get_or_create(&KindLabel { kind }).observe(since.elapsed().as_secs_f64());
        }
    }

    pub(crate) fn acted(&self, kind: &'static str, action: &'static str, outcome: &'static str) {
        self.actions.get_or_create(&WriteLabel { kind, action, outcome }).inc();
    }

    pub(crate) fn refuse(&self, kind: &'static str) {
        self.refused.get_or_create(&KindLabel { kind }).inc();
    }

    pub(crate) fn hold(&self) {
        self.held.inc();
    }
}

/// When a key was first asked for.
pub(crate) struct Stopwatch<K> {
    since: Mutex<HashMap<K, Instant>>,
}

impl<K> Default for Stopwatch<K> {
    fn default() -> Self {
        Self { since: Mutex::default() }
    }
}

impl<K: Eq + Hash + Clone> Stopwatch<K> {
    /// Starts, unless it runs already.
    pub(crate) fn start(&self, key: &K) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.entry(key.clone()).or_insert_with(Instant::now);
    }

    /// Stops.
    pub(crate) fn stop(&self, key: &K) -> Option<Instant> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_text() {
        let metrics = Metrics::default();
        metrics.stepped("Pod", Some(Instant::now()));
        metrics.acted("Pod", "create", "ok");
        metrics.refuse("Pod");
        metrics.hold();
        let text = metrics.render();
        for part in ["rowhouse_syncer_steps_total{kind=\"Pod\"} 1", "held_deletes_total 1", "outcome=\"ok\"", "# EOF"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
