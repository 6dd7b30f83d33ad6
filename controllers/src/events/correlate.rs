//! Which notes become new events, which count up an earlier one, and which are too many. client-go's rules
//! (`tools/record/events_cache.go`): equal notes count; of ten or more different messages about one object within ten
//! minutes the rest is combined; beyond 25 a source may write one event about an object every five minutes.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use jiff::Timestamp;

use super::{Tally, Text, plain_name};

/// Entries of each half of a [`Recent`].
const REMEMBERED: usize = 4096;
const COMBINE_FROM: usize = 10;
const COMBINE_WINDOW_SECONDS: i64 = 600;
const BURST: f64 = 25.0;
const REFILL_PER_SECOND: f64 = 1.0 / 300.0;

/// One event as it will be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) message: String,
    pub(super) count: u32,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// What to do with a note.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Too many: write nothing.
    Drop,
    /// Write a new event.
    Create(Event),
    /// Count the earlier event of this name up; if it is gone, write `event`.
    Count { event: Event, earlier: String },
}

/// A map that remembers at least the newest `REMEMBERED` entries and at most twice as many.
struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Eq + Hash, V> Recent<K, V> {
    fn take(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

/// What decides whether two notes are alike: uid, component, level, reason; and the message, unless combined.
type Topic = (String, &'static str, super::Level, &'static str);

struct Similar {
    messages: BTreeSet<String>,
    last: Timestamp,
}

struct Written {
    name: String,
    count: u32,
    first: Timestamp,
}

struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// Memory of what was written, bounded.
#[derive(Default)]
pub(super) struct Correlator {
    similar: Recent<Topic, Similar>,
    written: Recent<(Topic, Option<String>), Written>,
    buckets: Recent<(String, &'static str, super::Level), Bucket>,
}

fn topic(text: &Text) -> Topic {
    (text.regarding.uid.clone() + &text.regarding.name, text.component, text.level, text.reason)
}

impl Correlator {
    /// Decides on a note that happened `tally.count` times, and remembers the decision as carried out.
    pub(super) fn judge(&mut self, text: &Text, tally: Tally) -> Verdict {
        let topic = topic(text);
        let combined = self.is_combined(text, tally.last);
        let (message, key) = if combined {
            (format!("(combined from similar events): {}", text.message), (topic, None))
        } else {
            (text.message.clone(), (topic, Some(text.message.clone())))
        };
        let name = format!("{}.{:x}", plain_name(&text.regarding), tally.first.as_nanosecond());
        let mut event = Event { name, message, count: tally.count, first: tally.first, last: tally.last };
        let earlier = self.written.take(&key);
        let verdict = match earlier {
            None => {
                let Event { name, count, first, .. } = event.clone();
                self.written.put(key, Written { name, count, first });
                Verdict::Create(event)
            }
            Some(Written { name: earlier, count, first }) => {
                event.count = count.saturating_add(tally.count);
                event.first = first;
                self.written.put(key, Written { name: earlier.clone(), count: event.count, first });
                Verdict::Count { event, earlier }
            }
        };
        if self.spend(text, tally.last) { verdict } else { Verdict::Drop }
    }

    /// Takes back what [`Self::judge`] remembered of a write that failed.
    pub(super) fn undo(&mut self, text: &Text, verdict: &Verdict) {
        if let Verdict::Create(event) | Verdict::Count { event, .. } = verdict {
            let combined = event.message != text.message;
            self.written.take(&(topic(text), (!combined).then(|| text.message.clone())));
        }
    }

    fn is_combined(&mut self, text: &Text, now: Timestamp) -> bool {
        let topic = topic(text);
        let mut similar = self
            .similar
            .take(&topic)
            .filter(|similar| now.as_second() - similar.last.as_second() <= COMBINE_WINDOW_SECONDS)
            .unwrap_or_else(|| Similar { messages: BTreeSet::new(), last: now });
        similar.messages.insert(text.message.clone());
        similar.last = now;
        let combined = similar.messages.len() >= COMBINE_FROM;
        if combined {
            similar.messages.pop_first();
        }
        self.similar.put(topic, similar);
        combined
    }

    fn spend(&mut self, text: &Text, now: Timestamp) -> bool {
        let key = (text.regarding.uid.clone() + &text.regarding.name, text.component, text.level);
        let mut bucket = self.buckets.take(&key).unwrap_or(Bucket { tokens: BURST, at: now });
        let idle = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + idle * REFILL_PER_SECOND).min(BURST);
        bucket.at = now;
        let enough = bucket.tokens >= 1.0;
        if enough {
            bucket.tokens -= 1.0;
        }
        self.buckets.put(key, bucket);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Level, Regarding};
    use super::*;

    fn text(message: &str) -> Text {
        let regarding = Regarding {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: "default".into(),
            name: "web".into(),
            uid: "u1".into(),
            resource_version: "1".into(),
        };
        Text { component: "test", regarding, level: Level::Normal, reason: "Scaled", message: message.into() }
    }

    fn at(second: i64) -> Tally {
        let time = Timestamp::from_second(second).unwrap();
        Tally { count: 1, first: time, last: time }
    }

    #[test]
    fn equal_notes_count_up_the_first_event() {
        let mut correlator = Correlator::default();
        let Verdict::Create(first) = correlator.judge(&text("up"), at(255)) else { panic!("a new event") };
        assert_eq!(first.name, "web.3b5f2f3600");
        let Verdict::Count { event, earlier } = correlator.judge(&text("up"), Tally { count: 3, ..at(300) }) else {
            panic!("counts")
        };
        assert_eq!((event.count, event.first.as_second(), earlier), (4, 255, first.name));
        assert!(matches!(correlator.judge(&text("down"), at(301)), Verdict::Create(_)));
    }

    #[test]
    fn a_failed_write_is_forgotten() {
        let mut correlator = Correlator::default();
        let verdict = correlator.judge(&text("up"), at(1));
        correlator.undo(&text("up"), &verdict);
        assert!(matches!(correlator.judge(&text("up"), at(2)), Verdict::Create(_)));
    }

    #[test]
    fn many_similar_messages_are_combined_and_then_throttled() {
        let mut correlator = Correlator::default();
        for n in 0..9 {
            let verdict = correlator.judge(&text(&format!("m{n}")), at(1));
            assert!(matches!(verdict, Verdict::Create(e) if e.message == format!("m{n}")));
        }
        let verdict = correlator.judge(&text("m9"), at(1));
        assert!(matches!(verdict, Verdict::Create(e) if e.message == "(combined from similar events): m9"));
        for n in 10..25 {
            let verdict = correlator.judge(&text(&format!("m{n}")), at(1));
            assert!(matches!(verdict, Verdict::Count { .. }), "{n}: {verdict:?}");
        }
        assert_eq!(correlator.judge(&text("m25"), at(1)), Verdict::Drop);
        assert_ne!(correlator.judge(&text("m26"), at(302)), Verdict::Drop, "one more after five minutes");
    }
}
