//! Roles and bindings: nobody grants what they do not have, unless they may `escalate` or `bind`.

use serde_json::Value;

use crate::authz::escalation::{lacking, shown};
use crate::authz::rbac::{Attributes, Rule, allowed, referenced_rules};
use crate::respond::Error;
use crate::write::Context;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Checks a role or binding on its way in. Errors: 403, 404 for a role that a binding names and nobody has.
pub(super) fn check(context: &Context<'_>, value: &Value, old: Option<&Value>) -> Result<(), Error> {
    if context.resource.group != GROUP || context.permit.caller().is_system() {
        return Ok(());
    }
    match context.resource.plural.as_str() {
        "roles" | "clusterroles" => role(context, value, old),
        "rolebindings" | "clusterrolebindings" => binding(context, value, old),
        _ => Ok(()),
    }
}

fn role(context: &Context<'_>, value: &Value, old: Option<&Value>) -> Result<(), Error> {
    if old.is_some_and(|old| old["rules"] == value["rules"] && old["aggregationRule"] == value["aggregationRule"]) {
        return Ok(());
    }
    if may(context, "escalate", &context.resource.plural, value["metadata"]["name"].as_str().unwrap_or_default()) {
        return Ok(());
    }
    let mut rules: Vec<Rule> = serde_json::from_value(value["rules"].clone()).unwrap_or_default();
    if !value["aggregationRule"].is_null() {
        // What will be aggregated is not known yet: only who holds everything may ask for it (upstream: FullAuthority).
        let all = || vec!["*".to_owned()];
        rules.push(Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() });
        rules.push(Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() });
    }
    refuse(context, value, &rules)
}

fn binding(context: &Context<'_>, value: &Value, old: Option<&Value>) -> Result<(), Error> {
    if old.is_some_and(|old| old["subjects"] == value["subjects"] && old["roleRef"] == value["roleRef"]) {
        return Ok(());
    }
    let text = |key: &str| value["roleRef"][key].as_str().unwrap_or_default();
    let plural = if text("kind") == "ClusterRole" { "clusterroles" } else { "roles" };
    if may(context, "bind", plural, text("name")) {
        return Ok(());
    }
    let namespace = &context.info().namespace;
    let rules = referenced_rules(context.api, context.tenant, namespace, text("kind"), text("name"));
    let missing =
        || Error::NotFound { group: GROUP.to_owned(), resource: plural.to_owned(), name: text("name").to_owned() };
    refuse(context, value, &rules.ok_or_else(missing)?)
}

fn may(context: &Context<'_>, verb: &str, plural: &str, name: &str) -> bool {
    let asked = Attributes {
        verb: verb.to_owned(),
        group: GROUP.to_owned(),
        resource: plural.to_owned(),
        namespace: context.info().namespace.clone(),
        name: name.to_owned(),
        ..Attributes::default()
    };
    allowed(context.api, Some(context.tenant), context.permit.caller(), &asked)
}

fn refuse(context: &Context<'_>, value: &Value, rules: &[Rule]) -> Result<(), Error> {
    let caller = context.permit.caller();
    let missing = lacking(context.api, context.tenant, caller, &context.info().namespace, rules);
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<String> = caller.groups().iter().map(|group| schema::field::go_quote(group)).collect();
    Err(Error::Forbidden {
        group: GROUP.to_owned(),
        resource: context.resource.plural.clone(),
        name: value["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        message: format!(
            "user {} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            schema::field::go_quote(caller.user()),
            groups.join(" "),
            shown(&missing)
        ),
    })
}
