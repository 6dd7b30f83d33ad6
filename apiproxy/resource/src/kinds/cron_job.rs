//! CronJobs.

use serde_json::Value;

use super::job;
use crate::json::{child, fill, fill_text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) static CRON_JOB: Strategy = Strategy {
    group: "batch",
    plural: "cronjobs",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    generation: Generation::On(&["spec"]),
    default,
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
