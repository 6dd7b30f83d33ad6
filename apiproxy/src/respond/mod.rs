//! Answers: every success and every [`Error`] becomes bytes here.

mod error;
mod lens;
mod negotiate;
mod unstored;

use std::io::Write as _;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY, WARNING};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde_json::Value;

pub use error::Error;
pub use lens::{Lens, Rows, Shown, partial};
pub use negotiate::{ACCEPTED, Accept, Encoding, Form, negotiate};
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

/// An answer of JSON bytes, encoded as negotiated.
pub fn json_bytes(accept: Accept, code: StatusCode, json: Bytes) -> Answer {
    let (content_type, bytes) = match accept.encoding {
        Encoding::Json if !accept.pretty => ("application/json", json),
        Encoding::Json => ("application/json", reencode(&json, |value| serde_json::to_string_pretty(value).ok())),
        Encoding::Yaml => ("application/yaml", reencode(&json, |value| serde_saphyr::to_string(value).ok())),
    };
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

/// An answer of a JSON value.
pub fn json(accept: Accept, code: StatusCode, value: &Value) -> Answer {
    json_bytes(accept, code, Bytes::from(value.to_string()))
}

/// The answer to a failed request.
pub fn failure(accept: Accept, error: &Error) -> Answer {
    if matches!(error, Error::NoSuchPage) {
        return text(error.code(), "404 page not found\n");
    }
    let mut answer = json(Accept { form: Form::Object, ..accept }, error.code(), &error.status());
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
