//! The window of recent changes: what lets watches resume and lists answer at an earlier revision.

use crate::key::Collection;
use crate::object::Object;
use crate::revision::Revision;
use crate::watch::Event;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenancy::TenantId;

/// How far back watches resume and lists reach. What is beyond any of the three bounds is forgotten, in memory and by
/// the engine.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimits {
    /// Changes kept; each takes some 60 bytes besides those below.
    pub events: usize,
    /// Bytes of superseded objects kept for them.
    pub bytes: u64,
    /// Age of the oldest change; upstream compacts etcd every five minutes.
    pub age: Duration,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self { events: 262_144, bytes: 64 << 20, age: Duration::from_secs(300) }
    }
}

/// Whether a change made its tenant exist in the fleet view (first row) or vanish (last row).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Unchanged,
    Born,
    Died,
}

/// One change, as a tenant sees it: base layer included.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) revision: Revision,
    pub(crate) tenant: TenantId,
    pub(crate) life: Life,
    pub(crate) collection: Collection,
    pub(crate) old: Option<Arc<Object>>,
    pub(crate) new: Option<Arc<Object>>,
    /// The final state of a deletion, when it was not that of `old`.
    pub(crate) last: Option<Arc<Object>>,
}

impl Record {
    /// The change for watchers. `None`: nothing visible changed.
    pub(crate) fn event(&self) -> Option<Event> {
        let old = match (&self.new, &self.last, &self.old) {
            (Some(_), _, old) => old.clone(),
            (None, Some(last), _) => Some(last.clone()),
            (None, None, old) => Some(old.as_ref()?.at(self.revision)),
        };
        Some(Event::new(self.revision, old, self.new.clone()))
    }

    /// The namespace of the object.
    pub(crate) fn namespace(&self) -> &str {
        self.new.as_ref().or(self.old.as_ref()).or(self.last.as_ref()).map_or("", |object| &object.key().namespace)
    }

    fn weight(&self) -> u64 {
        let size = |object: &Option<Arc<Object>>| object.as_ref().map_or(0, |object| object.size());
        size(&self.old) + size(&self.last)
    }
}

/// The ring of records; everything after `floor` is in it.
pub(crate) struct History {
    limits: HistoryLimits,
    records: VecDeque<Record>,
    bytes: u64,
    floor: Revision,
    marks: VecDeque<(Instant, Revision)>,
}

impl History {
    pub(crate) fn new(limits: HistoryLimits) -> Self {
        Self { limits, records: VecDeque::new(), bytes: 0, floor: Revision::FIRST, marks: VecDeque::new() }
    }

    /// Changes up to and including this revision are forgotten.
    pub(crate) fn floor(&self) -> Revision {
        self.floor
    }

    /// Forgets everything up to a revision.
    pub(crate) fn raise_floor(&mut self, floor: Revision) {
        while self.records.front().is_some_and(|record| record.revision <= floor) {
            self.forget();
        }
        self.floor = self.floor.max(floor);
    }

    pub(crate) fn push(&mut self, record: Record) {
        if record.revision <= self.floor {
            return;
        }
        self.bytes += record.weight();
        self.records.push_back(record);
        while self.records.len() > self.limits.events || self.bytes > self.limits.bytes {
            self.forget();
        }
    }

    /// Forgets what is older than the age limit. Called every few seconds; `now` is the newest revision.
    pub(crate) fn age(&mut self, clock: Instant, now: Revision) {
        while let Some((marked, revision)) = self.marks.front().copied() {
            if clock.saturating_duration_since(marked) < self.limits.age {
                break;
            }
            self.marks.pop_front();
            self.raise_floor(revision);
        }
        if self.marks.back().is_none_or(|(_, revision)| *revision < now) {
            self.marks.push_back((clock, now));
        }
        if self.records.capacity() > 64 && self.records.len() * 4 < self.records.capacity() {
            self.records.shrink_to(self.records.len() * 2);
        }
    }

    /// The records after a revision, oldest first.
    pub(crate) fn after(&self, revision: Revision) -> impl DoubleEndedIterator<Item = &Record> {
        let start = self.records.partition_point(|record| record.revision <= revision);
        self.records.range(start..)
    }

    fn forget(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes -= record.weight();
            self.floor = self.floor.max(record.revision);
        }
    }
}
