//! Aggregated ClusterRoles: those with an `aggregationRule` get the rules of the roles it selects (upstream
//! `pkg/controller/clusterroleaggregation`).
//!
//! The roles every tenant starts with are left out of the watch; what one tenant has is listed when one of its own roles
//! changes. A tenant that has never touched a role costs nothing here.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{self, Objects, Part};
use crate::informer::Informer;
use crate::key::{Key, sibling};
use crate::kinds;
use crate::object::{Meta, nullable};
use crate::queue::{Outcome, Queue};
use crate::run::Context;
use crate::selector::LabelSelector;
use crate::step::{self, Controller, Error};

/// Name of the one key per tenant: all its aggregated roles are looked at together.
const ALL: &str = "aggregated";

#[derive(Clone)]
struct Aggregation {
    objects: Objects,
    /// Keeps the watch alive.
    _roles: Informer,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Role {
    metadata: Meta,
    aggregation_rule: Option<Rule>,
    #[serde(deserialize_with = "nullable")]
    rules: Vec<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Rule {
    #[serde(deserialize_with = "nullable")]
    cluster_role_selectors: Vec<LabelSelector>,
}

/// A policy rule as it is compared: absent, null and empty lists are alike.
fn normalised(rule: &Value) -> Value {
    let mut rule = rule.clone();
    if let Some(fields) = rule.as_object_mut() {
        fields.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()));
    }
    rule
}

/// The rules an aggregated role should have; `None` when it has them or is not aggregated. `roles` are sorted by name.
fn wanted(role: &Role, roles: &[Role]) -> Option<Vec<Value>> {
    let rule = role.aggregation_rule.as_ref()?;
    let mut rules: Vec<Value> = Vec::new();
    for selector in &rule.cluster_role_selectors {
        let selected = roles.iter().filter(|other| {
            let labels = &other.metadata.labels;
            other.metadata.name != role.metadata.name && selector.matches(|key| labels.get(key).map(String::as_str))
        });
        for rule in selected.flat_map(|other| &other.rules).map(normalised) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    let held: Vec<Value> = role.rules.iter().map(normalised).collect();
    (held != rules).then_some(rules)
}

impl Controller for Aggregation {
    const NAME: &'static str = "clusterrole-aggregation-controller";

    async fn sync(&self, key: &Key) -> Result<Outcome, Error> {
        let kind = kinds::cluster_roles();
        let listed = self.objects.list(&kind, key.tenant()).await?;
        let mut roles: Vec<Role> = listed.into_iter().map(serde_json::from_value).collect::<Result<_, _>>()?;
        roles.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
        for role in &roles {
            let Some(rules) = wanted(role, &roles) else { continue };
            let name = role.metadata.name.as_str();
            let body = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": {"name": name}, "rules": rules});
            match self.objects.apply(&kind, ("", name), Part::Object, &body).await {
                // What selects this role follows when the change is observed.
                Ok(_) => {}
                Err(error) if client::is_not_found(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Outcome::Done)
    }
}

/// Leaves of a role nothing but that it is there and has changed.
pub(crate) fn prune(role: &mut Value) {
    let metadata = role["metadata"].take();
    let kept = ["name", "uid", "resourceVersion"].map(|field| (field.to_owned(), metadata[field].clone()));
    *role = json!({ "metadata": serde_json::Map::from_iter(kept) });
}

/// Runs the controller.
pub(crate) fn run(context: &Context, shutdown: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
    let queue: Queue<Key> = Queue::new(step::LANE_LIMIT);
    let roles = context.cluster_roles();
    roles.subscribe({
        let queue = queue.clone();
        move |change| queue.add(Key::new("", sibling(&change.key().name, ALL)))
    });
    let objects = Objects::new(context.objects.client().clone(), Aggregation::NAME);
    let controller = Aggregation { objects, _roles: roles.clone() };
    step::work(controller, queue, vec![roles], shutdown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, labels: &Value, rules: &Value, selectors: Option<Value>) -> Role {
        let aggregation = selectors.map(|selectors| json!({ "clusterRoleSelectors": selectors }));
        serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}, "rules": rules,
            "aggregationRule": aggregation}))
        .unwrap()
    }

    #[test]
    fn rules_are_gathered_in_order_and_once() {
        let pods = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]});
        let same_pods = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": []});
        let nodes = json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]});
        let to_a = json!({"to": "a"});
        let select_a = || Some(json!([{"matchLabels": {"to": "a"}}]));
        let sources = [
            role("1", &to_a, &json!([pods, nodes]), None),
            role("2", &to_a, &json!([same_pods]), None),
            role("3", &json!({"to": "b"}), &json!([{"verbs": ["x"]}]), None),
            role("4", &to_a, &Value::Null, None),
        ];
        // (held rules, selectors) → wanted
        let cases = [
            (json!([]), select_a(), Some(vec![pods.clone(), nodes.clone()])),
            (json!([same_pods, nodes]), select_a(), None),
            (json!([nodes, pods]), select_a(), Some(vec![pods.clone(), nodes.clone()])),
            (json!([pods]), None, None),
            (json!([pods]), Some(json!([{"matchLabels": {"to": "nobody"}}])), Some(vec![])),
            (Value::Null, Some(json!([{"matchLabels": {"to": "nobody"}}])), None),
            (
                json!([]),
                Some(
                    json!([{"matchLabels": {"to": "b"}}, {"matchExpressions": [{"key": "to", "operator": "Exists"}]}]),
                ),
                Some(vec![json!({"verbs": ["x"]}), pods, nodes]),
            ),
        ];
        for (held, selectors, want) in cases {
            // Its own label selects it too; it is never its own source.
            let aggregated = role("0", &to_a, &held, selectors.clone());
            let mut all = sources.to_vec();
            all.insert(0, aggregated.clone());
            assert_eq!(wanted(&aggregated, &all), want, "{held} {selectors:?}");
        }
    }
}
