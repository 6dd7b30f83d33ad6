//! An API in memory for tests: any kind, list and watch with resume, create, update, merge patch and delete.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::Client;
use kube::client::Body;
use kube::core::ApiResource;
use serde_json::{Value, json};
use tokio::sync::watch;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

#[derive(Clone)]
struct Event {
    version: u64,
    plural: String,
    line: String,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<(String, String, String), Value>,
    log: Vec<Event>,
    version: u64,
    compacted: u64,
    epoch: u64,
    refusals: Vec<(Method, String, u16, &'static str)>,
    requests: Vec<String>,
}

/// The API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
}

impl Default for Fake {
    fn default() -> Self {
        Self { state: Arc::default(), changed: watch::Sender::new(0) }
    }
}

struct Target {
    plural: String,
    namespace: String,
    name: Option<String>,
    status: bool,
}

fn target(path: &str) -> Target {
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    parts.drain(..if parts[0] == "api" { 2 } else { 3 });
    let namespace = if parts[0] == "namespaces" && parts.len() > 2 {
        let namespace = parts[1].to_owned();
        parts.drain(..2);
        namespace
    } else {
        String::new()
    };
    let status = parts.last() == Some(&"status");
    Target { plural: parts[0].to_owned(), namespace, name: parts.get(1).map(|s| (*s).to_owned()), status }
}

fn json_answer(code: u16, value: &Value) -> Answer {
    let body = Full::new(Bytes::from(value.to_string())).boxed_unsync();
    Response::builder().status(StatusCode::from_u16(code).unwrap()).body(body).unwrap()
}

fn failure(code: u16, reason: &str) -> Answer {
    json_answer(
        code,
        &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": format!("refused: {reason}"), "metadata": {}}),
    )
}

impl Fake {
    /// A client of this API.
    pub(crate) fn client(&self) -> Client {
        let fake = self.clone();
        Client::new(
            tower::service_fn(move |request: Request<Body>| {
                let fake = fake.clone();
                async move { Ok::<_, Infallible>(fake.answer(request).await) }
            }),
            "default",
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Stores an object as if somebody had written it; sets the uid if absent and the version.
    pub(crate) fn put(&self, kind: &ApiResource, object: Value) -> Value {
        self.state().store(&kind.plural, object, &self.changed)
    }

    pub(crate) fn remove(&self, kind: &ApiResource, namespace: &str, name: &str) {
        self.state().delete(&kind.plural, namespace, name, &self.changed);
    }

    pub(crate) fn get(&self, kind: &ApiResource, namespace: &str, name: &str) -> Option<Value> {
        self.state().objects.get(&(kind.plural.clone(), namespace.to_owned(), name.to_owned())).cloned()
    }

    pub(crate) fn list(&self, kind: &ApiResource) -> Vec<Value> {
        self.state().objects.iter().filter(|(key, _)| key.0 == kind.plural).map(|(_, o)| o.clone()).collect()
    }

    /// Every write so far, as `METHOD plural`.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Refuses the next request of this method and resource.
    pub(crate) fn refuse(&self, method: Method, kind: &ApiResource, code: u16, reason: &'static str) {
        self.state().refusals.push((method, kind.plural.clone(), code, reason));
    }

    /// Ends all watches and loses their history; `meanwhile` happens unseen.
    pub(crate) fn interrupt(&self, meanwhile: impl FnOnce(&Self)) {
        self.state().epoch += 1;
        meanwhile(self);
        let mut state = self.state();
        state.log.clear();
        state.compacted = state.version;
        self.changed.send_modify(|n| *n += 1);
    }

    /// Waits until `condition` holds, looking after every write; on paused time this cannot hang a test for real.
    pub(crate) async fn eventually(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let mut changed = self.changed.subscribe();
        let wait = async {
            while !condition(self) {
                changed.changed().await.unwrap();
            }
        };
        let limit = std::time::Duration::from_secs(3600);
        assert!(tokio::time::timeout(limit, wait).await.is_ok(), "never happened: {what}");
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let target = target(parts.uri.path());
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned().collect();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut state = self.state();
        if parts.method != Method::GET {
            state.requests.push(format!("{} {}", parts.method, target.plural));
        }
        let refused = state.refusals.iter().position(|r| r.0 == parts.method && r.1 == target.plural);
        if let Some(at) = refused {
            let (_, _, code, reason) = state.refusals.remove(at);
            return failure(code, reason);
        }
        if parts.uri.path().ends_with("/token") {
            let name = target.name.unwrap_or_default();
            return json_answer(201, &json!({"status": {"token": format!("signed for {name}")}}));
        }
        match (parts.method, &target.name) {
            (Method::GET, None) if query.get("watch").is_some_and(|w| w == "true" || w == "1") => {
                drop(state);
                self.watch(target.plural, &query)
            }
            (Method::GET, None) => state.list(&target),
            (Method::GET, Some(name)) => state.read(&target, name),
            (Method::POST, None) => state.create(&target, body, &self.changed),
            (Method::DELETE, Some(name)) => {
                match state.delete(&target.plural, &target.namespace, name, &self.changed) {
                    Some(object) => json_answer(200, &object),
                    None => failure(404, "NotFound"),
                }
            }
            (method, Some(name)) => state.write(&method, &target, name, &body, &self.changed),
            _ => failure(405, "MethodNotAllowed"),
        }
    }

    fn watch(&self, plural: String, query: &BTreeMap<String, String>) -> Answer {
        let state = self.state();
        let from: u64 = query.get("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(0);
        let mut lines = Vec::new();
        let mut cursor = from;
        if query.get("sendInitialEvents").is_some_and(|v| v == "true") {
            let objects = state.objects.iter().filter(|(key, _)| key.0 == plural);
            lines.extend(objects.map(|(_, o)| format!("{{\"type\":\"ADDED\",\"object\":{o}}}\n")));
            let bookmark = json!({"kind": "X", "apiVersion": "v1", "metadata": {
                "resourceVersion": state.version.to_string(),
                "annotations": {"k8s.io/initial-events-end": "true"}}});
            lines.push(format!("{{\"type\":\"BOOKMARK\",\"object\":{bookmark}}}\n"));
            cursor = state.version;
        } else if from < state.compacted {
            return failure(410, "Expired");
        }
        let epoch = state.epoch;
        drop(state);
        let seed = (self.clone(), self.changed.subscribe(), cursor, lines);
        let frames = stream::unfold(seed, move |(fake, mut changed, mut cursor, mut lines)| {
            let plural = plural.clone();
            async move {
                loop {
                    if !lines.is_empty() {
                        let line = lines.remove(0);
                        let frame = Ok::<_, Infallible>(Frame::data(Bytes::from(line)));
                        return Some((frame, (fake, changed, cursor, lines)));
                    }
                    {
                        changed.borrow_and_update();
                        let state = fake.state();
                        if state.epoch != epoch {
                            return None;
                        }
                        let new = state.log.iter().filter(|e| e.version > cursor && e.plural == plural);
                        lines.extend(new.map(|e| e.line.clone()));
                        cursor = state.version;
                    }
                    if lines.is_empty() && changed.changed().await.is_err() {
                        return None;
                    }
                }
            }
        });
        Response::new(StreamBody::new(frames).boxed_unsync())
    }
}

impl State {
    fn store(&mut self, plural: &str, mut object: Value, changed: &watch::Sender<u64>) -> Value {
        self.version += 1;
        let version = self.version;
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let key = (plural.to_owned(), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.insert("resourceVersion".into(), json!(version.to_string()));
        metadata.entry("uid").or_insert(json!(format!("uid-{version}")));
        metadata.entry("creationTimestamp").or_insert(json!("2026-01-01T00:00:00Z"));
        let kind = if self.objects.insert(key, object.clone()).is_some() { "MODIFIED" } else { "ADDED" };
        self.record(plural, kind, &object, changed);
        object
    }

    fn record(&mut self, plural: &str, kind: &str, object: &Value, changed: &watch::Sender<u64>) {
        let line = format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n");
        self.log.push(Event { version: self.version, plural: plural.to_owned(), line });
        changed.send_modify(|n| *n += 1);
    }

    fn delete(&mut self, plural: &str, namespace: &str, name: &str, changed: &watch::Sender<u64>) -> Option<Value> {
        let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        if is_held(self.objects.get(&key)?) {
            let mut object = self.objects.get(&key)?.clone();
            if object["metadata"]["deletionTimestamp"].is_null() {
                object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                return Some(self.store(plural, object, changed));
            }
            return Some(object);
        }
        let mut object = self.objects.remove(&key)?;
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.record(plural, "DELETED", &object, changed);
        Some(object)
    }

    fn list(&self, target: &Target) -> Answer {
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(key, _)| key.0 == target.plural && (target.namespace.is_empty() || key.1 == target.namespace))
            .map(|(_, object)| object)
            .collect();
        let metadata = json!({"resourceVersion": self.version.to_string()});
        json_answer(200, &json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}))
    }

    fn read(&self, target: &Target, name: &str) -> Answer {
        match self.objects.get(&(target.plural.clone(), target.namespace.clone(), name.to_owned())) {
            Some(object) => json_answer(200, object),
            None => failure(404, "NotFound"),
        }
    }

    fn create(&mut self, target: &Target, mut body: Value, changed: &watch::Sender<u64>) -> Answer {
        if let Some(prefix) = body["metadata"]["generateName"].as_str().filter(|_| body["metadata"]["name"].is_null()) {
            body["metadata"]["name"] = json!(format!("{prefix}{:05}", self.version));
        }
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if self.objects.contains_key(&(target.plural.clone(), target.namespace.clone(), name)) {
            return failure(409, "AlreadyExists");
        }
        if !target.namespace.is_empty() {
            body["metadata"]["namespace"] = json!(target.namespace);
        }
        json_answer(201, &self.store(&target.plural, body, changed))
    }

    fn write(
        &mut self,
        method: &Method,
        target: &Target,
        name: &str,
        body: &Value,
        changed: &watch::Sender<u64>,
    ) -> Answer {
        let key = (target.plural.clone(), target.namespace.clone(), name.to_owned());
        let Some(held) = self.objects.get(&key) else { return failure(404, "NotFound") };
        for field in ["resourceVersion", "uid"] {
            let wanted = &body["metadata"][field];
            if !wanted.is_null() && *wanted != held["metadata"][field] {
                return failure(409, "Conflict");
            }
        }
        let mut object = held.clone();
        let dropped = &body["metadata"]["$deleteFromPrimitiveList/finalizers"];
        if let Some(dropped) = dropped.as_array() {
            let finalizers = object["metadata"]["finalizers"].as_array_mut();
            finalizers.into_iter().for_each(|all| all.retain(|finalizer| !dropped.contains(finalizer)));
        } else if *method == Method::PATCH {
            json_patch::merge(&mut object, body);
        } else {
            object = body.clone();
        }
        if target.status {
            let mut with_status = held.clone();
            with_status["status"] = object["status"].take();
            object = with_status;
        } else if !held["status"].is_null() {
            object["status"] = held["status"].clone();
        }
        if object == *held {
            return json_answer(200, held);
        }
        if object["spec"] != held["spec"] {
            let generation = held["metadata"]["generation"].as_i64().unwrap_or(1);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        let going = !object["metadata"]["deletionTimestamp"].is_null();
        let object = self.store(&target.plural, object, changed);
        if going && !is_held(&object) {
            self.delete(&target.plural, &target.namespace, name, changed);
        }
        json_answer(200, &object)
    }
}

fn is_held(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}
