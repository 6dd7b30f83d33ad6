//! NamespaceLifecycle (upstream: `plugin/pkg/admission/namespace/lifecycle`).

use serde_json::Value;
use store::Object;

use crate::lifecycle::namespace::namespaces;
use crate::respond::Error;
use crate::write::Context;

/// Namespaces that are never deleted.
const PROTECTED: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Nothing is created where there is no namespace, or one that is going away.
pub(super) fn check_create(context: &Context<'_>, value: &Value) -> Result<(), Error> {
    if !context.resource.namespaced || context.resource.verbs == ["create"] {
        return Ok(());
    }
    let name = &context.info().namespace;
    let found = context.api.store.get(context.tenant, &namespaces(), "", name);
    let missing = || Error::NotFound { group: String::new(), resource: "namespaces".to_owned(), name: name.clone() };
    if found.ok_or_else(missing)?.deleting() {
        return Err(Error::Terminating {
            group: context.resource.group.clone(),
            resource: context.resource.plural.clone(),
            name: super::shown_name(value),
            namespace: name.clone(),
        });
    }
    Ok(())
}

/// The namespaces of the system stay.
pub(super) fn check_delete(context: &Context<'_>, object: &Object) -> Result<(), Error> {
    let name = &*object.key().name;
    let is_namespace = context.resource.group.is_empty() && context.resource.plural == "namespaces";
    if is_namespace && PROTECTED.contains(&name) {
        return Err(Error::Forbidden {
            group: String::new(),
            resource: "namespaces".to_owned(),
            name: name.to_owned(),
            message: "this namespace may not be deleted".to_owned(),
        });
    }
    Ok(())
}
