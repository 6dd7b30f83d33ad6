//! Amounts that are a number or a percentage (`intstr.IntOrString`).

use serde_json::Value;

/// Which way a percentage is rounded.
#[derive(Clone, Copy)]
pub(crate) enum Rounding {
    Up,
    Down,
}

/// A number, or a percentage of `total`; anything else is zero (validation lets nothing else through).
pub(crate) fn scaled(value: &Value, total: i32, rounding: Rounding) -> i32 {
    if let Some(number) = value.as_i64() {
        return i32::try_from(number).unwrap_or(i32::MAX).max(0);
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok());
    let Some(percent) = percent.filter(|percent| *percent >= 0) else { return 0 };
    let product = percent.saturating_mul(total.into());
    let rounded = match rounding {
        Rounding::Up => product.saturating_add(99) / 100,
        Rounding::Down => product / 100,
    };
    i32::try_from(rounded).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_percentages() {
        let cases = [
            (json!(3), 10, 3, 3),
            (json!(-3), 10, 0, 0),
            (json!("25%"), 10, 3, 2),
            (json!("100%"), i32::MAX, i32::MAX, i32::MAX),
            (json!("0%"), 10, 0, 0),
            (json!("ten"), 10, 0, 0),
            (json!("-5%"), 10, 0, 0),
            (Value::Null, 10, 0, 0),
        ];
        for (value, total, up, down) in cases {
            assert_eq!(
                (scaled(&value, total, Rounding::Up), scaled(&value, total, Rounding::Down)),
                (up, down),
                "{value}"
            );
        }
    }
}
