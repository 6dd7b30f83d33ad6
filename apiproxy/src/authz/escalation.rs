//! Nobody grants what they do not have (upstream: `pkg/registry/rbac`, `validation.ConfirmNoEscalation`).

use tenancy::TenantId;

use super::rbac::{Attributes, Rule, allowed, policy};
use crate::api::Api;
use crate::authn::Caller;

/// What the caller lacks of the rules it would grant in a namespace (empty: cluster scope); empty when nothing.
pub fn lacking(api: &Api, tenant: TenantId, caller: &Caller, namespace: &str, wanted: &[Rule]) -> Vec<Rule> {
    let everything = Attributes { verb: "*".into(), group: "*".into(), resource: "*".into(), ..Attributes::default() };
    if caller.is_system() || caller.groups().iter().any(|group| group == "system:masters") {
        return Vec::new();
    }
    if wanted.is_empty() || allowed(api, Some(tenant), caller, &everything) && urls_covered(api, tenant, caller, wanted)
    {
        return Vec::new();
    }
    let policy = policy(api, tenant);
    let held: Vec<&Rule> = policy.rules(caller, namespace).collect();
    wanted.iter().flat_map(atoms).filter(|atom| !held.iter().any(|rule| covers(rule, atom))).collect()
}

fn urls_covered(api: &Api, tenant: TenantId, caller: &Caller, wanted: &[Rule]) -> bool {
    wanted.iter().flat_map(|rule| &rule.non_resource_urls).all(|url| {
        let asked = Attributes { verb: "*".into(), path: Some(url.clone()), ..Attributes::default() };
        allowed(api, Some(tenant), caller, &asked)
    })
}

/// Splits a rule into rules of one verb, group, resource and name each (upstream: `BreakdownRule`).
fn atoms(rule: &Rule) -> Vec<Rule> {
    let mut atoms = Vec::new();
    for verb in &rule.verbs {
        for group in &rule.api_groups {
            for resource in &rule.resources {
                let atom = Rule {
                    verbs: vec![verb.clone()],
                    api_groups: vec![group.clone()],
                    resources: vec![resource.clone()],
                    ..Rule::default()
                };
                if rule.resource_names.is_empty() {
                    atoms.push(atom);
                } else {
                    atoms.extend(
                        rule.resource_names
                            .iter()
                            .map(|name| Rule { resource_names: vec![name.clone()], ..atom.clone() }),
                    );
                }
            }
        }
        let urls = rule.non_resource_urls.iter();
        atoms.extend(urls.map(|url| Rule {
            verbs: vec![verb.clone()],
            non_resource_urls: vec![url.clone()],
            ..Rule::default()
        }));
    }
    atoms
}

/// Whether a held rule covers an atom.
fn covers(held: &Rule, atom: &Rule) -> bool {
    let all = |have: &[String], want: &[String]| {
        have.iter().any(|item| item == "*") || want.iter().all(|item| have.contains(item))
    };
    if !all(&held.verbs, &atom.verbs) {
        return false;
    }
    if let Some(url) = atom.non_resource_urls.first() {
        let under = |have: &String| {
            have == "*" || have == url || have.strip_suffix('*').is_some_and(|prefix| url.starts_with(prefix))
        };
        return held.non_resource_urls.iter().any(under);
    }
    let resource = atom.resources.first().map(String::as_str).unwrap_or_default();
    let by_subresource = resource
        .split_once('/')
        .is_some_and(|(_, sub)| held.resources.iter().any(|have| have.strip_prefix("*/") == Some(sub)));
    all(&held.api_groups, &atom.api_groups)
        && (all(&held.resources, &atom.resources) || by_subresource)
        && (held.resource_names.is_empty()
            || !atom.resource_names.is_empty()
                && atom.resource_names.iter().all(|name| held.resource_names.contains(name)))
}

/// Rules as upstream prints them in the refusal.
pub fn shown(rules: &[Rule]) -> String {
    let list = |items: &[String]| {
        let quoted: Vec<String> = items.iter().map(|item| schema::field::go_quote(item)).collect();
        format!("[{}]", quoted.join(" "))
    };
    let one = |rule: &Rule| {
        let parts = [
            ("APIGroups", &rule.api_groups),
            ("Resources", &rule.resources),
            ("ResourceNames", &rule.resource_names),
            ("NonResourceURLs", &rule.non_resource_urls),
            ("Verbs", &rule.verbs),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(_, items)| !items.is_empty())
            .map(|(name, items)| format!("{name}:{}", list(items)))
            .collect();
        format!("{{{}}}", parts.join(", "))
    };
    rules.iter().map(one).collect::<Vec<_>>().join("\n")
}
