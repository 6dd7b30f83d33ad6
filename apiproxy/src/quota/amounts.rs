//! Arithmetic on lists of amounts (upstream: `apiserver/pkg/quota/v1`).

use resource::pod::Amounts;
use schema::quantity::Quantity;
use serde_json::{Map, Value};

/// Both, name by name.
pub(super) fn sum(a: &Amounts, b: &Amounts) -> Amounts {
    let mut total = a.clone();
    for (name, amount) in b {
        let sum = match total.get(name) {
            // A sum that does not fit 127 bits is as large as its larger part: beyond any sensible limit.
            Some(before) => before.plus(amount).unwrap_or_else(|| before.max(amount).clone()),
            None => amount.clone(),
        };
        total.insert(name.clone(), sum);
    }
    total
}

/// What `a` has more than `b`.
pub(super) fn excess(a: &Amounts, b: &Amounts) -> Amounts {
    let more = |(name, amount): (&String, &Quantity)| {
        let same = b.get(name) == Some(amount);
        let rest = match b.get(name) {
            Some(other) => amount.plus(&other.negated()).unwrap_or_else(|| amount.clone()),
            None => amount.clone(),
        };
        (!same && rest > Quantity::ZERO).then(|| (name.clone(), rest))
    };
    a.iter().filter_map(more).collect()
}

/// Those of some names.
pub(super) fn masked(amounts: &Amounts, keep: impl Fn(&str) -> bool) -> Amounts {
    amounts.iter().filter(|(name, _)| keep(name)).map(|(name, amount)| (name.clone(), amount.clone())).collect()
}

/// `a=1,b=2`.
pub(super) fn shown(amounts: &Amounts) -> String {
    amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
}

/// Amounts as JSON.
pub(crate) fn to_json(amounts: &Amounts) -> Value {
    let entries = amounts.iter().map(|(name, amount)| (name.clone(), Value::from(amount.to_string())));
    Value::Object(entries.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(value: &Value) -> Amounts {
        resource::pod::amounts(&json!({"x": value}), "x")
    }

    #[test]
    fn amounts_add_and_subtract() {
        let (a, b) = (list(&json!({"cpu": "1500m", "memory": "1Gi"})), list(&json!({"cpu": "500m", "pods": "1"})));
        assert_eq!(shown(&sum(&a, &b)), "cpu=2,memory=1Gi,pods=1");
        assert_eq!(shown(&excess(&a, &b)), "cpu=1,memory=1Gi");
        assert_eq!(shown(&excess(&b, &a)), "pods=1");
        assert_eq!(shown(&sum(&list(&json!({"memory": "0"})), &a)), "cpu=1500m,memory=1Gi");
        let (huge, tiny) = (list(&json!({"cpu": "1e99"})), list(&json!({"cpu": "1m"})));
        assert_eq!((shown(&sum(&huge, &tiny)), shown(&sum(&tiny, &huge))), (shown(&huge), shown(&huge)));
        assert_eq!((shown(&excess(&huge, &tiny)), shown(&excess(&huge, &huge))), (shown(&huge), String::new()));
        assert_eq!(to_json(&masked(&a, |name| name == "cpu")), json!({"cpu": "1500m"}));
    }
}
