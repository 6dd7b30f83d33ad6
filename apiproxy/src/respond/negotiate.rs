//! Which form of an answer the client wants (upstream: `endpoints/handlers/negotiation`).

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING};

use super::Error;

/// Encoding of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
}

/// What of the objects is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Whole objects.
    Object,
    /// `as=Table;g=meta.k8s.io;v=v1`
    Table,
    /// `as=PartialObjectMetadata[List]`
    Partial,
}

/// The negotiated answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Encoding.
    pub encoding: Encoding,
    /// Form.
    pub form: Form,
    /// Whether the client takes gzip.
    pub gzip: bool,
    /// Indented JSON.
    pub pretty: bool,
}

impl Accept {
    /// JSON of whole objects.
    pub const PLAIN: Accept = Accept { encoding: Encoding::Json, form: Form::Object, gzip: false, pretty: false };
}

/// Media types that can be asked for.
pub const ACCEPTED: &str = "application/json, application/yaml";

/// Reads `Accept` and `Accept-Encoding`. Errors: 406 when nothing we make is wanted.
pub fn negotiate(headers: &HeaderMap, query: &str) -> Result<Accept, Error> {
    let gzip = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().split(';').next() == Some("gzip"));
    let agent = headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let by_hand = agent.starts_with("curl") || agent.starts_with("Wget") || agent.starts_with("Mozilla/5.0");
    let pretty = match query.split('&').find_map(|pair| pair.strip_prefix("pretty=")) {
        Some(value) => !matches!(value, "0" | "false"),
        None => by_hand,
    };
    let mut ranges = Vec::new();
    for value in headers.get_all(ACCEPT) {
        let text = value.to_str().map_err(|_| Error::NotAcceptable(ACCEPTED.to_owned()))?;
        ranges.extend(text.split(',').map(str::trim).filter(|range| !range.is_empty()));
    }
    if ranges.is_empty() {
        return Ok(Accept { gzip, pretty, ..Accept::PLAIN });
    }
    let mut wanted: Vec<(f32, &str)> = ranges.iter().map(|range| (quality(range), *range)).collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    wanted
        .iter()
        .filter(|(quality, _)| *quality > 0.0)
        .find_map(|(_, range)| one(range))
        .map(|(encoding, form)| Accept { encoding, form, gzip, pretty })
        .ok_or_else(|| Error::NotAcceptable(ACCEPTED.to_owned()))
}

fn quality(range: &str) -> f32 {
    let q = range.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    q.and_then(|q| q.parse().ok()).unwrap_or(1.0)
}

fn one(range: &str) -> Option<(Encoding, Form)> {
    let mut parts = range.split(';').map(str::trim);
    let encoding = match parts.next()? {
        "application/json" | "application/*" | "*/*" => Encoding::Json,
        "application/yaml" => Encoding::Yaml,
        _ => return None,
    };
    let mut form = Form::Object;
    for parameter in parts {
        match parameter.split_once('=') {
            Some(("as", "Table")) => form = Form::Table,
            Some(("as", "PartialObjectMetadata" | "PartialObjectMetadataList")) => form = Form::Partial,
            Some(("as", _)) => return None,
            Some(("g", group)) if group != "meta.k8s.io" => return None,
            Some(("v", version)) if version != "v1" => return None,
            _ => {}
        }
    }
    Some((encoding, form))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(text: &str) -> Result<Accept, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, text.parse().unwrap());
        negotiate(&headers, "")
    }

    #[test]
    fn forms() {
        for (text, encoding, form) in [
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                Encoding::Json,
                Form::Table,
            ),
            ("application/vnd.kubernetes.protobuf,application/json", Encoding::Json, Form::Object),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Encoding::Json, Form::Partial),
            ("application/yaml", Encoding::Yaml, Form::Object),
            ("*/*", Encoding::Json, Form::Object),
            ("application/json;q=0.5, application/yaml;q=0.9", Encoding::Yaml, Form::Object),
        ] {
            let got = accept(text).unwrap();
            assert_eq!((got.encoding, got.form), (encoding, form), "{text}");
        }
        assert!(matches!(accept("application/vnd.kubernetes.protobuf"), Err(Error::NotAcceptable(_))));
        assert!(matches!(accept("text/html"), Err(Error::NotAcceptable(_))));
    }
}
