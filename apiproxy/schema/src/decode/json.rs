//! JSON to a value, noting duplicate keys.
//!
//! Paths cost allocations, so the first pass only notices that there are duplicates; a second pass, taken by hardly
//! any request, finds where.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use super::{DecodeError, MAX_DEPTH, MAX_STRICT_ERRORS};

/// Where a walk stands, and what it found.
#[derive(Default)]
pub(super) struct Track {
    found: bool,
    locate: bool,
    path: String,
    pub(super) duplicates: Vec<String>,
}

impl Track {
    pub(super) fn locating() -> Self {
        Track { locate: true, ..Track::default() }
    }

    pub(super) fn key(&mut self, key: &str) -> usize {
        let mark = self.path.len();
        if self.locate {
            if mark > 0 {
                self.path.push('.');
            }
            self.path.push_str(key);
        }
        mark
    }

    pub(super) fn index(&mut self, index: usize) -> usize {
        let mark = self.path.len();
        if self.locate {
            self.path.push_str(&format!("[{index}]"));
        }
        mark
    }

    pub(super) fn back(&mut self, mark: usize) {
        self.path.truncate(mark);
    }

    /// Notes the key the walk stands on as a duplicate.
    pub(super) fn duplicate(&mut self) {
        self.found = true;
        if self.locate && self.duplicates.len() < MAX_STRICT_ERRORS && !self.duplicates.contains(&self.path) {
            self.duplicates.push(self.path.clone());
        }
    }
}

/// The value and the paths of its duplicate keys.
pub(super) fn parse(text: &str) -> Result<(Value, Vec<String>), DecodeError> {
    let (value, track) = walk(text, Track::default())?;
    if !track.found {
        return Ok((value, Vec::new()));
    }
    let (value, track) = walk(text, Track::locating())?;
    Ok((value, track.duplicates))
}

const TOO_DEEP: &str = "exceeded max depth";

fn walk(text: &str, track: Track) -> Result<(Value, Track), DecodeError> {
    let track = RefCell::new(track);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Seed { track: &track, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match parsed {
        Ok(value) => Ok((value, track.into_inner())),
        Err(error) => Err(words(&error, text)),
    }
}

struct Seed<'t> {
    track: &'t RefCell<Track>,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(TOO_DEEP));
        }
        Ok(Seed { track: self.track, depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        // Go reads "-0" as the integer 0.
        if value == 0.0 {
            return Ok(Value::from(0));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let child = self.deeper()?;
            let mark = self.track.borrow_mut().index(items.len());
            let Some(item) = seq.next_element_seed(child)? else { break };
            self.track.borrow_mut().back(mark);
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let child = self.deeper().map_err(A::Error::custom::<A::Error>)?;
            let mark = self.track.borrow_mut().key(&key);
            if fields.contains_key(&key) {
                self.track.borrow_mut().duplicate();
            }
            let value = map.next_value_seed(child)?;
            self.track.borrow_mut().back(mark);
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

/// The error in the words of Go's reader.
fn words(error: &serde_json::Error, text: &str) -> DecodeError {
    let said = error.to_string();
    if said.starts_with(TOO_DEEP) || said.starts_with("recursion limit exceeded") {
        return DecodeError::TooDeep;
    }
    if error.classify() == Category::Eof || text.trim().is_empty() {
        return DecodeError::Json("unexpected end of JSON input".to_owned());
    }
    if said.starts_with("number out of range") {
        return DecodeError::Json("json: cannot unmarshal number into Go value of type float64".to_owned());
    }
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let found = line.as_bytes().get(error.column().saturating_sub(1)).copied().unwrap_or(b'\n');
    let place = [
        ("key must be a string", "looking for beginning of object key string"),
        ("expected `:`", "after object key"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("trailing characters", "after top-level value"),
        ("trailing comma", "looking for beginning of value"),
        ("control character", "in string literal"),
        ("invalid escape", "in string escape code"),
        ("invalid number", "in numeric literal"),
    ]
    .into_iter()
    .find(|(ours, _)| said.starts_with(ours))
    .map_or("looking for beginning of value", |(_, theirs)| theirs);
    DecodeError::Json(format!("invalid character {} {place}", quote(found)))
}

fn quote(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        other => format!("'\\x{other:02x}'"),
    }
}
