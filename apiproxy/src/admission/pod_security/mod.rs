//! PodSecurity (upstream: `plugin/pkg/admission/security/podsecurity`, `k8s.io/pod-security-admission`): the Pod Security
//! Standards, by the labels of a namespace.
//!
//! ```text
//!   labels ─► Policy { enforce, warn } ─► checks::findings(level, version, pod) ─► 403, or a warning
//! ```
//!
//! The mode `audit` is read and judged as valid, and leads to nothing: there is no audit log.

mod baseline;
mod checks;
mod policy;
mod restricted;

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::Value;
use store::{At, Collection, Query, Scope};

use super::{concerns, forbidden};
use crate::lifecycle::namespace::namespaces;
use crate::respond::Error;
use crate::write::Context;
use checks::{Finding, Subject, findings};
use policy::{Level, Mode, Policy};

/// Pods and time that the check of a namespace's new level may take (upstream's).
const MAX_PODS: usize = 3000;
const TIME: Duration = Duration::from_secs(1);
/// Writes to these change nothing that the standards are about.
const IGNORED: [&str; 8] = ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];
/// Kinds with a pod template, and where it is.
const TEMPLATES: [(&str, &str, &str); 8] = [
    ("", "replicationcontrollers", "/spec/template"),
    ("", "podtemplates", "/template"),
    ("apps", "replicasets", "/spec/template"),
    ("apps", "deployments", "/spec/template"),
    ("apps", "statefulsets", "/spec/template"),
    ("apps", "daemonsets", "/spec/template"),
    ("batch", "jobs", "/spec/template"),
    ("batch", "cronjobs", "/spec/jobTemplate/spec/template"),
];

/// Judges pods, warns about templates and about pods that a stricter namespace would not admit. Errors: 403 for pods, 422
/// for labels of a namespace that say nothing.
pub(super) fn judge(
    context: &Context<'_>,
    value: &Value,
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    if concerns(context, "", "namespaces") {
        return namespace(context, value, old, warnings);
    }
    let resource = &context.resource;
    if resource.group.is_empty() && resource.plural == "pods" {
        return pod(context, value, old, warnings);
    }
    let template = TEMPLATES.iter().find(|(group, plural, _)| concerns(context, group, plural));
    if let Some(template) = template.and_then(|(_, _, path)| value.pointer(path)).filter(|found| found.is_object()) {
        let policy = policy_of(context);
        if policy.warn.level != Level::Privileged {
            warn(&policy.warn, template, warnings);
        }
    }
    Ok(())
}

/// The policy of the namespace of a request.
fn policy_of(context: &Context<'_>) -> Policy {
    let namespace = context.api.store.get(context.tenant, &namespaces(), "", &context.info().namespace);
    namespace.map_or_else(Policy::default, |object| Policy::read(|key| object.label(key)).0)
}

fn pod(context: &Context<'_>, pod: &Value, old: Option<&Value>, warnings: &mut Vec<String>) -> Result<(), Error> {
    if IGNORED.contains(&context.info().subresource.as_str()) {
        return Ok(());
    }
    let policy = policy_of(context);
    if policy.enforce.level == Level::Privileged && policy.warn.level == Level::Privileged {
        return Ok(());
    }
    if old.is_some_and(|old| !significant(pod, old)) {
        return Ok(());
    }
    let found = findings(&policy.enforce, &Subject::new(pod));
    if !found.is_empty() {
        let message = format!("violates PodSecurity \"{}\": {}", policy.enforce, details(&found));
        return Err(forbidden(context, pod, message));
    }
    warn(&policy.warn, pod, warnings);
    Ok(())
}

fn warn(mode: &Mode, pod: &Value, warnings: &mut Vec<String>) {
    let found = findings(mode, &Subject::new(pod));
    if !found.is_empty() {
        let warning = format!("would violate PodSecurity \"{mode}\": {}", details(&found));
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

fn details(found: &[Finding]) -> String {
    let texts: Vec<String> = found.iter().map(|one| format!("{} ({})", one.reason, one.detail)).collect();
    texts.join(", ")
}

/// Whether an update of a pod changes what the standards look at: a container or its image.
fn significant(pod: &Value, old: &Value) -> bool {
    let list = |pod: &Value, field: &str| pod["spec"][field].as_array().cloned().unwrap_or_default();
    let images = |pod: &Value, field: &str| -> Vec<Value> {
        list(pod, field).iter().map(|container| container["image"].clone()).collect()
    };
    if ["containers", "initContainers"].iter().any(|field| images(pod, field) != images(old, field)) {
        return true;
    }
    let before = list(old, "ephemeralContainers");
    list(pod, "ephemeralContainers").iter().any(|container| {
        let same = before.iter().find(|other| other["name"] == container["name"]);
        same.is_none_or(|same| same["image"] != container["image"])
    })
}

fn namespace(
    context: &Context<'_>,
    value: &Value,
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let read = |value: &Value| Policy::read(|key| value["metadata"]["labels"][key].as_str());
    let (new_policy, new_errors) = read(value);
    let name = value["metadata"]["name"].as_str().unwrap_or_default();
    let before = old.map(read);
    // Labels that were wrong before may stay so.
    let known = before.as_ref().is_some_and(|(_, errors)| *errors == new_errors);
    if !new_errors.is_empty() && !known {
        return Err(context.invalid(name, new_errors));
    }
    let Some((old_policy, _)) = before else { return Ok(()) };
    let (new, old) = (new_policy.enforce, old_policy.enforce);
    let looser = new.version == old.version && new.level <= old.level;
    if new.level != Level::Privileged && !looser {
        warnings.extend(existing(context, name, &new));
    }
    Ok(())
}

/// What is wrong with the pods that are there, by a new level (upstream: `EvaluatePodsInNamespace`).
fn existing(context: &Context<'_>, namespace: &str, mode: &Mode) -> Vec<String> {
    let query = Query {
        scope: Scope::Tenant(context.tenant),
        collection: &Collection::new("", "pods"),
        namespace: Some(namespace),
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    let pods = context.api.store.list(&query).map(|listing| listing.objects).unwrap_or_default();
    // One pod of each controller first: the others are like it.
    let mut seen = HashSet::new();
    let first = |pod: &&std::sync::Arc<store::Object>| {
        let controller = pod.owners().iter().find(|owner| owner.controller);
        controller.is_none_or(|owner| seen.insert(owner.uid.clone()))
    };
    let (mut order, rest): (Vec<_>, Vec<_>) = pods.iter().partition(first);
    order.extend(rest);
    let (total, began) = (order.len(), Instant::now());
    let mut checked = 0;
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for pod in order.into_iter().take(MAX_PODS) {
        if began.elapsed() > TIME {
            break;
        }
        checked += 1;
        let reasons: Vec<String> =
            findings(mode, &Subject::new(&pod.value())).into_iter().map(|finding| finding.reason).collect();
        if !reasons.is_empty() {
            found.entry(reasons.join(", ")).or_default().push(&pod.key().name);
        }
    }
    let mut warnings = Vec::new();
    if checked < total {
        warnings.push(format!(
            "new PodSecurity enforce level only checked against the first {checked} of {total} existing pods"
        ));
    }
    if !found.is_empty() {
        warnings.push(format!(
            "existing pods in namespace {} violate the new PodSecurity enforce level \"{mode}\"",
            schema::field::go_quote(namespace)
        ));
    }
    let mut lines: Vec<String> = found
        .iter()
        .map(|(reason, names)| {
            let first = names.iter().min().copied().unwrap_or_default();
            match names.len() {
                1 => format!("{first}: {reason}"),
                2 => format!("{first} (and 1 other pod): {reason}"),
                count => format!("{first} (and {} other pods): {reason}", count - 1),
            }
        })
        .collect();
    lines.sort_unstable();
    warnings.extend(lines);
    warnings
}
