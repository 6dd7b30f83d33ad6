//! Tests of Jobs: what follows from pods as tables, then the whole loop over an in-memory API whose pods end as told.

mod decisions;
mod lives;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::view::{Job, TRACKING};
use crate::informer::Raw;
use crate::object::timestamp;
use crate::pod::Pod;

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> String {
    timestamp(now() - SignedDuration::from_secs(seconds))
}

/// A Job of three completions, two at a time, as changed by a merge patch.
fn job_value(patch: &Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "work", "namespace": "n", "uid": "job", "resourceVersion": "1", "generation": 1},
        "spec": {"parallelism": 2, "completions": 3, "backoffLimit": 6, "completionMode": "NonIndexed",
            "suspend": false, "podReplacementPolicy": "TerminatingOrFailed",
            "selector": {"matchLabels": {"job": "work"}},
            "template": {"metadata": {"labels": {"job": "work"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
    });
    json_patch::merge(&mut job, patch);
    job
}

fn job(patch: &Value) -> Job {
    Job::view(&Raw::from_value(&job_value(patch)).unwrap()).unwrap()
}

/// A tracked pod of the Job, as changed by a merge patch.
fn pod(name: &str, phase: &str, patch: &Value) -> Pod {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "n", "uid": name, "finalizers": [TRACKING],
            "labels": {"job": "work"}, "creationTimestamp": ago(100)},
        "status": {"phase": phase},
    });
    json_patch::merge(&mut pod, patch);
    Pod::view(Arc::new(Raw::from_value(&pod).unwrap())).unwrap()
}

/// A pod of an index.
fn indexed(name: &str, phase: &str, index: &str) -> Pod {
    pod(name, phase, &json!({"metadata": {"annotations": {super::indexes::INDEX: index}}}))
}
