//! Steps of field paths, their order, and the two ways upstream writes them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use schema::field::go_quote;
use serde_json::Value;

use crate::golang;

/// One step of a field path. The order is upstream's: fields, keys, values, indices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// A field of an object or map: `f:name`.
    Field(String),
    /// The item of a list that has these keys: `k:{"name":"x"}`.
    Key(BTreeMap<String, Leaf>),
    /// The item of a set: `v:"x"`.
    Value(Leaf),
    /// The item of an ordered list: `i:0`. Written by nobody today, kept when read.
    Index(i64),
}

/// A value inside a path, ordered as upstream orders values: numbers, text, booleans, lists, objects, null.
#[derive(Clone, Debug)]
pub(super) struct Leaf(pub(super) Value);

impl PartialEq for Leaf {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Leaf {}

impl PartialOrd for Leaf {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Leaf {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

/// Whether two values are the same to upstream: `1` and `1.0` are.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    compare(a, b) == Ordering::Equal
}

fn compare(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => match (a.as_u64(), b.as_u64()) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
            },
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let differing = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            differing.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let differing = a
                .iter()
                .zip(b)
                .map(|((a_name, a), (b_name, b))| a_name.cmp(b_name).then_with(|| compare(a, b)))
                .find(|order| order.is_ne());
            differing.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

impl Element {
    /// The step as a key of fieldsV1.
    pub(super) fn encode(&self) -> String {
        match self {
            Element::Field(name) => format!("f:{name}"),
            Element::Key(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(name, value)| format!("{}:{}", golang::json_quote(name), golang::json_text(&value.0)))
                    .collect();
                format!("k:{{{}}}", keys.join(","))
            }
            Element::Value(value) => format!("v:{}", golang::json_text(&value.0)),
            Element::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads a key of fieldsV1. None for kinds of steps a later version may have: they are ignored.
    pub(super) fn decode(text: &str) -> Result<Option<Element>, String> {
        if text.len() < 2 {
            return Err("key must be 2 characters long:".to_owned());
        }
        let Some((kind, rest)) = text.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
            return Err(format!("missing colon: {text}"));
        };
        let element = match kind {
            "f" => Element::Field(rest.to_owned()),
            "k" => {
                let keys: BTreeMap<String, Value> = serde_json::from_str(rest).map_err(|error| error.to_string())?;
                Element::Key(keys.into_iter().map(|(name, value)| (name, Leaf(value))).collect())
            }
            "v" => Element::Value(Leaf(serde_json::from_str(rest).map_err(|error| error.to_string())?)),
            "i" => Element::Index(rest.parse().map_err(|_| format!("parsing \"{rest}\": invalid syntax"))?),
            _ => return Ok(None),
        };
        Ok(Some(element))
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(name) => write!(f, ".{name}"),
            Element::Key(keys) => {
                let keys: Vec<String> =
                    keys.iter().map(|(name, value)| format!("{name}={}", shown(&value.0))).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Element::Value(value) => write!(f, "[={}]", shown(&value.0)),
            Element::Index(index) => write!(f, "[{index}]"),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => golang::number_text(number),
        Value::String(text) => go_quote(text),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => fields.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect(),
    }
}

/// A whole path in the words of conflicts: `.spec.containers[name="web"].image`.
pub(super) fn text(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_are_written_and_read() {
        for (text, shown) in [
            ("f:spec", ".spec"),
            ("f:a.b/c", ".a.b/c"),
            ("f:a:b", ".a:b"),
            (r#"k:{"containerPort":80,"protocol":"TCP"}"#, r#"[containerPort=80,protocol="TCP"]"#),
            (r#"k:{"a":null,"b":true}"#, "[a=null,b=true]"),
            (r#"v:"x\u003cy""#, r#"[="x<y"]"#),
            ("v:1.5", "[=1.5]"),
            ("i:3", "[3]"),
        ] {
            let element = Element::decode(text).unwrap().unwrap();
            assert_eq!(element.encode(), text);
            assert_eq!(element.to_string(), shown);
        }
        assert_eq!(Element::decode("z:future"), Ok(None));
        for bad in ["f", "", "fx", "k:[]", "k:{", "v:", "i:x", "ü"] {
            assert!(Element::decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_the_same_by_value() {
        assert!(same(&json!({"a": [1]}), &json!({"a": [1.0]})));
        assert!(!same(&json!([1]), &json!([1, 1])));
        assert!(!same(&json!("1"), &json!(1)));
        assert!(!same(&json!(u64::MAX), &json!(i64::MAX)));
    }
}
