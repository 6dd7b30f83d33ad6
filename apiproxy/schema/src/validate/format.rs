//! Formats of strings (`k8s.io/kube-openapi/pkg/validation/strfmt`). Unknown formats mean nothing, as upstream.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::pattern;
use crate::name;
use crate::scalar::parse_duration;

const STRING_FORMATS: [&str; 27] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
    "binary",
];

fn normal(format: &str) -> String {
    format.replace('-', "")
}

/// The format, when values of these types are held to it.
pub(super) fn supported<'f>(format: Option<&'f str>, types: &[&str]) -> Option<&'f str> {
    let format = format?;
    let known = match types {
        [] | ["string"] => STRING_FORMATS.contains(&normal(format).as_str()) && format != "binary",
        ["integer"] => matches!(format, "int32" | "int64"),
        ["number"] => matches!(format, "float" | "double"),
        _ => false,
    };
    known.then_some(format)
}

fn matches(pattern: &str, text: &str) -> bool {
    pattern::compiled(pattern).is_ok_and(|regex| regex.is_match(text))
}

/// Whether a text is of a format.
pub(super) fn is_valid(format: &str, text: &str) -> bool {
    let hex = |version: &str, variant: &str| {
        let pattern = format!(
            "(?i)^[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{version}[0-9a-f]{{3}}-?{variant}[0-9a-f]{{3}}-?[0-9a-f]{{12}}$"
        );
        matches(&pattern, text)
    };
    match normal(format).as_str() {
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "uri" => uri(text),
        "email" => email(text),
        "hostname" => hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.contains(':') && text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => mac(text),
        "uuid" => hex("[0-9a-f]", "[0-9a-f]"),
        "uuid3" => hex("3", "[0-9a-f]"),
        "uuid4" => hex("4", "[89ab]"),
        "uuid5" => hex("5", "[89ab]"),
        "isbn" => isbn10(text) || isbn13(text),
        "isbn10" => isbn10(text),
        "isbn13" => isbn13(text),
        "creditcard" => credit_card(text),
        "ssn" => matches(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$", text),
        "hexcolor" => matches("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$", text),
        "rgbcolor" => {
            let part = "(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])";
            matches(&format!(r"^rgb\(\s*{part}\s*,\s*{part}\s*,\s*{part}\s*\)$"), text)
        }
        "byte" => matches(r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$", text),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "duration" => parse_duration(text).is_ok() || scala_duration(text),
        "datetime" => date_time(text),
        "k8sshortname" => name::label_1123(text).is_empty(),
        "k8slongname" => name::subdomain(text).is_empty(),
        _ => true,
    }
}

/// What Go's `url.ParseRequestURI` takes: an absolute path, or a scheme and something after it.
fn uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|b| b < 0x20 || b == 0x7f || b == b' ') || text == "*" {
        return text == "*";
    }
    let percent_ok =
        text.split('%').skip(1).all(|part| part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit()));
    if !percent_ok {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    named && !rest.is_empty()
}

fn email(text: &str) -> bool {
    // "Name <user@host>" is an address too.
    let address = match (text.rfind('<'), text.strip_suffix('>')) {
        (Some(at), Some(inner)) => &inner[at + 1..],
        (None, None) => text,
        _ => return false,
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let atom = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii())
    };
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let literal = domain.starts_with('[') && domain.ends_with(']');
    (quoted || local.split('.').all(atom)) && (literal || domain.split('.').all(atom))
}

fn hostname(text: &str) -> bool {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= 255 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let canonical = bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    let Ok(bits) = bits.parse::<u8>() else { return false };
    canonical
        && ((address.parse::<Ipv4Addr>().is_ok() && bits <= 32) || (address.parse::<Ipv6Addr>().is_ok() && bits <= 128))
}

/// 6, 8 or 20 octets in Go's three notations.
fn mac(text: &str) -> bool {
    let octets = |separator: char, width: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.iter().all(|part| part.len() == width && part.bytes().all(|b| b.is_ascii_hexdigit()))
            && matches!(parts.len() * width / 2, 6 | 8 | 20)
    };
    octets(':', 2) || octets('-', 2) || octets('.', 4)
}

fn isbn_digits(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '-' | ' ')).collect()
}

fn isbn10(text: &str) -> bool {
    let digits = isbn_digits(text);
    if !matches("^[0-9]{9}[0-9X]$", &digits) {
        return false;
    }
    let value = |b: u8| if b == b'X' { 10 } else { u32::from(b - b'0') };
    digits.bytes().zip(1..).map(|(b, weight)| value(b) * weight).sum::<u32>().is_multiple_of(11)
}

fn isbn13(text: &str) -> bool {
    let digits = isbn_digits(text);
    if !matches("^[0-9]{13}$", &digits) {
        return false;
    }
    let weighted = digits.bytes().enumerate().map(|(i, b)| u32::from(b - b'0') * if i % 2 == 0 { 1 } else { 3 });
    weighted.sum::<u32>().is_multiple_of(10)
}

fn credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let known = r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$";
    let luhn = digits.bytes().rev().enumerate().map(|(i, b)| {
        let digit = u32::from(b - b'0') * if i % 2 == 1 { 2 } else { 1 };
        if digit > 9 { digit - 9 } else { digit }
    });
    luhn.sum::<u32>().is_multiple_of(10) && matches(known, &digits)
}

/// `3 days`, `22 ns`: the Scala forms strfmt takes beside Go's.
fn scala_duration(text: &str) -> bool {
    matches(
        r"^(\d+\s*(ns|nano|nanosecond|us|µs|micro|microsecond|ms|milli|millisecond|s|sec|second|m|min|minute|h|hr|hour|d|day|w|wk|week)s?\s*)+$",
        text,
    )
}

/// RFC 3339 with `T`, a zone and optional fraction.
fn date_time(text: &str) -> bool {
    let shaped = r"^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:?\d{2})$";
    matches(shaped, text) && text.parse::<jiff::Timestamp>().is_ok()
}
