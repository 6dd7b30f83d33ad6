//! LimitRanger (upstream: `plugin/pkg/admission/limitranger`): defaults for containers, bounds for containers, pods and
//! claims.

use std::sync::Arc;

use resource::pod::{Amounts, amounts, totals};
use schema::quantity::Quantity;
use serde_json::{Map, Value, json};
use store::Collection;

use super::{aggregate, forbidden};
use crate::respond::Error;
use crate::write::Context;

/// Where it is written what was filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";
/// The largest value whose thousandths fit 64 bits (upstream: `resource.MaxMilliValue`).
const MAX_MILLI: i64 = i64::MAX / 1000;

/// The limits of one LimitRange.
pub(super) struct LimitRange {
    limits: Vec<Limit>,
}

struct Limit {
    kind: String,
    defaults: Map<String, Value>,
    default_requests: Map<String, Value>,
    min: Amounts,
    max: Amounts,
    ratio: Amounts,
}

fn compile(objects: &[Value]) -> Vec<LimitRange> {
    let map = |item: &Value, field: &str| item[field].as_object().cloned().unwrap_or_default();
    let limit = |item: &Value| Limit {
        kind: item["type"].as_str().unwrap_or_default().to_owned(),
        defaults: map(item, "default"),
        default_requests: map(item, "defaultRequest"),
        min: amounts(item, "min"),
        max: amounts(item, "max"),
        ratio: amounts(item, "maxLimitRequestRatio"),
    };
    let limits = |object: &Value| object["spec"]["limits"].as_array().into_iter().flatten().map(limit).collect();
    objects.iter().map(|object| LimitRange { limits: limits(object) }).collect()
}

fn ranges(context: &Context<'_>) -> Arc<Vec<LimitRange>> {
    let collection = Collection::new("", "limitranges");
    context.api.admission.limits.get(context.api, context.tenant, &collection, &context.info().namespace, compile)
}

/// Which of the kinds that have limits a write is about (upstream: `SupportsAttributes`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Pod,
    Claim,
}

fn bound(context: &Context<'_>, old: Option<&Value>) -> Option<Bound> {
    let (resource, subresource) = (&context.resource, context.info().subresource.as_str());
    if !resource.group.is_empty() || old.is_some_and(|old| !old["metadata"]["deletionTimestamp"].is_null()) {
        return None;
    }
    match (resource.plural.as_str(), subresource, old) {
        // The containers of a pod change in a resize only.
        ("pods", "", None) | ("pods", "resize", Some(_)) => Some(Bound::Pod),
        ("persistentvolumeclaims", "", _) => Some(Bound::Claim),
        _ => None,
    }
}

/// Fills in requests and limits that containers leave out.
pub(super) fn mutate(context: &Context<'_>, pod: &mut Value, old: Option<&Value>) {
    if bound(context, old) == Some(Bound::Pod) {
        for range in ranges(context).iter() {
            fill(range, pod);
        }
    }
}

fn fill(range: &LimitRange, pod: &mut Value) {
    let (mut requests, mut limits) = (Map::new(), Map::new());
    for limit in range.limits.iter().filter(|limit| limit.kind == "Container") {
        requests.extend(limit.default_requests.clone());
        limits.extend(limit.defaults.clone());
    }
    let mut told = Vec::new();
    for (list, shown) in [("containers", "container"), ("initContainers", "init container")] {
        for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            for (field, defaults, what) in [("requests", &requests, "request"), ("limits", &limits, "limit")] {
                let filled = fill_in(container, field, defaults);
                if !filled.is_empty() {
                    told.push(format!("{} {what} for {shown} {name}", filled.join(", ")));
                }
            }
        }
    }
    if !told.is_empty() && pod["metadata"].is_object() {
        if !pod["metadata"]["annotations"].is_object() {
            pod["metadata"]["annotations"] = json!({});
        }
        let text = format!("LimitRanger plugin set: {}", told.join("; "));
        pod["metadata"]["annotations"][ANNOTATION] = Value::from(text);
    }
}

/// Names of what was filled in, sorted.
fn fill_in(container: &mut Value, field: &str, defaults: &Map<String, Value>) -> Vec<String> {
    let missing: Vec<(&String, &Value)> =
        defaults.iter().filter(|(name, _)| container["resources"][field].get(name.as_str()).is_none()).collect();
    if missing.is_empty() || !container.is_object() {
        return Vec::new();
    }
    if !container["resources"].is_object() {
        container["resources"] = json!({});
    }
    if !container["resources"][field].is_object() {
        container["resources"][field] = json!({});
    }
    let mut names = Vec::new();
    for (name, amount) in missing {
        container["resources"][field][name] = amount.clone();
        names.push(name.clone());
    }
    names.sort_unstable();
    names
}

/// Whether what is asked for is within the bounds. Errors: 403 with everything that is not.
pub(super) fn judge(context: &Context<'_>, value: &Value, old: Option<&Value>) -> Result<(), Error> {
    let Some(bound) = bound(context, old) else { return Ok(()) };
    for range in ranges(context).iter() {
        let errors = match bound {
            Bound::Pod => pod_errors(range, value),
            Bound::Claim => claim_errors(range, value),
        };
        if !errors.is_empty() {
            return Err(forbidden(context, value, aggregate(&errors)));
        }
    }
    Ok(())
}

fn claim_errors(range: &LimitRange, claim: &Value) -> Vec<String> {
    let asked = Asked { requests: amounts(&claim["spec"]["resources"], "requests"), limits: Amounts::new() };
    let mut errors = Vec::new();
    for limit in range.limits.iter().filter(|limit| limit.kind == "PersistentVolumeClaim") {
        errors.extend(limit.min.iter().filter_map(|(name, least)| asked.below(&limit.kind, name, least)));
        errors.extend(limit.max.iter().filter_map(|(name, most)| asked.request_above(&limit.kind, name, most)));
    }
    errors
}

fn pod_errors(range: &LimitRange, pod: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    for limit in &range.limits {
        match limit.kind.as_str() {
            "Container" => {
                for list in ["containers", "initContainers"] {
                    for container in pod["spec"][list].as_array().into_iter().flatten() {
                        let resources = &container["resources"];
                        let asked =
                            Asked { requests: amounts(resources, "requests"), limits: amounts(resources, "limits") };
                        asked.check(limit, &mut errors);
                    }
                }
            }
            "Pod" => {
                let asked = Asked { requests: totals(pod, "requests"), limits: totals(pod, "limits") };
                asked.check(limit, &mut errors);
            }
            _ => {}
        }
    }
    errors
}

/// What a container, a pod or a claim asks for.
struct Asked {
    requests: Amounts,
    limits: Amounts,
}

impl Asked {
    fn check(&self, limit: &Limit, errors: &mut Vec<String>) {
        let kind = limit.kind.as_str();
        errors.extend(limit.min.iter().filter_map(|(name, least)| self.below(kind, name, least)));
        errors.extend(limit.max.iter().filter_map(|(name, most)| self.above(kind, name, most)));
        errors.extend(limit.ratio.iter().filter_map(|(name, most)| self.beyond(kind, name, most)));
    }

    /// Request and limit of a resource, and both and the bound as numbers that compare.
    fn numbers(&self, name: &str, bound: &Quantity) -> (Option<&Quantity>, Option<&Quantity>, [i64; 3]) {
        let (request, limit) = (self.requests.get(name), self.limits.get(name));
        let nothing = Quantity::ZERO;
        let all = [request.unwrap_or(&nothing), limit.unwrap_or(&nothing), bound];
        let whole = all.map(|amount| amount.value().unwrap_or(i64::MAX));
        let fits = whole.iter().all(|value| *value <= MAX_MILLI);
        let numbers = if fits { all.map(|amount| amount.milli_value().unwrap_or(i64::MAX)) } else { whole };
        (request, limit, numbers)
    }

    fn below(&self, kind: &str, name: &str, least: &Quantity) -> Option<String> {
        let (request, limit, [asked, limited, least_value]) = self.numbers(name, least);
        let rule = format!("minimum {name} usage per {kind} is {least}");
        match (request, limit) {
            (None, _) => Some(format!("{rule}.  No request is specified")),
            (Some(request), _) if asked < least_value => Some(format!("{rule}, but request is {request}")),
            (_, Some(limit)) if limited < least_value => Some(format!("{rule}, but limit is {limit}")),
            _ => None,
        }
    }

    fn above(&self, kind: &str, name: &str, most: &Quantity) -> Option<String> {
        let (request, limit, [asked, limited, most_value]) = self.numbers(name, most);
        let rule = format!("maximum {name} usage per {kind} is {most}");
        match (request, limit) {
            (_, None) => Some(format!("{rule}.  No limit is specified")),
            (_, Some(limit)) if limited > most_value => Some(format!("{rule}, but limit is {limit}")),
            (Some(request), _) if asked > most_value => Some(format!("{rule}, but request is {request}")),
            _ => None,
        }
    }

    fn request_above(&self, kind: &str, name: &str, most: &Quantity) -> Option<String> {
        let (request, _, [asked, _, most_value]) = self.numbers(name, most);
        let rule = format!("maximum {name} usage per {kind} is {most}");
        match request {
            None => Some(format!("{rule}.  No request is specified")),
            Some(request) if asked > most_value => Some(format!("{rule}, but request is {request}")),
            Some(_) => None,
        }
    }

    fn beyond(&self, kind: &str, name: &str, most: &Quantity) -> Option<String> {
        let (request, limit, [asked, limited, _]) = self.numbers(name, most);
        let rule = format!("{name} max limit to request ratio per {kind} is {most}");
        let Some(request) = request.filter(|_| asked != 0) else {
            return Some(format!("{rule}, but no request is specified or request is 0"));
        };
        let Some(limit) = limit.filter(|_| limited != 0) else {
            return Some(format!("{rule}, but no limit is specified or limit is 0"));
        };
        let ratio = limit.to_f64() / request.to_f64();
        (ratio > most.to_f64()).then(|| format!("{rule}, but provided ratio is {ratio:.6}"))
    }
}
