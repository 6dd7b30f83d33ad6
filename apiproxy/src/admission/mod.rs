//! What happens to an object between the client's wish and the store. [`Admitted`] is the evidence that it has been
//! here; `write::Commit` takes nothing else. (What ends objects, `lifecycle`, and what starts a tenant, `bootstrap`, write
//! by themselves.)
//!
//! ```text
//!   mutate ─► Mutated ─► the kind prepares ─► settle ─► the kind validates ─► judge ─► Admitted
//! ```
//!
//! The plugins are those that kube-apiserver runs by default, in its order (`kubeapiserver/options.AllOrderedPlugins`).
//!
//! ```compile_fail
//! // Nothing outside admission can make one.
//! let admitted = apiproxy::admission::Admitted { value: serde_json::Value::Null };
//! ```

mod classes;
mod compiled;
mod definition;
mod limit_range;
mod namespace;
mod pod_resize;
mod pod_security;
mod priority;
mod quota;
mod rbac;
mod runtime_class;
mod service_account;
pub mod services;
mod signing;
mod storage_protection;
mod tolerations;

use serde_json::Value;
use store::Object;

use crate::respond::Error;
use crate::write::Context;

pub(crate) use classes::of_claim as storage_class;
pub(crate) use compiled::Caches;
pub(crate) use quota::{Claim, store as store_charged};

/// An object that has passed admission.
#[derive(Debug)]
pub struct Admitted {
    value: Value,
    claim: Option<Claim>,
}

impl Admitted {
    /// The object.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object, for the store.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The object, and what it is charged with when it is stored.
    pub(crate) fn into_parts(self) -> (Value, Option<Claim>) {
        (self.value, self.claim)
    }
}

/// An object that the plugins have changed as they want; its kind may prepare it before it is judged.
#[derive(Debug)]
pub(crate) struct Mutated {
    value: Value,
}

impl Mutated {
    /// The object.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// The object, for its kind to prepare.
    pub(crate) fn value_mut(&mut self) -> &mut Value {
        &mut self.value
    }
}

/// Runs the mutating plugins; `old` is the object that is changed. Errors: 403, 404 (its namespace).
pub(crate) async fn mutate(context: &Context<'_>, mut value: Value, old: Option<&Value>) -> Result<Mutated, Error> {
    if old.is_none() {
        namespace::check_create(context, &value)?;
    }
    limit_range::mutate(context, &mut value, old);
    if old.is_none() {
        service_account::mutate(context, &mut value).await?;
    }
    priority::mutate(context, &mut value, old)?;
    tolerations::mutate(context, &mut value);
    classes::mutate(context, &mut value, old);
    storage_protection::mutate(context, &mut value, old);
    runtime_class::mutate(context, &mut value, old)?;
    Ok(Mutated { value })
}

/// Fills in what containers of a pod leave out that is about to be resized, before the resize is validated.
pub(crate) fn mutate_resize(context: &Context<'_>, pod: &mut Value, old: &Value) {
    limit_range::mutate(context, pod, Some(old));
}

/// What upstream's registry does beside the strategy of a kind: who may grant and sign, names of definitions, addresses.
/// Errors: 403, 404.
pub(crate) fn settle(context: &Context<'_>, mutated: &mut Mutated, old: Option<&Value>) -> Result<(), Error> {
    rbac::check(context, &mutated.value, old)?;
    match old {
        None => signing::create(context, &mut mutated.value)?,
        Some(old) => signing::update(context, &mutated.value, old)?,
    }
    definition::establish(context, &mut mutated.value);
    services::normalise(context, &mut mutated.value, old);
    Ok(())
}

/// Runs the validating plugins on an object that its kind finds valid. Errors: 403, 422.
pub(crate) fn judge(
    context: &Context<'_>,
    mutated: Mutated,
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<Admitted, Error> {
    let value = mutated.value;
    limit_range::judge(context, &value, old)?;
    pod_security::judge(context, &value, old, warnings)?;
    priority::judge(context, &value, old)?;
    classes::judge(context, &value, old)?;
    runtime_class::judge(context, &value, old)?;
    pod_resize::judge(context, &value, old)?;
    let claim = quota::judge(context, &value, old)?;
    Ok(Admitted { value, claim })
}

/// Admits a deletion. Errors: 403.
pub(crate) fn delete(context: &Context<'_>, object: &Object) -> Result<(), Error> {
    namespace::check_delete(context, object)
}

/// Whether a write is about objects of a resource themselves, not about one of their subresources.
fn concerns(context: &Context<'_>, group: &str, plural: &str) -> bool {
    let resource = &context.resource;
    resource.plural == plural && resource.group == group && context.info().subresource.is_empty()
}

/// A plugin's refusal (upstream: `admission.NewForbidden`).
fn forbidden(context: &Context<'_>, value: &Value, message: String) -> Error {
    Error::Forbidden {
        group: context.resource.group.clone(),
        resource: context.resource.plural.clone(),
        name: shown_name(value),
        message,
    }
}

/// The name that refusals show: before one is generated, what it is generated from.
fn shown_name(value: &Value) -> String {
    let text = |key: &str| value["metadata"][key].as_str().filter(|text| !text.is_empty());
    text("name").or_else(|| text("generateName")).unwrap_or("Unknown").to_owned()
}

/// Several errors in one text, each once (upstream: `utilerrors.NewAggregate`).
fn aggregate(errors: &[String]) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for error in errors {
        if !texts.contains(&error.as_str()) {
            texts.push(error);
        }
    }
    match texts.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("[{}]", many.join(", ")),
    }
}
