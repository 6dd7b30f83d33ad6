//! Leaf values in their wire forms: times, durations and base64, read and written as Go's types do.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::field::go_quote;

/// Go's `base64.StdEncoding`: padding required, spare bits ignored.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Decodes base64 as Go does, ignoring line breaks.
///
/// # Errors
/// Go's text: `illegal base64 data at input byte N`.
pub fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    let stripped: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    BASE64.decode(&stripped).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => stripped.len() / 4 * 4,
        };
        format!("illegal base64 data at input byte {at}")
    })
}

/// The canonical base64 of the bytes that `text` stands for.
pub(crate) fn canonical_base64(text: &str) -> Result<String, String> {
    Ok(BASE64.encode(decode_base64(text)?))
}

/// Precision of a time on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// `metav1.Time`: whole seconds; a fraction is accepted and cut off.
    Seconds,
    /// `metav1.MicroTime`: exactly six digits.
    Micros,
}

/// A time in UTC as Go writes it; None for Go's zero time, which is written as null.
///
/// # Errors
/// The text of Go's `time.Parse` with layout RFC 3339.
pub fn canonical_time(text: &str, precision: Precision) -> Result<Option<String>, String> {
    let time = parse_time(text, precision)?;
    let out_of_range = || format!("parsing time {}: year out of range", go_quote(text));
    let local = jiff::civil::DateTime::new(time.year, time.month, time.day, time.hour, time.minute, time.second, 0)
        .map_err(|_| out_of_range())?;
    let utc = local.checked_sub(jiff::SignedDuration::from_secs(time.offset)).map_err(|_| out_of_range())?;
    if (utc.year(), utc.month(), utc.day(), utc.hour(), utc.minute(), utc.second(), time.micros)
        == (1, 1, 1, 0, 0, 0, 0)
    {
        return Ok(None);
    }
    let seconds = utc.strftime("%Y-%m-%dT%H:%M:%S");
    Ok(Some(match precision {
        Precision::Seconds => format!("{seconds}Z"),
        Precision::Micros => format!("{seconds}.{:06}Z", time.micros),
    }))
}

struct Clock {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    micros: u32,
    offset: i64,
}

/// Reads the elements of a layout one after the other; an error names the element and what was left.
struct Elements<'a> {
    text: &'a str,
    rest: &'a str,
    layout: &'static str,
}

impl<'a> Elements<'a> {
    fn failed(&self, element: &str) -> String {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            go_quote(self.text),
            go_quote(self.layout),
            go_quote(self.rest),
            go_quote(element)
        )
    }

    fn range(&self, what: &str) -> String {
        format!("parsing time {}: {what} out of range", go_quote(self.text))
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), String> {
        self.rest = self.rest.strip_prefix(literal).ok_or_else(|| self.failed(literal))?;
        Ok(())
    }

    /// A number of `least` to `most` digits.
    fn digits(&mut self, least: usize, most: usize, element: &'static str) -> Result<i16, String> {
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return Err(self.failed(element));
        }
        let (digits, rest) = self.rest.split_at(count);
        let number = digits.parse().map_err(|_| self.failed(element))?;
        self.rest = rest;
        Ok(number)
    }

    fn small(&mut self, element: &'static str, range: std::ops::RangeInclusive<i16>, what: &str) -> Result<i8, String> {
        // Go's reader takes an hour of one digit.
        let least = if element == "15" { 1 } else { 2 };
        let number = self.digits(least, 2, element)?;
        if !range.contains(&number) {
            return Err(self.range(what));
        }
        i8::try_from(number).map_err(|_| self.range(what))
    }

    /// The fraction of a second, in microseconds; digits beyond are cut off.
    fn fraction(&mut self, precision: Precision) -> Result<u32, String> {
        let bytes = self.rest.as_bytes();
        let marked = bytes.first().is_some_and(|b| matches!(b, b'.' | b','));
        let count = bytes.iter().skip(1).take_while(|b| b.is_ascii_digit()).count();
        match precision {
            Precision::Seconds if !marked || count == 0 => return Ok(0),
            Precision::Micros if !marked || count < 6 => return Err(self.failed(".000000")),
            _ => {}
        }
        let taken = if precision == Precision::Micros { 6 } else { count };
        let digits = &self.rest[1..=taken];
        self.rest = &self.rest[1 + taken..];
        Ok(format!("{digits:0<6}")[..6].parse().unwrap_or(0))
    }

    fn zone(&mut self) -> Result<i64, String> {
        let element = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let bytes = self.rest.as_bytes();
        let shaped = bytes.len() >= 6
            && matches!(bytes[0], b'+' | b'-')
            && bytes[3] == b':'
            && [1, 2, 4, 5].into_iter().all(|i| bytes[i].is_ascii_digit());
        if !shaped {
            return Err(self.failed(element));
        }
        let two = |at: usize| i64::from(bytes[at] - b'0') * 10 + i64::from(bytes[at + 1] - b'0');
        let (hours, minutes) = (two(1), two(4));
        if hours > 24 {
            return Err(self.range("time zone offset hour"));
        }
        if minutes > 60 {
            return Err(self.range("time zone offset minute"));
        }
        let seconds = hours * 3600 + minutes * 60;
        let negative = bytes[0] == b'-';
        self.rest = &self.rest[6..];
        Ok(if negative { -seconds } else { seconds })
    }
}

fn parse_time(text: &str, precision: Precision) -> Result<Clock, String> {
    let layout = match precision {
        Precision::Seconds => "2006-01-02T15:04:05Z07:00",
        Precision::Micros => "2006-01-02T15:04:05.000000Z07:00",
    };
    let mut elements = Elements { text, rest: text, layout };
    let year = elements.digits(4, 4, "2006")?;
    elements.literal("-")?;
    let month = elements.small("01", 1..=12, "month")?;
    elements.literal("-")?;
    let day = elements.small("02", 0..=99, "day")?;
    elements.literal("T")?;
    let hour = elements.small("15", 0..=23, "hour")?;
    elements.literal(":")?;
    let minute = elements.small("04", 0..=59, "minute")?;
    elements.literal(":")?;
    let second = elements.small("05", 0..=59, "second")?;
    let micros = elements.fraction(precision)?;
    let offset = elements.zone()?;
    if !elements.rest.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", go_quote(text), go_quote(elements.rest)));
    }
    let days = jiff::civil::Date::new(year, month, 1).map_or(31, jiff::civil::Date::days_in_month);
    if day < 1 || day > days {
        return Err(elements.range("day"));
    }
    Ok(Clock { year, month, day, hour, minute, second, micros, offset })
}

/// A Go duration in nanoseconds.
///
/// # Errors
/// The text of Go's `time.ParseDuration`.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", go_quote(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let whole_len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(whole_len);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(after.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_len = after.bytes().take_while(|b| *b != b'.' && !b.is_ascii_digit()).count();
        let (unit, after) = after.split_at(unit_len);
        let scale: u64 = match unit {
            "" => return Err(format!("time: missing unit in duration {}", go_quote(text))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {} in duration {}", go_quote(unit), go_quote(text))),
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let mut part = whole.checked_mul(scale).ok_or_else(invalid)?;
        if !fraction.is_empty() {
            let share: f64 = format!("0.{fraction}").parse().map_err(|_| invalid())?;
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
            // Below one unit, so below 2^42; Go rounds here the same way.
            let nanos = (share * scale as f64) as u64;
            part = part.checked_add(nanos).ok_or_else(invalid)?;
        }
        total = total.checked_add(part).filter(|total| *total <= 1 << 63).ok_or_else(invalid)?;
        rest = after;
    }
    match i64::try_from(total) {
        Ok(nanos) => Ok(if negative { -nanos } else { nanos }),
        Err(_) if negative => Ok(i64::MIN),
        Err(_) => Err(invalid()),
    }
}

/// A duration as Go writes it: `1h30m0s`, `1.5s`, `100ms`.
pub fn format_duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".to_owned();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let total = nanos.unsigned_abs();
    let decimal = |whole: u64, fraction: u64, width: usize| {
        let digits = format!("{fraction:0width$}");
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() { whole.to_string() } else { format!("{whole}.{digits}") }
    };
    if total < 1_000 {
        return format!("{sign}{total}ns");
    }
    if total < 1_000_000 {
        return format!("{sign}{}µs", decimal(total / 1_000, total % 1_000, 3));
    }
    if total < 1_000_000_000 {
        return format!("{sign}{}ms", decimal(total / 1_000_000, total % 1_000_000, 6));
    }
    let seconds = total / 1_000_000_000;
    let tail = decimal(seconds % 60, total % 1_000_000_000, 9);
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{sign}{tail}s"),
        (0, minutes) => format!("{sign}{minutes}m{tail}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{tail}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_utc_seconds() {
        let cases = [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.999Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
            ("2024-02-29T00:00:00-01:30", "2024-02-29T01:30:00Z"),
            ("2026-01-02T3:04:05Z", "2026-01-02T03:04:05Z"),
        ];
        for (text, want) in cases {
            assert_eq!(canonical_time(text, Precision::Seconds).unwrap().unwrap(), want);
        }
        assert_eq!(canonical_time("0001-01-01T00:00:00Z", Precision::Seconds), Ok(None));
        assert_eq!(
            canonical_time("2026-01-02T03:04:05.1234567Z", Precision::Micros),
            Err(r#"parsing time "2026-01-02T03:04:05.1234567Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "7Z" as "Z07:00""#.into())
        );
        assert_eq!(
            canonical_time("2026-01-02T03:04:05.123456+01:00", Precision::Micros).unwrap().unwrap(),
            "2026-01-02T02:04:05.123456Z"
        );
    }

    #[test]
    fn bad_times_are_explained_as_go_does() {
        let cases = [
            ("abc", r#"parsing time "abc" as "2006-01-02T15:04:05Z07:00": cannot parse "abc" as "2006""#),
            ("", r#"parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006""#),
            ("2026-01-02", r#"parsing time "2026-01-02" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T""#),
            ("2026-13-02T00:00:00Z", r#"parsing time "2026-13-02T00:00:00Z": month out of range"#),
            ("2025-02-29T00:00:00Z", r#"parsing time "2025-02-29T00:00:00Z": day out of range"#),
            ("2025-02-20T00:00:00Zx", r#"parsing time "2025-02-20T00:00:00Zx": extra text: "x""#),
            ("2026é", r#"parsing time "2026é" as "2006-01-02T15:04:05Z07:00": cannot parse "é" as "-""#),
        ];
        for (text, want) in cases {
            assert_eq!(canonical_time(text, Precision::Seconds).unwrap_err(), want);
        }
    }

    #[test]
    fn durations_round_trip() {
        let cases = [
            ("90m", "1h30m0s"),
            ("1.5s", "1.5s"),
            ("100ms", "100ms"),
            ("0", "0s"),
            ("-1h", "-1h0m0s"),
            ("1us", "1µs"),
            ("1h1ns", "1h0m0.000000001s"),
            ("61s", "1m1s"),
        ];
        for (text, want) in cases {
            assert_eq!(format_duration(parse_duration(text).unwrap()), want);
        }
        assert_eq!(parse_duration("5").unwrap_err(), r#"time: missing unit in duration "5""#);
        assert_eq!(parse_duration("5x").unwrap_err(), r#"time: unknown unit "x" in duration "5x""#);
        assert_eq!(parse_duration("x").unwrap_err(), r#"time: invalid duration "x""#);
        assert!(parse_duration("9999999999h").is_err());
    }

    #[test]
    fn base64_is_checked_as_go_does() {
        assert_eq!(canonical_base64("aGVs\nbG8=").unwrap(), "aGVsbG8=");
        assert_eq!(decode_base64("a").unwrap_err(), "illegal base64 data at input byte 0");
        assert_eq!(decode_base64("aGVsbG8").unwrap_err(), "illegal base64 data at input byte 4");
        assert_eq!(decode_base64("a!==").unwrap_err(), "illegal base64 data at input byte 1");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = canonical_time(&text, Precision::Seconds);
            let _ = canonical_time(&text, Precision::Micros);
            let _ = parse_duration(&text);
            let _ = decode_base64(&text);
        }

        #[test]
        fn durations_survive(nanos in proptest::prelude::any::<i64>()) {
            let back = parse_duration(&format_duration(nanos));
            // Fractions of a unit pass through a float, in Go as here.
            proptest::prop_assert!(back.is_ok_and(|back| back.abs_diff(nanos) <= 1));
        }
    }
}
