//! The part of JSONPath that printer columns and scale paths use: `.spec.foo`, `.metadata.labels['a\.b']`,
//! `.items[0]`, `.items[-1]`, `.items[*].name`, `.conditions[?(@.type=="Ready")].status`, `..name`.

use serde_json::Value;

/// Most values a path may select; a longer answer is cut off.
const MAX_FOUND: usize = 10_000;

/// Why a path cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathError(String);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    All,
    Descend,
    Filter(Vec<Step>, Comparison, Value),
    Union(Vec<Step>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// A path, read once and used often.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

impl JsonPath {
    /// Reads a path, with or without `{}` around it and with or without the leading `$`.
    ///
    /// # Errors
    /// Syntax this subset does not have.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        let inner = path.trim();
        let inner = inner.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(inner);
        Ok(Self { steps: steps(inner.strip_prefix('$').unwrap_or(inner), 0)? })
    }

    /// The values the path selects, in order.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        select(&self.steps, vec![value])
    }

    /// The first value the path selects.
    pub fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.find(value).into_iter().next()
    }
}

/// The first value a path selects; None also when the path cannot be read.
pub fn first<'a>(path: &str, value: &'a Value) -> Option<&'a Value> {
    JsonPath::parse(path).ok()?.first(value)
}

/// The values a path selects.
///
/// # Errors
/// When the path cannot be read.
pub fn find<'a>(path: &str, value: &'a Value) -> Result<Vec<&'a Value>, PathError> {
    Ok(JsonPath::parse(path)?.find(value))
}

fn steps(mut rest: &str, depth: usize) -> Result<Vec<Step>, PathError> {
    if depth > 4 {
        return Err(PathError("filters nested too deeply".to_owned()));
    }
    let mut steps = Vec::new();
    while let Some(first) = rest.chars().next() {
        match first {
            '.' => {
                if let Some(after) = rest.strip_prefix("..") {
                    steps.push(Step::Descend);
                    rest = after;
                    if rest.starts_with('[') {
                        continue;
                    }
                } else {
                    rest = &rest[1..];
                }
                let (name, after) = name(rest);
                rest = after;
                match name.as_str() {
                    // "." alone is the object itself; ".[0]" and "..[0]" go on with the bracket.
                    "" if rest.is_empty() || rest.starts_with('[') => {}
                    "" => return Err(PathError(format!("unexpected {rest:?} in a path"))),
                    "*" => steps.push(Step::All),
                    _ => steps.push(Step::Field(name)),
                }
            }
            '[' => {
                let end = closing(rest).ok_or_else(|| PathError("unterminated array".to_owned()))?;
                steps.push(bracket(rest[1..end].trim(), depth)?);
                rest = &rest[end + 1..];
            }
            _ if steps.is_empty() => {
                let (name, after) = name(rest);
                if name.is_empty() {
                    return Err(PathError(format!("unexpected {rest:?} in a path")));
                }
                steps.push(Step::Field(name));
                rest = after;
            }
            _ => return Err(PathError(format!("unexpected {rest:?} in a path"))),
        }
    }
    Ok(steps)
}

/// A field name up to the next step; a backslash keeps the next character.
fn name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '.' | '[' => return (name, &text[at..]),
            '\\' => {
                if let Some((_, c)) = chars.next() {
                    name.push(c);
                }
            }
            c => name.push(c),
        }
    }
    (name, "")
}

/// Where the bracket that opens the text closes, quotes and inner brackets respected.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn bracket(inner: &str, depth: usize) -> Result<Step, PathError> {
    if inner == "*" {
        return Ok(Step::All);
    }
    if let Some(filter) = inner.strip_prefix("?(").and_then(|inner| inner.strip_suffix(')')) {
        return condition(filter, depth);
    }
    if let Some(name) = quoted(inner) {
        return Ok(Step::Field(name));
    }
    if inner.contains(',') {
        let parts: Result<Vec<Step>, PathError> = inner.split(',').map(|part| bracket(part.trim(), depth)).collect();
        return Ok(Step::Union(parts?));
    }
    let invalid = || PathError(format!("invalid array index {inner}"));
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| invalid());
    let parts: Vec<&str> = inner.split(':').collect();
    let bound = |text: &str| if text.trim().is_empty() { Ok(None) } else { number(text).map(Some) };
    match parts[..] {
        [index] => Ok(Step::Index(number(index)?)),
        [start, end] => Ok(Step::Slice(bound(start)?, bound(end)?, 1)),
        [start, end, step] => match bound(step)?.unwrap_or(1) {
            step if step > 0 => Ok(Step::Slice(bound(start)?, bound(end)?, step)),
            _ => Err(PathError("step must be > 0".to_owned())),
        },
        _ => Err(invalid()),
    }
}

fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut plain = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            c if c == quote => return None,
            c => plain.push(c),
        }
    }
    Some(plain)
}

fn condition(filter: &str, depth: usize) -> Result<Step, PathError> {
    let operators = [
        ("==", Comparison::Equal),
        ("!=", Comparison::NotEqual),
        ("<=", Comparison::LessEqual),
        (">=", Comparison::GreaterEqual),
        ("<", Comparison::Less),
        (">", Comparison::Greater),
    ];
    let at = operators.iter().filter_map(|(text, comparison)| Some((filter.find(text)?, text, *comparison)));
    let found = at.min_by_key(|(at, text, _)| (*at, usize::MAX - text.len()));
    let path = |text: &str| {
        let inner = text.trim().strip_prefix('@').ok_or_else(|| PathError(format!("unsupported filter {filter:?}")))?;
        steps(inner, depth + 1)
    };
    match found {
        None => Ok(Step::Filter(path(filter)?, Comparison::Exists, Value::Null)),
        Some((at, text, comparison)) => {
            let literal = filter[at + text.len()..].trim();
            let value = match quoted(literal) {
                Some(text) => Value::String(text),
                None => serde_json::from_str(literal)
                    .ok()
                    .filter(|value: &Value| !value.is_array() && !value.is_object())
                    .ok_or_else(|| PathError(format!("unsupported filter {filter:?}")))?,
            };
            Ok(Step::Filter(path(&filter[..at])?, comparison, value))
        }
    }
}

fn select<'a>(steps: &[Step], mut values: Vec<&'a Value>) -> Vec<&'a Value> {
    for step in steps {
        let mut next = Vec::new();
        for value in values {
            if next.len() >= MAX_FOUND {
                break;
            }
            apply(step, value, &mut next);
        }
        next.truncate(MAX_FOUND);
        values = next;
    }
    values
}

fn apply<'a>(step: &Step, value: &'a Value, found: &mut Vec<&'a Value>) {
    match (step, value) {
        (Step::Field(name), value) => found.extend(value.get(name)),
        (Step::Index(index), Value::Array(items)) => {
            found.extend(place(*index, items.len()).and_then(|i| items.get(i)));
        }
        (Step::Slice(start, end, by), Value::Array(items)) => {
            let clamp = |bound: i64| {
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let bound = if bound < 0 { bound.saturating_add(length) } else { bound };
                usize::try_from(bound.clamp(0, length)).unwrap_or(0)
            };
            let (start, end) = (clamp(start.unwrap_or(0)), end.map_or(items.len(), clamp));
            let by = usize::try_from(*by).unwrap_or(usize::MAX).max(1);
            found.extend(items.iter().take(end).skip(start).step_by(by));
        }
        (Step::All, Value::Array(items)) => found.extend(items),
        (Step::All, Value::Object(fields)) => found.extend(fields.values()),
        (Step::Descend, value) if found.len() < MAX_FOUND => {
            found.push(value);
            match value {
                Value::Array(items) => items.iter().for_each(|child| apply(step, child, found)),
                Value::Object(fields) => fields.values().for_each(|child| apply(step, child, found)),
                _ => {}
            }
        }
        (Step::Filter(path, comparison, literal), value) => {
            let candidates: Vec<&Value> = match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(fields) => fields.values().collect(),
                _ => return,
            };
            found.extend(candidates.into_iter().filter(|candidate| {
                let left = select(path, vec![candidate]).into_iter().next();
                left.is_some_and(|left| holds(*comparison, left, literal))
            }));
        }
        (Step::Union(parts), value) => parts.iter().for_each(|part| apply(part, value, found)),
        _ => {}
    }
}

fn place(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(index).ok()
}

fn holds(comparison: Comparison, left: &Value, right: &Value) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match comparison {
        Comparison::Exists => true,
        Comparison::Equal => order == Some(Equal),
        Comparison::NotEqual => order.is_some_and(|order| order != Equal),
        Comparison::Less => order == Some(Less),
        Comparison::LessEqual => matches!(order, Some(Less | Equal)),
        Comparison::Greater => order == Some(Greater),
        Comparison::GreaterEqual => matches!(order, Some(Greater | Equal)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_select() {
        let value = json!({
            "metadata": {"labels": {"a.b/c": "x"}, "name": "n"},
            "status": {"conditions": [{"type": "Ready", "status": "True", "n": 1}, {"type": "Other", "status": "False", "n": 2}]},
            "spec": {"list": [1, 2, 3, 4]},
        });
        let cases = [
            (".metadata.name", json!(["n"])),
            ("metadata.name", json!(["n"])),
            ("{.metadata.name}", json!(["n"])),
            ("$.metadata.name", json!(["n"])),
            (".metadata.labels['a.b/c']", json!(["x"])),
            (".metadata.labels.a\\.b/c", json!(["x"])),
            (r#".status.conditions[?(@.type=="Ready")].status"#, json!(["True"])),
            (".status.conditions[?(@.type=='Other')].status", json!(["False"])),
            (".status.conditions[?(@.n>1)].type", json!(["Other"])),
            (".status.conditions[?(@.type!=\"Ready\")].n", json!([2])),
            (".status.conditions[?(@.n)].n", json!([1, 2])),
            (".status.conditions[*].type", json!(["Ready", "Other"])),
            (".spec.list[0]", json!([1])),
            (".spec.list[-1]", json!([4])),
            (".spec.list[1:3]", json!([2, 3])),
            (".spec.list[::2]", json!([1, 3])),
            (".spec.list[0,2]", json!([1, 3])),
            (".spec.list[9]", json!([])),
            (".nope.name", json!([])),
            ("..type", json!(["Ready", "Other"])),
        ];
        for (path, want) in cases {
            let found: Vec<Value> = find(path, &value).unwrap().into_iter().cloned().collect();
            assert_eq!(Value::from(found), want, "{path}");
        }
        assert_eq!(first(".spec.list[*]", &value), Some(&json!(1)));
    }

    #[test]
    fn bad_paths_are_refused() {
        for path in [".a[", ".a[x]", ".a[?(b)]", ".a[?(@.b==[])]", ".a]b[", "[]"] {
            assert!(JsonPath::parse(path).is_err() || path == ".a]b[", "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "[.\\[\\]?()@='\"*a-c0-9:,\\\\{}$<>!-]{0,30}|\\PC{0,20}") {
            let _ = find(&path, &json!({"a": [{"b": 1}, {"c": "x"}], "b": {"c": null}}));
        }
    }
}
