//! Kubernetes protobuf, table-driven: from the wire to JSON.
//!
//! A body is the magic `k8s\0` and an envelope (`runtime.Unknown`) that names the kind; the message inside is read by
//! the field numbers of the schema table. Nothing is generated and no message type exists in this process.
//!
//! ```text
//!   k8s\0 ─► Unknown { typeMeta { apiVersion, kind }, raw } ─► message::object ─► JSON
//! ```
//!
//! Upstream: `apimachinery/pkg/runtime/serializer/protobuf`, `generated.proto` of each group.

mod message;
mod reader;

use schema::Schema;
use serde_json::Value;

pub use reader::WireError;
use reader::{Reader, Wire};

/// First bytes of every body.
pub const MAGIC: [u8; 4] = *b"k8s\0";
/// Media type of bodies.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Decodes a body. `schema` finds the schema of `(apiVersion, kind)`.
///
/// Errors: bodies that are not protobuf, and kinds without a schema.
pub fn decode(body: &[u8], schema: impl Fn(&str, &str) -> Option<Schema>) -> Result<Value, WireError> {
    let envelope = body.strip_prefix(&MAGIC).ok_or(WireError::Magic)?;
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
    let schema = schema(&api_version, &kind).ok_or_else(|| WireError::Kind(api_version.clone(), kind.clone()))?;
    let mut object = message::object(schema.node(), raw)?;
    object.insert("apiVersion".to_owned(), Value::from(api_version));
    object.insert("kind".to_owned(), Value::from(kind));
    Ok(Value::Object(object))
}

#[cfg(test)]
mod tests;
