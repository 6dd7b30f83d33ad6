//! How Go prints JSON values, for error texts that quote them.

use serde_json::{Number, Value};

/// The value as `fmt` prints it with `%v`: `map[a:1 b:[x y]]`.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number_text(number),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{}", plain(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// A number as Go prints it: integers as digits, floats in the shortest form, with an exponent where Go uses one.
pub(crate) fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

fn float_text(float: f64) -> String {
    let magnitude = float.abs();
    if float == 0.0 || (1e-4..1e21).contains(&magnitude) {
        return format!("{float}");
    }
    let scientific = format!("{float:e}");
    match scientific.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent),
            };
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => scientific,
    }
}

/// Go type a JSON value decodes to, as `reflect.Type` prints it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// JSON type as Go's decoder names it in `cannot unmarshal X into`.
pub(crate) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// JSON as Go's encoder writes it: fields in order of their names, characters special to HTML escaped.
pub(crate) fn json_text(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let mut quoted = json_quote(text);
            for (special, escaped) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")] {
                quoted = quoted.replace(special, escaped);
            }
            quoted.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
        }
        Value::Array(items) => format!("[{}]", items.iter().map(json_text).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{}:{}", json_quote(name), json_text(value))).collect();
            format!("{{{}}}", fields.join(","))
        }
        other => other.to_string(),
    }
}

/// Text in quotes, as JSON.
pub(crate) fn json_quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// A value inside upstream's wrapper for decoded JSON, as `%v` prints it.
pub(crate) fn wrapped(value: &Value) -> String {
    format!("&{{{}}}", plain(value))
}

/// The same as `%#v` prints it, for scalars.
pub(crate) fn wrapped_syntax(value: &Value) -> String {
    let inner = match value {
        Value::String(text) => schema::field::go_quote(text),
        other => plain(other),
    };
    format!("&value.valueUnstructured{{Value:{inner}}}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_print_as_go_prints_them() {
        for (value, text) in [
            (json!({"b": [1, "x"], "a": null}), "map[a:<nil> b:[1 x]]"),
            (json!(1.5), "1.5"),
            (json!(1e21), "1e+21"),
            (json!(0.00001), "1e-05"),
            (json!(0.0), "0"),
            (json!(true), "true"),
            (json!({}), "map[]"),
        ] {
            assert_eq!(plain(&value), text);
        }
    }
}
