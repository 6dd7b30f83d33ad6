//! Role-based access control (upstream: `plugin/pkg/auth/authorizer/rbac`), compiled per tenant when first asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use store::{At, Collection, Object, Query, Scope};
use tenancy::TenantId;

use crate::api::Api;
use crate::authn::Caller;
use crate::request::Info;
use crate::respond::Error;

const GROUP: &str = "rbac.authorization.k8s.io";
/// Tenants whose rules are kept compiled; beyond it the cache starts anew.
const MAX_COMPILED: usize = 1024;

/// A `PolicyRule`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// Verbs; `*` is all.
    pub verbs: Vec<String>,
    /// API groups; `*` is all.
    pub api_groups: Vec<String>,
    /// Resources, `resource/subresource`, `*`, `*/subresource`.
    pub resources: Vec<String>,
    /// Names; empty is all.
    pub resource_names: Vec<String>,
    /// Paths that are no resources, with a `*` at the end at most.
    #[serde(rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}

/// One question: may somebody do this?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Verb.
    pub verb: String,
    /// API group.
    pub group: String,
    /// Resource.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace; empty for cluster scope and for all namespaces.
    pub namespace: String,
    /// Name, or empty.
    pub name: String,
    /// Path, when it is no resource; then only `verb` counts beside it.
    pub path: Option<String>,
}

impl Attributes {
    /// The question a request asks.
    pub fn of(info: &Info) -> Self {
        let is_resource = !info.resource.is_empty();
        Self {
            verb: info.verb.to_owned(),
            group: info.group.clone(),
            resource: info.resource.clone(),
            subresource: info.subresource.clone(),
            namespace: info.namespace.clone(),
            name: info.name.clone(),
            path: (!is_resource).then(|| info.path.clone()),
        }
    }

    /// `resource/subresource`.
    pub fn qualified(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

impl Rule {
    /// Whether the rule allows it (upstream: `rbac.RuleAllows`).
    pub fn allows(&self, asked: &Attributes) -> bool {
        let has = |list: &[String], value: &str| list.iter().any(|item| item == "*" || item == value);
        if !has(&self.verbs, &asked.verb) {
            return false;
        }
        if let Some(path) = &asked.path {
            return self.non_resource_urls.iter().any(|url| url_matches(url, path));
        }
        has(&self.api_groups, &asked.group)
            && self.resources.iter().any(|resource| resource_matches(resource, asked))
            && (self.resource_names.is_empty() || self.resource_names.contains(&asked.name))
    }
}

fn url_matches(rule: &str, path: &str) -> bool {
    rule == "*"
        || rule == path
        || rule.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix.trim_end_matches('*')))
}

fn resource_matches(rule: &str, asked: &Attributes) -> bool {
    if rule == "*" || rule == asked.qualified() {
        return true;
    }
    !asked.subresource.is_empty() && rule.strip_prefix("*/").is_some_and(|sub| sub == asked.subresource)
}

/// Who a binding is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

impl Subject {
    fn is(&self, caller: &Caller, binding_namespace: &str) -> bool {
        match self.kind.as_str() {
            "User" => self.name == "*" || self.name == caller.user(),
            "Group" => caller.groups().contains(&self.name),
            "ServiceAccount" => {
                let namespace = if self.namespace.is_empty() { binding_namespace } else { &self.namespace };
                !namespace.is_empty()
                    && caller.user() == crate::authn::service_account::user_name(namespace, &self.name)
            }
            _ => false,
        }
    }
}

#[derive(Debug)]
struct Binding {
    name: String,
    role: Reference,
    subjects: Vec<Subject>,
    rules: Arc<[Rule]>,
}

/// The rules of one tenant.
#[derive(Debug, Default)]
pub struct Policy {
    cluster: Vec<Binding>,
    namespaces: HashMap<String, Vec<Binding>>,
}

impl Policy {
    /// All rules that hold for a caller in a namespace (empty: cluster scope).
    pub fn rules<'p>(&'p self, caller: &'p Caller, namespace: &'p str) -> impl Iterator<Item = &'p Rule> {
        self.bindings(caller, namespace).flat_map(|(binding, ..)| binding.rules.iter())
    }

    /// The bindings that are for a caller, with their namespaces and the subjects that are it.
    fn bindings<'p>(
        &'p self,
        caller: &'p Caller,
        namespace: &'p str,
    ) -> impl Iterator<Item = (&'p Binding, &'p str, &'p Subject)> {
        let local = self.namespaces.get(namespace).into_iter().flatten();
        let all =
            self.cluster.iter().map(|binding| (binding, "")).chain(local.map(move |binding| (binding, namespace)));
        all.filter_map(move |(binding, at)| {
            let subject = binding.subjects.iter().find(|subject| subject.is(caller, at))?;
            Some((binding, at, subject))
        })
    }
}

/// Compiled policies by tenant.
#[derive(Default)]
pub struct Cache {
    policies: Mutex<HashMap<TenantId, (u64, Arc<Policy>)>>,
}

/// Authorises a request. Errors: 403 in upstream's words.
pub(super) fn check(api: &Api, caller: &Caller, info: &Info) -> Result<(), Error> {
    let asked = Attributes::of(info);
    if !allowed(api, info.tenant, caller, &asked) {
        return Err(forbidden(caller, &asked));
    }
    // Upgrades for exec, attach and port-forward come as GET or POST; both need `create` (upstream 1.35:
    // AuthorizePodWebsocketUpgradeCreatePermission).
    if matches!(asked.subresource.as_str(), "exec" | "attach" | "portforward") && asked.verb == "get" {
        let create = Attributes { verb: "create".to_owned(), ..asked };
        if !allowed(api, info.tenant, caller, &create) {
            return Err(forbidden(caller, &create));
        }
    }
    Ok(())
}

/// Whether a caller may do something in a tenant.
pub fn allowed(api: &Api, tenant: Option<TenantId>, caller: &Caller, asked: &Attributes) -> bool {
    if caller.is_system() || caller.groups().iter().any(|group| group == "system:masters") {
        return true;
    }
    let Some(tenant) = tenant else { return false };
    if let Some(route) = api.routes.by_id(tenant) {
        let admin = route.spec.admin_users.iter().any(|user| user == caller.user())
            || route.spec.admin_groups.iter().any(|group| caller.groups().contains(group));
        if admin {
            return true;
        }
    }
    policy(api, tenant).rules(caller, &asked.namespace).any(|rule| rule.allows(asked))
}

/// Why a caller may do something, in upstream's words; empty when no rule was needed. None: it may not.
pub fn reason(api: &Api, tenant: TenantId, caller: &Caller, asked: &Attributes) -> Option<String> {
    let policy = policy(api, tenant);
    let found =
        policy.bindings(caller, &asked.namespace).find(|(binding, ..)| binding.rules.iter().any(|r| r.allows(asked)));
    let masters = caller.groups().iter().any(|group| group == "system:masters");
    let Some((binding, namespace, subject)) = found.filter(|_| !masters) else {
        return allowed(api, Some(tenant), caller, asked).then(String::new);
    };
    let (kind, name) = if namespace.is_empty() {
        ("ClusterRoleBinding", binding.name.clone())
    } else {
        ("RoleBinding", format!("{}/{namespace}", binding.name))
    };
    let whom = match subject.kind.as_str() {
        "ServiceAccount" => {
            let namespace = if subject.namespace.is_empty() { namespace } else { &subject.namespace };
            format!("\"{}/{namespace}\"", subject.name)
        }
        _ => format!("\"{}\"", subject.name),
    };
    let role = &binding.role;
    Some(format!("RBAC: allowed by {kind} \"{name}\" of {} \"{}\" to {} {whom}", role.kind, role.name, subject.kind))
}

/// 403 in upstream's words (`responsewriters.ForbiddenStatusError`).
pub fn forbidden(caller: &Caller, asked: &Attributes) -> Error {
    let user = schema::field::go_quote(caller.user());
    if let Some(path) = &asked.path {
        return Error::ForbiddenPath(format!("User {user} cannot {} path \"{path}\"", asked.verb));
    }
    let place = if asked.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{}\"", asked.namespace)
    };
    let message = format!(
        "User {user} cannot {} resource \"{}\" in API group \"{}\" {place}",
        asked.verb,
        asked.qualified(),
        asked.group
    );
    Error::Forbidden { group: asked.group.clone(), resource: asked.qualified(), name: asked.name.clone(), message }
}

/// The compiled policy of a tenant, fresh as of the last change of its RBAC objects.
pub fn policy(api: &Api, tenant: TenantId) -> Arc<Policy> {
    let kinds = ["roles", "clusterroles", "rolebindings", "clusterrolebindings"];
    let revision =
        kinds.iter().map(|kind| api.store.collection_revision(tenant, &Collection::new(GROUP, kind)).0).max();
    let revision = revision.unwrap_or(0);
    let mut policies = api.rbac.policies.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, policy)) = policies.get(&tenant)
        && *at == revision
    {
        return policy.clone();
    }
    if policies.len() >= MAX_COMPILED {
        policies.clear();
    }
    let policy = Arc::new(compile(api, tenant));
    policies.insert(tenant, (revision, policy.clone()));
    policy
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BindingBody {
    subjects: Vec<Subject>,
    role_ref: Reference,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reference {
    kind: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RoleBody {
    rules: Vec<Rule>,
}

fn compile(api: &Api, tenant: TenantId) -> Policy {
    let rules = |objects: Vec<Arc<Object>>| -> HashMap<(String, String), Arc<[Rule]>> {
        let parsed = |object: &Arc<Object>| {
            let body: RoleBody = serde_json::from_slice(&object.json()).unwrap_or_default();
            let key = object.key();
            ((key.namespace.to_string(), key.name.to_string()), Arc::from(body.rules))
        };
        objects.iter().map(parsed).collect()
    };
    let cluster_roles = rules(list(api, tenant, "clusterroles"));
    let roles = rules(list(api, tenant, "roles"));
    let bind = |object: &Arc<Object>| -> Option<Binding> {
        let body: BindingBody = serde_json::from_slice(&object.json()).unwrap_or_default();
        let namespace = object.key().namespace.to_string();
        let role = body.role_ref;
        let rules = match role.kind.as_str() {
            "ClusterRole" => cluster_roles.get(&(String::new(), role.name.clone())),
            _ => roles.get(&(namespace, role.name.clone())),
        };
        Some(Binding { name: object.key().name.to_string(), role, subjects: body.subjects, rules: rules?.clone() })
    };
    let mut policy = Policy::default();
    policy.cluster.extend(list(api, tenant, "clusterrolebindings").iter().filter_map(bind));
    for object in list(api, tenant, "rolebindings") {
        if let Some(binding) = bind(&object) {
            policy.namespaces.entry(object.key().namespace.to_string()).or_default().push(binding);
        }
    }
    policy
}

fn list(api: &Api, tenant: TenantId, resource: &str) -> Vec<Arc<Object>> {
    let query = Query {
        scope: Scope::Tenant(tenant),
        collection: &Collection::new(GROUP, resource),
        namespace: None,
        at: At::Latest,
        after: None,
        limit: 0,
        filter: &|_| true,
    };
    api.store.list(&query).map(|listing| listing.objects).unwrap_or_default()
}

/// The rules of the role a `roleRef` names, as seen from a namespace. None when there is no such role.
pub fn referenced_rules(api: &Api, tenant: TenantId, namespace: &str, kind: &str, name: &str) -> Option<Vec<Rule>> {
    let (collection, namespace) = if kind == "ClusterRole" { ("clusterroles", "") } else { ("roles", namespace) };
    let object = api.store.get(tenant, &Collection::new(GROUP, collection), namespace, name)?;
    serde_json::from_slice::<RoleBody>(&object.json()).ok().map(|body| body.rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(verb: &str, group: &str, resource: &str, subresource: &str, name: &str) -> Attributes {
        let text = str::to_owned;
        Attributes {
            verb: text(verb),
            group: text(group),
            resource: text(resource),
            subresource: text(subresource),
            name: text(name),
            ..Attributes::default()
        }
    }

    #[test]
    fn rules_allow_what_upstream_allows() {
        let rule = |json: serde_json::Value| serde_json::from_value::<Rule>(json).unwrap();
        let pods = rule(serde_json::json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "*/scale"]}));
        assert!(pods.allows(&asked("get", "", "pods", "", "a")));
        assert!(!pods.allows(&asked("get", "", "pods", "log", "a")));
        assert!(!pods.allows(&asked("get", "apps", "pods", "", "a")));
        assert!(pods.allows(&asked("get", "", "deployments", "scale", "a")));
        assert!(!pods.allows(&asked("list", "", "pods", "", "")));
        let named = rule(serde_json::json!({
            "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["x"],
        }));
        assert!(named.allows(&asked("delete", "a.b", "foos", "status", "x")));
        assert!(!named.allows(&asked("list", "a.b", "foos", "", "")));
        let urls = rule(serde_json::json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/logs/*"]}));
        let path = |path: &str| Attributes { verb: "get".into(), path: Some(path.into()), ..Attributes::default() };
        assert!(urls.allows(&path("/healthz")) && urls.allows(&path("/logs/a")) && !urls.allows(&path("/metrics")));
    }
}
