//! What a quota allows (upstream: `apiserver/pkg/admission/plugin/resourcequota.CheckRequest`).

use resource::pod::{Amounts, amounts};
use serde_json::Value;

use super::amounts::{excess, masked, shown, sum};
use super::item::{Item, Operation, Requirement};

/// One quota: what its status says is allowed and used, and which objects it is about.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    name: String,
    hard: Amounts,
    used: Amounts,
    scopes: Vec<Requirement>,
}

impl Limit {
    /// A quota as its status has it.
    pub(crate) fn new(quota: &Value) -> Self {
        let mut scopes = Vec::new();
        for scope in quota["spec"]["scopes"].as_array().into_iter().flatten() {
            let scope = scope.as_str().unwrap_or_default().to_owned();
            scopes.push(Requirement { scope, operator: "Exists".to_owned(), values: Vec::new() });
        }
        for one in quota["spec"]["scopeSelector"]["matchExpressions"].as_array().into_iter().flatten() {
            let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
            let values = one["values"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
            scopes.push(Requirement { scope: text("scopeName"), operator: text("operator"), values: values.collect() });
        }
        Self {
            name: quota["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            hard: amounts(&quota["status"], "hard"),
            used: amounts(&quota["status"], "used"),
            scopes,
        }
    }

    /// Whether an object is in all scopes of the quota.
    pub(super) fn covers(&self, item: &Item) -> bool {
        self.scopes.iter().all(|scope| item.is_in(scope))
    }

    /// Whether the quota has scopes at all.
    pub(super) fn is_scoped(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// What is used when the object is written; None when that is what is used already. Errors: upstream's words for what
    /// is exceeded or not said.
    pub(crate) fn charge(
        &self,
        item: &Item,
        old: Option<&Item>,
        operation: Operation,
    ) -> Result<Option<Amounts>, String> {
        let matches = |item: &Item| self.hard.keys().any(|name| item.restricts(name)) && self.covers(item);
        if !matches(item) {
            return Ok(None);
        }
        let restricted: Vec<&str> = self.hard.keys().map(String::as_str).filter(|name| item.restricts(name)).collect();
        if let Some(complaint) = item.complaint(&restricted) {
            return Err(format!("failed quota: {}: {complaint}", self.name));
        }
        if restricted.iter().any(|name| !self.used.contains_key(*name)) {
            return Err(format!("status unknown for quota: {}, resources: {}", self.name, restricted.join(",")));
        }
        let delta = match old {
            Some(old) if matches(old) => excess(&item.usage, &old.usage),
            _ => masked(&item.usage, |name| item.usage.get(name).is_some_and(|amount| !amount.is_zero())),
        };
        let requested = masked(&delta, |name| self.hard.contains_key(name));
        if requested.is_empty() {
            return Ok(None);
        }
        let used = sum(&self.used, &requested);
        let over = |name: &str| match (used.get(name), self.hard.get(name)) {
            (Some(used), Some(hard)) => requested.contains_key(name) && used > hard,
            _ => false,
        };
        if operation != Operation::Status && requested.keys().any(|name| over(name)) {
            return Err(format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                self.name,
                shown(&masked(&requested, over)),
                shown(&masked(&self.used, over)),
                shown(&masked(&self.hard, over))
            ));
        }
        Ok(Some(used))
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "literals read best as they are")]
mod tests {
    use super::*;
    use serde_json::json;

    fn limit(hard: Value, used: Value) -> Limit {
        Limit::new(&json!({"metadata": {"name": "q"}, "spec": {}, "status": {"hard": hard, "used": used}}))
    }

    fn pod(resources: Value) -> Item {
        let containers = json!([{"name": "c", "resources": resources}, {"name": "d", "resources": resources}]);
        Item::new("", "pods", &json!({"spec": {"containers": containers}})).unwrap()
    }

    #[test]
    fn the_words_are_upstreams() {
        let cpu = json!({"requests": {"cpu": "1"}});
        for (hard, used, item, want) in [
            (json!({"pods": "2"}), json!({"pods": "1"}), pod(json!({})), Ok(Some("pods=2"))),
            (
                json!({"pods": "2"}),
                json!({"pods": "2"}),
                pod(json!({})),
                Err("exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"),
            ),
            (
                json!({"pods": "9", "cpu": "3", "memory": "1Gi"}),
                json!({"pods": "0", "cpu": "0", "memory": "0"}),
                pod(json!({})),
                Err("failed quota: q: must specify cpu for: c,d; memory for: c,d"),
            ),
            (
                json!({"pods": "9", "requests.cpu": "3"}),
                json!({"pods": "1", "requests.cpu": "1500m"}),
                pod(cpu.clone()),
                Err("exceeded quota: q, requested: requests.cpu=2, used: requests.cpu=1500m, limited: requests.cpu=3"),
            ),
            (json!({"pods": "9"}), json!({}), pod(cpu), Err("status unknown for quota: q, resources: pods")),
            (json!({"services": "0"}), json!({"services": "0"}), pod(json!({})), Ok(None)),
        ] {
            let charged = limit(hard, used).charge(&item, None, Operation::Create);
            let charged = charged.map(|used| used.map(|used| shown(&used)));
            assert_eq!(charged, want.map(|used| used.map(str::to_owned)).map_err(str::to_owned));
        }
    }

    #[test]
    fn updates_are_charged_with_what_they_add() {
        let service =
            |kind: &str| Item::new("", "services", &json!({"spec": {"type": kind, "ports": [{}, {}]}})).unwrap();
        let quota = limit(
            json!({"services.nodeports": "2", "services": "1"}),
            json!({"services.nodeports": "0", "services": "1"}),
        );
        let (cluster, node) = (service("ClusterIP"), service("NodePort"));
        let grown = quota.charge(&node, Some(&cluster), Operation::Update).unwrap().unwrap();
        assert_eq!(shown(&grown), "services=1,services.nodeports=2");
        assert_eq!(quota.charge(&cluster, Some(&node), Operation::Update), Ok(None));
        assert!(quota.charge(&cluster, None, Operation::Create).is_err());
    }
}
