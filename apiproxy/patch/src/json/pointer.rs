//! JSON pointers into a document, with the limits on what operations may do there.

use serde_json::{Map, Value};

use super::{MAX_COPIED_BYTES, MAX_DEPTH};

/// Most steps (values visited, list items moved) the operations of one patch may cost together; far above what any
/// sensible patch needs, it bounds the time of a hostile one to less than a second.
const MAX_STEPS: usize = 20_000_000;

/// What the operations of a patch have cost so far.
#[derive(Default)]
pub(super) struct Work {
    steps: usize,
    copied: usize,
}

impl Work {
    /// Counts the bytes of a copied value.
    pub(super) fn copied(&mut self, value: &Value) -> Result<(), String> {
        self.copied += value.to_string().len();
        if self.copied > MAX_COPIED_BYTES {
            return Err(format!(
                "Unable to complete the copy, the accumulated size increase of copy is {}, exceeding the limit {}",
                self.copied, MAX_COPIED_BYTES
            ));
        }
        Ok(())
    }

    /// Refuses a value that would nest too deep at a path.
    pub(super) fn deepen(&mut self, path: &str, value: &Value) -> Result<(), String> {
        let room = MAX_DEPTH.saturating_sub(path.matches('/').count());
        self.fits(value, room)
    }

    fn fits(&mut self, value: &Value, room: usize) -> Result<(), String> {
        self.step(1)?;
        if room == 0 {
            return Err(format!("the patch nests deeper than {MAX_DEPTH}"));
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.fits(item, room - 1)),
            Value::Object(fields) => fields.values().try_for_each(|item| self.fits(item, room - 1)),
            _ => Ok(()),
        }
    }

    fn step(&mut self, steps: usize) -> Result<(), String> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err("the patch takes too long to apply".to_owned()) } else { Ok(()) }
    }
}

/// The container a pointer ends in, and its last token.
pub(super) enum Place<'a> {
    Field(&'a mut Map<String, Value>, String),
    Item(&'a mut Vec<Value>, String),
}

impl<'a> Place<'a> {
    /// The place a pointer names; None when a container on the way is missing.
    pub(super) fn find(doc: &'a mut Value, path: &str) -> Option<Place<'a>> {
        let mut tokens = path.split('/').map(decode);
        tokens.next()?;
        let mut last = tokens.next()?;
        let mut here = doc;
        for token in tokens {
            here = match here {
                Value::Object(fields) => fields.get_mut(&last)?,
                Value::Array(items) => {
                    let index = resolve(items.len(), &last).ok()?;
                    items.get_mut(index)?
                }
                _ => return None,
            };
            last = token;
        }
        match here {
            Value::Object(fields) => Some(Place::Field(fields, last)),
            Value::Array(items) => Some(Place::Item(items, last)),
            _ => None,
        }
    }

    /// The value here; None for a field that does not exist.
    pub(super) fn get(self) -> Result<Option<&'a Value>, String> {
        match self {
            Place::Field(fields, name) => Ok(fields.get(&name)),
            Place::Item(items, token) => {
                let index = resolve(items.len(), &token)?;
                Ok(items.get(index))
            }
        }
    }

    /// Sets a field or inserts an item.
    pub(super) fn add(self, value: Value, work: &mut Work) -> Result<(), String> {
        match self {
            Place::Field(fields, name) => {
                fields.insert(name, value);
            }
            Place::Item(items, token) if token == "-" => items.push(value),
            Place::Item(items, token) => {
                let index = resolve(items.len() + 1, &token)
                    .map_err(|error| format!("value was not a proper array index: '{token}': {error}"))?;
                work.step(items.len() - index)?;
                items.insert(index, value);
            }
        }
        Ok(())
    }

    /// Sets a field or overwrites an item.
    pub(super) fn set(self, value: Value) -> Result<(), String> {
        match self {
            Place::Field(fields, name) => {
                fields.insert(name, value);
            }
            Place::Item(items, token) => {
                let index = resolve(items.len(), &token)?;
                items[index] = value;
            }
        }
        Ok(())
    }

    /// Takes the value away.
    pub(super) fn remove(self, work: &mut Work) -> Result<Value, String> {
        match self {
            Place::Field(fields, name) => {
                fields.remove(&name).ok_or_else(|| format!("Unable to remove nonexistent key: {name}: missing value"))
            }
            Place::Item(items, token) => {
                let index = resolve(items.len(), &token)?;
                work.step(items.len() - index)?;
                Ok(items.remove(index))
            }
        }
    }
}

fn decode(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// The index below `len` a token names; negative ones count from the end.
fn resolve(len: usize, token: &str) -> Result<usize, String> {
    let index: i64 = token.parse().map_err(|_| format!("strconv.Atoi: parsing \"{token}\": invalid syntax"))?;
    let refused = || format!("Unable to access invalid index: {index}: invalid index referenced");
    let len = i64::try_from(len).map_err(|_| refused())?;
    let index = if index < 0 { index + len } else { index };
    if (0..len).contains(&index) { usize::try_from(index).map_err(|_| refused()) } else { Err(refused()) }
}
