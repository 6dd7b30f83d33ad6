//! Bytes of a request to a JSON value: JSON and YAML, with duplicate keys reported and nesting bounded.
//!
//! Upstream decodes with `sigs.k8s.io/json` and `sigs.k8s.io/yaml`; the error texts follow theirs.

mod json;
mod scalar;
mod yaml;

use serde_json::Value;

use crate::field::go_quote;

/// Deepest nesting of objects and lists accepted. Upstream allows 10,000; every reader of stored objects in Rust
/// (`serde_json`) stops at 128, and lists and watch events wrap an object in a few levels more.
pub const MAX_DEPTH: usize = 120;

/// Upstream reports at most this many strict decoding errors.
const MAX_STRICT_ERRORS: usize = 100;

/// Encoding of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/yaml`; the first document counts, as upstream.
    Yaml,
}

/// A decoded body.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The value; of duplicate keys the last one.
    pub value: Value,
    /// Paths of duplicate keys, in document order (`spec.replicas`, `spec.containers[0].name`), each once.
    pub duplicates: Vec<String>,
    /// What upstream's strict YAML reader says of duplicates, which it reports by line.
    yaml_duplicates: Option<String>,
}

/// Why a body cannot be decoded; the text is upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error("{0}")]
    Json(String),
    /// Not YAML, or YAML without a JSON form.
    #[error("{0}")]
    Yaml(String),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("exceeded max depth")]
    TooDeep,
    /// Aliases expand to more than the budget.
    #[error("yaml: document contains excessive aliasing")]
    Aliasing,
}

/// How the decoded value will be read, which decides what upstream's strict decoding sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Into a Go struct: what lies under an unknown field is not looked at.
    Typed,
    /// Into a map (custom resources).
    Untyped,
}

impl From<Value> for Decoded {
    /// A value from an encoding that has no duplicate keys (protobuf).
    fn from(value: Value) -> Self {
        Self { value, duplicates: Vec::new(), yaml_duplicates: None }
    }
}

impl Decoded {
    /// The errors of strict decoding in upstream's words (`duplicate field "spec.replicas"`, `unknown field
    /// "spec.foo"`), given the paths of unknown fields that `conform` or `prune` returned. Joined by `, ` they follow
    /// `strict decoding error: `; singly they are the warnings of `fieldValidation=Warn`.
    pub fn strict_errors(&self, unknown: &[String], reader: Reader) -> Vec<String> {
        let unseen = |path: &String| {
            reader == Reader::Typed
                && unknown.iter().any(|field| {
                    path.strip_prefix(field.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
                })
        };
        let duplicates: Vec<String> = match &self.yaml_duplicates {
            Some(text) => vec![text.clone()],
            None => {
                let seen = self.duplicates.iter().filter(|path| !unseen(path));
                seen.map(|path| format!("duplicate field {}", go_quote(path))).collect()
            }
        };
        let unknown = unknown.iter().map(|path| format!("unknown field {}", go_quote(path)));
        duplicates.into_iter().chain(unknown).take(MAX_STRICT_ERRORS).collect()
    }
}

/// Decodes a body. Integers keep their value up to 64 bits; other numbers become `f64`.
///
/// # Errors
/// Syntax errors, nesting beyond [`MAX_DEPTH`], aliases beyond their budget.
pub fn decode(bytes: &[u8], media: Media) -> Result<Decoded, DecodeError> {
    // Go replaces what is not UTF-8 instead of refusing it.
    let text = String::from_utf8_lossy(bytes);
    match media {
        Media::Json => {
            let (value, duplicates) = json::parse(&text)?;
            Ok(Decoded { value, duplicates, yaml_duplicates: None })
        }
        Media::Yaml => {
            let parsed = yaml::parse(&text)?;
            Ok(Decoded {
                value: parsed.value,
                duplicates: parsed.duplicates,
                yaml_duplicates: (!parsed.complaints.is_empty())
                    .then(|| format!("yaml: unmarshal errors:\n  {}", parsed.complaints.join("\n  "))),
            })
        }
    }
}

#[cfg(test)]
mod tests;
