//! Ages as kubectl prints them.

use jiff::Timestamp;

/// Time since `then` in at most two units: `42s`, `3m5s`, `12m`, `5h10m`, `2d3h`, `40d`, `2y30d` (upstream:
/// apimachinery `HumanDuration`). A time that has not come yet is `0s`.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - then.as_second();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{big_unit}"),
        _ => format!("{big}{big_unit}{small}{small_unit}"),
    };
    match seconds {
        i64::MIN..=0 => "0s".to_owned(),
        1..120 => format!("{seconds}s"),
        _ if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        _ if hours < 3 => format!("{minutes}m"),
        _ if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if days < 8 => pair(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_like_upstream() {
        let cases = [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (185, "3m5s"),
            (600, "10m"),
            (7260, "121m"),
            (3 * 3600, "3h"),
            (5 * 3600 + 600, "5h10m"),
            (9 * 3600 + 600, "9h"),
            (48 * 3600, "2d"),
            (51 * 3600, "2d3h"),
            (8 * 86_400, "8d"),
            (729 * 86_400, "729d"),
            (760 * 86_400, "2y30d"),
            (3000 * 86_400, "8y"),
        ];
        let then = Timestamp::from_second(1_700_000_000).unwrap();
        for (seconds, text) in cases {
            assert_eq!(age(then, Timestamp::from_second(1_700_000_000 + seconds).unwrap()), text, "{seconds}");
        }
    }
}
