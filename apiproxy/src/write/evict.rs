//! `pods/eviction`: deletes a pod unless a disruption budget forbids it (upstream: `EvictionREST`).

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use store::{Action, At, Collection, Draft, Expect, Object, Query, Scope, Write, WriteError};

use super::delete::refused;
use super::options::Effect;
use super::{Context, Outcome, body};
use crate::lifecycle::delete::{Terms, begin};
use crate::read::stored;
use crate::respond::Error;

/// Pods a budget remembers as disrupted; beyond it nothing is evicted until its controller catches up (upstream:
/// `MaxDisruptedPodSize`).
const MAX_DISRUPTED: usize = 2000;
/// Attempts at taking a disruption from a budget that others take from too.
const ATTEMPTS: usize = 10;

/// Evicts a pod. Errors: 429 in upstream's words, 500 when several budgets cover the pod.
pub(super) async fn evict(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let eviction = body::of_kind(context.headers, &body, "policy", "v1", "Eviction")?;
    let named = eviction["metadata"]["name"].as_str().unwrap_or_default();
    if !named.is_empty() && named != context.info().name {
        return Err(Error::BadRequest("name in URL does not match name in Eviction object".to_owned()));
    }
    let object = stored(context.api, context.info(), &context.resource)?;
    let options = &eviction["deleteOptions"];
    let dry = options["dryRun"].as_array().is_some_and(|list| list.iter().any(|item| item == "All"));
    let persist = context.options.effect == Effect::Persist && !dry;
    if covered(&object) {
        match budgets(context, &object)?.as_slice() {
            [] => {}
            [budget] => take(context, budget, &object, persist).await?,
            _ => {
                let message =
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                return Err(Error::Internal(message.to_owned()));
            }
        }
    }
    let terms = Terms {
        grace: options["gracePeriodSeconds"].as_i64(),
        uid: options["preconditions"]["uid"].as_str().map(str::to_owned),
        version: options["preconditions"]["resourceVersion"].as_str().map(str::to_owned),
        propagation: None,
    };
    if persist {
        let ended = begin(context.api, &context.resource, object, &terms).await;
        ended.map_err(|error| refused(context, &context.info().name, error))?;
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Outcome::other(StatusCode::CREATED, status, Vec::new()))
}

/// Whether budgets count for a pod: not for one that has not begun, has ended, or is going anyway.
fn covered(pod: &Object) -> bool {
    let value = pod.value();
    let idle = matches!(value["status"]["phase"].as_str(), Some("Succeeded" | "Failed" | "Pending") | None);
    !idle && !pod.deleting()
}

/// The disruption budgets that cover a pod.
fn budgets(context: &Context<'_>, pod: &Object) -> Result<Vec<Arc<Object>>, Error> {
    let collection = collection();
    let query = Query {
        scope: Scope::Tenant(context.tenant),
        collection: &collection,
        namespace: Some(&context.info().namespace),
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    let listing = context.api.store.list(&query).map_err(|_| Error::Internal("list at latest failed".to_owned()))?;
    let covers = |budget: &Arc<Object>| {
        let value = budget.value();
        let selector = schema::selector::LabelSelector::from_json(value["spec"].get("selector"));
        selector.is_ok_and(|selector| selector.matches_with(|key| pod.label(key)))
    };
    Ok(listing.objects.into_iter().filter(covers).collect())
}

fn collection() -> Collection {
    Collection::new("policy", "poddisruptionbudgets")
}

/// Takes one disruption from a budget and notes the pod in it, so that two evictions cannot use the same one.
async fn take(context: &Context<'_>, budget: &Arc<Object>, pod: &Object, persist: bool) -> Result<(), Error> {
    let mut budget = budget.clone();
    for _ in 0..ATTEMPTS {
        let mut value = budget.value();
        let healthy = pod_is_ready(&pod.value());
        let always = value["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        let count = |key: &str| value["status"][key].as_i64().unwrap_or(0);
        let enough = count("currentHealthy") >= count("desiredHealthy") && count("desiredHealthy") > 0;
        if !healthy && (always || enough) {
            return Ok(());
        }
        check(&budget, &value)?;
        let left = count("disruptionsAllowed").saturating_sub(1);
        let Some(status) = value["status"].as_object_mut() else { return Ok(()) };
        status.insert("disruptionsAllowed".to_owned(), json!(left));
        let disrupted = status.entry("disruptedPods").or_insert_with(|| json!({}));
        if let Some(disrupted) = disrupted.as_object_mut() {
            disrupted.insert(pod.key().name.to_string(), json!(context.now));
        }
        if !persist {
            return Ok(());
        }
        let action = Action::Put(Draft { value, fields: Vec::new() });
        let key = budget.key().clone();
        match context.api.store.write(Write { key, expect: Expect::Revision(budget.revision()), action }).await {
            Ok(_) => return Ok(()),
            Err(WriteError::Conflict(now)) => budget = now,
            Err(WriteError::Missing) => return Ok(()),
            Err(error) => return Err(super::commit::refused(context, &error)),
        }
    }
    Err(too_many("couldn't update PodDisruptionBudget due to conflicts", "", 0))
}

/// Whether a budget has a disruption left. Errors: 429.
fn check(budget: &Object, value: &Value) -> Result<(), Error> {
    const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
    let name = &budget.key().name;
    let count = |part: &str, key: &str| value[part][key].as_i64().unwrap_or(0);
    if count("status", "observedGeneration") < count("metadata", "generation") {
        let detail = format!("The disruption budget {name} is still being processed by the server.");
        return Err(too_many(REFUSED, &detail, 10));
    }
    let allowed = count("status", "disruptionsAllowed");
    if allowed < 0 {
        return Err(Error::Internal("pdb disruptions allowed is negative".to_owned()));
    }
    let disrupted = value["status"]["disruptedPods"].as_object().map_or(0, serde_json::Map::len);
    if disrupted > MAX_DISRUPTED {
        return Err(Error::Internal(
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller".to_owned(),
        ));
    }
    if allowed == 0 {
        let (desired, current) = (count("status", "desiredHealthy"), count("status", "currentHealthy"));
        let detail = format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently");
        return Err(too_many(REFUSED, &detail, 0));
    }
    Ok(())
}

fn too_many(message: &str, detail: &str, retry_after: u32) -> Error {
    let mut details = json!({});
    if !detail.is_empty() {
        details["causes"] = json!([{"reason": "DisruptionBudget", "message": detail}]);
    }
    if retry_after > 0 {
        details["retryAfterSeconds"] = json!(retry_after);
    }
    Error::Status(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": "TooManyRequests", "details": details, "code": 429,
    }))
}

fn pod_is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}
