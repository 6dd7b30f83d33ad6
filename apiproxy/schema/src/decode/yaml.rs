//! YAML to a value as `sigs.k8s.io/yaml` reads it: YAML 1.1 scalars, keys of any scalar type become text, the first
//! document counts.
//!
//! Works on parser events because only they tell quoted from plain scalars and on which line a key stands.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::json::Track;
use super::scalar::{Scalar, resolve};
use super::{DecodeError, MAX_DEPTH, MAX_STRICT_ERRORS};

/// Bytes that aliases of one document may add to it.
const ALIAS_BUDGET: usize = 4 << 20;
/// What a node costs beside its text.
const NODE_COST: usize = 32;

/// A document.
pub(super) struct Parsed {
    pub(super) value: Value,
    pub(super) duplicates: Vec<String>,
    /// `line 6: key "replicas" already set in map`.
    pub(super) complaints: Vec<String>,
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, (Value, usize)>,
    budget: usize,
    track: Track,
    complaints: Vec<String>,
}

pub(super) fn parse(text: &str) -> Result<Parsed, DecodeError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        budget: ALIAS_BUDGET,
        track: Track::locating(),
        complaints: Vec::new(),
    };
    let value = loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd | Event::DocumentEnd => break Value::Null,
            event if event.is_node() => break reader.node(event, span, 0)?,
            _ => {}
        }
    };
    Ok(Parsed { value, duplicates: reader.track.duplicates, complaints: reader.complaints })
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), DecodeError> {
        loop {
            match self.parser.next_event() {
                Some(Ok((event, span))) => match event {
                    Event::Scalar(..)
                    | Event::SequenceStart(..)
                    | Event::SequenceEnd
                    | Event::MappingStart(..)
                    | Event::MappingEnd
                    | Event::Alias(_)
                    | Event::DocumentEnd
                    | Event::StreamEnd => return Ok((event, span)),
                    _ => {}
                },
                Some(Err(error)) => return Err(words(&error)),
                None => return Ok((Event::StreamEnd, Span::default())),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Value, DecodeError> {
        let opens = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        if opens && depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, depth),
            Event::Scalar(text, style, anchor, tag) => (json(scalar(&text, style, tag.as_ref(), span)?)?, anchor),
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                        break;
                    }
                    let mark = self.track.index(items.len());
                    let item = self.node(event, span, depth + 1)?;
                    self.track.back(mark);
                    items.push(item);
                }
                (Value::Array(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            _ => return Err(DecodeError::Yaml("yaml: unexpected event".to_owned())),
        };
        if anchor != 0 {
            // A stored copy costs what an alias to it would.
            let cost = cost(&value);
            self.spend(cost)?;
            self.anchors.insert(anchor, (value.clone(), cost));
        }
        Ok(value)
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut fields = Map::new();
        let mut merged = Map::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let line = span.start.line();
            let key = self.key(event, span)?;
            let Some(key) = key else {
                let (event, span) = self.next()?;
                let value = self.node(event, span, depth + 1)?;
                merge(&mut merged, value, line)?;
                continue;
            };
            let mark = self.track.key(&key);
            if fields.contains_key(&key) {
                self.track.duplicate();
                if self.complaints.len() < MAX_STRICT_ERRORS {
                    self.complaints
                        .push(format!("line {line}: key {} already set in map", crate::field::go_quote(&key)));
                }
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            self.track.back(mark);
            fields.insert(key, value);
        }
        for (key, value) in merged {
            fields.entry(key).or_insert(value);
        }
        Ok(Value::Object(fields))
    }

    /// The text of a key; None for the merge key `<<`.
    fn key(&mut self, event: Event<'t>, span: Span) -> Result<Option<String>, DecodeError> {
        let line = span.start.line();
        let resolved = match event {
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::Plain && tag.is_none() && text == "<<" {
                    return Ok(None);
                }
                let resolved = scalar(&text, style, tag.as_ref(), span)?;
                if anchor != 0 {
                    let value = json(resolved.clone())?;
                    let cost = cost(&value);
                    self.spend(cost)?;
                    self.anchors.insert(anchor, (value, cost));
                }
                resolved
            }
            Event::Alias(id) => match self.alias(id, 0)? {
                Value::String(text) => Scalar::Text(text),
                Value::Bool(value) => Scalar::Bool(value),
                Value::Number(number) => Scalar::Text(number.to_string()),
                _ => Scalar::Null,
            },
            _ => return Err(DecodeError::Yaml(format!("yaml: line {line}: invalid map key: a key must be a scalar"))),
        };
        match resolved {
            Scalar::Text(text) => Ok(Some(text)),
            Scalar::Bool(value) => Ok(Some(value.to_string())),
            Scalar::Integer(value) => Ok(Some(value.to_string())),
            Scalar::Unsigned(value) => Ok(Some(value.to_string())),
            Scalar::Float(value) => Ok(Some(float_key(value))),
            Scalar::Null => Err(DecodeError::Yaml("unsupported map key of type: %!s(<nil>), key: <nil>".to_owned())),
        }
    }

    fn alias(&mut self, id: usize, depth: usize) -> Result<Value, DecodeError> {
        let Some((value, cost)) = self.anchors.get(&id) else {
            // The anchor is still open: the document contains itself.
            return Err(DecodeError::Yaml("yaml: anchor value contains itself".to_owned()));
        };
        if depth + height(value) > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let (value, cost) = (value.clone(), *cost);
        self.spend(cost)?;
        Ok(value)
    }

    fn spend(&mut self, cost: usize) -> Result<(), DecodeError> {
        self.budget = self.budget.checked_sub(cost).ok_or(DecodeError::Aliasing)?;
        Ok(())
    }
}

fn merge(into: &mut Map<String, Value>, value: Value, line: usize) -> Result<(), DecodeError> {
    let parts = match value {
        Value::Array(parts) => parts,
        one => vec![one],
    };
    for part in parts {
        let Value::Object(fields) = part else {
            return Err(DecodeError::Yaml(format!(
                "yaml: line {line}: map merge requires map or sequence of maps as the value"
            )));
        };
        for (key, value) in fields {
            into.entry(key).or_insert(value);
        }
    }
    Ok(())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>, span: Span) -> Result<Scalar, DecodeError> {
    let core = tag.and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
    let core = core.as_deref();
    let failed = |kind: &str| {
        let line = span.start.line();
        DecodeError::Yaml(format!("yaml: line {line}: cannot decode !!str `{text}` as a !!{kind}"))
    };
    match (core, tag.is_some()) {
        (Some("binary"), _) => {
            let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let bytes = crate::scalar::decode_base64(&compact)
                .map_err(|_| DecodeError::Yaml("yaml: !!binary value contains invalid base64 data".to_owned()))?;
            Ok(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        (Some(kind @ ("int" | "float" | "bool" | "null")), _) => {
            let resolved = resolve(text);
            match (kind, &resolved) {
                ("int", Scalar::Integer(_) | Scalar::Unsigned(_))
                | ("float", Scalar::Float(_))
                | ("bool", Scalar::Bool(_))
                | ("null", Scalar::Null) => Ok(resolved),
                #[allow(clippy::cast_precision_loss)] // What `!!float 5` asks for.
                ("float", Scalar::Integer(value)) => Ok(Scalar::Float(*value as f64)),
                _ => Err(failed(kind)),
            }
        }
        (None, false) if style == ScalarStyle::Plain => Ok(resolve(text)),
        _ => Ok(Scalar::Text(text.to_owned())),
    }
}

fn json(scalar: Scalar) -> Result<Value, DecodeError> {
    Ok(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Integer(value) => Value::from(value),
        Scalar::Unsigned(value) => Value::from(value),
        Scalar::Text(text) => Value::String(text),
        Scalar::Float(value) => super::scalar::number(value).ok_or_else(|| {
            let name = if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            DecodeError::Yaml(format!("json: unsupported value: {name}"))
        })?,
    })
}

fn float_key(value: f64) -> String {
    if value.is_nan() {
        ".nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { ".inf".to_owned() } else { "-.inf".to_owned() }
    } else {
        value.to_string()
    }
}

fn cost(value: &Value) -> usize {
    NODE_COST
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(cost).sum(),
            Value::Object(fields) => fields.iter().map(|(key, value)| key.len() + cost(value)).sum(),
            _ => 0,
        }
}

fn height(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(height).max().unwrap_or(0),
        _ => 0,
    }
}

fn words(error: &ScanError) -> DecodeError {
    let said = error.info();
    if said.contains("recursion limit") {
        return DecodeError::TooDeep;
    }
    DecodeError::Yaml(format!("yaml: line {}: {said}", error.marker().line()))
}
