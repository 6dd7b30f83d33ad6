//! Events as a watch shows them: JSON lines or length-prefixed protobuf, in the form asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};
use store::{Event, Object, Revision};

use crate::read::group_version;
use crate::respond::{self, Accept, Encoding, Error, Form, Lens, Rows, partial};
use crate::select::Selection;

/// Annotation on the bookmark that ends the initial events (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Encodes events; what is ready waits in a queue.
pub(super) struct Frames {
    pub(super) lens: Lens,
    pub(super) selection: Selection,
    accept: Accept,
    rows: Rows,
    headings_sent: bool,
    ready: VecDeque<Bytes>,
}

impl Frames {
    pub(super) fn new(lens: Lens, selection: Selection, accept: Accept, rows: Rows) -> Self {
        Self { lens, selection, accept, rows, headings_sent: false, ready: VecDeque::new() }
    }

    /// Everything that is ready, as one chunk.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.ready.len() <= 1 {
            return self.ready.pop_front();
        }
        let size = self.ready.iter().map(Bytes::len).sum();
        let mut chunk = BytesMut::with_capacity(size);
        self.ready.drain(..).for_each(|bytes| chunk.put(bytes));
        Some(chunk.freeze())
    }

    pub(super) fn event(&mut self, event: &Event) {
        let before = event.old.as_ref().is_some_and(|old| self.selection.matches(old));
        let after = event.new.as_ref().filter(|new| self.selection.matches(new));
        match (before, after, &event.old, &event.new) {
            (false, Some(new), ..) => self.push("ADDED", new, Some(event)),
            (true, Some(new), ..) => self.push("MODIFIED", new, Some(event)),
            (true, None, Some(old), new) => {
                // What left the selection is shown as it was, at the revision it left at.
                if new.is_none() && old.revision() == event.revision {
                    self.push("DELETED", old, Some(event));
                } else {
                    self.push("DELETED", &old.at(event.revision), None);
                }
            }
            _ => {}
        }
    }

    /// Shows an object. With the event it is the subject of, its protobuf is made once for everybody who watches.
    pub(super) fn push(&mut self, kind: &str, object: &Arc<Object>, event: Option<&Event>) {
        match (self.accept.encoding, self.accept.form) {
            (Encoding::Protobuf, form) => {
                let event = event.filter(|_| form == Form::Object && self.lens.is_plain());
                let made = match event {
                    Some(event) => event.shared(|| self.lens.protobuf(self.accept, object)),
                    None => self.lens.protobuf(self.accept, object),
                };
                self.frame(kind, made);
            }
            (_, Form::Object) => {
                let bytes = self.lens.bytes(object);
                let mut line = BytesMut::with_capacity(bytes.len() + 32);
                line.put_slice(b"{\"type\":\"");
                line.put_slice(kind.as_bytes());
                line.put_slice(b"\",\"object\":");
                line.put_slice(&bytes);
                line.put_slice(b"}\n");
                self.ready.push_back(line.freeze());
            }
            _ => {
                let value = self.lens.value(object);
                self.push_value(kind, value);
            }
        }
    }

    fn push_value(&mut self, kind: &str, value: Value) {
        let object = match self.accept.form {
            Form::Object => value,
            Form::Partial | Form::PartialList => partial(self.accept.version, &value),
            Form::Table => {
                let metadata = json!({"resourceVersion": value["metadata"]["resourceVersion"]});
                let headings = !std::mem::replace(&mut self.headings_sent, true);
                let (version, objects) = (self.accept.version, std::iter::once(value));
                self.lens.table(version, objects, self.rows, &metadata, headings)
            }
        };
        self.line(kind, &object);
    }

    fn line(&mut self, kind: &str, object: &Value) {
        if self.accept.encoding == Encoding::Protobuf {
            return self.frame(kind, respond::protobuf(object));
        }
        self.ready.push_back(Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")));
    }

    fn frame(&mut self, kind: &str, body: Result<Bytes, Error>) {
        // What cannot be encoded has been logged; the client is told instead of being left without an event.
        let (kind, body) = match body {
            Ok(body) => (kind, Ok(body)),
            Err(error) => ("ERROR", respond::protobuf(&error.status())),
        };
        if let Ok(body) = body {
            self.ready.push_back(wire::event(kind, &body));
        }
    }

    pub(super) fn bookmark(&mut self, revision: Revision, initial_events_end: bool) {
        let resource = self.lens.resource();
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_events_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let object = json!({"kind": resource.kind, "apiVersion": group_version(resource), "metadata": metadata});
        self.push_value("BOOKMARK", object);
    }

    pub(super) fn expired(&mut self, since: Revision, current: Revision) {
        let message = format!("too old resource version: {since} ({current})");
        self.line("ERROR", &Error::Expired { message, continue_token: None }.status());
    }

    pub(super) fn too_slow(&mut self, revision: Revision) {
        // A reader that cannot keep up starts again from where it is; upstream ends such watches without a word.
        tracing::debug!(%revision, "watch ended: the client reads too slowly");
    }
}
