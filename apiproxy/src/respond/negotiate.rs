//! Which form of an answer the client wants (upstream: `endpoints/handlers/negotiation`, `goautoneg`, go-restful).

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};

use super::Error;

/// Encoding of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

/// What of the objects is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Whole objects.
    Object,
    /// `as=Table`
    Table,
    /// `as=PartialObjectMetadata`
    Partial,
    /// `as=PartialObjectMetadataList`
    PartialList,
}

/// Version of `meta.k8s.io` in which a form other than [`Form::Object`] is shown. They do not differ but in name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaVersion {
    /// `meta.k8s.io/v1`
    V1,
    /// `meta.k8s.io/v1beta1`
    V1beta1,
}

impl MetaVersion {
    /// As `apiVersion` says it.
    pub fn api_version(self) -> &'static str {
        match self {
            MetaVersion::V1 => "meta.k8s.io/v1",
            MetaVersion::V1beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// The negotiated answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Encoding.
    pub encoding: Encoding,
    /// Form.
    pub form: Form,
    /// Version of the form.
    pub version: MetaVersion,
    /// Whether the client takes gzip.
    pub gzip: bool,
    /// Indented JSON.
    pub pretty: bool,
}

/// What an endpoint can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Objects of built-in kinds.
    Objects,
    /// Collections of built-in kinds, which can be watched too.
    Collection,
    /// Custom resources: no protobuf, but for their metadata.
    Custom,
    /// Documents and errors: every encoding, no forms.
    Document,
    /// As [`Offer::Document`], refused in go-restful's words.
    Versions,
    /// Aggregated discovery: nothing but its own form.
    Aggregated,
    /// JSON alone (`/version`).
    Json,
}

/// Media types that can be asked for, and sent.
pub const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
/// Media types that a watch can be asked for.
pub const STREAMS: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
/// What collections produce, in go-restful's words.
const COLLECTIONS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf, \
     application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

const ENCODINGS: [(&str, Encoding); 3] =
    [("json", Encoding::Json), ("yaml", Encoding::Yaml), ("vnd.kubernetes.protobuf", Encoding::Protobuf)];

/// What the client says it takes, before it is known what there is.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Ranges, the preferred one first; None when the client does not say.
    ranges: Option<Vec<Range>>,
    gzip: bool,
    pretty: bool,
}

#[derive(Clone, Debug)]
struct Range {
    kind: String,
    sub: String,
    quality: f64,
    parameters: Vec<(String, String)>,
}

impl Wanted {
    /// Reads `Accept`, `Accept-Encoding` and the parameter `pretty`.
    pub fn read(headers: &HeaderMap, query: &str) -> Self {
        let gzip = headers
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|coding| coding.trim().split(';').next() == Some("gzip"));
        let agent = headers.get(USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let by_hand = agent.starts_with("curl") || agent.starts_with("Wget") || agent.starts_with("Mozilla/5.0");
        let pretty = match query.split('&').find_map(|pair| pair.strip_prefix("pretty=")) {
            Some(value) => !matches!(value, "0" | "false"),
            None => by_hand,
        };
        // As upstream, of several headers the first counts.
        let accept = headers.get(ACCEPT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let ranges = accept.filter(|accept| !accept.is_empty()).map(|accept| ranges(&accept));
        Self { ranges, gzip, pretty }
    }

    /// The best of what an endpoint offers. Errors: 406.
    pub fn choose(&self, offer: Offer) -> Result<Accept, Error> {
        let plain = Accept {
            encoding: Encoding::Json,
            form: Form::Object,
            version: MetaVersion::V1,
            gzip: self.gzip,
            pretty: self.pretty,
        };
        let Some(ranges) = &self.ranges else {
            return if offer == Offer::Aggregated { Err(Error::NotAcceptable(ACCEPTED)) } else { Ok(plain) };
        };
        if let Some(produced) = produced(offer)
            && !ranges.iter().any(|range| range.names_one_of(produced))
        {
            return Err(Error::NotRepresented(produced));
        }
        let fits = |range: &Range| {
            let mut encodings = ENCODINGS.iter().filter(|(sub, _)| range.covers(sub));
            encodings.find_map(|(_, encoding)| range.offered(offer, *encoding, plain))
        };
        ranges.iter().find_map(fits).ok_or(Error::NotAcceptable(ACCEPTED))
    }

    /// How an error is said, whatever was asked for: indented JSON when nothing fits (upstream: `WriteRawJSON`).
    pub fn for_errors(&self) -> Accept {
        self.choose(Offer::Document).unwrap_or(Accept {
            encoding: Encoding::Json,
            form: Form::Object,
            version: MetaVersion::V1,
            gzip: self.gzip,
            pretty: true,
        })
    }
}

/// Media types that go-restful knows an endpoint to produce; None for endpoints it does not look after.
fn produced(offer: Offer) -> Option<&'static str> {
    match offer {
        Offer::Objects | Offer::Versions => Some(ACCEPTED),
        Offer::Collection => Some(COLLECTIONS),
        Offer::Json => Some("application/json"),
        Offer::Document | Offer::Custom | Offer::Aggregated => None,
    }
}

fn ranges(accept: &str) -> Vec<Range> {
    let mut all: Vec<Range> = accept.split(',').filter_map(Range::parse).collect();
    // The more exact one comes first among equals.
    all.sort_by(|a, b| b.quality.total_cmp(&a.quality).then_with(|| a.vague().cmp(&b.vague())));
    all
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next()?;
        let (kind, sub) = match name.split_once('/') {
            Some((kind, sub)) => (kind.trim(), sub.trim()),
            None if name == "*" => ("*", "*"),
            None => return None,
        };
        if sub.is_empty() || sub.contains('/') {
            return None;
        }
        let mut range = Range { kind: kind.to_owned(), sub: sub.to_owned(), quality: 1.0, parameters: Vec::new() };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let (key, value) = (key.trim(), value.trim().trim_matches('"'));
            if key == "q" {
                range.quality = value.parse().unwrap_or(1.0);
            } else {
                range.parameters.push((key.to_owned(), value.to_owned()));
            }
        }
        Some(range)
    }

    fn vague(&self) -> (bool, bool) {
        (self.kind == "*", self.sub == "*")
    }

    fn covers(&self, sub: &str) -> bool {
        match (self.kind.as_str(), self.sub.as_str()) {
            ("*", "*") | ("application", "*") => true,
            ("application", own) => own == sub,
            _ => false,
        }
    }

    /// Whether the range names one of these media types, parameters aside (go-restful: `matchesAccept`).
    fn names_one_of(&self, produced: &str) -> bool {
        let all = self.kind == "*" && self.sub == "*";
        all || produced.split(", ").any(|one| one.split_once('/') == Some((&self.kind, &self.sub)))
    }

    /// The answer in an encoding, when the endpoint has it with the parameters of the range.
    fn offered(&self, offer: Offer, encoding: Encoding, mut accept: Accept) -> Option<Accept> {
        let (mut group, mut version, mut kind) = (None, None, None);
        for (key, value) in &self.parameters {
            match (key.as_str(), value.as_str()) {
                ("as", value) => kind = Some(value),
                ("g", value) => group = Some(value),
                ("v", value) => version = Some(value),
                ("stream", "" | "watch") | ("sv", "" | "v1") => {}
                ("stream" | "sv", _) => return None,
                ("pretty", value) => accept.pretty |= value == "1",
                _ => {}
            }
        }
        accept.encoding = encoding;
        let transformed = group.is_some() || version.is_some() || kind.is_some();
        match offer {
            Offer::Aggregated => {
                let own = (Some("apidiscovery.k8s.io"), Some("v2"), Some("APIGroupDiscoveryList"));
                return ((group, version, kind) == own).then_some(accept);
            }
            Offer::Json if encoding != Encoding::Json => return None,
            Offer::Document | Offer::Versions | Offer::Json => return (!transformed).then_some(accept),
            Offer::Custom if !transformed && encoding == Encoding::Protobuf => return None,
            Offer::Objects | Offer::Collection | Offer::Custom if !transformed => return Some(accept),
            Offer::Objects | Offer::Collection | Offer::Custom => {}
        }
        accept.version = match (group?, version?) {
            ("meta.k8s.io", "v1") => MetaVersion::V1,
            ("meta.k8s.io", "v1beta1") => MetaVersion::V1beta1,
            _ => return None,
        };
        accept.form = match kind? {
            // Tables have no protobuf form.
            "Table" if encoding != Encoding::Protobuf => Form::Table,
            "PartialObjectMetadata" => Form::Partial,
            "PartialObjectMetadataList" => Form::PartialList,
            _ => return None,
        };
        Some(accept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PB: &str = "application/vnd.kubernetes.protobuf";

    fn choose(offer: Offer, text: &str) -> Result<(Encoding, Form), Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, text.parse().unwrap());
        Wanted::read(&headers, "").choose(offer).map(|accept| (accept.encoding, accept.form))
    }

    /// What kube-apiserver 1.36 answers.
    #[test]
    fn forms() {
        let partial = format!("{PB};as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
        let table = format!("{PB};as=Table;g=meta.k8s.io;v=v1");
        for (text, encoding, form) in [
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                Encoding::Json,
                Form::Table,
            ),
            ("application/vnd.kubernetes.protobuf,application/json", Encoding::Protobuf, Form::Object),
            ("application/json, application/vnd.kubernetes.protobuf", Encoding::Json, Form::Object),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Encoding::Json, Form::PartialList),
            (partial.as_str(), Encoding::Protobuf, Form::Partial),
            (&format!("{table},application/json"), Encoding::Json, Form::Object),
            (&format!("{PB};stream=watch"), Encoding::Protobuf, Form::Object),
            ("application/yaml", Encoding::Yaml, Form::Object),
            ("application/yaml;as=Table;g=meta.k8s.io;v=v1", Encoding::Yaml, Form::Table),
            ("*/*", Encoding::Json, Form::Object),
            ("*/*, application/yaml", Encoding::Yaml, Form::Object),
            ("application/json;q=0", Encoding::Json, Form::Object),
            ("application/json;sv=v1", Encoding::Json, Form::Object),
            ("application/json;q=0.5, application/yaml;q=0.9", Encoding::Yaml, Form::Object),
        ] {
            assert_eq!(choose(Offer::Objects, text).unwrap(), (encoding, form), "{text}");
        }
        for text in [table.as_str(), "application/json;v=v1", "application/json;stream=foo", "application/json;sv=v2"] {
            assert!(matches!(choose(Offer::Objects, text), Err(Error::NotAcceptable(ACCEPTED))), "{text}");
        }
        assert!(matches!(choose(Offer::Objects, "text/html"), Err(Error::NotRepresented(ACCEPTED))));
        assert!(matches!(choose(Offer::Collection, "text/html"), Err(Error::NotRepresented(COLLECTIONS))));
    }

    #[test]
    fn custom_resources_have_protobuf_of_their_metadata_alone() {
        let partial = format!("{PB};as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
        assert_eq!(choose(Offer::Custom, &partial).unwrap(), (Encoding::Protobuf, Form::Partial));
        assert_eq!(choose(Offer::Custom, &format!("{PB},application/json")).unwrap(), (Encoding::Json, Form::Object));
        assert!(matches!(choose(Offer::Custom, PB), Err(Error::NotAcceptable(ACCEPTED))));
        assert!(matches!(choose(Offer::Custom, "text/html"), Err(Error::NotAcceptable(ACCEPTED))));
    }

    #[test]
    fn documents_have_no_forms_and_errors_are_always_said() {
        let table = "application/json;as=Table;g=meta.k8s.io;v=v1";
        assert!(choose(Offer::Document, table).is_err());
        assert_eq!(choose(Offer::Document, PB).unwrap(), (Encoding::Protobuf, Form::Object));
        assert!(matches!(choose(Offer::Json, PB), Err(Error::NotRepresented("application/json"))));
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, table.parse().unwrap());
        let accept = Wanted::read(&headers, "").for_errors();
        assert_eq!((accept.encoding, accept.pretty), (Encoding::Json, true));
    }
}
