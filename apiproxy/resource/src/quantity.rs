//! Amounts of resources (`k8s.io/apimachinery/pkg/api/resource.Quantity`): parse, compare, round, write.
//!
//! Held as an integer of nano units, which is what upstream's finest suffix is; larger than any amount upstream keeps
//! (it caps at 2^63-1).

use serde_json::Value;

/// Nano units in one.
const ONE: i128 = 1_000_000_000;

/// How an amount was written, and is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `5Gi`.
    Binary,
    /// `5M`, `100m`.
    Decimal,
    /// `5e6`.
    Exponent,
}

/// An amount.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    style: Style,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Quantity {
    /// Nothing, in decimal style.
    pub const ZERO: Quantity = Quantity { nanos: 0, style: Style::Decimal };

    /// Reads an amount; None when it is not one. Finer parts than nano are rounded up, larger amounts capped.
    pub fn parse(text: &str) -> Option<Quantity> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (scale, style) = suffix_scale(suffix)?;
        let nanos = scaled(whole, fraction, scale);
        Some(Quantity { nanos: if negative { -nanos } else { nanos }, style })
    }

    /// Reads an amount from JSON: text or number.
    pub fn of(value: &Value) -> Option<Quantity> {
        match value {
            Value::String(text) => Quantity::parse(text),
            Value::Number(number) => Quantity::parse(&number.to_string()),
            _ => None,
        }
    }

    /// An amount of whole units.
    pub fn units(value: i64, style: Style) -> Quantity {
        Quantity { nanos: i128::from(value) * ONE, style }
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether it is below nothing.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Whether it is a whole number of thousandths of thousandths … of `unit` nano units.
    pub fn is_whole(self) -> bool {
        self.nanos % ONE == 0
    }

    /// Whole units, rounded up.
    pub fn value(self) -> i64 {
        saturate(ceil_div(self.nanos, ONE))
    }

    /// Thousandths, rounded up.
    pub fn milli_value(self) -> i64 {
        saturate(ceil_div(self.nanos, ONE / 1000))
    }

    /// Rounded up to thousandths, as upstream does for resource lists.
    pub fn round_up_milli(self) -> Quantity {
        Quantity { nanos: ceil_div(self.nanos, ONE / 1000) * (ONE / 1000), ..self }
    }

    /// The sum, in the style of the first that is not zero.
    pub fn plus(self, other: Quantity) -> Quantity {
        let style = if self.is_zero() { other.style } else { self.style };
        Quantity { nanos: self.nanos.saturating_add(other.nanos), style }
    }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

/// Away from zero, as upstream rounds.
fn ceil_div(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    if value % by == 0 { quotient } else { quotient + value.signum() }
}

/// The scale of a suffix: (base 2 exponent, base 10 exponent), and its style.
fn suffix_scale(suffix: &str) -> Option<((u32, i32), Style)> {
    let binary = |power| Some(((power, 0), Style::Binary));
    let decimal = |power| Some(((0, power), Style::Decimal));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let power: i32 = exponent.parse().unwrap_or(if exponent.starts_with('-') { -1000 } else { 1000 });
            Some(((0, power.clamp(-1000, 1000)), Style::Exponent))
        }
    }
}

/// Nano units of `whole.fraction` times the scale, rounded up; capped at 2^63-1 units.
fn scaled(whole: &str, fraction: &str, (two, ten): (u32, i32)) -> i128 {
    let cap = i128::from(i64::MAX) * ONE;
    let mut nanos: i128 = 0;
    let mut place = 9 + ten;
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    place += i32::try_from(whole.len()).unwrap_or(i32::MAX / 2);
    let mut rest = false;
    for digit in digits {
        place -= 1;
        if digit == 0 {
            continue;
        }
        // Binary suffixes multiply first, so that fractions of them stay exact as far as nano reaches.
        match u32::try_from(place) {
            Ok(place) if place > 38 => return cap,
            Ok(place) => {
                let part = 10i128.checked_pow(place).and_then(|p| p.checked_mul(i128::from(digit)));
                let Some(part) = part.and_then(|p| p.checked_mul(1i128 << two)) else { return cap };
                nanos = nanos.saturating_add(part);
            }
            Err(_) if two > 0 && place >= -18 => {
                let divisor = 10i128.pow(place.unsigned_abs());
                let part = i128::from(digit) * (1i128 << two);
                nanos = nanos.saturating_add(part / divisor);
                rest |= part % divisor != 0;
            }
            Err(_) => rest = true,
        }
    }
    if rest {
        nanos = nanos.saturating_add(1);
    }
    nanos.min(cap)
}

impl std::fmt::Display for Quantity {
    /// Canonical form: no fraction, the largest suffix that keeps the number whole.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.style == Style::Binary && self.nanos % ONE == 0 && (self.nanos / ONE).abs() >= 1024 {
            let mut value = self.nanos / ONE;
            let mut suffix = "";
            for next in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
                if value % 1024 != 0 {
                    break;
                }
                value /= 1024;
                suffix = next;
            }
            return write!(f, "{value}{suffix}");
        }
        let mut value = self.nanos;
        let mut power = -9i32;
        while value % 1000 == 0 && power < 18 {
            value /= 1000;
            power += 3;
        }
        if self.style == Style::Exponent {
            return if power == 0 { write!(f, "{value}") } else { write!(f, "{value}e{power}") };
        }
        let suffix = match power {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            18 => "E",
            _ => "",
        };
        write!(f, "{value}{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).map_or("none".to_owned(), |quantity| quantity.to_string())
    }

    #[test]
    fn writes_canonically() {
        for (from, to) in [
            ("0", "0"),
            ("0Gi", "0"),
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("100", "100"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("500Mi", "500Mi"),
            ("512", "512"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("-5m", "-5m"),
            ("1.1Gi", "1181116006400m"),
            ("0.5Mi", "512Ki"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("9223372036854775808E", "9223372036854775807"),
            ("x", "none"),
            ("1.2.3", "none"),
            ("1Zi", "none"),
            ("", "none"),
            (".", "none"),
            ("1e", "none"),
        ] {
            assert_eq!(canonical(from), to, "{from}");
        }
    }

    #[test]
    fn compares_and_rounds() {
        let q = |text: &str| Quantity::parse(text).expect("a quantity");
        assert_eq!(q("1"), q("1000m"));
        assert!(q("1Gi") > q("1G"));
        assert_eq!(q("1500m").value(), 2);
        assert_eq!(q("1u").round_up_milli().to_string(), "1m");
        assert_eq!(q("100m").plus(q("1")).milli_value(), 1100);
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_is_stable(text in "[-+]?[0-9.]{0,60}(|[numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,12})") {
            if let Some(quantity) = Quantity::parse(&text) {
                let again = Quantity::parse(&quantity.to_string());
                proptest::prop_assert_eq!(again, Some(quantity));
            }
        }
    }
}
