//! CronJobs.

use schema::field::Error;
use serde_json::Value;

use super::job;
use super::pod::spec::one_of;
use super::workload::{SPEC, not_negative};
use crate::json::{at, child, dig, fill, fill_text, flag, opt_text, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Errors, Scope, Strategy, meta};

pub(super) static CRON_JOB: Strategy = Strategy {
    group: "batch",
    plural: "cronjobs",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    generation: Generation::On(&["spec"]),
    default,
    validate: |obj, errors| {
        validate(obj, "", errors);
        let name = text(at(obj, "metadata"), "name");
        if name.len() > 52 {
            errors.push(Error::invalid("metadata.name", name, "must be no more than 52 characters"));
        }
    },
    validate_update: |new, old, errors| validate(new, text(at(old, "spec"), "schedule"), errors),
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill_text(spec, "concurrencyPolicy", "Allow");
    fill(spec, "suspend", false);
    fill(spec, "successfulJobsHistoryLimit", 3);
    fill(spec, "failedJobsHistoryLimit", 1);
    if let Some(inner) = spec.get_mut("jobTemplate").and_then(|template| template.get_mut("spec")) {
        job::shape(inner);
    }
}

/// `before` is the schedule of the old object: one that named a time zone may go on doing so.
fn validate(obj: &Value, before: &str, errors: &mut Errors) {
    let spec = at(obj, "spec");
    let path = SPEC.child("schedule");
    let schedule = text(spec, "schedule");
    let zone = opt_text(spec, "timeZone");
    if schedule.is_empty() {
        errors.push(Error::required(path, ""));
    } else {
        if let Some(detail) = wrong_schedule(schedule) {
            errors.push(Error::invalid(path, schedule, detail));
        }
        let detail = match (before.contains("TZ"), schedule.contains("TZ")) {
            (true, true) if zone.is_some() => Some("cannot use both timeZone field and TZ or CRON_TZ in schedule"),
            (false, true) => Some("cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
            _ => None,
        };
        errors.extend(detail.map(|detail| Error::invalid(path, schedule, detail)));
    }
    not_negative(spec, "startingDeadlineSeconds", &SPEC, errors);
    if let Some(zone) = zone {
        time_zone(zone, errors);
    }
    one_of(spec, "concurrencyPolicy", &["Allow", "Forbid", "Replace"], &SPEC, errors);
    let job = dig(spec, "jobTemplate.spec");
    let path = SPEC.child("jobTemplate.spec");
    meta::labels(dig(spec, "jobTemplate.metadata.labels"), &SPEC.child("jobTemplate.labels"), errors);
    if flag(job, "manualSelector") {
        let detail = "supported values: \"nil\", \"false\"";
        let mut error = Error::not_supported(path.child("manualSelector"), true, &[]);
        error.detail = detail.to_owned();
        errors.push(error);
    }
    if !at(job, "selector").is_null() {
        let shown = at(job, "selector").clone();
        errors.push(Error::invalid(path.child("selector"), shown, "`selector` will be auto-generated"));
    }
    job::validate::job_spec(job, &path, errors);
    not_negative(spec, "successfulJobsHistoryLimit", &SPEC, errors);
    not_negative(spec, "failedJobsHistoryLimit", &SPEC, errors);
}

fn time_zone(zone: &str, errors: &mut Errors) {
    let path = SPEC.child("timeZone");
    if zone.is_empty() {
        errors.push(Error::invalid(path, zone, "timeZone must be nil or non-empty string"));
        return;
    }
    let part = |part: &str| {
        !part.is_empty()
            && !matches!(part, "." | "..")
            && !part.starts_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+' | b'-'))
    };
    if zone.eq_ignore_ascii_case("Local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.push(Error::invalid(path, zone, detail));
    } else if !zone.split('/').all(part) || jiff::tz::TimeZone::get(zone).is_err() {
        errors.push(Error::invalid(path, zone, format!("unknown time zone {zone}")));
    }
}

/// What the parser of schedules (robfig/cron, standard five fields and descriptors) says of one.
fn wrong_schedule(schedule: &str) -> Option<String> {
    let mut rest = schedule;
    if rest.starts_with("TZ=") || rest.starts_with("CRON_TZ=") {
        rest = rest.split_once(' ').map_or("", |(_, rest)| rest).trim();
    }
    if let Some(descriptor) = rest.strip_prefix('@') {
        let known = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"].contains(&descriptor);
        let every = descriptor.strip_prefix("every ").is_some_and(|duration| !duration.is_empty());
        return (!known && !every).then(|| format!("unrecognized descriptor: {rest}"));
    }
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if fields.len() != 5 {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        return Some(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let bounds: [(u32, u32, &[&str], u32); 5] =
        [(0, 59, &[], 0), (0, 23, &[], 0), (1, 31, &[], 0), (1, 12, &MONTHS, 1), (0, 6, &DAYS, 0)];
    fields.iter().zip(bounds).find_map(|(field, bounds)| field.split(',').find_map(|range| wrong_range(range, bounds)))
}

fn wrong_range(range: &str, (low, high, names, first): (u32, u32, &[&str], u32)) -> Option<String> {
    let number = |text: &str| -> Result<u32, String> {
        if let Some(index) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(u32::try_from(index).unwrap_or(0) + first);
        }
        text.parse().map_err(|_| {
            format!(
                "failed to parse int from {text}: strconv.Atoi: parsing {}: invalid syntax",
                schema::field::go_quote(text)
            )
        })
    };
    let check = || -> Result<(), String> {
        let parts: Vec<&str> = range.split('/').collect();
        let ends: Vec<&str> = parts[0].split('-').collect();
        let (start, end) = match ends[..] {
            ["*" | "?"] => (low, high),
            [one] => {
                let one = number(one)?;
                (one, if parts.len() == 2 { high } else { one })
            }
            [start, end] => (number(start)?, number(end)?),
            _ => return Err(format!("too many hyphens: {range}")),
        };
        let step = match parts[..] {
            [_] => 1,
            [_, step] => number(step)?,
            _ => return Err(format!("too many slashes: {range}")),
        };
        if start < low {
            return Err(format!("beginning of range ({start}) below minimum ({low}): {range}"));
        }
        if end > high {
            return Err(format!("end of range ({end}) above maximum ({high}): {range}"));
        }
        if start > end {
            return Err(format!("beginning of range ({start}) beyond end of range ({end}): {range}"));
        }
        if step == 0 {
            return Err(format!("step of range should be a positive number: {range}"));
        }
        Ok(())
    };
    check().err()
}

#[cfg(test)]
mod tests {
    use super::wrong_schedule;

    #[test]
    fn schedules() {
        for good in ["* * * * *", "*/5 0-3 1,15 jan-mar MON", "@daily", "@every 5m", "0 0 ? * *", "TZ=UTC 0 0 * * *"] {
            assert_eq!(wrong_schedule(good), None, "{good}");
        }
        for (bad, start) in [
            ("* * * *", "expected exactly 5 fields, found 4"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1)"),
            ("*/0 * * * *", "step of range should be a positive number"),
            ("x * * * *", "failed to parse int from x"),
            ("@never", "unrecognized descriptor: @never"),
        ] {
            assert!(wrong_schedule(bad).is_some_and(|detail| detail.starts_with(start)), "{bad}");
        }
    }
}
