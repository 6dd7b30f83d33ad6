//! Tables of decisions about CronJobs.

use serde_json::json;

use super::*;

fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().unwrap()
}

/// Every ten minutes, made at ten o'clock; as changed by a merge patch.
pub(super) fn cron(patch: &Value) -> CronJob {
    let mut cron = json!({
        "metadata": {"name": "tick", "namespace": "n", "uid": "cron", "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T10:00:00Z"},
        "spec": {"schedule": "*/10 * * * *", "concurrencyPolicy": "Allow", "suspend": false,
            "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1, "jobTemplate": {"spec": {}}},
    });
    json_patch::merge(&mut cron, patch);
    CronJob::view(&Raw::from_value(&cron).unwrap()).unwrap()
}

fn job(name: &str, finished: Option<&str>, started: Option<&str>) -> Job {
    let conditions: Vec<Value> = finished.iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
    let time = |time: &str| format!("2026-01-01T{time}Z");
    let job = json!({"metadata": {"name": name, "uid": name}, "spec": {}, "status": {"conditions": conditions,
        "startTime": started.map(time), "completionTime": started.filter(|_| finished == Some("Complete")).map(time)}});
    Job::view(&Raw::from_value(&job).unwrap()).unwrap()
}

fn active(name: &str) -> Value {
    json!({"name": name, "uid": name, "kind": "Job"})
}

#[test]
fn times_that_come() {
    let spec = |spec: Value| json!({ "spec": spec });
    let with_active = |policy: &str| {
        json!({"spec": {"concurrencyPolicy": policy}, "status": {"active": [active("a")],
            "lastScheduleTime": "2026-01-01T10:10:00Z"}})
    };
    let none = json!({});
    // (CronJob, now) → start, seconds to wait (slack apart), reasons
    let cases = [
        (none.clone(), "10:05:00", None, Some(300), vec![]),
        (none.clone(), "10:10:00", Some("10:10:00"), Some(600), vec![]),
        (none.clone(), "10:11:00", Some("10:10:00"), Some(540), vec![]),
        (none.clone(), "10:31:00", Some("10:30:00"), Some(540), vec![]),
        (json!({"status": {"lastScheduleTime": "2026-01-01T10:10:00Z"}}), "10:11:00", None, Some(540), vec![]),
        (spec(json!({"suspend": true})), "10:11:00", None, None, vec![]),
        (spec(json!({"startingDeadlineSeconds": 30})), "10:10:29", Some("10:10:00"), Some(571), vec![]),
        (spec(json!({"startingDeadlineSeconds": 30})), "10:11:00", None, Some(540), vec![]),
        (spec(json!({"startingDeadlineSeconds": 900})), "10:31:00", Some("10:30:00"), Some(540), vec![]),
        (with_active("Allow"), "10:20:00", Some("10:20:00"), Some(600), vec![]),
        (with_active("Forbid"), "10:20:00", None, Some(600), vec!["JobAlreadyActive"]),
        (with_active("Replace"), "10:20:00", Some("10:20:00!"), Some(600), vec![]),
        (json!({"status": {"active": [active("tick-29454370")]}}), "10:10:30", None, Some(570), vec![]),
        (spec(json!({"schedule": "nonsense"})), "10:11:00", None, None, vec!["UnparseableSchedule"]),
        (spec(json!({"schedule": "0 0 31 2 *"})), "10:11:00", None, None, vec!["InvalidSchedule"]),
        (spec(json!({"timeZone": "Moon/Base"})), "10:11:00", None, None, vec!["UnknownTimeZone"]),
        (spec(json!({"schedule": "TZ=UTC */10 * * * *"})), "10:05:00", None, Some(300), vec!["UnsupportedSchedule"]),
        (spec(json!({"schedule": "* * * * *"})), "12:00:30", Some("12:00:00"), Some(30), vec!["TooManyMissedTimes"]),
        (spec(json!({"schedule": "0 19 * * *", "timeZone": "Asia/Tokyo"})), "09:59:59", None, Some(86_401), vec![]),
        (json!({"metadata": {"deletionTimestamp": "2026-01-01T10:01:00Z"}}), "10:11:00", None, None, vec![]),
    ];
    for (patch, now, start, wait, reasons) in cases {
        let plan = plan(&cron(&patch), &[job("a", None, None), job("tick-29454370", None, None)], at(now));
        let told: Vec<&str> =
            plan.notes.iter().map(|note| note.1).filter(|reason| *reason != "UnexpectedJob").collect();
        let want =
            start.map(|start: &str| Start { time: at(start.trim_end_matches('!')), replaces: start.ends_with('!') });
        assert_eq!((plan.start, told), (want, reasons), "{patch} {now}");
        let slack = Duration::from_millis(100);
        assert_eq!(plan.again, wait.map(|wait| Duration::from_secs(wait) + slack), "{patch} {now}");
    }
}

#[test]
fn jobs_that_end_are_taken_off_the_list() {
    let cron = cron(&json!({"status": {"active": [active("a"), active("b"), active("c")]}}));
    let jobs = [
        job("a", Some("Complete"), Some("10:01:00")),
        job("b", Some("Failed"), Some("10:02:00")),
        job("c", None, Some("10:03:00")),
        job("d", Some("Complete"), Some("10:04:00")),
        job("e", None, None),
    ];
    let plan = plan(&cron, &jobs, at("10:05:00"));
    let left: Vec<&str> = plan.status.active.iter().map(|active| active.name.as_str()).collect();
    assert_eq!(left, ["c"]);
    assert_eq!(plan.status.last_successful_time.as_deref(), Some("2026-01-01T10:04:00Z"));
    let told: Vec<String> = plan.notes.iter().map(|(_, reason, message)| format!("{reason}: {message}")).collect();
    assert_eq!(
        told,
        [
            "SawCompletedJob: Saw completed job: a, condition: Complete",
            "SawCompletedJob: Saw completed job: b, condition: Failed",
            "UnexpectedJob: Saw a job that the controller did not create or forgot: e",
        ]
    );
}

#[test]
fn history_is_bounded() {
    let jobs = [
        job("s4", Some("Complete"), Some("10:04:00")),
        job("s1", Some("Complete"), Some("10:01:00")),
        job("s2", Some("Complete"), Some("10:02:00")),
        job("s0", Some("Complete"), None),
        job("f1", Some("Failed"), Some("10:03:00")),
        job("f2", Some("Failed"), Some("10:03:00")),
        job("r", None, Some("10:00:00")),
    ];
    let cases = [
        (json!({}), vec!["s1", "f1"]),
        (
            json!({"spec": {"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 0}}),
            vec!["s1", "s2", "s4", "s0", "f1", "f2"],
        ),
        (json!({"spec": {"successfulJobsHistoryLimit": null, "failedJobsHistoryLimit": null}}), vec![]),
    ];
    for (patch, want) in cases {
        assert_eq!(plan(&cron(&patch), &jobs, at("10:05:00")).history, want, "{patch}");
    }
}
