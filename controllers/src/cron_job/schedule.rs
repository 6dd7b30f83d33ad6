//! Schedules of CronJobs: five fields or a descriptor, in a time zone, with the semantics of the Go library upstream uses
//! (robfig/cron v3). Times that a change of clocks skips do not occur; times that it repeats occur twice.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Years after which a schedule that has not occurred never will (the 31st of February).
const YEARS: i16 = 5;

/// Why a schedule cannot be read; in words for an event.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// Not five fields.
    #[error("expected exactly 5 fields, found {0}")]
    Fields(usize),
    /// A field that makes no sense.
    #[error("failed to parse {0:?}")]
    Field(String),
    /// An unknown `@` word.
    #[error("unrecognized descriptor: {0}")]
    Descriptor(String),
    /// An unknown time zone in the schedule itself.
    #[error("provided bad location {0}")]
    Zone(String),
}

/// When things happen.
#[derive(Clone, Debug)]
pub(super) enum Schedule {
    /// At times of the clock.
    Times(Box<Times>),
    /// Every so often.
    Every(SignedDuration),
}

/// Sets of numbers, one bit each.
#[derive(Clone, Debug)]
pub(super) struct Times {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// One of the two kinds of days is a star: the other alone decides. Otherwise either does.
    star: bool,
    zone: TimeZone,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

struct Bounds {
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

const BOUNDS: [Bounds; 5] = [
    Bounds { low: 0, high: 59, names: &[] },
    Bounds { low: 0, high: 23, names: &[] },
    Bounds { low: 1, high: 31, names: &[] },
    Bounds { low: 1, high: 12, names: &MONTHS },
    Bounds { low: 0, high: 6, names: &WEEKDAYS },
];

impl Bounds {
    fn number(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        match named {
            Some(at) => u32::try_from(at).ok().map(|at| at + self.low),
            None => text.parse().ok(),
        }
    }

    /// The numbers of one range, and whether it is a star.
    fn range(&self, text: &str) -> Option<(u64, bool)> {
        let (ends, step) = match text.split_once('/') {
            Some((ends, step)) => (ends, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?)),
            None => (text, None),
        };
        let star = matches!(ends, "*" | "?");
        let (first, last) = match ends.split_once('-') {
            _ if star => (self.low, self.high),
            Some((first, last)) => (self.number(first)?, self.number(last)?),
            // `3/5` is everything from 3 on.
            None => {
                let first = self.number(ends)?;
                (first, if step.is_some() { self.high } else { first })
            }
        };
        if first < self.low || last > self.high || first > last {
            return None;
        }
        let step = step.unwrap_or(1);
        let numbers = (first..=last).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        Some((numbers.fold(0, |bits, number| bits | 1 << number), star && step == 1))
    }

    fn field(&self, text: &str) -> Option<(u64, bool)> {
        let ranges = text.split(',').filter(|range| !range.is_empty()).map(|range| self.range(range));
        let all: Vec<(u64, bool)> = ranges.collect::<Option<_>>()?;
        Some(all.into_iter().fold((0, false), |all, one| (all.0 | one.0, all.1 | one.1)))
    }
}

impl Schedule {
    /// Reads a schedule. A `TZ=` or `CRON_TZ=` in it takes the place of `zone`.
    pub(super) fn parse(text: &str, zone: TimeZone) -> Result<Self, Wrong> {
        let named = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ="));
        let (zone, text) = match named.map(|rest| rest.split_once(' ').unwrap_or((rest, ""))) {
            Some((name, rest)) => (time_zone(name).ok_or_else(|| Wrong::Zone(name.to_owned()))?, rest.trim()),
            None => (zone, text),
        };
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            _ if text.starts_with('@') => {
                let wrong = || Wrong::Descriptor(text.to_owned());
                let every = text.strip_prefix("@every ").and_then(go_duration).ok_or_else(wrong)?;
                return Ok(Self::Every(every));
            }
            fields => fields,
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        if fields.len() != BOUNDS.len() {
            return Err(Wrong::Fields(fields.len()));
        }
        let read = |at: usize| BOUNDS[at].field(fields[at]).ok_or_else(|| Wrong::Field(fields[at].to_owned()));
        let (days, any_day) = read(2)?;
        let (weekdays, any_weekday) = read(4)?;
        Ok(Self::Times(Box::new(Times {
            minutes: read(0)?.0,
            hours: read(1)?.0,
            days,
            months: read(3)?.0,
            weekdays,
            star: any_day || any_weekday,
            zone,
        })))
    }

    /// The first time after another; `None` when there is none within five years.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let second = Timestamp::from_second(after.as_second()).ok()?;
        match self {
            Self::Every(pause) => second.checked_add(*pause).ok(),
            Self::Times(times) => times.next(second.checked_add(SignedDuration::from_secs(1)).ok()?),
        }
    }
}

fn has(bits: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| bits & (1 << number) != 0)
}

impl Times {
    fn next(&self, from: Timestamp) -> Option<Timestamp> {
        let first = from.to_zoned(self.zone.clone()).date();
        let mut date = first;
        while date.year() <= first.year().saturating_add(YEARS) {
            if !has(self.months, date.month()) {
                date = date.last_of_month().tomorrow().ok()?;
                continue;
            }
            let tomorrow = date.tomorrow().ok()?;
            if self.is_day(date) {
                let start = if date == first { from } else { self.midnight(date)? };
                if let Some(found) = self.in_day(start, self.midnight(tomorrow)?) {
                    return Some(found);
                }
            }
            date = tomorrow;
        }
        None
    }

    fn is_day(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        if self.star { day && weekday } else { day || weekday }
    }

    fn midnight(&self, date: Date) -> Option<Timestamp> {
        Some(self.zone.to_ambiguous_zoned(date.at(0, 0, 0, 0)).compatible().ok()?.timestamp())
    }

    /// The first minute that fits, of a part of a day.
    fn in_day(&self, mut at: Timestamp, until: Timestamp) -> Option<Timestamp> {
        while at < until {
            let local = at.to_zoned(self.zone.clone());
            let seconds = if local.second() != 0 {
                60 - i64::from(local.second())
            } else if !has(self.hours, local.hour()) {
                (60 - i64::from(local.minute())) * 60
            } else if !has(self.minutes, local.minute()) {
                60
            } else {
                return Some(at);
            };
            at = at.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        }
        None
    }
}

/// A time zone by its IANA name; the empty name is UTC, as in Go.
pub(super) fn time_zone(name: &str) -> Option<TimeZone> {
    if name.is_empty() { Some(TimeZone::UTC) } else { TimeZone::get(name).ok() }
}

/// A duration as Go writes it (`1h30m`, `1.5h`): whole seconds, at least one.
fn go_duration(text: &str) -> Option<SignedDuration> {
    let mut rest = text.trim().strip_prefix('+').unwrap_or(text.trim());
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number * unit;
        rest = &rest[end..];
    }
    SignedDuration::try_from_secs_f64(seconds.max(1.0).floor()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn next(schedule: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule, time_zone(zone).unwrap()).unwrap();
        let times = std::iter::successors(schedule.next(at(after)), |time| schedule.next(*time));
        times.take(count).map(|time| time.to_string()).collect()
    }

    #[test]
    fn the_next_time() {
        let (day, eve) = ("2026-03-10T12:34:56Z", "2026-12-31T23:59:00Z");
        let cases = [
            ("* * * * *", "", day, "2026-03-10T12:35:00Z"),
            ("* * * * *", "", "2026-03-10T12:35:00Z", "2026-03-10T12:36:00Z"),
            ("* * * * *", "", "2026-03-10T12:35:00.5Z", "2026-03-10T12:36:00Z"),
            ("*/15 * * * *", "", day, "2026-03-10T12:45:00Z"),
            ("7/20 * * * *", "", day, "2026-03-10T12:47:00Z"),
            ("0 12 * * *", "", day, "2026-03-11T12:00:00Z"),
            ("0 9-17/4 * * *", "", day, "2026-03-10T13:00:00Z"),
            ("0 0 1 jan *", "", day, "2027-01-01T00:00:00Z"),
            ("0 0 * * SUN", "", day, "2026-03-15T00:00:00Z"),
            ("0 0 ? * 1-3", "", day, "2026-03-11T00:00:00Z"),
            // Two kinds of days: either.
            ("0 0 20 * mon", "", day, "2026-03-16T00:00:00Z"),
            // A star with a step is no star.
            ("0 0 */10 * mon", "", day, "2026-03-11T00:00:00Z"),
            ("59 23 31 12 *", "", eve, "2027-12-31T23:59:00Z"),
            ("0 0 29 2 *", "", day, "2028-02-29T00:00:00Z"),
            ("@hourly", "", day, "2026-03-10T13:00:00Z"),
            ("@daily", "", eve, "2027-01-01T00:00:00Z"),
            ("@weekly", "", day, "2026-03-15T00:00:00Z"),
            ("@monthly", "", day, "2026-04-01T00:00:00Z"),
            ("@yearly", "", day, "2027-01-01T00:00:00Z"),
            ("@every 90m", "", "2026-03-10T12:00:00.7Z", "2026-03-10T13:30:00Z"),
            ("@every 1h1m1.9s", "", "2026-03-10T12:00:00Z", "2026-03-10T13:01:01Z"),
            ("@every 1ms", "", "2026-03-10T12:00:00Z", "2026-03-10T12:00:01Z"),
            ("0 9 * * *", "Asia/Tokyo", day, "2026-03-11T00:00:00Z"),
            ("TZ=America/New_York 0 9 * * *", "Asia/Tokyo", day, "2026-03-10T13:00:00Z"),
            ("CRON_TZ=UTC 0 9 * * *", "Asia/Tokyo", day, "2026-03-11T09:00:00Z"),
        ];
        for (schedule, zone, after, want) in cases {
            assert_eq!(next(schedule, zone, after, 1), [want], "{schedule} {zone}");
        }
    }

    #[test]
    fn changes_of_clocks() {
        // Spring: half past two does not happen. Autumn: half past two happens twice.
        let spring = next("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 2);
        assert_eq!(spring, ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"]);
        let autumn = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 3);
        assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"]);
        // A day that begins at one o'clock.
        let late = next("0 1 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", 1);
        assert_eq!(late, ["2018-11-04T03:00:00Z"]);
    }

    #[test]
    fn nonsense_is_refused_and_the_impossible_never_comes() {
        for (text, want) in [
            ("", "expected exactly 5 fields, found 0"),
            ("* * * *", "expected exactly 5 fields, found 4"),
            ("60 * * * *", "failed to parse \"60\""),
            ("* * 0 * *", "failed to parse \"0\""),
            ("* * * * 7", "failed to parse \"7\""),
            ("5-1 * * * *", "failed to parse \"5-1\""),
            ("*/0 * * * *", "failed to parse \"*/0\""),
            ("@never", "unrecognized descriptor: @never"),
            ("@every x", "unrecognized descriptor: @every x"),
            ("@every 5", "unrecognized descriptor: @every 5"),
            ("TZ=Moon/Base 0 0 * * *", "provided bad location Moon/Base"),
        ] {
            assert_eq!(Schedule::parse(text, TimeZone::UTC).unwrap_err().to_string(), want, "{text}");
        }
        assert!(next("0 0 31 2 *", "", "2026-01-01T00:00:00Z", 1).is_empty());
    }
}
