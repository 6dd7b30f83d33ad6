//! `resource.Quantity`: parsed, compared and canonicalised as `k8s.io/apimachinery/pkg/api/resource` does.
//!
//! A quantity is a decimal number with a format. Numbers are kept as digits and a power of ten, so that no input is
//! rounded but by the rules upstream has: at most nine decimals (up), at most 2^63-1 for binary suffixes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Which suffixes a quantity is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `12e6`.
    DecimalExponent,
    /// `12Mi`.
    BinarySi,
    /// `12M`.
    DecimalSi,
}

/// Why a text is not a quantity; the words are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not of the general form.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// The number in front cannot be read.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// Unknown suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// An amount: `±digits × 10^exponent`.
#[derive(Clone, Debug)]
pub struct Quantity {
    negative: bool,
    /// Decimal digits without leading or trailing zeros; empty for zero.
    digits: Vec<u8>,
    exponent: i64,
    format: Format,
    /// The text as written, when upstream would keep it.
    written: Option<String>,
}

const MAX_BINARY: &[u8] = b"9223372036854775807";

struct Parts<'a> {
    negative: bool,
    number: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    let count = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
    let trimmed = body.trim_start_matches('0');
    if trimmed.is_empty() {
        return Ok(Parts { negative, number: "0", fraction: "", suffix: "" });
    }
    let (number, rest) = trimmed.split_at(count(trimmed));
    let number = if number.is_empty() { "0" } else { number };
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(count(rest)),
        None => ("", rest),
    };
    let tail = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let tail = tail.strip_prefix(['+', '-']).unwrap_or(tail);
    if !tail.bytes().all(|b| b.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    Ok(Parts { negative, number, fraction, suffix })
}

/// Base, exponent and format of a suffix.
fn interpret(suffix: &str) -> Option<(u8, i64, Format)> {
    let decimal = |exponent| Some((10, exponent, Format::DecimalSi));
    let binary = |exponent| Some((2, exponent, Format::BinarySi));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
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
            let digits = suffix.strip_prefix(['e', 'E'])?;
            // Upstream cuts the exponent to 32 bits; whoever writes more is refused here.
            let exponent = digits.parse::<i32>().ok()?;
            Some((10, i64::from(exponent), Format::DecimalExponent))
        }
    }
}

fn suffix_of(exponent: i64, format: Format) -> String {
    match (format, exponent) {
        (_, 0) => "",
        (Format::DecimalExponent, _) => return format!("e{exponent}"),
        (Format::DecimalSi, -9) => "n",
        (Format::DecimalSi, -6) => "u",
        (Format::DecimalSi, -3) => "m",
        (Format::DecimalSi, 3) => "k",
        (Format::DecimalSi, 6) => "M",
        (Format::DecimalSi, 9) => "G",
        (Format::DecimalSi, 12) => "T",
        (Format::DecimalSi, 15) => "P",
        (Format::DecimalSi, 18) => "E",
        (Format::BinarySi, 10) => "Ki",
        (Format::BinarySi, 20) => "Mi",
        (Format::BinarySi, 30) => "Gi",
        (Format::BinarySi, 40) => "Ti",
        (Format::BinarySi, 50) => "Pi",
        (Format::BinarySi, 60) => "Ei",
        // Beyond the table upstream writes no suffix, which changes the value; an exponent does not.
        _ => return format!("e{exponent}"),
    }
    .to_owned()
}

/// Multiplies a decimal number by a small one.
fn multiply(digits: &[u8], factor: u64) -> Vec<u8> {
    let mut reversed = Vec::with_capacity(digits.len() + 20);
    let mut carry: u128 = 0;
    for digit in digits.iter().rev() {
        carry += u128::from(digit - b'0') * u128::from(factor);
        reversed.push(b'0' + u8::try_from(carry % 10).unwrap_or(0));
        carry /= 10;
    }
    while carry > 0 {
        reversed.push(b'0' + u8::try_from(carry % 10).unwrap_or(0));
        carry /= 10;
    }
    reversed.reverse();
    reversed
}

/// Adds one to a decimal number.
fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let parts = split(text)?;
        let (base, exponent, format) = interpret(parts.suffix).ok_or(QuantityError::Suffix)?;
        let shifted = format!("{}{}", parts.number, parts.fraction);
        let scale = -i64::try_from(parts.fraction.len()).map_err(|_| QuantityError::Numeric)?;
        let written = kept(text, &parts, &shifted, exponent, format).then(|| text.to_owned());
        let mut quantity =
            Quantity { negative: parts.negative, digits: shifted.into_bytes(), exponent: scale, format, written };
        if base == 2 {
            quantity.digits = multiply(&quantity.digits, 1 << exponent);
        } else {
            quantity.exponent += exponent;
        }
        quantity.tidy();
        quantity.round_up(-9);
        if format == Format::BinarySi {
            quantity.cap();
            if quantity.below_one() {
                quantity.format = Format::DecimalSi;
            }
        }
        Ok(quantity)
    }
}

/// Whether upstream keeps the text as written: it fits 64 bits and looks canonical by a cheap test.
fn kept(text: &str, parts: &Parts<'_>, shifted: &str, exponent: i64, format: Format) -> bool {
    if text == "0" {
        return true;
    }
    let length = i64::try_from(parts.number.len() + parts.fraction.len()).unwrap_or(i64::MAX);
    match format {
        Format::BinarySi => {
            let room = 15 - i64::try_from(parts.number.len()).unwrap_or(i64::MAX) - exponent * 3 / 10 - 1;
            parts.fraction.is_empty() && room >= 0 && shifted.parse::<i64>().is_ok_and(|value| value & 7 != 0)
        }
        Format::DecimalExponent | Format::DecimalSi => {
            let scale = exponent - i64::try_from(parts.fraction.len()).unwrap_or(i64::MAX);
            length <= 18 && scale >= -9 && scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0')
        }
    }
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity =
        Quantity { negative: false, digits: Vec::new(), exponent: 0, format: Format::DecimalSi, written: None };

    /// Reads an amount from JSON, text or number; None when it is not one.
    pub fn of(value: &serde_json::Value) -> Option<Quantity> {
        match value {
            serde_json::Value::String(text) => text.parse().ok(),
            serde_json::Value::Number(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }

    /// Rounded up to thousandths, as upstream does for resource lists (`RoundUp(Milli)`).
    #[must_use]
    pub fn round_up_milli(&self) -> Quantity {
        let mut rounded = self.clone();
        if rounded.exponent < -3 {
            rounded.written = None;
            rounded.round_up(-3);
        }
        rounded
    }

    /// Whether the amount is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Whether the amount is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative && !self.is_zero()
    }

    /// The format the quantity was written in.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The amount in thousandths, rounded up as `Quantity.MilliValue`; None beyond 64 bits.
    pub fn milli_value(&self) -> Option<i64> {
        self.scaled(-3)
    }

    /// The amount in units, rounded up as `Quantity.Value`; None beyond 64 bits.
    pub fn value(&self) -> Option<i64> {
        self.scaled(0)
    }

    /// Whether the amount is a whole number that fits 64 bits (`AsInt64`).
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0 && self.value().is_some()
    }

    /// The amount as a float, rounded.
    pub fn to_f64(&self) -> f64 {
        let digits = String::from_utf8_lossy(&self.digits);
        let text = if self.is_zero() { "0".to_owned() } else { format!("{digits}e{}", self.exponent) };
        let value = text.parse::<f64>().unwrap_or(f64::INFINITY);
        if self.negative { -value } else { value }
    }

    /// Sum of two amounts; None when it needs more than 127 bits. The format is the left one's, or the right one's when
    /// the left is zero, as upstream.
    #[must_use]
    pub fn plus(&self, other: &Quantity) -> Option<Quantity> {
        let exponent = self.exponent.min(other.exponent);
        let fixed = |quantity: &Quantity| -> Option<i128> {
            let shift = u32::try_from(quantity.exponent - exponent).ok()?;
            let digits =
                if quantity.is_zero() { 0 } else { String::from_utf8_lossy(&quantity.digits).parse::<i128>().ok()? };
            let value = digits.checked_mul(10_i128.checked_pow(shift)?)?;
            Some(if quantity.negative { -value } else { value })
        };
        let sum = fixed(self)?.checked_add(fixed(other)?)?;
        let mut total = Quantity {
            negative: sum < 0,
            digits: sum.unsigned_abs().to_string().into_bytes(),
            exponent,
            format: if self.is_zero() { other.format } else { self.format },
            written: None,
        };
        total.tidy();
        Some(total)
    }

    /// The same amount with the other sign.
    #[must_use]
    pub fn negated(&self) -> Quantity {
        Quantity { negative: !self.negative, written: None, ..self.clone() }
    }

    fn scaled(&self, scale: i64) -> Option<i64> {
        let mut copy = Quantity { written: None, ..self.clone() };
        copy.round_up(scale);
        if copy.is_zero() {
            return Some(0);
        }
        let zeros = usize::try_from(copy.exponent - scale).ok().filter(|zeros| *zeros <= 19)?;
        let sign = if copy.negative { "-" } else { "" };
        format!("{sign}{}{}", String::from_utf8_lossy(&copy.digits), "0".repeat(zeros)).parse().ok()
    }

    /// Strips leading and trailing zeros.
    fn tidy(&mut self) {
        let leading = self.digits.iter().take_while(|d| **d == b'0').count();
        self.digits.drain(..leading);
        while self.digits.last() == Some(&b'0') {
            self.digits.pop();
            self.exponent += 1;
        }
        if self.digits.is_empty() {
            self.exponent = 0;
            self.negative = false;
        }
    }

    /// Rounds away from zero to a multiple of `10^exponent`.
    fn round_up(&mut self, exponent: i64) {
        if self.is_zero() || self.exponent >= exponent {
            return;
        }
        let drop = usize::try_from(exponent - self.exponent).unwrap_or(usize::MAX);
        let keep = self.digits.len().saturating_sub(drop);
        // Without trailing zeros, whatever is cut off is not zero.
        self.digits.truncate(keep);
        increment(&mut self.digits);
        self.exponent = exponent;
        self.written = None;
        self.tidy();
    }

    fn cap(&mut self) {
        let most = Quantity {
            negative: false,
            digits: MAX_BINARY.to_vec(),
            exponent: 0,
            format: Format::BinarySi,
            written: None,
        };
        if magnitude(self, &most) == Ordering::Greater {
            self.digits = most.digits;
            self.exponent = 0;
            self.written = None;
        }
    }

    fn below_one(&self) -> bool {
        !self.is_zero() && i64::try_from(self.digits.len()).unwrap_or(i64::MAX) + self.exponent <= 0
    }

    /// The whole amount, when it is an integer of at most 128 bits.
    fn whole(&self) -> Option<u128> {
        let zeros = usize::try_from(self.exponent).ok().filter(|zeros| *zeros < 40)?;
        format!("{}{}", String::from_utf8_lossy(&self.digits), "0".repeat(zeros)).parse().ok()
    }
}

/// Compares amounts without their signs.
fn magnitude(a: &Quantity, b: &Quantity) -> Ordering {
    let top = |q: &Quantity| i64::try_from(q.digits.len()).unwrap_or(i64::MAX).saturating_add(q.exponent);
    match (a.is_zero(), b.is_zero()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => top(a).cmp(&top(b)).then_with(|| a.digits.cmp(&b.digits)),
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative(), other.is_negative()) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => magnitude(self, other),
            (true, true) => magnitude(other, self),
        }
    }
}

/// The canonical text.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(written) = &self.written {
            return f.write_str(written);
        }
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.negative {
            f.write_str("-")?;
        }
        if self.format == Format::BinarySi
            && let Some(mut whole) = self.whole().filter(|whole| *whole >= 1024)
        {
            let mut exponent = 0;
            while whole.is_multiple_of(1024) && whole >= 1024 {
                whole /= 1024;
                exponent += 10;
            }
            return write!(f, "{whole}{}", suffix_of(exponent, Format::BinarySi));
        }
        let format = if self.format == Format::BinarySi { Format::DecimalSi } else { self.format };
        let extra = self.exponent.rem_euclid(3);
        let zeros = usize::try_from(extra).unwrap_or(0);
        let digits = String::from_utf8_lossy(&self.digits);
        write!(f, "{digits}{}{}", &"00"[..zeros], suffix_of(self.exponent - extra, format))
    }
}

/// The canonical text of a quantity, as a Go decode and encode leaves it.
///
/// # Errors
/// When the text is not a quantity.
pub fn canonical(text: &str) -> Result<String, QuantityError> {
    Ok(text.trim().parse::<Quantity>()?.to_string())
}

/// Compares two quantities; None when one of them is not a quantity.
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(a.trim().parse::<Quantity>().ok()?.cmp(&b.trim().parse::<Quantity>().ok()?))
}

#[cfg(test)]
mod tests;
