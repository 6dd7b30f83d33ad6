//! Formats of names, labels, ports and addresses, with upstream's messages
//! (`k8s.io/apimachinery/pkg/util/validation`, `pkg/api/validate/content`). Each returns what is wrong, empty when fine.

use std::net::IpAddr;

use schema::field::Error;

use crate::{Errors, Path};

const LABEL_RE: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_RE: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";

/// Names count "characters" where label keys and values count "bytes".
fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

/// `RegexError`: the message with examples and the expression.
pub(crate) fn regex_error(message: &str, expression: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{expression}')");
    }
    let quoted: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{expression}')", quoted.join(" or "))
}

/// `must be between X and Y, inclusive`.
pub(crate) fn range_error(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

fn lower(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(&a), Some(&z)) if lower(a) && lower(z))
        && bytes.iter().all(|&b| lower(b) || b == b'-')
}

fn subdomain_text(text: &str) -> bool {
    text.split('.').all(label_text)
}

/// `IsDNS1123Label`.
pub(crate) fn dns_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push(too_long(63));
    }
    if !label_text(text) {
        if subdomain_text(text) {
            wrong.push("must not contain dots".to_owned());
        } else {
            wrong.push(regex_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                LABEL_RE,
                &["my-name", "123-abc"],
            ));
        }
    }
    wrong
}

/// `IsDNS1123Subdomain`.
pub(crate) fn dns_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if !subdomain_text(text) {
        wrong.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            SUBDOMAIN_RE,
            &["example.com"],
        ));
    }
    wrong
}

/// `IsDNS1123SubdomainWithUnderscore`, for search domains.
pub(crate) fn search_domain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    let label = |label: &str| {
        let rest = label.strip_prefix('_').unwrap_or(label).as_bytes();
        matches!((rest.first(), rest.last()), (Some(&a), Some(&z)) if lower(a) && lower(z))
            && rest.iter().all(|&b| lower(b) || b == b'-' || b == b'_')
    };
    if !text.split('.').all(label) {
        wrong.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
            r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        ));
    }
    wrong
}

/// `IsWildcardDNS1123Subdomain`.
pub(crate) fn wildcard_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if !text.strip_prefix("*.").is_some_and(subdomain_text) {
        wrong.push(regex_error(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!(r"\*\.{SUBDOMAIN_RE}"),
            &["*.example.com"],
        ));
    }
    wrong
}

/// `IsQualifiedName`: keys of labels and annotations, finalizers, resource names.
pub(crate) use schema::name::label_key as qualified_name;
/// `IsValidLabelValue`.
pub(crate) use schema::name::label_value;

/// `IsPathSegmentName`, and `IsPathSegmentPrefix` for prefixes.
pub(crate) fn path_segment(text: &str, prefix: bool) -> Vec<String> {
    if !prefix && matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"].iter().filter(|bad| text.contains(**bad)).map(|bad| format!("may not contain '{bad}'")).collect()
}

/// `IsValidPortNum`.
pub(crate) fn port(number: i64) -> Vec<String> {
    if (1..=65535).contains(&number) { Vec::new() } else { vec![range_error(1, 65535)] }
}

/// `IsValidPortName`.
pub(crate) fn port_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 15 {
        wrong.push(too_long(15));
    }
    if text.is_empty() || !text.bytes().all(|b| lower(b) || b == b'-') {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        wrong.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".to_owned());
    }
    wrong
}

/// `IsValidPercent`.
pub(crate) fn percent(text: &str) -> Vec<String> {
    let digits = text.strip_suffix('%').unwrap_or("");
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Vec::new();
    }
    vec![regex_error(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// `IsHTTPHeaderName`.
pub(crate) fn header_name(text: &str) -> Vec<String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Vec::new();
    }
    vec![regex_error(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// `IsRelaxedEnvVarName`: names of environment variables as pods take them.
pub(crate) fn env_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.is_empty() {
        wrong.push("environment variable name must be non-empty".to_owned());
    }
    if !text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
        wrong.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    wrong
}

fn dot_dot(text: &str) -> Option<&'static str> {
    match text {
        "." => Some("must not be '.'"),
        ".." => Some("must not be '..'"),
        _ if text.starts_with("..") => Some("must not start with '..'"),
        _ => None,
    }
}

/// `IsConfigMapKey`.
pub(crate) fn config_key(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 253 {
        wrong.push(too_long(253));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        wrong.push(regex_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    wrong.extend(dot_dot(text).map(str::to_owned));
    wrong
}

/// Reads an address as upstream's `ParseIPSloppy` does: leading zeros in IPv4 are decimal.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() != 4 || parts.iter().any(|part| part.is_empty() || part.len() > 3) {
        return None;
    }
    let mut octets = [0u8; 4];
    for (octet, part) in octets.iter_mut().zip(&parts) {
        if !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    Some(IpAddr::from(octets))
}

/// `IsValidIPForLegacyField`: strict since 1.36, but not canonical.
pub(crate) fn legacy_ip(path: &Path<'_>, text: &str, errors: &mut Errors) {
    match parse_ip(text) {
        None => {
            errors.push(Error::invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
        }
        Some(_) if text.parse::<IpAddr>().is_err() => {
            errors.push(Error::invalid(path, text, "must not have leading 0s"));
        }
        Some(ip) if mapped(ip) => {
            errors.push(Error::invalid(path, text, "must not be an IPv4-mapped IPv6 address"));
        }
        Some(_) => (),
    }
}

fn mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// `IsValidIP`: strict and canonical.
pub(crate) fn strict_ip(path: &Path<'_>, text: &str, errors: &mut Errors) {
    let before = errors.len();
    legacy_ip(path, text, errors);
    if let Some(ip) = parse_ip(text).filter(|ip| errors.len() == before && ip.to_string() != text) {
        errors.push(Error::invalid(path, text, format!("must be in canonical form (\"{ip}\")")));
    }
}

/// Reads `address/bits` as `ParseCIDRSloppy` does.
pub(crate) fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, bits) = text.split_once('/')?;
    let ip = parse_ip(ip)?;
    if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bits: u8 = bits.parse().ok()?;
    (bits <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, bits))
}

/// Whether an address lies in a network.
pub(crate) fn cidr_contains((network, bits): (IpAddr, u8), ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let shift = 32 - u32::from(bits.min(32));
            u32::from(network).checked_shr(shift) == u32::from(ip).checked_shr(shift)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let shift = 128 - u32::from(bits.min(128));
            u128::from(network).checked_shr(shift) == u128::from(ip).checked_shr(shift)
        }
        _ => false,
    }
}

/// `IsValidCIDRForLegacyField`: strict since 1.36.
pub(crate) fn legacy_cidr(path: &Path<'_>, text: &str, errors: &mut Errors) {
    let Some((ip, bits)) = parse_cidr(text) else {
        errors.push(Error::invalid(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"));
        return;
    };
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let zeros = address.parse::<IpAddr>().is_err() || (length.len() > 1 && length.starts_with('0'));
    let beyond = match ip {
        IpAddr::V4(v4) => u32::from(v4).checked_shl(u32::from(bits)).unwrap_or(0) != 0,
        IpAddr::V6(v6) => u128::from(v6).checked_shl(u32::from(bits)).unwrap_or(0) != 0,
    };
    let detail = match () {
        () if zeros => "must not have leading 0s in IP or prefix length",
        () if mapped(ip) => "must not have an IPv4-mapped IPv6 address",
        () if beyond => "must not have bits set beyond the prefix length",
        () => return,
    };
    errors.push(Error::invalid(path, text, detail));
}

/// Adds one `Invalid` for each message.
pub(crate) fn invalid_each(path: &Path<'_>, text: &str, messages: Vec<String>, errors: &mut Errors) {
    errors.extend(messages.into_iter().map(|message| Error::invalid(path, text, message)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_subdomains() {
        assert!(dns_label("a-1").is_empty());
        assert_eq!(dns_label("a.b"), ["must not contain dots"]);
        assert!(dns_label("A")[0].starts_with("a lowercase RFC 1123 label"));
        assert!(dns_subdomain("a.b-c").is_empty());
        assert_eq!(dns_subdomain("").len(), 1);
        assert_eq!(dns_subdomain(&"a".repeat(254)), ["must be no more than 253 characters"]);
    }

    #[test]
    fn addresses() {
        assert!(parse_ip("010.1.2.3").is_some());
        assert!(parse_ip("10.1.2").is_none());
        assert!(parse_ip("256.1.1.1").is_none());
        assert_eq!(parse_cidr("10.0.0.0/33"), None);
        assert!(parse_cidr("fd00::/64").is_some());
    }
}
