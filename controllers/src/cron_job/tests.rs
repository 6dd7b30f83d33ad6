//! CronJobs over an in-memory API.

use super::*;
use crate::fake::Fake;
use crate::run::{Config, Which};

#[test]
fn a_job_says_which_time_it_is_of() {
    let template = json!({"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": {"parallelism": 2}});
    for (zone, want) in [
        (Value::Null, "2026-01-01T10:10:00Z"),
        (json!("Etc/UTC"), "2026-01-01T10:10:00Z"),
        (json!("Europe/London"), "2026-01-01T10:10:00Z"),
        (json!("Asia/Kolkata"), "2026-01-01T15:40:00+05:30"),
        (json!("America/New_York"), "2026-01-01T05:10:00-05:00"),
    ] {
        let raw = Raw::from_value(&json!({"metadata": {"name": "tick", "namespace": "n", "uid": "u"},
            "spec": {"schedule": "* * * * *", "timeZone": zone, "jobTemplate": template}}))
        .unwrap();
        let made = job(&raw, &CronJob::view(&raw).unwrap(), "2026-01-01T10:10:00Z".parse().unwrap());
        assert_eq!(made["metadata"]["annotations"], json!({"c": "d", SCHEDULED: want}));
        assert_eq!(made["metadata"]["name"], "tick-29454370");
        assert_eq!(made["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(made["spec"], json!({"parallelism": 2}));
        assert_eq!(made["metadata"]["ownerReferences"][0]["kind"], "CronJob");
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_start_and_are_followed() {
    let fake = Fake::default();
    let (crons, jobs) = (kinds::cron_jobs(), kinds::jobs());
    // The clock of the objects is the real one: what is due was missed a while ago.
    let made = timestamp(Timestamp::now() - jiff::SignedDuration::from_mins(90));
    fake.put(
        &crons,
        json!({"apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": "tick", "namespace": "n", "uid": "cron", "creationTimestamp": made},
        "spec": {"schedule": "@every 60m", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": {"parallelism": 1}},
            "successfulJobsHistoryLimit": 0}}),
    );
    let config = Config { fleet: fake.client(), which: [Which::CronJob].into() };
    let stop = CancellationToken::new();
    let running = tokio::spawn(crate::run::run(config, stop.clone()));
    let status = |fake: &Fake| fake.get(&crons, "n", "tick").unwrap_or_default()["status"].clone();
    fake.eventually("a job in the list", |fake| {
        fake.list(&jobs).len() == 1 && status(fake)["active"].as_array().is_some_and(|active| active.len() == 1)
    })
    .await;
    let mut job = fake.list(&jobs)[0].clone();
    let held = status(&fake);
    assert_eq!(held["active"][0]["uid"], job["metadata"]["uid"]);
    assert_eq!(held["active"][0]["namespace"], "n");
    assert!(held["lastScheduleTime"].is_string());
    let end = timestamp(Timestamp::now());
    job["status"] = json!({"completionTime": end, "startTime": end,
        "conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": end}]});
    fake.put(&jobs, job);
    fake.eventually("the end is seen and cleaned up", |fake| {
        status(fake)["active"].is_null()
            && fake.list(&jobs).is_empty()
            && status(fake)["lastSuccessfulTime"] == end.as_str()
    })
    .await;
    for reason in ["SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete"] {
        let told = |fake: &Fake| fake.list(&kinds::events()).iter().any(|event| event["reason"] == reason);
        fake.eventually(reason, told).await;
    }
    let created = fake.writes().iter().filter(|write| *write == "POST jobs").count();
    assert_eq!(created, 1, "a time comes once");
    stop.cancel();
    running.await.unwrap();
}
