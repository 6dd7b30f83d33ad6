//! Answers: every success and every [`Error`] becomes bytes here.

mod error;
mod lens;
mod negotiate;
mod partial;
mod unstored;

use std::io::Write as _;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY, WARNING};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde_json::Value;

pub use error::Error;
pub use lens::{Lens, Rows, Shown};
pub use negotiate::{ACCEPTED, Accept, Encoding, Form, MetaVersion, Offer, STREAMS, Wanted};
pub use partial::{partial, reshaped};
pub(crate) use unstored::unstored;

/// Errors of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Body of every answer.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;
/// An answer.
pub type Answer = Response<Body>;

/// Answers shorter than this are not compressed (upstream: `defaultGzipThresholdBytes`).
const GZIP_THRESHOLD: usize = 128 * 1024;

/// A body of bytes.
pub fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// An answer of plain text.
pub fn text(code: StatusCode, text: impl Into<String>) -> Answer {
    let mut answer = Response::new(full(Bytes::from(text.into())));
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// An answer of JSON bytes, as they are or in YAML.
pub fn json_bytes(accept: Accept, code: StatusCode, json: Bytes) -> Answer {
    let bytes = match accept.encoding {
        Encoding::Yaml => reencode(&json, |value| serde_saphyr::to_string(value).ok()),
        Encoding::Json | Encoding::Protobuf if accept.pretty => {
            reencode(&json, |value| serde_json::to_string_pretty(value).ok())
        }
        Encoding::Json | Encoding::Protobuf => json,
    };
    let content_type = if accept.encoding == Encoding::Yaml { "application/yaml" } else { "application/json" };
    encoded(accept, code, content_type, bytes)
}

/// An answer of bytes that are encoded already.
pub fn encoded(accept: Accept, code: StatusCode, content_type: &'static str, bytes: Bytes) -> Answer {
    let compress = accept.gzip && bytes.len() > GZIP_THRESHOLD;
    let compressed = compress.then(|| gzip(&bytes)).flatten();
    let mut answer = Response::new(full(compressed.clone().unwrap_or(bytes)));
    *answer.status_mut() = code;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    if compressed.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    answer
}

/// An answer of an object, encoded as negotiated. Errors: 500 for what has no such encoding.
pub fn value(accept: Accept, code: StatusCode, value: &Value) -> Result<Answer, Error> {
    if accept.encoding != Encoding::Protobuf {
        return Ok(json_bytes(accept, code, Bytes::from(value.to_string())));
    }
    Ok(encoded(accept, code, wire::MEDIA_TYPE, protobuf(value)?))
}

/// An object in protobuf. Errors: 500 for what is of no built-in kind, or not of its shape.
pub fn protobuf(value: &Value) -> Result<Bytes, Error> {
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    message_kind(text("apiVersion"), text("kind"))?.encode_value(value).map_err(unencodable)
}

/// A kind's protobuf form. Errors: 500 when it has none.
pub fn message_kind(api_version: &str, kind: &str) -> Result<wire::Kind, Error> {
    wire::Kind::find(api_version, kind)
        .ok_or_else(|| Error::Internal(format!("{api_version} {kind} has no protobuf form")))
}

/// What a failed encoding is answered with.
#[allow(clippy::needless_pass_by_value)] // For `map_err`.
pub fn unencodable(error: wire::WireError) -> Error {
    tracing::error!(%error, "an object cannot be encoded");
    Error::Internal("the object cannot be encoded".to_owned())
}

/// The answer to a failed request.
pub fn failure(wanted: &Wanted, error: &Error) -> Answer {
    if matches!(error, Error::NoSuchPage) {
        return text(error.code(), "404 page not found\n");
    }
    let (accept, status) = (wanted.for_errors(), error.status());
    let plain = |_| json_bytes(Accept { encoding: Encoding::Json, ..accept }, error.code(), status.to_string().into());
    let mut answer = value(accept, error.code(), &status).unwrap_or_else(plain);
    if let Some(seconds) = error.retry_after() {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// Adds `Warning` headers (RFC 7234, code 299), each at most once.
pub fn warn(answer: &mut Answer, warnings: &[String]) {
    for (at, warning) in warnings.iter().enumerate() {
        if warnings[..at].contains(warning) {
            continue;
        }
        let escaped = warning.replace('\\', "\\\\").replace('"', "\\\"").replace(|c: char| c.is_control(), " ");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{escaped}\"")) {
            answer.headers_mut().append(WARNING, value);
        }
    }
}

fn reencode(json: &Bytes, encode: impl Fn(&Value) -> Option<String>) -> Bytes {
    let encoded = serde_json::from_slice::<Value>(json).ok().and_then(|value| encode(&value));
    encoded.map_or_else(|| json.clone(), Bytes::from)
}

fn gzip(bytes: &Bytes) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
