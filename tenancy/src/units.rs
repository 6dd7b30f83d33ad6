//! Durations and amounts of bytes as a Tenant spells them.

use std::time::Duration;

/// What [`duration`] reads, as the definition checks it: hours, minutes, seconds, in this order, each at most once.
pub const DURATION: &str = "^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,7}s)?$";
/// What [`bytes`] reads: a whole number of mega-, giga- or terabytes.
pub const BYTES: &str = "^[1-9][0-9]{0,5}(Mi|Gi|Ti|M|G|T)$";

/// Reads a duration such as `2h`, `1h30m` or `45s`, a part of what `metav1.Duration` takes. None for other texts and for
/// no time at all.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(tenancy::units::duration("1h30m"), Some(Duration::from_secs(5400)));
/// assert_eq!(tenancy::units::duration("2 hours"), None);
/// ```
pub fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0u64);
    for (unit, worth, digits) in [('h', 3600, 5), ('m', 60, 5), ('s', 1, 7)] {
        if let Some((number, after)) = rest.split_once(unit) {
            if number.len() > digits || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            seconds += number.parse::<u64>().ok()? * worth;
            rest = after;
        }
    }
    (rest.is_empty() && seconds > 0).then(|| Duration::from_secs(seconds))
}

/// Reads an amount of bytes such as `512Mi` or `2G`. None for other texts.
///
/// ```
/// assert_eq!(tenancy::units::bytes("512Mi"), Some(512 << 20));
/// assert_eq!(tenancy::units::bytes("512"), None);
/// ```
pub fn bytes(text: &str) -> Option<u64> {
    let units = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(units);
    let worth: u64 = match unit {
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => return None,
    };
    let number: u64 = number.parse().ok().filter(|number| (1..1_000_000).contains(number))?;
    number.checked_mul(worth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_or_not() {
        for (text, seconds) in [("2h", 7200), ("90m", 5400), ("45s", 45), ("1h30m5s", 5405), ("0h1m", 60)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "h", "0s", "1", "1d", "1m1h", "-1h", "1.5h", "1h ", "999999h", "1h1h", "٣h", "99999999999999999999s"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_are_read_or_not() {
        for (text, amount) in
            [("1Mi", 1 << 20), ("2Gi", 2 << 30), ("3T", 3_000_000_000_000), ("999999Ti", 999_999 << 40)]
        {
            assert_eq!(bytes(text), Some(amount), "{text}");
        }
        for text in ["", "Mi", "1", "1k", "0Gi", "1.5Gi", "-1Gi", "1000000Ti", "1gi", "99999999999999999999Gi"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
