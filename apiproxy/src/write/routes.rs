//! Routes: the records by which tenants are served. Only the control plane reaches this, through the fleet view.

use bytes::Bytes;
use http::StatusCode;
use schema::decode::{Media, decode};
use serde_json::{Value, json};
use store::{Action, Draft, Expect, Key, Write, Written};
use tenancy::TenantId;
use tenancy::route::RouteSpec;

use super::{Context, Outcome, refused};
use crate::bootstrap;
use crate::read::collection;
use crate::respond::{Error, Shown};

/// Registers, replaces or removes a tenant. A tenant is served when the answer is out.
///
/// Errors: 400 for a record that is none, 409 for a lost race, 404.
pub(super) async fn write(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    match context.info().verb {
        "create" | "update" => put(context, &body).await,
        "delete" => remove(context).await,
        _ => Err(Error::MethodNotAllowed),
    }
}

async fn put(context: &Context<'_>, body: &Bytes) -> Result<Outcome, Error> {
    let mut value = decode(body, Media::Json).map_err(|error| Error::BadRequest(error.to_string()))?.value;
    let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let create = context.info().verb == "create";
    if !create && name != context.info().name {
        return Err(Error::BadRequest("the name of the object does not match the name on the URL".to_owned()));
    }
    let id = TenantId::parse(&name).map_err(|error| Error::BadRequest(error.to_string()))?;
    let spec: RouteSpec = serde_json::from_value(value["spec"].clone())
        .map_err(|error| Error::BadRequest(format!("spec of a route: {error}")))?;
    if id == TenantId::SYSTEM {
        return Err(Error::BadRequest("this id is reserved".to_owned()));
    }
    let key = Key::new(TenantId::SYSTEM, &collection(&context.resource), "", &name);
    let old = context.api.store.get(TenantId::SYSTEM, &key.collection, "", &name);
    let given = value["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok());
    let expect = match (&old, given) {
        _ if create => Expect::Absent,
        (Some(_), Some(version)) => Expect::Revision(store::Revision(version)),
        (Some(old), None) => Expect::Revision(old.revision()),
        (None, _) => return Err(context.not_found(&name)),
    };
    if old.as_ref().is_some_and(|old| old.deleting()) {
        return Err(context.conflict(&name, "the tenant is being removed"));
    }
    let (uid, born) = match &old {
        Some(old) => (json!(old.uid()), old.value()["metadata"]["creationTimestamp"].clone()),
        None => (json!(uuid::Uuid::new_v4().to_string()), json!(context.now)),
    };
    value["metadata"] = json!({"name": name, "uid": uid, "creationTimestamp": born});
    // What every tenant starts with goes in first: whoever sees the route sees a whole tenant.
    bootstrap::tenant(context.api, id, &spec, &context.now).await?;
    let write = Write { key, expect, action: Action::Put(Draft { value, fields: Vec::new() }) };
    let written = commit(context, write).await?;
    context.api.store.set_caps(id, crate::routes::caps(&spec));
    context.api.routes.put(id, spec);
    let code = if create { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Outcome::object(code, Shown::Stored(written.object), Vec::new()))
}

async fn remove(context: &Context<'_>) -> Result<Outcome, Error> {
    let name = context.info().name.clone();
    let id = TenantId::parse(&name).map_err(|_| context.not_found(&name))?;
    let key = Key::new(TenantId::SYSTEM, &collection(&context.resource), "", &name);
    let Some(record) = context.api.store.get(TenantId::SYSTEM, &key.collection, "", &name) else {
        return Err(context.not_found(&name));
    };
    // No new request gets in, here at once and elsewhere when the mark is seen; then the objects go, then the record. A
    // crash in between is taken up by a second delete.
    context.api.routes.remove(id);
    let mut value = record.value();
    value["metadata"]["deletionTimestamp"] = json!(context.now);
    let draft = Draft { value, fields: Vec::new() };
    commit(context, Write { key: key.clone(), expect: Expect::Present, action: Action::Put(draft) }).await?;
    drop_objects(context, id).await?;
    commit(context, Write { key, expect: Expect::Any, action: Action::Delete(None) }).await?;
    // What another replica was about to write when it saw the mark.
    drop_objects(context, id).await?;
    let status: Value = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {"name": name},
    });
    Ok(Outcome::other(StatusCode::OK, status, Vec::new()))
}

async fn commit(context: &Context<'_>, write: Write) -> Result<Written, Error> {
    context.api.store.write(write).await.map_err(|error| refused(context, &error))
}

async fn drop_objects(context: &Context<'_>, id: TenantId) -> Result<(), Error> {
    context.api.store.drop_tenant(id).await.map_err(|error| {
        tracing::error!(%error, "the objects of a tenant could not be removed");
        Error::Internal("the store did not remove the tenant".to_owned())
    })
}
