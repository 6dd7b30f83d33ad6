//! StatefulSets.

use schema::field::Error;
use serde_json::{Value, json};

use super::claim;
use super::pod::defaults::template;
use super::pod::spec as pod_spec;
use super::workload::{
    self, SPEC, amount, at_most_all, available_are_ready, collisions_grow, int_or_percent, not_negative, replica_counts,
};
use crate::go::{self, Field};
use crate::json::{at, child, drop_field, fill, fill_text, items_mut, list, put, same, set, take_over, text};
use crate::strategy::{BASE, Generation, Status};
use crate::{Errors, NameRule, Path, Scope, Strategy, format};

pub(super) static STATEFUL_SET: Strategy = Strategy {
    group: "apps",
    plural: "statefulsets",
    scope: Scope::Namespaced,
    name_rule: NameRule::DnsLabel,
    status: Status::Reset(r#"{"replicas":0,"availableReplicas":0}"#),
    generation: Generation::On(&["spec"]),
    default,
    fold: |obj| {
        // Upstream's conversion says what claims are.
        for template in items_mut(child(obj, "spec"), "volumeClaimTemplates") {
            put(template, "apiVersion", "v1");
            put(template, "kind", "PersistentVolumeClaim");
        }
    },
    validate: |obj, errors| {
        let spec = at(obj, "spec");
        validate(spec, errors);
        for (index, template) in list(spec, "volumeClaimTemplates").iter().enumerate() {
            let path = SPEC.item("volumeClaimTemplates", index);
            claim::spec(at(template, "spec"), &path.child("spec"), errors);
        }
        let service = text(spec, "serviceName");
        if !service.is_empty() {
            format::invalid_each(&SPEC.child("serviceName"), service, format::dns_label(service), errors);
        }
    },
    validate_update,
    validate_status,
    warnings: workload::template_warnings,
    ..BASE
};

fn default(version: &str, obj: &mut Value) {
    let spec = child(obj, "spec");
    fill_text(spec, "podManagementPolicy", "OrderedReady");
    let strategy = child(spec, "updateStrategy");
    if text(strategy, "type").is_empty() {
        fill_text(strategy, "type", "RollingUpdate");
        child(strategy, "rollingUpdate");
    }
    if text(strategy, "type") == "RollingUpdate" && set(strategy, "rollingUpdate").is_some() {
        fill(child(strategy, "rollingUpdate"), "partition", 0);
    }
    let retention = child(spec, "persistentVolumeClaimRetentionPolicy");
    fill_text(retention, "whenDeleted", "Retain");
    fill_text(retention, "whenScaled", "Retain");
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", 10);
    template(spec);
    for template in items_mut(spec, "volumeClaimTemplates") {
        claim::default(version, template);
    }
}

/// Upstream's internal structs, as its errors show them.
const ROLLING: [Field; 2] = [Field::leaf("Partition", "partition"), Field::leaf("MaxUnavailable", "maxUnavailable")];
const STRATEGY: [Field; 2] =
    [Field::leaf("Type", "type"), Field { go: "RollingUpdate", json: "rollingUpdate", inner: &ROLLING }];

fn validate(spec: &Value, errors: &mut Errors) {
    match text(spec, "podManagementPolicy") {
        "" => errors.push(Error::required(SPEC.child("podManagementPolicy"), "")),
        "OrderedReady" | "Parallel" => (),
        policy => {
            let detail = "must be 'OrderedReady' or 'Parallel'";
            errors.push(Error::invalid(SPEC.child("podManagementPolicy"), policy, detail));
        }
    }
    strategy(at(spec, "updateStrategy"), &SPEC.child("updateStrategy"), errors);
    let retention = SPEC.child("persistentVolumeClaimRetentionPolicy");
    for field in ["whenDeleted", "whenScaled"] {
        let policy = text(at(spec, "persistentVolumeClaimRetentionPolicy"), field);
        if !matches!(policy, "Retain" | "Delete") {
            errors.push(Error::not_supported(retention.child(field), policy, &["Retain", "Delete"]));
        }
    }
    not_negative(spec, "replicas", &SPEC, errors);
    not_negative(spec, "minReadySeconds", &SPEC, errors);
    not_negative(at(spec, "ordinals"), "start", &SPEC.child("ordinals"), errors);
    workload::selector(spec, "statefulset", &SPEC, errors);
    pods(spec, errors);
}

/// The template as its pods will have it: with a volume for each claim template, without names the set gives itself.
fn pods(spec: &Value, errors: &mut Errors) {
    let mut template = at(spec, "template").clone();
    let claims: Vec<&str> =
        list(spec, "volumeClaimTemplates").iter().map(|claim| text(at(claim, "metadata"), "name")).collect();
    let path = SPEC.child("template");
    if let Some(pod) = template.get_mut("spec") {
        drop_field(pod, "subdomain");
        drop_field(pod, "hostname");
        if !claims.is_empty() {
            let made = claims.iter().map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": name}}));
            let own = list(pod, "volumes").iter().filter(|volume| !claims.contains(&text(volume, "name"))).cloned();
            let volumes: Vec<Value> = made.chain(own).collect();
            put(pod, "volumes", volumes);
        }
    }
    if workload::selected(spec, &template, "", &path, errors) {
        pod_spec::template(&template, &path, errors);
    }
    workload::runs_for_ever(&template, "StatefulSet", &path, errors);
}

fn strategy(strategy: &Value, path: &Path<'_>, errors: &mut Errors) {
    let here = path.child("rollingUpdate");
    match (text(strategy, "type"), set(strategy, "rollingUpdate")) {
        ("", _) => errors.push(Error::required(path, "")),
        ("OnDelete", Some(rolling)) => {
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            errors.push(Error::invalid(here, rolling.clone(), detail).showing(go::shown(rolling, &ROLLING)));
        }
        ("OnDelete", None) | ("RollingUpdate", None) => (),
        ("RollingUpdate", Some(rolling)) => {
            not_negative(rolling, "partition", &here, errors);
            if set(rolling, "maxUnavailable").is_some() {
                int_or_percent(rolling, "maxUnavailable", &here, errors);
                if amount(rolling, "maxUnavailable") == 0 {
                    let shown = at(rolling, "maxUnavailable").clone();
                    errors.push(Error::invalid(here.child("maxUnavailable"), shown, "cannot be 0"));
                }
                at_most_all(rolling, "maxUnavailable", &here, errors);
            }
        }
        _ => {
            let shown = go::shown(strategy, &STRATEGY);
            let detail = "must be 'RollingUpdate' or 'OnDelete'";
            errors.push(Error::invalid(path, strategy.clone(), detail).showing(shown));
        }
    }
}

fn validate_update(new: &Value, old: &Value, errors: &mut Errors) {
    let (spec, before) = (at(new, "spec"), at(old, "spec"));
    validate(spec, errors);
    let mut munged = spec.clone();
    let mutable = [
        "replicas",
        "template",
        "updateStrategy",
        "minReadySeconds",
        "ordinals",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
    ];
    mutable.iter().for_each(|field| take_over(&mut munged, before, field));
    if !same(&munged, before) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
            'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are \
            forbidden";
        errors.push(Error::forbidden(SPEC, detail));
    }
}

fn validate_status(new: &Value, old: &Value, errors: &mut Errors) {
    let status = at(new, "status");
    let counts = [
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ];
    replica_counts(status, &counts, &counts[1..5], errors);
    available_are_ready(status, "cannot be greater than status.readyReplicas", errors);
    collisions_grow(new, old, errors);
}
