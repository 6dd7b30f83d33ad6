//! update, and the loop that every change of an existing object runs in (upstream: `Store.Update`, `BeforeUpdate`).

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use store::{Expect, Object};

use super::kind::remove;
use super::{Commit, Context, Outcome, body, create};
use crate::admission;
use crate::lifecycle;
use crate::read::{collection, key_namespace};
use crate::respond::{Error, Lens, Shown, unstored};

/// Which part of an object a change may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but what belongs to subresources.
    Main,
    /// `status` only.
    Status,
    /// Whatever the closure returns, neither prepared nor validated (finalize, binding, approval …).
    Bare,
    /// As [`Part::Bare`], and nobody comes to own what changes (binding).
    System,
}

/// Attempts at a change without preconditions before the conflict is reported.
const ATTEMPTS: usize = 10;

/// Replaces an object by that of a body.
pub(super) async fn update(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let info = context.info();
    let decoded = body::object(info, &context.resource, context.headers, &body, context.options.validation)?;
    let mut warnings = decoded.warnings;
    let mut object = decoded.value;
    context.kind().default(&mut object);
    check_place(context, &mut object)?;
    let part = if info.subresource == "status" { Part::Status } else { Part::Main };
    let exists = existing(context).is_some();
    if !exists && part == Part::Main && context.kind().create_on_update() {
        let shown = create::from_value(context, object, &mut warnings).await?;
        return Ok(Outcome::object(StatusCode::CREATED, shown, warnings));
    }
    let given = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    if given.is_empty() && !context.kind().unconditional_update() && exists && part == Part::Main {
        let error = schema::field::Error::invalid(
            "metadata.resourceVersion",
            Value::from(0),
            "must be specified for an update",
        );
        // For custom resources upstream names the resource here, not the kind.
        let custom = context.resource.custom.is_some();
        let kind = if custom { context.resource.plural.clone() } else { context.resource.kind.clone() };
        let (group, name) = (context.resource.group.clone(), info.name.clone());
        return Err(Error::Invalid { group, kind, name, errors: vec![error] });
    }
    let shown = rewrite(context, part, &mut warnings, |_| Ok(object.clone())).await;
    let shown = shown.map_err(|error| context.failed(&warnings, error))?;
    Ok(Outcome::object(StatusCode::OK, shown, warnings))
}

/// Checks that body and path name the same object; fills in what the body leaves out. Errors: 400.
pub(super) fn check_place(context: &Context<'_>, object: &mut Value) -> Result<(), Error> {
    let info = context.info();
    let text = |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    let name = text(object, "name");
    if name.is_empty() {
        if context.resource.custom.is_none() || !info.subresource.is_empty() {
            return Err(Error::BadRequest("name must be provided".to_owned()));
        }
        object["metadata"]["name"] = Value::from(info.name.clone());
    } else if name != info.name {
        return Err(Error::BadRequest(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            info.name
        )));
    }
    if context.resource.namespaced {
        let namespace = text(object, "namespace");
        if !namespace.is_empty() && namespace != info.namespace {
            return Err(Error::BadRequest(format!(
                "the namespace of the object ({namespace}) does not match the namespace on the request ({})",
                info.namespace
            )));
        }
        object["metadata"]["namespace"] = Value::from(info.namespace.clone());
    } else {
        remove(&mut object["metadata"], "namespace");
    }
    Ok(())
}

/// The object a write is about, when it exists.
pub(crate) fn existing(context: &Context<'_>) -> Option<Arc<Object>> {
    let info = context.info();
    let resource = &context.resource;
    context.api.store.get(context.tenant, &collection(resource), key_namespace(resource, info), &info.name)
}

/// Changes an existing object. `change` maps the object as it is, in the version of the request, to what is wanted;
/// it runs again when another writer was faster and the client has set no resourceVersion.
///
/// Errors: 404, 409, 422, and whatever `change` says.
pub(crate) async fn rewrite<F>(
    context: &Context<'_>,
    part: Part,
    warnings: &mut Vec<String>,
    mut change: F,
) -> Result<Shown, Error>
where
    F: FnMut(&Value) -> Result<Value, Error>,
{
    let mut attempt = 0;
    loop {
        attempt += 1;
        let object = existing(context).ok_or_else(|| context.not_found(&context.info().name))?;
        let old = plain(context, &object);
        let new = change(&old)?;
        // A patched object has the version it was read with. Whether the patch itself demands one shows at the next
        // attempt: then it no longer fits.
        let pinned = pinned(context, &object, &new)? && context.info().verb != "patch";
        match once(context, part, &object, &old, new, warnings).await {
            Err(Error::Conflict { .. }) if !pinned && attempt < ATTEMPTS => {
                context.api.store.current().await.map_err(|error| unstored(&error))?;
            }
            result => return result,
        }
    }
}

/// The stored object in the version of the request, with plain names.
pub(crate) fn plain(context: &Context<'_>, object: &Object) -> Value {
    let mut value = object.value();
    if Lens::new(context.resource.clone(), context.info()).converts() {
        resource::convert::from_storage(&context.resource, &mut value);
    }
    value
}

/// Whether the client insists on a version. Errors: 409 when it is another one, or the uid is.
fn pinned(context: &Context<'_>, object: &Object, new: &Value) -> Result<bool, Error> {
    let name = &object.key().name;
    let uid = new["metadata"]["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && uid != object.uid() {
        if context.info().verb == "patch" {
            let error = schema::field::Error::invalid("metadata.uid", uid, "field is immutable");
            return Err(context.invalid(name, vec![error]));
        }
        let key = object.key();
        let at = [context.info().resource.as_str(), &key.namespace, name];
        let at = at.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        return Err(context.conflict(
            name,
            format!(
                "StorageError: invalid object, Code: 4, Key: /registry/{at}, ResourceVersion: 0, AdditionalErrorMsg: \
                 Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                object.uid()
            ),
        ));
    }
    let version = new["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if version.is_empty() || version == "0" {
        return Ok(false);
    }
    let revision: u64 = version.parse().map_err(|_| {
        let quoted = schema::field::go_quote(version);
        Error::Plain(format!("strconv.ParseUint: parsing {quoted}: invalid syntax"))
    })?;
    if revision == object.revision().0 { Ok(true) } else { Err(context.conflict(name, super::commit::MODIFIED)) }
}

async fn once(
    context: &Context<'_>,
    part: Part,
    object: &Arc<Object>,
    old: &Value,
    mut new: Value,
    warnings: &mut Vec<String>,
) -> Result<Shown, Error> {
    let kind = context.kind();
    match part {
        Part::Main => kind.prepare_update(&mut new, old),
        Part::Status => kind.prepare_status(&mut new, old),
        Part::Bare | Part::System => {}
    }
    keep_system_fields(&mut new, old);
    context.options.track(&context.resource, part, Some(old), &mut new, &context.now);
    let mut mutated = admission::mutate(context, new, Some(old)).await?;
    admission::settle(context, &mut mutated, Some(old))?;
    let name = &object.key().name;
    let errors = match part {
        Part::Status => kind.validate_status(mutated.value(), old),
        Part::Main => kind.validate_update(mutated.value(), old),
        // Whoever rewrites a bare part has checked it.
        Part::Bare | Part::System => Vec::new(),
    };
    if !errors.is_empty() {
        return Err(context.invalid(name, errors));
    }
    for warning in kind.warnings(mutated.value(), Some(old)) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let admitted = admission::judge(context, mutated, Some(old), warnings)?;
    if lifecycle::finished(admitted.value()) {
        return lifecycle::finish(context, object, admitted).await;
    }
    if admitted.value() == old {
        return Ok(Shown::Stored(object.clone()));
    }
    let admitted = admission::services::allocate(context, admitted, Some(old)).await?;
    Commit::new(context, admitted, Expect::Revision(object.revision())).run().await
}

/// Metadata that no update changes (upstream: `rest.BeforeUpdate`).
fn keep_system_fields(new: &mut Value, old: &Value) {
    for key in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"] {
        match old["metadata"].get(key) {
            Some(value) => new["metadata"][key] = value.clone(),
            None => remove(&mut new["metadata"], key),
        }
    }
    if new["metadata"]["generateName"].is_null()
        && let Some(base) = old["metadata"].get("generateName")
    {
        new["metadata"]["generateName"] = base.clone();
    }
    remove(&mut new["metadata"], "selfLink");
}
