//! Whole lives of Jobs over an in-memory API.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::fake::Fake;
use crate::kinds;
use crate::run::{Config, Which};

/// The controllers, and somebody who plays the kubelet.
struct World {
    fake: Fake,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl World {
    fn start(job: Value) -> Self {
        let fake = Fake::default();
        fake.put(&kinds::jobs(), job);
        let config = Config { fleet: fake.client(), which: [Which::Job, Which::TtlAfterFinished].into() };
        let stop = CancellationToken::new();
        let running = tokio::spawn(crate::run::run(config, stop.clone()));
        Self { fake, stop, running }
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }

    fn job(&self) -> Value {
        self.fake.get(&kinds::jobs(), "n", "work").unwrap_or_default()
    }

    fn pods(&self) -> Vec<Value> {
        self.fake.list(&kinds::pods())
    }

    /// Gives every pod that has no phase yet the one that `fate` says.
    fn play(&self, fate: impl Fn(&Value) -> Value) {
        for mut pod in self.pods().into_iter().filter(|pod| pod["status"].is_null()) {
            pod["status"] = fate(&pod);
            self.fake.put(&kinds::pods(), pod);
        }
    }

    async fn eventually(&self, what: &str, condition: impl Fn(&Value, &[Value]) -> bool) {
        let fits = |fake: &Fake| {
            let job = fake.get(&kinds::jobs(), "n", "work").unwrap_or_default();
            condition(&job, &fake.list(&kinds::pods()))
        };
        self.fake.eventually(what, fits).await;
    }

    fn reasons(&self) -> Vec<String> {
        let events = self.fake.list(&kinds::events());
        events.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    async fn told(&self, reason: &str) {
        let told = |fake: &Fake| fake.list(&kinds::events()).iter().any(|event| event["reason"] == reason);
        self.fake.eventually(reason, told).await;
    }
}

fn has(job: &Value, kind: &str) -> bool {
    let conditions = job["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
}

fn succeeded(_: &Value) -> Value {
    json!({"phase": "Succeeded"})
}

fn failed(_: &Value) -> Value {
    let end = timestamp(Timestamp::now());
    json!({"phase": "Failed", "containerStatuses": [
        {"name": "c", "state": {"terminated": {"exitCode": 3, "finishedAt": end}}}]})
}

fn running(_: &Value) -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_to_its_completion() {
    let world = World::start(job_value(&json!({"spec": {"ttlSecondsAfterFinished": 0}})));
    world.eventually("two pods", |job, pods| pods.len() == 2 && job["status"]["active"] == 2).await;
    world.play(succeeded);
    world.eventually("the third", |job, pods| pods.len() == 3 && job["status"]["succeeded"] == 2).await;
    world.play(succeeded);
    world.told("Completed").await;
    // Time to live is over at once; its pods are the garbage collector's.
    world.eventually("gone", |job, _| job.is_null()).await;
    for pod in world.pods() {
        assert_eq!(pod["metadata"]["finalizers"], json!([]), "{pod}");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "Job");
    }
    assert_eq!(world.reasons().iter().filter(|reason| *reason == "SuccessfulCreate").count(), 3);
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn counters_and_conditions_at_the_end() {
    let world = World::start(job_value(&json!({"spec": {"completionMode": "Indexed", "parallelism": 3}})));
    world.eventually("three pods", |_, pods| pods.len() == 3).await;
    world.play(succeeded);
    world.eventually("complete", |job, _| has(job, "Complete")).await;
    let job = world.job();
    let status = &job["status"];
    assert_eq!((&status["completedIndexes"], &status["succeeded"]), (&json!("0-2"), &json!(3)));
    assert!(has(&job, "SuccessCriteriaMet") && status["active"].is_null());
    assert_eq!((&status["ready"], &status["terminating"]), (&json!(0), &json!(0)));
    assert!(status["completionTime"].is_string() && status["startTime"].is_string());
    assert_eq!(status["conditions"][0]["reason"], "CompletionsReached");
    assert_eq!(status["uncountedTerminatedPods"], json!({}));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_patience_one_failure_is_the_end() {
    let world = World::start(job_value(&json!({"spec": {"backoffLimit": 0}})));
    world.eventually("two pods", |_, pods| pods.len() == 2).await;
    let first = world.pods()[0]["metadata"]["name"].clone();
    world.play(|pod| if pod["metadata"]["name"] == first { failed(pod) } else { running(pod) });
    world.eventually("failed", |job, _| has(job, "Failed")).await;
    let job = world.job();
    assert!(has(&job, "FailureTarget"));
    assert_eq!(job["status"]["failed"], 2, "the one that ran has failed too");
    assert_eq!(world.pods().len(), 1, "the one that ran is deleted");
    world.told("BackoffLimitExceeded").await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_with_patience() {
    // The waiting is the sleep of a paused clock; the times in the objects are real ones.
    let world = World::start(job_value(&json!({"spec": {"completions": 1, "parallelism": 1}})));
    world.eventually("a pod", |_, pods| pods.len() == 1).await;
    world.play(|_| {
        let end = timestamp(Timestamp::now() - SignedDuration::from_secs(15));
        json!({"phase": "Failed", "containerStatuses": [
            {"name": "c", "state": {"terminated": {"exitCode": 3, "finishedAt": end}}}]})
    });
    world.eventually("another", |job, pods| pods.len() == 2 && job["status"]["failed"] == 1).await;
    world.play(succeeded);
    world.eventually("complete", |job, _| has(job, "Complete")).await;
    assert_eq!((&world.job()["status"]["failed"], &world.job()["status"]["succeeded"]), (&json!(1), &json!(1)));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn suspended_jobs_have_no_pods() {
    let world = World::start(job_value(&json!({"spec": {"suspend": true}})));
    world.eventually("suspended", |job, pods| has(job, "Suspended") && pods.is_empty()).await;
    assert!(world.job()["status"]["startTime"].is_null());
    world.fake.put(&kinds::jobs(), {
        let mut job = world.job();
        job["spec"]["suspend"] = json!(false);
        job
    });
    world.eventually("resumed", |job, pods| pods.len() == 2 && job["status"]["startTime"].is_string()).await;
    world.play(running);
    world.eventually("ready", |job, _| job["status"]["ready"] == 2).await;
    let mut job = world.job();
    job["spec"]["suspend"] = json!(true);
    world.fake.put(&kinds::jobs(), job);
    world.eventually("suspended again", |job, pods| has(job, "Suspended") && pods.is_empty()).await;
    world.eventually("nothing counted", |job, _| job["status"]["active"].is_null()).await;
    assert!(world.job()["status"]["failed"].is_null() && world.job()["status"]["startTime"].is_null());
    world.told("Suspended").await;
    world.told("Resumed").await;
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn orphans_are_adopted_and_let_go() {
    let world = World::start(job_value(&json!({"spec": {"completions": 1, "parallelism": 1, "suspend": true}})));
    let managed = json!({"metadata": {"name": "other", "uid": "other"}, "spec": {"managedBy": "e.com/mine",
        "suspend": false, "selector": {"matchLabels": {"job": "other"}}}});
    world.fake.put(&kinds::jobs(), job_value(&managed));
    let stray = json!({"metadata": {"name": "stray", "namespace": "n", "labels": {"job": "work"}},
        "status": {"phase": "Succeeded"}});
    world.fake.put(&kinds::pods(), stray);
    let theirs = json!({"metadata": {"name": "theirs", "namespace": "n", "finalizers": [TRACKING],
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "other", "uid": "other",
            "controller": true}]}});
    world.fake.put(&kinds::pods(), theirs);
    let lost = json!({"metadata": {"name": "lost", "namespace": "n", "finalizers": [TRACKING, "a/b"],
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "gone", "uid": "gone",
            "controller": true}]}});
    world.fake.put(&kinds::pods(), lost);
    let of = |pods: &[Value], name: &str| pods.iter().find(|pod| pod["metadata"]["name"] == name).cloned().unwrap();
    world
        .eventually("the lost one is free", |_, pods| of(pods, "lost")["metadata"]["finalizers"] == json!(["a/b"]))
        .await;
    world.eventually("the stray counts", |job, _| job["status"]["succeeded"] == 1 && has(job, "Complete")).await;
    let pods = world.pods();
    assert_eq!(of(&pods, "stray")["metadata"]["ownerReferences"][0]["uid"], "job");
    assert_eq!(of(&pods, "theirs")["metadata"]["finalizers"], json!([TRACKING]), "another controller's");
    let other = world.fake.get(&kinds::jobs(), "n", "other").unwrap();
    assert!(other["status"].is_null(), "managed elsewhere");
    world.end().await;
}
