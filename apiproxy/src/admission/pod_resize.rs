//! PodResizeValidator (upstream: `plugin/pkg/admission/podresize`): a running pod does not grow beyond its node.

use resource::pod::{Amounts, amounts, totals};
use schema::quantity::Quantity;
use serde_json::{Value, json};
use store::Collection;

use super::forbidden;
use crate::respond::Error;
use crate::write::Context;

/// Judges a resize. A node that the tenant does not see is not asked: the host asks it. Errors: 403 with a cause.
pub(super) fn judge(context: &Context<'_>, pod: &Value, old: Option<&Value>) -> Result<(), Error> {
    let Some(old) = old.filter(|_| context.info().subresource == "resize") else { return Ok(()) };
    let is_pod = context.resource.group.is_empty() && context.resource.plural == "pods";
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if !is_pod || node.is_empty() || old["metadata"]["generation"] == pod["metadata"]["generation"] {
        return Ok(());
    }
    let Some(found) = context.api.store.get(context.tenant, &Collection::new("", "nodes"), "", node) else {
        return Ok(());
    };
    if let Some(os) = found.label("kubernetes.io/os").filter(|os| *os != "linux") {
        let node = schema::field::go_quote(node);
        let os = schema::field::go_quote(os);
        let message = format!("pod resize is only supported on linux nodes, node {node} is {os}");
        return Err(refusal(context, pod, message, "UnsupportedPlatform"));
    }
    let lacking = lacking(pod, &amounts(&found.value()["status"], "allocatable"));
    if lacking.is_empty() {
        return Ok(());
    }
    let message = format!("node didn't have enough allocatable resources: {}", lacking.join("; "));
    Err(refusal(context, pod, message, "NodeCapacity"))
}

/// What the node does not have, in upstream's words.
fn lacking(pod: &Value, allocatable: &Amounts) -> Vec<String> {
    let (requests, overhead) = (totals(pod, "requests"), amounts(&pod["spec"], "overhead"));
    let of = |all: &Amounts, name: &str| all.get(name).cloned().unwrap_or(Quantity::ZERO);
    let compare = |name: &str, number: fn(&Quantity) -> Option<i64>| {
        let asked = of(&requests, name);
        let asked = asked.plus(&of(&overhead, name)).unwrap_or(asked);
        let there = of(allocatable, name);
        let shown = |amount: &Quantity| number(amount).unwrap_or(i64::MAX);
        (asked > there).then(|| format!("{name}, requested: {}, allocatable: {}", shown(&asked), shown(&there)))
    };
    [compare("cpu", Quantity::milli_value), compare("memory", Quantity::value)].into_iter().flatten().collect()
}

fn refusal(context: &Context<'_>, pod: &Value, message: String, cause: &str) -> Error {
    let mut status = forbidden(context, pod, message).status();
    status["details"]["causes"] = json!([{"reason": cause}]);
    Error::Status(status)
}
