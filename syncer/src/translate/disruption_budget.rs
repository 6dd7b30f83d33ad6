//! PodDisruptionBudgets: born in the tenant. What a budget comes to is computed in the tenant, where pods have owners;
//! the host gets the number, so that draining a node of the host respects it.

use serde_json::{Map, Value, json};
use tenancy::host::object_name;
use tenancy::{Host, Virtual};

use super::rules::Rule::{Keep, Ours, Rewrite};
use super::rules::{Handler, Outcome, Rewriter, Shape, Unknown, walk};
use super::selector::{self, Reach};
use super::{Identity, Made, Origin, Place, Refused, metadata};

/// Disruption budgets are born in the tenant.
pub const ORIGIN: Origin = Origin::Tenant;

const NUMBER: &str = "minAvailable is the number the tenant's budget comes to (its status.desiredHealthy)";

/// `spec` of a disruption budget.
pub static DISRUPTION_BUDGET_SPEC: Shape = Shape {
    type_name: "policy.v1.PodDisruptionBudgetSpec",
    fields: &[
        ("maxUnavailable", Ours(NUMBER)),
        ("minAvailable", Ours(NUMBER)),
        (
            "selector",
            Rewrite(Handler::OwnSelector, None, "kept, plus the tenant and the virtual namespace as reserved labels"),
        ),
        ("unhealthyPodEvictionPolicy", Keep),
    ],
};

/// Translates a disruption budget. None while nobody has computed what it comes to.
///
/// # Errors
/// [`Refused`] when there is no honest translation.
pub fn to_host(place: &Place, who: Identity<'_>, budget: &Virtual<Value>) -> Result<Option<Made>, Refused> {
    let Virtual(budget) = budget;
    let spec = budget.get("spec").unwrap_or(&Value::Null);
    let mut spec = walk(&DISRUPTION_BUDGET_SPEC, spec, "spec", Unknown::Refuse, &mut Selector { place, who })?;
    let count = |pointer: &str| budget.pointer(pointer).and_then(Value::as_i64);
    let is_current =
        count("/status/observedGeneration").is_some_and(|seen| seen >= count("/metadata/generation").unwrap_or(0));
    let Some(wanted) = count("/status/desiredHealthy").filter(|_| is_current) else { return Ok(None) };
    spec["minAvailable"] = json!(wanted);
    let host_name = Host(object_name(who.namespace, who.name));
    let metadata = metadata::twin(place, who, &host_name, budget.get("metadata").unwrap_or(&Value::Null));
    let object =
        json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec });
    Ok(Some(Made { object: Host(object), notes: Vec::new() }))
}

struct Selector<'a> {
    place: &'a Place,
    who: Identity<'a>,
}

impl Rewriter for Selector<'_> {
    fn rewrite(&mut self, _: Handler, value: &Value, _: &Map<String, Value>, at: &str) -> Result<Outcome, Refused> {
        let reach = Reach::Namespace(self.who.namespace.to_owned());
        selector::to_host(self.place, &reach, value, at).map(Outcome::Value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::place;
    use super::*;

    const WHO: Identity<'static> = Identity { namespace: "shop", name: "web", uid: "u1" };

    fn budget(spec: &Value, status: &Value) -> Virtual<Value> {
        Virtual(json!({ "metadata": { "name": "web", "uid": "u1", "generation": 2 }, "spec": spec, "status": status }))
    }

    #[test]
    fn the_host_gets_a_number() {
        let spec = json!({ "maxUnavailable": "30%", "selector": { "matchLabels": { "app": "web" } }, "unhealthyPodEvictionPolicy": "AlwaysAllow" });
        let status = json!({ "observedGeneration": 2, "desiredHealthy": 3 });
        let made = to_host(&place(), WHO, &budget(&spec, &status)).unwrap().unwrap();
        let host = &made.object.0["spec"];
        assert_eq!((&host["minAvailable"], host.get("maxUnavailable")), (&json!(3), None));
        assert_eq!(host["unhealthyPodEvictionPolicy"], "AlwaysAllow");
        assert_eq!(host["selector"]["matchLabels"]["rowhouse.dev/namespace"], "shop");
    }

    #[test]
    fn nothing_is_made_of_an_old_or_missing_number() {
        let spec = json!({ "minAvailable": 1, "selector": {} });
        for status in
            [json!({}), json!({ "observedGeneration": 1, "desiredHealthy": 1 }), json!({ "observedGeneration": 2 })]
        {
            assert_eq!(to_host(&place(), WHO, &budget(&spec, &status)).unwrap(), None, "{status}");
        }
        // Without a selector it selects nothing, there as here.
        let made = to_host(
            &place(),
            WHO,
            &budget(&json!({ "minAvailable": 1 }), &json!({ "observedGeneration": 2, "desiredHealthy": 0 })),
        );
        assert_eq!(made.unwrap().unwrap().object.0["spec"].get("selector"), None);
    }

    #[test]
    fn what_has_no_honest_translation_is_refused() {
        for (spec, field) in [
            (json!({ "selector": { "matchLabels": { "rowhouse.dev/namespace": "x" } } }), "spec.selector"),
            (json!({ "fromTheFuture": 1 }), "spec.fromTheFuture"),
        ] {
            assert_eq!(to_host(&place(), WHO, &budget(&spec, &json!({}))).unwrap_err().field, field);
        }
    }
}
