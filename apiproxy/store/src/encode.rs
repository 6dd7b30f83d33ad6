//! From a JSON value to the bytes that are stored and served.
//!
//! The head of the JSON is ours, so the places of name, namespace and resourceVersion are known without parsing:
//! `{"apiVersion":…,"kind":…,"metadata":{"name":…,"namespace":…,"resourceVersion":"N",…rest sorted},…rest sorted}`.
//! Stored is the JSON *without* the digits of N (a revision is known only when the engine has committed), behind a
//! small header, so that starting up parses no JSON:
//!
//! ```text
//!   u8 format | u8 flags | u32 revision offset | u32 fleet offset | u32 index length | index | JSON
//! ```

use crate::index::Packer;
use crate::key::Key;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::io::Write as _;
use std::sync::Arc;

/// An object as a writer hands it over.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The object. `metadata.name`, `.namespace` and `.resourceVersion` are ignored: the store writes those of the key and
    /// of the commit.
    pub value: Value,
    /// The values of the fields that field selectors of this kind may ask for, besides `metadata.name` and
    /// `metadata.namespace` (which are in the key).
    pub fields: Vec<(Arc<str>, String)>,
}

impl Draft {
    /// A draft without selectable fields.
    pub fn new(value: Value) -> Self {
        Self { value, fields: Vec::new() }
    }
}

const FORMAT: u8 = 1;
const HEADER: usize = 14;

/// Flag: `metadata.deletionTimestamp` is set.
pub(crate) const DELETING: u8 = 1;
/// Flag: `metadata.finalizers` is not empty.
pub(crate) const FINALIZERS: u8 = 2;

/// The stored form of an object: header, index, JSON without revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded(Bytes);

/// The parts of an [`Encoded`].
pub(crate) struct Parts<'a> {
    pub(crate) flags: u8,
    /// Offset in the JSON where the digits of the revision belong.
    pub(crate) revision_at: u32,
    /// Offset in the JSON where the fleet view inserts the tenant; before `revision_at`.
    pub(crate) fleet_at: u32,
    pub(crate) index: &'a [u8],
    pub(crate) json: &'a [u8],
}

impl Encoded {
    /// Takes bytes an engine has kept. `None`: this crate did not write them.
    pub(crate) fn from_stored(bytes: Vec<u8>) -> Option<Self> {
        let encoded = Self(bytes.into());
        let valid = encoded.parts().is_some_and(|parts| {
            let (at, fleet) = (parts.revision_at as usize, parts.fleet_at as usize);
            fleet <= at
                && parts.json.get(at..).is_some_and(|rest| rest.starts_with(b"\""))
                && std::str::from_utf8(parts.json).is_ok_and(|json| json.is_char_boundary(fleet))
                && crate::index::Index::open(parts.index).is_some()
        });
        valid.then_some(encoded)
    }

    /// The bytes an engine keeps.
    pub(crate) fn as_stored(&self) -> &[u8] {
        &self.0
    }

    /// What it counts towards the cap of its tenant, in bytes: JSON and index, with a revision of usual length.
    pub(crate) fn size(&self) -> u64 {
        (self.0.len() - HEADER + 8) as u64
    }

    pub(crate) fn parts(&self) -> Option<Parts<'_>> {
        let (header, rest) = self.0.split_at_checked(HEADER)?;
        let number = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
        if header[0] != FORMAT {
            return None;
        }
        let (index, json) = rest.split_at_checked(number(10)? as usize)?;
        Some(Parts { flags: header[1], revision_at: number(2)?, fleet_at: number(6)?, index, json })
    }
}

/// Encodes a draft under a key. `None`: larger than 4 GiB.
pub(crate) fn encode(key: &Key, draft: &Draft) -> Option<Encoded> {
    let empty = Map::new();
    let object = draft.value.as_object().unwrap_or(&empty);
    let metadata = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let (index, flags) = index(metadata, &draft.fields);

    let mut out = Vec::with_capacity(HEADER + index.len() + 512);
    out.extend_from_slice(&[0; HEADER]);
    out.extend_from_slice(&index);
    let start = out.len();
    let (fleet_at, revision_at) = json(&mut out, key, object, metadata);

    let offset = |at: usize| u32::try_from(at - start).ok();
    out[0] = FORMAT;
    out[1] = flags;
    out[2..6].copy_from_slice(&offset(revision_at)?.to_le_bytes());
    out[6..10].copy_from_slice(&offset(fleet_at)?.to_le_bytes());
    out[10..14].copy_from_slice(&u32::try_from(index.len()).ok()?.to_le_bytes());
    Some(Encoded(out.into()))
}

/// Writes the JSON; returns the positions of the fleet prefix and of the revision in `out`.
fn json(out: &mut Vec<u8>, key: &Key, object: &Map<String, Value>, metadata: &Map<String, Value>) -> (usize, usize) {
    out.push(b'{');
    for name in ["apiVersion", "kind"] {
        if let Some(value) = object.get(name) {
            member(out, name, value);
            out.push(b',');
        }
    }
    out.extend_from_slice(b"\"metadata\":{\"name\":");
    let mut fleet_at = out.len() + 1;
    text(out, &key.name);
    if !key.namespace.is_empty() {
        out.extend_from_slice(b",\"namespace\":");
        fleet_at = out.len() + 1;
        text(out, &key.namespace);
    }
    out.extend_from_slice(b",\"resourceVersion\":\"");
    let revision_at = out.len();
    out.push(b'"');
    for (name, value) in metadata {
        if !matches!(name.as_str(), "name" | "namespace" | "resourceVersion") {
            out.push(b',');
            member(out, name, value);
        }
    }
    out.push(b'}');
    for (name, value) in object {
        if !matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            out.push(b',');
            member(out, name, value);
        }
    }
    out.push(b'}');
    (fleet_at, revision_at)
}

fn member(out: &mut Vec<u8>, name: &str, value: &Value) {
    text(out, name);
    out.push(b':');
    // A Value always serialises, and a Vec takes every write.
    let _ = serde_json::to_writer(&mut *out, value);
}

fn text(out: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        let _ = write!(out, "\"{text}\"");
    } else {
        let _ = serde_json::to_writer(out, text);
    }
}

fn index(metadata: &Map<String, Value>, fields: &[(Arc<str>, String)]) -> (Vec<u8>, u8) {
    let mut packer = Packer::default();
    packer.text(metadata.get("uid").and_then(Value::as_str).unwrap_or_default());
    let labels = metadata.get("labels").and_then(Value::as_object);
    let labels: Vec<_> =
        labels.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect();
    packer.pairs(&labels);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, value.as_str())).collect();
    packer.pairs(&fields);
    let owners = metadata.get("ownerReferences").and_then(Value::as_array);
    let owners: Vec<_> = owners
        .into_iter()
        .flatten()
        .filter_map(|owner| {
            let flag = |name: &str| owner.get(name).and_then(Value::as_bool).unwrap_or(false);
            Some((owner.get("uid")?.as_str()?, flag("controller"), flag("blockOwnerDeletion")))
        })
        .collect();
    packer.owners(&owners);
    let mut flags = 0;
    if metadata.get("deletionTimestamp").is_some_and(|value| !value.is_null()) {
        flags |= DELETING;
    }
    if metadata.get("finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
        flags |= FINALIZERS;
    }
    (packer.finish(), flags)
}
