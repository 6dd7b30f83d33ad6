//! Kubernetes protobuf, table-driven: from the wire to JSON and back.
//!
//! A body is the magic `k8s\0` and an envelope (`runtime.Unknown`) that names the kind; the message inside is read and
//! written by the field numbers of the schema table. Nothing is generated and no message type exists in this process.
//!
//! ```text
//!   k8s\0 ─► Unknown { typeMeta { apiVersion, kind }, raw } ─► read::object ─► JSON
//!   JSON  ─► write::Writer (in one pass) ─► Unknown ─► k8s\0        one object, a list, an event of a watch
//! ```
//!
//! Upstream: `apimachinery/pkg/runtime/serializer/protobuf`, `generated.proto` of each group.

mod body;
pub mod openapi;
mod plan;
mod read;
mod reader;
mod write;

use serde_json::Value;

pub use body::{Kind, ListBody, event};
use plan::Plans;
pub use reader::WireError;
use reader::{Reader, Wire};

/// First bytes of every body.
pub const MAGIC: [u8; 4] = *b"k8s\0";
/// Media type of bodies.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Decodes a body of a built-in kind. `default` is the `(apiVersion, kind)` meant where the body does not say.
///
/// Errors: bodies that are not protobuf, and kinds that are not known.
pub fn decode(body: &[u8], default: Option<(&str, &str)>) -> Result<Value, WireError> {
    self::body(body, default, 0)
}

pub(crate) fn body(body: &[u8], default: Option<(&str, &str)>, depth: usize) -> Result<Value, WireError> {
    if body.is_empty() {
        return Err(WireError::NoData);
    }
    let envelope = body.strip_prefix(&MAGIC).ok_or(WireError::Magic)?;
    if envelope.is_empty() {
        return Err(WireError::NoBody);
    }
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    let mut reader = Reader::new(envelope);
    while let Some((number, wire)) = reader.field()? {
        match (number, wire) {
            (1, Wire::Bytes(meta)) => {
                let mut meta = Reader::new(meta);
                while let Some((number, wire)) = meta.field()? {
                    match (number, wire) {
                        (1, Wire::Bytes(text)) => api_version = reader::text(text)?,
                        (2, Wire::Bytes(text)) => kind = reader::text(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            (3 | 4, Wire::Bytes(encoding)) if !encoding.is_empty() => {
                let plain = encoding == MEDIA_TYPE.as_bytes();
                if !plain {
                    return Err(WireError::Encoding);
                }
            }
            _ => {}
        }
    }
    if let Some((default_version, default_kind)) = default {
        if api_version.is_empty() {
            default_version.clone_into(&mut api_version);
        }
        if kind.is_empty() {
            default_kind.clone_into(&mut kind);
        }
    }
    let index = Plans::builtin().of_kind(&api_version, &kind);
    let index = index.ok_or_else(|| WireError::Kind(api_version.clone(), kind.clone()))?;
    let mut object = read::object(index, raw, depth)?;
    object.insert("apiVersion".to_owned(), Value::from(api_version));
    object.insert("kind".to_owned(), Value::from(kind));
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests;
