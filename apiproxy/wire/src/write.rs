//! JSON into messages, in one pass and without a tree: a serde visitor per shape appends to one buffer.
//!
//! JSON comes in the order of names, messages go in the order of numbers. So the fields of a message are first written
//! as they come, behind what is already there, with a note of where each one is; then they are put in order. The rules
//! are those of Go's generated marshallers: fields that are no pointers are written also when they are zero, maps are
//! sorted by key, numbers in lists are not packed.
//!
//! Upstream: `generated.pb.go` of each group; `time_proto.go`, `micro_time_proto.go`, `quantity_proto.go`.

use std::fmt;
use std::ops::Range;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::plan::{Member, MessageIndex, Plan, Plans, Shape};

/// Wire type of numbers.
const VARINT: u32 = 0;
/// Wire type of doubles.
const FIXED64: u32 = 1;
/// Wire type of everything with a length.
const LENGTH: u32 = 2;

/// Appends a number in base 128.
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        #[allow(clippy::cast_possible_truncation)] // The low seven bits are what is meant.
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    #[allow(clippy::cast_possible_truncation)] // Below 0x80.
    out.push(value as u8);
}

fn tag(out: &mut Vec<u8>, number: u32, wire: u32) {
    varint(out, u64::from(number << 3 | wire));
}

/// Appends a field of bytes.
pub(crate) fn bytes(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    tag(out, number, LENGTH);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

pub(crate) fn number(out: &mut Vec<u8>, number: u32, value: i64) {
    tag(out, number, VARINT);
    varint(out, value.cast_unsigned());
}

pub(crate) fn double(out: &mut Vec<u8>, number: u32, value: f64) {
    tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Makes what has been written since `start` the content of a field: puts tag and length before it.
pub(crate) fn enclose(out: &mut Vec<u8>, start: usize, number: u32) {
    let (end, length) = (out.len(), out.len() - start);
    tag(out, number, LENGTH);
    varint(out, length as u64);
    let head = out.len() - end;
    out[start..].rotate_right(head);
}

/// Writes the zero value of a field that is no pointer; nothing for lists, maps and bytes, which are nil.
pub(crate) fn zero_field(plans: &Plans, at: u32, shape: &Shape, out: &mut Vec<u8>) {
    match shape {
        Shape::Bytes | Shape::List(_) | Shape::Map(_) | Shape::Wrapped(_) => {}
        Shape::Bool | Shape::Int => number(out, at, 0),
        Shape::Double => double(out, at, 0.0),
        Shape::Text | Shape::Time | Shape::MicroTime | Shape::Json | Shape::SchemaOrList | Shape::SchemaOrTexts => {
            bytes(out, at, b"");
        }
        Shape::Quantity => bytes(out, at, b"\x0a\x010"),
        Shape::IntOrString => bytes(out, at, b"\x08\0\x10\0\x1a\0"),
        Shape::Duration | Shape::SchemaOrBool => bytes(out, at, b"\x08\0"),
        Shape::Message(index) => {
            let start = out.len();
            plans.get(*index).write_absent(out);
            enclose(out, start, at);
        }
    }
}

/// Writes members in order: what `written` has of a field, else what stands for its absence.
pub(crate) fn members<'b>(
    plan: &Plan,
    members: &[Member],
    written: &dyn Fn(usize) -> Option<&'b [u8]>,
    out: &mut Vec<u8>,
) {
    for member in members {
        match member {
            Member::Field(at) => match written(*at) {
                Some(field) => out.extend_from_slice(field),
                None => out.extend_from_slice(&plan.fields[*at].absent),
            },
            Member::Group(number, inner) => {
                let start = out.len();
                self::members(plan, inner, written, out);
                enclose(out, start, *number);
            }
        }
    }
}

/// Writes messages. Its buffers are kept from one message to the next.
pub(crate) struct Writer {
    plans: &'static Plans,
    pub(crate) out: Vec<u8>,
    /// Where the fields of the messages being written are, those of the innermost one last.
    places: Vec<Option<Range<usize>>>,
    /// Where a message is put in order.
    ordered: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { plans: Plans::builtin(), out: Vec::new(), places: Vec::new(), ordered: Vec::new() }
    }

    /// Appends a message read from JSON.
    pub(crate) fn message<'de, D: Deserializer<'de>>(&mut self, index: MessageIndex, json: D) -> Result<(), D::Error> {
        json.deserialize_map(Bare(self, index))
    }

    /// Appends a field that holds a message read from JSON.
    pub(crate) fn field<'de, D: Deserializer<'de>>(
        &mut self,
        number: u32,
        index: MessageIndex,
        json: D,
    ) -> Result<(), D::Error> {
        let start = self.out.len();
        self.message(index, json)?;
        enclose(&mut self.out, start, number);
        Ok(())
    }

    fn object<'de, A: MapAccess<'de>>(&mut self, index: MessageIndex, mut map: A) -> Result<(), A::Error> {
        let plan = self.plans.get(index);
        let (start, base) = (self.out.len(), self.places.len());
        self.places.resize(base + plan.fields.len(), None);
        while let Some(found) = map.next_key_seed(Name(plan))? {
            let Some(at) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let field = &plan.fields[at];
            let from = self.out.len();
            let present = map.next_value_seed(Put { writer: self, number: field.number, shape: &field.shape })?;
            self.places[base + at] = present.then_some(from..self.out.len());
        }
        let Self { out, places, ordered, .. } = self;
        ordered.clear();
        let written = |at: usize| places[base + at].clone().map(|place| &out[place]);
        members(plan, &plan.members, &written, ordered);
        places.truncate(base);
        out.truncate(start);
        out.extend_from_slice(ordered);
        Ok(())
    }

    fn map<'de, A: MapAccess<'de>>(&mut self, at: u32, values: &Shape, mut map: A) -> Result<(), A::Error> {
        let from = self.out.len();
        let mut entries: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        loop {
            let start = self.out.len();
            let Some(key) = map.next_key_seed(Key(&mut self.out))? else { break };
            if !map.next_value_seed(Put { writer: self, number: 2, shape: values })? {
                zero_field(self.plans, 2, values, &mut self.out);
            }
            let length = self.out.len();
            enclose(&mut self.out, start, at);
            let moved = self.out.len() - length;
            entries.push((key.start + moved..key.end + moved, start..self.out.len()));
        }
        let key = |entry: &(Range<usize>, Range<usize>)| &self.out[entry.0.clone()];
        if !entries.is_sorted_by_key(key) {
            entries.sort_by(|a, b| key(a).cmp(key(b)));
            self.ordered.clear();
            for (_, entry) in &entries {
                self.ordered.extend_from_slice(&self.out[entry.clone()]);
            }
            self.out.truncate(from);
            self.out.extend_from_slice(&self.ordered);
        }
        Ok(())
    }

    fn list<'de, A: SeqAccess<'de>>(&mut self, at: u32, items: &Shape, mut list: A) -> Result<(), A::Error> {
        while let Some(present) = list.next_element_seed(Put { writer: self, number: at, shape: items })? {
            if !present {
                zero_field(self.plans, at, items, &mut self.out);
            }
        }
        Ok(())
    }
}

/// Reads an object into a message without tag and length.
struct Bare<'w>(&'w mut Writer, MessageIndex);

impl<'de> Visitor<'de> for Bare<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.0.object(self.1, map)
    }
}

/// Reads a key: the field it names.
struct Name<'p>(&'p Plan);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.named(name))
    }
}

/// Reads a key of a map into field 1 of its entry; says where the key is.
struct Key<'o>(&'o mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Range<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Range<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        bytes(self.0, 1, key.as_bytes());
        Ok(self.0.len() - key.len()..self.0.len())
    }
}

/// Reads a value of a shape into a field; false for null, which writes nothing.
struct Put<'w, 's> {
    writer: &'w mut Writer,
    number: u32,
    shape: &'s Shape,
}

impl Put<'_, '_> {
    fn wrong<E: serde::de::Error>(&self, found: &str) -> E {
        E::custom(format_args!("{found} where {:?} is expected", self.shape))
    }

    /// Writes a schema into field `inner` of the union.
    fn schema<'de, A: MapAccess<'de>>(&mut self, inner: u32, map: A) -> Result<(), A::Error> {
        let (index, _) = self.writer.plans.json_schema().ok_or_else(|| A::Error::custom("no schema of schemas"))?;
        let start = self.writer.out.len();
        self.writer.object(index, map)?;
        enclose(&mut self.writer.out, start, inner);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Put<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<bool, D::Error> {
        if !matches!(self.shape, Shape::Json) {
            return value.deserialize_any(self);
        }
        let raw: Box<RawValue> = serde::Deserialize::deserialize(value)?;
        if raw.get() == "null" {
            return Ok(false);
        }
        let out = &mut self.writer.out;
        let start = out.len();
        bytes(out, 1, raw.get().as_bytes());
        enclose(out, start, self.number);
        Ok(true)
    }
}

impl<'de> Visitor<'de> for Put<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shape)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<bool, E> {
        let out = &mut self.writer.out;
        match self.shape {
            Shape::Bool => number(out, self.number, i64::from(value)),
            Shape::SchemaOrBool => bytes(out, self.number, &[8, u8::from(value)]),
            _ => return Err(self.wrong("a boolean")),
        }
        Ok(true)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<bool, E> {
        let out = &mut self.writer.out;
        match self.shape {
            Shape::Int => number(out, self.number, value),
            #[allow(clippy::cast_precision_loss)] // As Go reads integers into a float64.
            Shape::Double => double(out, self.number, value as f64),
            Shape::IntOrString => {
                let start = out.len();
                number(out, 1, 0);
                number(out, 2, value);
                bytes(out, 3, b"");
                enclose(out, start, self.number);
            }
            _ => return Err(self.wrong("a number")),
        }
        Ok(true)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<bool, E> {
        match (i64::try_from(value), self.shape) {
            (Ok(value), _) => self.visit_i64(value),
            #[allow(clippy::cast_precision_loss)] // As Go reads integers into a float64.
            (Err(_), Shape::Double) => self.visit_f64(value as f64),
            (Err(_), _) => Err(self.wrong("a large number")),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<bool, E> {
        if !matches!(self.shape, Shape::Double) {
            return Err(self.wrong("a fraction"));
        }
        double(&mut self.writer.out, self.number, value);
        Ok(true)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<bool, E> {
        let out = &mut self.writer.out;
        let start = out.len();
        match self.shape {
            Shape::Text => {
                bytes(out, self.number, text.as_bytes());
                return Ok(true);
            }
            Shape::Bytes => out.extend(schema::scalar::decode_base64(text).map_err(E::custom)?),
            Shape::Quantity => bytes(out, 1, text.as_bytes()),
            Shape::IntOrString => {
                number(out, 1, 1);
                number(out, 2, 0);
                bytes(out, 3, text.as_bytes());
            }
            Shape::Time | Shape::MicroTime => {
                let micro = matches!(self.shape, Shape::MicroTime);
                time(out, text.parse().map_err(E::custom)?, micro);
            }
            Shape::Duration => number(out, 1, schema::scalar::parse_duration(text).map_err(E::custom)?),
            _ => return Err(self.wrong("text")),
        }
        enclose(out, start, self.number);
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<bool, A::Error> {
        let start = self.writer.out.len();
        match self.shape {
            Shape::List(items) => {
                self.writer.list(self.number, items, list)?;
                return Ok(true);
            }
            Shape::Wrapped(items) => self.writer.list(1, items, list)?,
            Shape::SchemaOrTexts => self.writer.list(2, &Shape::Text, list)?,
            Shape::SchemaOrList => {
                let (index, _) =
                    self.writer.plans.json_schema().ok_or_else(|| A::Error::custom("no schema of schemas"))?;
                self.writer.list(2, &Shape::Message(index), list)?;
            }
            _ => return Err(self.wrong("a list")),
        }
        enclose(&mut self.writer.out, start, self.number);
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<bool, A::Error> {
        let start = self.writer.out.len();
        match self.shape {
            Shape::Map(values) => {
                self.writer.map(self.number, values, map)?;
                return Ok(true);
            }
            Shape::Message(index) => self.writer.object(*index, map)?,
            Shape::SchemaOrList | Shape::SchemaOrTexts => self.schema(1, map)?,
            Shape::SchemaOrBool => {
                number(&mut self.writer.out, 1, 1);
                self.schema(2, map)?;
            }
            _ => return Err(self.wrong("an object")),
        }
        enclose(&mut self.writer.out, start, self.number);
        Ok(true)
    }
}

/// Go's zero time, the first of January of the year 1, is an empty message.
fn time(out: &mut Vec<u8>, time: Timestamp, micro: bool) {
    const ZERO: i64 = -62_135_596_800;
    let (mut seconds, mut nanos) = (time.as_second(), time.subsec_nanosecond());
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    if seconds == ZERO && nanos == 0 {
        return;
    }
    number(out, 1, seconds);
    number(out, 2, if micro { i64::from(nanos / 1000 * 1000) } else { 0 });
}
