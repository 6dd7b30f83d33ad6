//! Cells of custom resources: the value at a column's JSON path, by the column's type.

use schema::Column;
use serde_json::Value;

use super::{Print, since};

/// One cell; null when there is nothing at the path or it is of another type.
pub(super) fn cell(column: &Column, path: &str, print: &Print<'_>) -> Value {
    let Some(value) = first(print.obj, path).filter(|value| !value.is_null()) else { return Value::Null };
    match (column.type_.as_str(), value) {
        ("string", Value::String(text)) => text.clone().into(),
        ("string", value) => value.to_string().into(),
        ("integer", Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            #[expect(clippy::cast_possible_truncation, reason = "upstream cuts fractions off here")]
            (None, Some(float)) => (float as i64).into(),
            (None, None) => Value::Null,
        },
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(time)) => match time.parse::<jiff::Timestamp>() {
            Ok(_) => since(time, print.now).into(),
            Err(_) => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}

/// The first value at a simple JSON path: fields, quoted fields, indices, `*`, and filters by equality.
fn first<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut rest = path.trim();
    rest = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(rest);
    rest = rest.strip_prefix('$').unwrap_or(rest);
    walk(value, rest)
}

fn walk<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(rest) = path.strip_prefix('[') {
        let end = close(rest)?;
        let (inside, rest) = (rest[..end].trim(), &rest[end + 1..]);
        return subscript(value, inside, rest);
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let mut end = path.len();
    let mut escaped = false;
    for (at, c) in path.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '.' | '[' => {
                end = at;
                break;
            }
            _ => (),
        }
    }
    let (name, rest) = path.split_at(end);
    let name = name.replace('\\', "");
    match value {
        Value::Object(map) if name == "*" => map.values().find_map(|value| walk(value, rest)),
        Value::Array(items) if name == "*" => items.iter().find_map(|value| walk(value, rest)),
        value => walk(value.get(&name)?, rest),
    }
}

fn subscript<'a>(value: &'a Value, inside: &str, rest: &str) -> Option<&'a Value> {
    if let Some(quoted) = unquote(inside) {
        return walk(value.get(quoted)?, rest);
    }
    let items = value.as_array()?;
    if inside == "*" {
        return items.iter().find_map(|item| walk(item, rest));
    }
    if let Some(filter) = inside.strip_prefix("?(").and_then(|filter| filter.strip_suffix(')')) {
        let (left, right) = filter.split_once("==")?;
        let left = left.trim().strip_prefix('@')?;
        let right = right.trim();
        let wanted = unquote(right).map_or_else(|| serde_json::from_str(right).unwrap_or(Value::Null), Value::from);
        return items.iter().filter(|item| walk(item, left) == Some(&wanted)).find_map(|item| walk(item, rest));
    }
    let index: i64 = inside.split(':').next()?.trim().parse().unwrap_or(0);
    let index = if index < 0 {
        items.len().checked_sub(usize::try_from(-index).ok()?)?
    } else {
        usize::try_from(index).ok()?
    };
    walk(items.get(index)?, rest)
}

fn unquote(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
}

/// Where the bracket opened before ends; quotes hide brackets.
fn close(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, ']') => return Some(at),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => (),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::first;
    use serde_json::json;

    #[test]
    fn finds_what_columns_point_at() {
        let obj = json!({"spec": {"a": 1, "b.c": "x", "list": [{"type": "Ready", "status": "True"}, {"type": "Z", "status": "False"}]},
            "metadata": {"annotations": {"k/8.s": "v"}}});
        for (path, want) in [
            (".spec.a", json!(1)),
            ("{.spec.a}", json!(1)),
            (".spec['b.c']", json!("x")),
            (r".spec.b\.c", json!("x")),
            (r".spec.list[?(@.type=='Z')].status", json!("False")),
            (".spec.list[0].type", json!("Ready")),
            (".spec.list[-1].type", json!("Z")),
            (".spec.list[*].status", json!("True")),
            (r".metadata.annotations.k/8\.s", json!("v")),
        ] {
            assert_eq!(first(&obj, path), Some(&want), "{path}");
        }
        for path in [".spec.none", ".spec.list[9]", ".spec.list[", "[", ".spec.list[-9].type", r".spec.\"] {
            assert_eq!(first(&obj, path), None, "{path}");
        }
    }
}
