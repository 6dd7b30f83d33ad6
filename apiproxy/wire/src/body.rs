//! Whole bodies: an object, a list item by item, an event of a watch.

use bytes::Bytes;
use serde_json::Value;

use crate::MAGIC;
use crate::plan::{MessageIndex, Plans, Shape};
use crate::reader::WireError;
use crate::write::{Writer, bytes, varint};

/// What follows the message in every envelope: contentEncoding and contentType, both empty.
const TAIL: [u8; 4] = [0x1a, 0, 0x22, 0];
/// Longest tag and length of the message in an envelope.
const RAW_HEAD: usize = 11;

/// A kind that has a protobuf form.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Magic and TypeMeta.
    head: Vec<u8>,
    index: MessageIndex,
}

impl Kind {
    /// Finds a built-in kind. None: there is no such kind, or it speaks no protobuf (`Table`).
    pub fn find(api_version: &str, kind: &str) -> Option<Self> {
        let index = Plans::builtin().of_kind(api_version, kind)?;
        let mut meta = Vec::new();
        bytes(&mut meta, 1, api_version.as_bytes());
        bytes(&mut meta, 2, kind.as_bytes());
        let mut head = MAGIC.to_vec();
        bytes(&mut head, 1, &meta);
        Some(Self { head, index })
    }

    /// The body of an object in JSON. Fields that the kind does not have are left out, so that any object becomes a
    /// `PartialObjectMetadata`.
    ///
    /// Errors: JSON that is no object of the kind.
    pub fn encode(&self, json: &[u8]) -> Result<Bytes, WireError> {
        let mut body = self.body();
        let mut json = serde_json::Deserializer::from_slice(json);
        body.writer.message(self.index, &mut json).map_err(refused)?;
        Ok(body.finish())
    }

    /// As [`Kind::encode`], of a value.
    pub fn encode_value(&self, value: &Value) -> Result<Bytes, WireError> {
        let mut body = self.body();
        body.writer.message(self.index, value).map_err(refused)?;
        Ok(body.finish())
    }

    /// The body of a list of this kind: `metadata` now, items as they come.
    ///
    /// Errors: kinds that are no lists, metadata that is none.
    pub fn list(&self, metadata: &Value) -> Result<ListBody<'_>, WireError> {
        let none = || WireError::Json("the kind is no list".to_owned());
        let plan = Plans::builtin().get(self.index);
        let message = |name: &str| {
            let field = plan.named(name).map(|at| &plan.fields[at])?;
            match &field.shape {
                Shape::Message(index) => Some((field.number, *index)),
                Shape::List(items) => match **items {
                    Shape::Message(index) => Some((field.number, index)),
                    _ => None,
                },
                _ => None,
            }
        };
        let (number, index) = message("metadata").ok_or_else(none)?;
        let (items, item) = message("items").ok_or_else(none)?;
        let mut body = self.body();
        body.writer.field(number, index, metadata).map_err(refused)?;
        Ok(ListBody { body, items, item })
    }

    fn body(&self) -> Body<'_> {
        let mut writer = Writer::new();
        // The length is known at the end: room is left for the head, which is then put right before the message.
        writer.out.resize(self.head.len() + RAW_HEAD, 0);
        Body { head: &self.head, writer }
    }
}

#[allow(clippy::needless_pass_by_value)] // For `map_err`.
fn refused(error: serde_json::Error) -> WireError {
    WireError::Json(error.to_string())
}

struct Body<'k> {
    head: &'k [u8],
    writer: Writer,
}

impl Body<'_> {
    fn finish(self) -> Bytes {
        let room = self.head.len() + RAW_HEAD;
        let mut out = self.writer.out;
        let mut head = self.head.to_vec();
        head.push(0x12);
        varint(&mut head, (out.len() - room) as u64);
        let start = room - head.len();
        out[start..room].copy_from_slice(&head);
        out.extend_from_slice(&TAIL);
        Bytes::from(out).slice(start..)
    }
}

/// A list being written.
pub struct ListBody<'k> {
    body: Body<'k>,
    items: u32,
    item: MessageIndex,
}

impl ListBody<'_> {
    /// Adds an item in JSON.
    ///
    /// Errors: JSON that is no object of the kind.
    pub fn push(&mut self, json: &[u8]) -> Result<(), WireError> {
        let mut json = serde_json::Deserializer::from_slice(json);
        self.body.writer.field(self.items, self.item, &mut json).map_err(refused)
    }

    /// Adds an item.
    ///
    /// Errors: values that are no objects of the kind.
    pub fn push_value(&mut self, value: &Value) -> Result<(), WireError> {
        self.body.writer.field(self.items, self.item, value).map_err(refused)
    }

    /// The whole body.
    pub fn finish(self) -> Bytes {
        self.body.finish()
    }
}

/// A frame of a watch: four bytes of length, then a bare `WatchEvent` around the body of an object.
pub fn event(kind: &str, body: &[u8]) -> Bytes {
    let mut raw = Vec::with_capacity(RAW_HEAD);
    raw.push(0x0a);
    varint(&mut raw, body.len() as u64);
    let mut out = Vec::with_capacity(body.len() + kind.len() + 4 * RAW_HEAD);
    out.extend_from_slice(&[0; 4]);
    bytes(&mut out, 1, kind.as_bytes());
    out.push(0x12);
    varint(&mut out, (raw.len() + body.len()) as u64);
    out.extend_from_slice(&raw);
    out.extend_from_slice(body);
    // Bodies are bounded far below 4 GiB: what is stored is at most a few megabytes.
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_be_bytes());
    Bytes::from(out)
}
