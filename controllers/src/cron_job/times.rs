//! Which of the times of a schedule is due (upstream `cronjob/utils.go`).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::schedule::Schedule;

/// Beyond this many missed times users are told.
const MANY: i64 = 100;
/// Added to the wait for the next time, because clocks differ.
const SLACK: Duration = Duration::from_millis(100);

/// Whether times have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    None,
    Few,
    Many,
}

/// What lies between the last time and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recent {
    /// From when on times count.
    pub(super) since: Timestamp,
    /// The last time that is not in the future.
    pub(super) last: Option<Timestamp>,
    pub(super) missed: Missed,
}

/// A schedule whose times do not follow each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("time difference between two schedules is less than 1 second")]
pub(super) struct Impossible;

/// The last time since `since` (`mostRecentScheduleTime`). A long gap is not walked through time by time: the interval
/// of the first two gives an estimate near its end.
pub(super) fn recent(schedule: &Schedule, since: Timestamp, now: Timestamp) -> Result<Recent, Impossible> {
    let first = schedule.next(since).ok_or(Impossible)?;
    let mut recent = Recent { since, last: None, missed: Missed::None };
    if now < first {
        return Ok(recent);
    }
    let second = schedule.next(first);
    if second.is_some_and(|second| now < second) {
        recent.last = Some(first);
        return Ok(recent);
    }
    let interval = second.map_or(0, |second| second.duration_since(first).as_secs());
    if interval < 1 {
        return Err(Impossible);
    }
    let count = now.duration_since(first).as_secs() / interval + 1;
    let near = first.checked_add(SignedDuration::from_secs((count - 2).saturating_mul(interval))).unwrap_or(first);
    let mut time = schedule.next(near);
    while let Some(due) = time.filter(|due| *due <= now) {
        recent.last = Some(due);
        time = schedule.next(due);
    }
    recent.missed = if count > MANY { Missed::Many } else { Missed::Few };
    Ok(recent)
}

/// How long until the next time (`nextScheduleTimeDuration`); `None` when there is none.
pub(super) fn until_next(schedule: &Schedule, since: Timestamp, now: Timestamp) -> Option<Duration> {
    let from = match recent(schedule, since, now) {
        Ok(Recent { last: Some(last), .. }) => last,
        Ok(Recent { since, missed: Missed::None, .. }) => since,
        _ => now,
    };
    let wait = schedule.next(from)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or_default() + SLACK)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-01-{text}Z").parse().unwrap()
    }

    #[test]
    fn what_is_due() {
        // (schedule, since, now) → last, missed, seconds until the next
        let cases = [
            ("0 * * * *", "01T10:00:00", "01T10:30:00", None, Missed::None, 1800),
            ("0 * * * *", "01T10:00:00", "01T11:00:00", Some("01T11:00:00"), Missed::None, 3600),
            ("0 * * * *", "01T10:00:00", "01T11:59:00", Some("01T11:00:00"), Missed::None, 60),
            ("0 * * * *", "01T10:00:00", "01T12:30:00", Some("01T12:00:00"), Missed::Few, 1800),
            ("0 * * * *", "01T10:00:00", "09T12:30:00", Some("09T12:00:00"), Missed::Many, 1800),
            // Uneven: the estimate is only the start of a walk.
            ("30 6-16/4 * * 1-5", "01T10:35:00", "06T15:00:00", Some("06T14:30:00"), Missed::Few, 55_800),
            ("@every 1h", "01T10:20:00", "01T13:30:00", Some("01T13:20:00"), Missed::Few, 3000),
        ];
        for (text, since, now, last, missed, wait) in cases {
            let schedule = Schedule::parse(text, TimeZone::UTC).unwrap();
            let got = recent(&schedule, at(since), at(now)).unwrap();
            assert_eq!((got.last, got.missed), (last.map(at), missed), "{text} {now}");
            let slack = Duration::from_millis(100);
            assert_eq!(
                until_next(&schedule, at(since), at(now)),
                Some(Duration::from_secs(wait) + slack),
                "{text} {now}"
            );
        }
        let never = Schedule::parse("0 0 31 2 *", TimeZone::UTC).unwrap();
        assert_eq!(recent(&never, at("01T00:00:00"), at("02T00:00:00")), Err(Impossible));
        assert_eq!(until_next(&never, at("01T00:00:00"), at("02T00:00:00")), None);
    }
}
