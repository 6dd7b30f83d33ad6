//! Validation of Jobs and job specs (`pkg/apis/batch/validation`).

use std::collections::HashSet;

use schema::field::Error;
use serde_json::{Value, json};

use crate::json::{at, dig, flag, int, list, opt_text, same, set, size, take_over, text};
use crate::kinds::pod::spec as pod_spec;
use crate::kinds::workload::{SPEC, not_negative};
use crate::{Errors, Path, format, meta, selector};

/// Upstream's limits for indexed jobs.
const HIGH: i64 = 100_000;
const HIGH_LIMIT: i64 = 10_000;

/// What is wrong with a Job, besides its metadata.
pub(super) fn job(job: &Value, errors: &mut Errors) {
    let spec = at(job, "spec");
    generated_selector(job, errors);
    selected_spec(spec, errors);
    let name = text(at(job, "metadata"), "name");
    let completions = int(spec, "completions").unwrap_or(0);
    if text(spec, "completionMode") == "Indexed" && completions > 0 {
        let host = format!("{name}-{}", completions - 1);
        if !format::dns_label(&host).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {host}");
            errors.push(Error::invalid("metadata.name", name, detail));
        }
    }
}

/// The labels and the selector the server makes must be there.
fn generated_selector(job: &Value, errors: &mut Errors) {
    let (meta, spec) = (at(job, "metadata"), at(job, "spec"));
    let Some(chosen) = set(spec, "selector").filter(|_| !flag(spec, "manualSelector")) else { return };
    let (uid, name) = (text(meta, "uid"), text(meta, "name"));
    if uid.is_empty() {
        errors.push(Error::required("metadata.uid", ""));
    }
    let expected = [
        ("controller-uid", uid),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
    ];
    let labels = dig(spec, "template.metadata.labels");
    let path = SPEC.child("template.metadata.labels");
    for (key, value) in expected {
        match labels.get(key).and_then(Value::as_str) {
            None => errors.push(Error::required(path.key(key), format!("must be '{value}'"))),
            Some(found) if found != value => {
                errors.push(Error::invalid(path.key(key), labels.clone(), format!("must be '{value}'")));
            }
            Some(_) => (),
        }
    }
    let made: serde_json::Map<String, Value> =
        expected.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    if selector::is_valid(chosen) && !selector::matches(chosen, &Value::Object(made)) {
        errors.push(Error::invalid(SPEC.child("selector"), chosen.clone(), "`selector` not auto-generated"));
    }
}

fn selected_spec(spec: &Value, errors: &mut Errors) {
    job_spec(spec, &SPEC, errors);
    let chosen = at(spec, "selector");
    if chosen.is_null() {
        errors.push(Error::required(SPEC.child("selector"), ""));
    } else {
        selector::validate(chosen, &SPEC.child("selector"), errors);
    }
    let labels = dig(spec, "template.metadata.labels");
    if selector::is_valid(chosen) && (chosen.is_null() || !selector::matches(chosen, labels)) {
        let detail = "`selector` does not match template `labels`";
        errors.push(Error::invalid(SPEC.child("template.metadata.labels"), labels.clone(), detail));
    }
}

/// What is wrong with a job spec, of a Job or of a CronJob's template (`validateJobSpec`).
pub(crate) fn job_spec(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    counts.iter().for_each(|field| not_negative(spec, field, path, errors));
    if int(spec, "maxFailedIndexes").is_some() && int(spec, "backoffLimitPerIndex").is_none() {
        errors.push(Error::required(path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified"));
    }
    if let Some(manager) = opt_text(spec, "managedBy") {
        prefixed_path(manager, &path.child("managedBy"), errors);
        if manager.len() > 63 {
            errors.push(Error::too_long(path.child("managedBy"), 63));
        }
    }
    completion_mode(spec, path, errors);
    if let Some(policy) = set(spec, "podFailurePolicy") {
        failure_policy(spec, policy, &path.child("podFailurePolicy"), errors);
    }
    if let Some(policy) = set(spec, "successPolicy") {
        success_policy(spec, policy, &path.child("successPolicy"), errors);
    }
    if let Some(policy) = opt_text(spec, "podReplacementPolicy") {
        let allowed: &[&str] =
            if set(spec, "podFailurePolicy").is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
        if !allowed.contains(&policy) {
            errors.push(Error::not_supported(path.child("podReplacementPolicy"), policy, allowed));
        }
    }
    let template = at(spec, "template");
    pod_spec::template(template, &path.child("template"), errors);
    let path = path.child("template.spec.restartPolicy");
    match text(at(template, "spec"), "restartPolicy") {
        "Always" | "" => errors.push(Error::required(path, "valid values: \"OnFailure\", \"Never\"")),
        policy @ "OnFailure" if set(spec, "podFailurePolicy").is_some() => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.push(Error::invalid(path, policy, detail));
        }
        "OnFailure" | "Never" => (),
        policy => errors.push(Error::not_supported(path, policy, &["OnFailure", "Never"])),
    }
}

/// `IsDomainPrefixedPath`: `acme.io/foo`.
pub(crate) fn prefixed_path(value: &str, path: &Path<'_>, errors: &mut Errors) {
    if value.is_empty() {
        errors.push(Error::required(path, ""));
        return;
    }
    let Some((host, rest)) = value.split_once('/').filter(|(host, rest)| !host.is_empty() && !rest.is_empty()) else {
        errors.push(Error::invalid(path, value, "must be a domain-prefixed path (such as \"acme.io/foo\")"));
        return;
    };
    format::invalid_each(path, host, format::dns_subdomain(host), errors);
    if !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b)) {
        let detail = format::regex_error("Invalid path", r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", &[]);
        errors.push(Error::invalid(path, rest, detail));
    }
}

fn completion_mode(spec: &Value, path: &Path<'_>, errors: &mut Errors) {
    let (completions, parallelism) = (int(spec, "completions"), int(spec, "parallelism"));
    let (failed, per_index) = (int(spec, "maxFailedIndexes"), int(spec, "backoffLimitPerIndex"));
    let mut too_many = |field: &str, value: i64, detail: String| {
        errors.push(Error::invalid(path.child(field), value, detail));
    };
    match opt_text(spec, "completionMode") {
        Some("Indexed") => {
            if let Some(value) = parallelism.filter(|value| *value > HIGH) {
                let detail = format!("must be less than or equal to {HIGH} when completion mode is Indexed");
                too_many("parallelism", value, detail);
            }
            if let (Some(failed), Some(completions)) = (failed, completions)
                && failed > completions
            {
                too_many("maxFailedIndexes", failed, "must be less than or equal to completions".to_owned());
            }
            if let Some(failed) = failed.filter(|failed| *failed > HIGH) {
                too_many("maxFailedIndexes", failed, format!("must be less than or equal to {HIGH}"));
            }
            let high = completions.is_some_and(|completions| completions > HIGH) && per_index.is_some();
            let detail = format!(
                "must be less than or equal to {HIGH_LIMIT} when completions are above {HIGH} and used with backoff limit per index"
            );
            for (field, value) in [("parallelism", parallelism), ("maxFailedIndexes", failed)] {
                if let Some(value) = value.filter(|value| high && *value > HIGH_LIMIT) {
                    too_many(field, value, detail.clone());
                }
            }
            if completions.is_none() {
                errors.push(Error::required(path.child("completions"), "when completion mode is Indexed"));
            }
            if high && failed.is_none() {
                let detail = format!("must be specified when completions is above {HIGH}");
                errors.push(Error::required(path.child("maxFailedIndexes"), detail));
            }
        }
        None | Some("NonIndexed") => {
            for (field, value) in [("backoffLimitPerIndex", per_index), ("maxFailedIndexes", failed)] {
                if let Some(value) = value {
                    too_many(field, value, "requires indexed completion mode".to_owned());
                }
            }
        }
        Some(mode) => {
            let modes = ["NonIndexed", "Indexed"];
            errors.push(Error::not_supported(path.child("completionMode"), mode, &modes));
        }
    }
}

fn failure_policy(spec: &Value, policy: &Value, path: &Path<'_>, errors: &mut Errors) {
    const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
    let rules = list(policy, "rules");
    if rules.len() > 20 {
        errors.push(Error::too_many(path.child("rules"), rules.len(), 20));
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = path.item("rules", index);
        match text(rule, "action") {
            "" => {
                let detail = "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]";
                errors.push(Error::required(path.child("action"), detail));
            }
            "FailIndex" if int(spec, "backoffLimitPerIndex").is_none() => {
                let detail = "requires the backoffLimitPerIndex to be set";
                errors.push(Error::invalid(path.child("action"), "FailIndex", detail));
            }
            action if !ACTIONS.contains(&action) => {
                errors.push(Error::not_supported(path.child("action"), action, &ACTIONS));
            }
            _ => (),
        }
        if let Some(codes) = set(rule, "onExitCodes") {
            exit_codes(spec, codes, &path.child("onExitCodes"), errors);
        }
        pod_conditions(rule, &path, errors);
        let detail = match (set(rule, "onExitCodes").is_some(), size(rule, "onPodConditions") > 0) {
            (true, true) => "specifying both OnExitCodes and OnPodConditions is not supported",
            (false, false) => "specifying one of OnExitCodes and OnPodConditions is required",
            _ => continue,
        };
        errors.push(Error::invalid(path, Value::Null, detail).showing(""));
    }
}

fn pod_conditions(rule: &Value, path: &Path<'_>, errors: &mut Errors) {
    const STATUSES: [&str; 3] = ["False", "True", "Unknown"];
    let patterns = list(rule, "onPodConditions");
    if patterns.len() > 20 {
        errors.push(Error::too_many(path.child("onPodConditions"), patterns.len(), 20));
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let path = path.item("onPodConditions", index);
        let kind = text(pattern, "type");
        format::invalid_each(&path.child("type"), kind, format::qualified_name(kind), errors);
        match text(pattern, "status") {
            "" => {
                let detail = "valid values: [\"False\" \"True\" \"Unknown\"]";
                errors.push(Error::required(path.child("status"), detail));
            }
            status if !STATUSES.contains(&status) => {
                errors.push(Error::not_supported(path.child("status"), status, &STATUSES));
            }
            _ => (),
        }
    }
}

fn exit_codes(spec: &Value, codes: &Value, path: &Path<'_>, errors: &mut Errors) {
    let operator = text(codes, "operator");
    match operator {
        "" => errors.push(Error::required(path.child("operator"), "valid values: [\"In\" \"NotIn\"]")),
        "In" | "NotIn" => (),
        _ => errors.push(Error::not_supported(path.child("operator"), operator, &["In", "NotIn"])),
    }
    let pod = dig(spec, "template.spec");
    if let Some(name) = opt_text(codes, "containerName") {
        let known =
            ["containers", "initContainers"].iter().any(|kind| list(pod, kind).iter().any(|c| text(c, "name") == name));
        if !known {
            let detail = "must be one of the container or initContainer names in the pod template";
            errors.push(Error::invalid(path.child("containerName"), name, detail));
        }
    }
    let shown = at(codes, "values").clone();
    let values: Vec<i64> = list(codes, "values").iter().filter_map(Value::as_i64).collect();
    if values.is_empty() {
        errors.push(Error::invalid(path.child("values"), shown, "at least one value is required"));
        return;
    }
    if values.len() > 255 {
        errors.push(Error::too_many(path.child("values"), values.len(), 255));
    }
    let mut seen: HashSet<i64> = HashSet::new();
    for (index, value) in values.iter().enumerate() {
        let path = path.item("values", index);
        if operator == "In" && *value == 0 {
            errors.push(Error::invalid(path, 0, "must not be 0 for the In operator"));
        }
        if !seen.insert(*value) {
            errors.push(Error::duplicate(path, *value));
        }
    }
    if !values.is_sorted() {
        errors.push(Error::invalid(path.child("values"), shown, "must be ordered"));
    }
}

fn success_policy(spec: &Value, policy: &Value, path: &Path<'_>, errors: &mut Errors) {
    if text(spec, "completionMode") != "Indexed" {
        errors.push(Error::invalid(path, policy.clone(), "requires indexed completion mode"));
        return;
    }
    let rules = list(policy, "rules");
    if rules.is_empty() {
        let detail = "at least one rules must be specified when the successPolicy is specified";
        errors.push(Error::required(path.child("rules"), detail));
    }
    if rules.len() > 20 {
        errors.push(Error::too_many(path.child("rules"), rules.len(), 20));
    }
    let completions = int(spec, "completions").unwrap_or(0);
    for (index, rule) in rules.iter().enumerate() {
        let path = path.item("rules", index);
        let count = int(rule, "succeededCount");
        if count.is_none() && set(rule, "succeededIndexes").is_none() {
            let detail = "at least one of succeededCount or succeededIndexes must be specified";
            errors.push(Error::required(path, detail));
        }
        not_negative(rule, "succeededCount", &path, errors);
        if let Some(count) = count.filter(|count| *count > completions) {
            let detail = format!("must be less than or equal to {completions} (the number of specified completions)");
            errors.push(Error::invalid(path.child("succeededCount"), count, detail));
        }
    }
}

/// What is wrong with a change of a Job.
pub(super) fn update(new: &Value, old: &Value, errors: &mut Errors) {
    let (spec, before) = (at(new, "spec"), at(old, "spec"));
    selected_spec(spec, errors);
    let completions = at(spec, "completions");
    if text(spec, "completionMode") != "Indexed" {
        meta::immutable(&SPEC, "completions", spec, before, errors);
    } else if completions != at(before, "completions")
        && !completions.is_null()
        && completions != at(spec, "parallelism")
    {
        let detail = "can only be modified in tandem with spec.parallelism";
        errors.push(Error::invalid(SPEC.child("completions"), completions.clone(), detail));
    }
    meta::immutable(&SPEC, "selector", spec, before, errors);
    template_update(new, old, errors);
    for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        meta::immutable(&SPEC, field, spec, before, errors);
    }
}

/// The template stays; a suspended job that never ran may change where its pods go and what they ask for.
fn template_update(new: &Value, old: &Value, errors: &mut Errors) {
    let template = at(at(new, "spec"), "template");
    let mut before = at(at(old, "spec"), "template").clone();
    let suspended = flag(at(old, "spec"), "suspend");
    let not_started = suspended && set(at(old, "status"), "startTime").is_none();
    if not_started {
        for field in ["annotations", "labels"] {
            let wanted = at(template, "metadata").clone();
            take_over(crate::json::child(&mut before, "metadata"), &wanted, field);
        }
        let pod = crate::json::child(&mut before, "spec");
        for field in ["nodeSelector", "tolerations", "schedulingGates"] {
            take_over(pod, at(template, "spec"), field);
        }
        let affinity = dig(template, "spec.affinity");
        if set(pod, "affinity").is_some() || !affinity.is_null() {
            take_over(crate::json::child(pod, "affinity"), affinity, "nodeAffinity");
        }
    }
    if suspended {
        for kind in ["containers", "initContainers"] {
            let wanted = list(at(template, "spec"), kind).to_vec();
            let containers = crate::json::items_mut(crate::json::child(&mut before, "spec"), kind);
            for (container, new) in containers.iter_mut().zip(&wanted) {
                take_over(container, new, "resources");
            }
        }
    }
    if !same(template, &before) {
        errors.push(Error::invalid(SPEC.child("template"), template.clone(), "field is immutable"));
    }
}
