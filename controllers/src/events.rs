//! Telling users what happened: core/v1 Events, counted and held within bounds as client-go's recorder does.

mod correlate;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::Client;
use kube::core::ApiResource;
use serde_json::{Value, json};
use tenancy::TenantId;

use crate::client::{self, Objects, Part};
use crate::informer::Raw;
use crate::key::{plain, sibling};
use crate::kinds::events;
use crate::object::timestamp;
use crate::queue::{self, Keyed, Outcome, Queue};

use correlate::{Correlator, Verdict};

/// Most notes of one tenant that wait to be written; further ones are dropped.
const WAITING_MAX: usize = 256;
/// Writers; notes of one tenant occupy at most half of them.
const WORKERS: usize = 4;
/// Attempts to write one note before it is dropped.
const ATTEMPTS_MAX: u32 = 12;

/// Importance of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// For information.
    Normal,
    /// Something went wrong.
    Warning,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The object an event is about; becomes `involvedObject`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Regarding {
    /// `apiVersion` of the object.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Fleet namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Fleet name.
    pub name: String,
    /// Uid of the object.
    pub uid: String,
    /// Version of the object the event speaks of.
    pub resource_version: String,
}

impl Regarding {
    /// The reference to a watched object.
    pub fn raw(kind: &ApiResource, raw: &Raw) -> Self {
        Self {
            api_version: kind.api_version.clone(),
            kind: kind.kind.clone(),
            namespace: raw.namespace().to_owned(),
            name: raw.name().to_owned(),
            uid: raw.uid().to_owned(),
            resource_version: raw.resource_version().to_owned(),
        }
    }

    /// Fleet namespace the event is written to: the object's, or `default` of its tenant.
    fn event_namespace(&self) -> String {
        if self.namespace.is_empty() { sibling(&self.name, "default") } else { self.namespace.clone() }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Text {
    component: &'static str,
    regarding: Regarding,
    level: Level,
    reason: &'static str,
    message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Note(Arc<Text>);

impl Keyed for Note {
    type Lane = Option<TenantId>;

    fn lane(&self) -> Self::Lane {
        tenancy::fleet::split(&self.0.regarding.event_namespace()).map(|(tenant, _)| tenant)
    }
}

#[derive(Clone, Copy)]
struct Tally {
    count: u32,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Default)]
struct Waiting {
    notes: HashMap<Note, Tally>,
    lanes: HashMap<Option<TenantId>, usize>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    correlator: Mutex<Correlator>,
    queue: Queue<Note>,
    objects: Objects,
}

/// Records events without making the caller wait. Cheap to clone; one for all components and tenants.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
    component: &'static str,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// A recorder that reports as `component`. Nothing is written until [`Self::run`] runs.
    pub fn new(client: Client, component: &'static str) -> Self {
        let shared = Shared {
            waiting: Mutex::default(),
            correlator: Mutex::default(),
            queue: Queue::new(WORKERS / 2),
            objects: Objects::new(client, "kube-controller-manager"),
        };
        Self { shared: Arc::new(shared), component }
    }

    /// The same recorder under another component's name.
    pub fn component(&self, component: &'static str) -> Self {
        Self { shared: self.shared.clone(), component }
    }

    /// Records an event; dropped when too many of the tenant wait already.
    pub fn record(&self, regarding: &Regarding, level: Level, reason: &'static str, message: impl Into<String>) {
        let text =
            Text { component: self.component, regarding: regarding.clone(), level, reason, message: message.into() };
        let note = Note(Arc::new(text));
        let now = Timestamp::now();
        let lane = note.lane();
        let mut waiting = lock(&self.shared.waiting);
        let Waiting { notes, lanes } = &mut *waiting;
        if let Some(tally) = notes.get_mut(&note) {
            tally.count = tally.count.saturating_add(1);
            tally.last = now;
        } else {
            let held = lanes.entry(lane).or_default();
            if *held >= WAITING_MAX {
                tracing::debug!(reason, "too many events wait, one dropped");
                return;
            }
            *held += 1;
            notes.insert(note.clone(), Tally { count: 1, first: now, last: now });
        }
        drop(waiting);
        self.shared.queue.add(note);
    }

    /// Writes recorded events until [`Self::close`].
    pub async fn run(&self) {
        let shared = self.shared.clone();
        queue::run(self.shared.queue.clone(), WORKERS, move |note| {
            let shared = shared.clone();
            async move { shared.write(note).await }
        })
        .await;
    }

    /// Ends [`Self::run`]; what waits is dropped.
    pub fn close(&self) {
        self.shared.queue.close();
    }
}

impl Shared {
    fn take(&self, note: &Note) -> Option<Tally> {
        let mut waiting = lock(&self.waiting);
        let tally = waiting.notes.remove(note)?;
        let lane = note.lane();
        if let Some(held) = waiting.lanes.get_mut(&lane) {
            *held -= 1;
            if *held == 0 {
                waiting.lanes.remove(&lane);
            }
        }
        Some(tally)
    }

    fn put_back(&self, note: Note, tally: Tally) {
        let mut waiting = lock(&self.waiting);
        let lane = note.lane();
        let Waiting { notes, lanes } = &mut *waiting;
        notes
            .entry(note)
            .and_modify(|newer| {
                newer.count = newer.count.saturating_add(tally.count);
                newer.first = tally.first;
            })
            .or_insert_with(|| {
                *lanes.entry(lane).or_default() += 1;
                tally
            });
    }

    async fn write(&self, note: Note) -> Outcome {
        let Some(tally) = self.take(&note) else { return Outcome::Done };
        let attempts = self.queue.failures(&note);
        let verdict = lock(&self.correlator).judge(&note.0, tally);
        let result = match &verdict {
            Verdict::Drop => return Outcome::Done,
            Verdict::Create(event) => self.create(&note, event).await,
            Verdict::Count { event, earlier } => {
                let patch = json!({
                    "count": event.count, "lastTimestamp": timestamp(event.last), "message": event.message,
                });
                let namespace = note.0.regarding.event_namespace();
                match self.objects.merge(&events(), (&namespace, earlier), Part::Object, &patch).await {
                    Err(error) if client::is_not_found(&error) => self.create(&note, event).await,
                    other => other.map(|_| ()),
                }
            }
        };
        match result {
            Ok(()) => Outcome::Done,
            Err(error) => {
                lock(&self.correlator).undo(&note.0, &verdict);
                // Without an answer, later; a refusal will not change.
                if matches!(client::code(&error), None | Some(429 | 500..)) && attempts < ATTEMPTS_MAX {
                    self.put_back(note, tally);
                    return Outcome::Retry;
                }
                tracing::debug!(%error, "event refused");
                Outcome::Done
            }
        }
    }

    async fn create(&self, note: &Note, event: &correlate::Event) -> Result<(), kube::Error> {
        let namespace = note.0.regarding.event_namespace();
        self.objects.create(&events(), &namespace, &body(&note.0, event)).await.map(|_| ())
    }
}

fn body(text: &Text, event: &correlate::Event) -> Value {
    let regarding = &text.regarding;
    let mut involved = json!({
        "apiVersion": regarding.api_version, "kind": regarding.kind, "name": plain_name(regarding),
        "uid": regarding.uid, "resourceVersion": regarding.resource_version,
    });
    if !regarding.namespace.is_empty() {
        involved["namespace"] = json!(plain(&regarding.namespace));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event.name},
        "involvedObject": involved,
        "reason": text.reason,
        "message": event.message,
        "source": {"component": text.component},
        "firstTimestamp": timestamp(event.first),
        "lastTimestamp": timestamp(event.last),
        "count": event.count,
        "type": text.level.as_str(),
        "eventTime": null,
        "reportingComponent": text.component,
        "reportingInstance": "",
    })
}

fn plain_name(regarding: &Regarding) -> &str {
    if regarding.namespace.is_empty() { plain(&regarding.name) } else { &regarding.name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;
    use http::Method;

    #[tokio::test(start_paused = true)]
    async fn writes_counts_and_retries() {
        let fake = Fake::default();
        let recorder = Recorder::new(fake.client(), "deployment-controller");
        let namespace = tenancy::fleet::join(TenantId::from_uid("1"), "default");
        let regarding = Regarding {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: namespace.clone(),
            name: "web".into(),
            uid: "u1".into(),
            resource_version: "1".into(),
        };
        let running = tokio::spawn({
            let recorder = recorder.clone();
            async move { recorder.run().await }
        });
        fake.refuse(Method::POST, &events(), 503, "ServiceUnavailable");
        recorder.record(&regarding, Level::Normal, "ScalingReplicaSet", "up");
        fake.eventually("the event", |fake| fake.list(&events()).len() == 1).await;
        recorder.record(&regarding, Level::Normal, "ScalingReplicaSet", "up");
        fake.eventually("the count", |fake| fake.list(&events())[0]["count"] == 2).await;
        assert_eq!(fake.writes(), ["POST events", "POST events", "PATCH events"]);

        let written = fake.list(&events()).remove(0);
        assert_eq!(written["metadata"]["namespace"], namespace.as_str());
        assert_eq!(written["involvedObject"]["namespace"], "default");
        assert_eq!(written["source"]["component"], "deployment-controller");
        assert_eq!(written["reportingComponent"], "deployment-controller");
        let name = written["metadata"]["name"].as_str().unwrap();
        assert!(fake.get(&events(), &namespace, name).is_some());
        recorder.close();
        running.await.unwrap();
    }
}
