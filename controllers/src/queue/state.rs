//! The state of a work queue: plain data, no waiting.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

use super::Keyed;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ready,
    Running,
    /// Running, and added again meanwhile.
    RunningDirty,
}

struct Lane<K> {
    ready: VecDeque<K>,
    running: usize,
    /// Whether the lane stands in the rotation.
    queued: bool,
}

impl<K> Default for Lane<K> {
    fn default() -> Self {
        Self { ready: VecDeque::new(), running: 0, queued: false }
    }
}

pub(super) struct State<K: Keyed> {
    keys: HashMap<K, Stage>,
    lanes: HashMap<K::Lane, Lane<K>>,
    rotation: VecDeque<K::Lane>,
    /// By time; the number keeps keys of one instant in order.
    delayed: BTreeMap<(Instant, u64), K>,
    due: HashMap<K, (Instant, u64)>,
    failures: HashMap<K, u32>,
    sequence: u64,
    ready: usize,
    lane_limit: usize,
    pub(super) closed: bool,
}

impl<K: Keyed> State<K> {
    pub(super) fn new(lane_limit: usize) -> Self {
        Self {
            keys: HashMap::new(),
            lanes: HashMap::new(),
            rotation: VecDeque::new(),
            delayed: BTreeMap::new(),
            due: HashMap::new(),
            failures: HashMap::new(),
            sequence: 0,
            ready: 0,
            lane_limit,
            closed: false,
        }
    }

    pub(super) fn add(&mut self, key: K) {
        if self.closed {
            return;
        }
        match self.keys.get_mut(&key) {
            Some(stage @ Stage::Running) => *stage = Stage::RunningDirty,
            Some(_) => {}
            None => {
                self.keys.insert(key.clone(), Stage::Ready);
                self.make_ready(key);
            }
        }
    }

    fn make_ready(&mut self, key: K) {
        let lane = key.lane();
        self.lanes.entry(lane.clone()).or_default().ready.push_back(key);
        self.ready += 1;
        self.enqueue_lane(&lane);
    }

    fn enqueue_lane(&mut self, lane: &K::Lane) {
        let limit = self.lane_limit;
        let Some(state) = self.lanes.get_mut(lane) else { return };
        if state.ready.is_empty() && state.running == 0 {
            self.lanes.remove(lane);
        } else if !state.queued && !state.ready.is_empty() && state.running < limit {
            state.queued = true;
            self.rotation.push_back(lane.clone());
        }
    }

    pub(super) fn add_at(&mut self, key: K, at: Instant) {
        if self.closed {
            return;
        }
        if let Some(held) = self.due.get(&key) {
            if held.0 <= at {
                return;
            }
            self.delayed.remove(held);
        }
        self.sequence += 1;
        self.due.insert(key.clone(), (at, self.sequence));
        self.delayed.insert((at, self.sequence), key);
    }

    /// Moves what has become due to the ready keys.
    pub(super) fn promote(&mut self, now: Instant) {
        while let Some(entry) = self.delayed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let key = entry.remove();
            self.due.remove(&key);
            self.add(key);
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn take(&mut self) -> Option<K> {
        let lane = self.rotation.pop_front()?;
        let state = self.lanes.get_mut(&lane)?;
        state.queued = false;
        let key = state.ready.pop_front()?;
        state.running += 1;
        self.ready -= 1;
        self.keys.insert(key.clone(), Stage::Running);
        self.enqueue_lane(&lane);
        Some(key)
    }

    pub(super) fn done(&mut self, key: &K) {
        let Some(stage) = self.keys.get(key).copied() else { return };
        if stage == Stage::Ready {
            return;
        }
        let lane = key.lane();
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.running -= 1;
        }
        if stage == Stage::RunningDirty {
            self.keys.insert(key.clone(), Stage::Ready);
            self.make_ready(key.clone());
        } else {
            self.keys.remove(key);
            self.enqueue_lane(&lane);
        }
    }

    /// Counts a failure; returns how many there were before.
    pub(super) fn fail(&mut self, key: &K) -> u32 {
        let failures = self.failures.entry(key.clone()).or_default();
        *failures = failures.saturating_add(1);
        *failures - 1
    }

    pub(super) fn forget(&mut self, key: &K) {
        self.failures.remove(key);
    }

    pub(super) fn failures(&self, key: &K) -> u32 {
        self.failures.get(key).copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.ready
    }
}
