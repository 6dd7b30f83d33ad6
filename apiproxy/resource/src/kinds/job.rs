//! Jobs, and the job templates of CronJobs.

use serde_json::{Value, json};

use super::pod::defaults::template;
use crate::json::{at, child, dig, fill, fill_text, flag, int, items_mut, object, put, set, size, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Scope, Strategy};

pub(super) mod validate;

pub(super) static JOB: Strategy = Strategy {
    group: "batch",
    plural: "jobs",
    scope: Scope::Namespaced,
    status: Status::Reset("{}"),
    generation: Generation::On(&["spec"]),
    default,
    prepare_create,
    validate: validate::job,
    validate_update: validate::update,
    warnings: super::workload::template_warnings,
    fields: &[("status.successful", |job| dig(job, "status.succeeded").as_i64().unwrap_or(0).to_string())],
    ..BASE
};

fn default(_version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    spec_with_counts(spec);
    fill(spec, "manualSelector", false);
    let labels = dig(obj, "spec.template.metadata.labels").clone();
    if labels.is_object() && size(at(obj, "metadata"), "labels") == 0 {
        put(child(obj, "metadata"), "labels", labels);
    }
}

fn spec_with_counts(spec: &mut Value) {
    if int(spec, "parallelism").is_none() {
        fill(spec, "completions", 1);
        fill(spec, "parallelism", 1);
    }
    let limit = if set(spec, "backoffLimitPerIndex").is_some() { i64::from(i32::MAX) } else { 6 };
    fill(spec, "backoffLimit", limit);
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    let replacement = if set(spec, "podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
    fill(spec, "podReplacementPolicy", replacement);
    shape(spec);
}

/// What is defaulted in job specs wherever they stand.
pub(super) fn shape(spec: &mut Value) {
    if let Some(policy) = spec.get_mut("podFailurePolicy") {
        for rule in items_mut(policy, "rules") {
            for pattern in items_mut(rule, "onPodConditions") {
                fill_text(pattern, "status", "True");
            }
        }
    }
    template(spec);
}

/// Without a manual selector the server makes one over the job's uid.
fn prepare_create(job: &mut Value) {
    if flag(at(job, "spec"), "manualSelector") {
        return;
    }
    let meta = at(job, "metadata");
    let (name, uid) = (text(meta, "name").to_owned(), text(meta, "uid").to_owned());
    let spec = child(job, "spec");
    let labels = object(child(child(child(spec, "template"), "metadata"), "labels"));
    for key in ["job-name", "batch.kubernetes.io/job-name"] {
        labels.entry(key).or_insert_with(|| json!(name));
    }
    for key in ["controller-uid", "batch.kubernetes.io/controller-uid"] {
        labels.entry(key).or_insert_with(|| json!(uid));
    }
    let labels = Value::Object(labels.clone());
    let selector = object(child(child(spec, "selector"), "matchLabels"));
    selector.entry("batch.kubernetes.io/controller-uid").or_insert_with(|| json!(uid));
    let meta = child(job, "metadata");
    if at(meta, "labels").as_object().is_none_or(serde_json::Map::is_empty) {
        // Upstream's default labels of a Job are those of its pods: the same map, so that it gets these too.
        put(meta, "labels", labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_default_together() {
        let spec = |given: Value| {
            let mut job = json!({"spec": given});
            default("v1", &mut job);
            (job["spec"]["completions"].clone(), job["spec"]["parallelism"].clone())
        };
        assert_eq!(spec(json!({})), (json!(1), json!(1)));
        assert_eq!(spec(json!({"completions": 3})), (json!(3), json!(1)));
        assert_eq!(spec(json!({"parallelism": 3})), (Value::Null, json!(3)));
    }

    #[test]
    fn selector_is_made_from_the_uid() {
        let mut job = json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {}}});
        prepare_create(&mut job);
        assert_eq!(job["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}));
        assert_eq!(job["spec"]["template"]["metadata"]["labels"].as_object().map(serde_json::Map::len), Some(4));
    }
}
