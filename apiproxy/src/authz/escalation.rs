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
    if combinations(wanted) > MAX_COMBINATIONS {
        // Too many to look at one by one: who has not everything has not all of these.
        return wanted.iter().take(1).map(|_| everything_rule()).collect();
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

/// Most combinations of verb, group, resource and name that one request is checked for: rules of a few kilobytes can
/// stand for billions of them.
const MAX_COMBINATIONS: usize = 100_000;

fn combinations(rules: &[Rule]) -> usize {
    rules.iter().fold(0, |sum, rule| {
        let names = rule.resource_names.len().max(1);
        let objects = rule.api_groups.len().saturating_mul(rule.resources.len()).saturating_mul(names);
        let all = objects.saturating_add(rule.non_resource_urls.len());
        rule.verbs.len().saturating_mul(all).saturating_add(sum)
    })
}

fn everything_rule() -> Rule {
    let all = || vec!["*".to_owned()];
    Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_stand_for_billions_are_counted_not_listed() {
        let many: Vec<String> = (0..10_000).map(|at| at.to_string()).collect();
        let rule = Rule { verbs: many.clone(), api_groups: many.clone(), resources: many, ..Rule::default() };
        assert!(combinations(&[rule.clone(), rule]) > MAX_COMBINATIONS);
        let small = Rule { verbs: vec!["get".into(), "list".into()], ..everything_rule() };
        assert_eq!(combinations(&[small.clone(), small]), 4);
    }
}
