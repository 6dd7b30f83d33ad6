//! Subresources that change objects, and the kinds that answer without being stored (reviews).

use bytes::Bytes;
use http::StatusCode;
use schema::field;
use serde_json::{Value, json};

use super::update::{Part, rewrite};
use super::{Context, Outcome, body, evict, patch, token, update};
use crate::respond::Error;

/// Answers a write to a subresource. Errors: 405 for those nothing writes to.
pub(super) async fn write(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let info = context.info();
    let resource = info.resource.as_str();
    match (info.subresource.as_str(), info.verb) {
        ("status", "update") => update::update(context, body).await,
        ("status", "patch") => patch::patch(context, body).await,
        ("scale", "update" | "patch") => scale(context, body).await,
        ("binding", "create") if resource == "pods" => bind(context, body).await,
        ("eviction", "create") if resource == "pods" => evict::evict(context, body).await,
        ("token", "create") if resource == "serviceaccounts" => token::request(context, body).await,
        ("finalize", "update") if resource == "namespaces" => finalize(context, body).await,
        ("approval", "update" | "patch") => replace_part(context, body, &["status", "conditions"]).await,
        ("ephemeralcontainers", "update" | "patch") if resource == "pods" => pod_part(context, body, EPHEMERAL).await,
        ("resize", "update" | "patch") if resource == "pods" => pod_part(context, body, RESIZE).await,
        _ => Err(Error::MethodNotAllowed),
    }
}

/// The wanted object of an update or patch of a subresource that takes the whole object.
fn wanted(context: &Context<'_>, body: &Bytes, old: &Value, warnings: &mut Vec<String>) -> Result<Value, Error> {
    let info = context.info();
    if info.verb == "update" {
        let decoded = body::object(info, &context.resource, context.headers, body, context.options.validation)?;
        warnings.extend(decoded.warnings);
        let mut object = decoded.value;
        context.kind().default(&mut object);
        update::check_place(context, &mut object)?;
        return Ok(object);
    }
    let (new, heard) = patch::patched(context, old, body)?;
    warnings.extend(heard);
    Ok(new)
}

/// Takes one field of what is wanted and leaves everything else as it is.
async fn replace_part(context: &Context<'_>, body: Bytes, path: &[&str]) -> Result<Outcome, Error> {
    let mut warnings = Vec::new();
    let mut heard = Vec::new();
    let shown = rewrite(context, Part::Bare, &mut warnings, |old| {
        let wanted = wanted(context, &body, old, &mut heard)?;
        let mut new = old.clone();
        new["metadata"]["resourceVersion"] = wanted["metadata"]["resourceVersion"].clone();
        let [outer, inner] = path else { return Ok(new) };
        match wanted[*outer].get(*inner) {
            Some(value) => new[*outer][*inner] = value.clone(),
            None => super::remove(&mut new[*outer], inner),
        }
        Ok(new)
    })
    .await?;
    warnings.extend(heard);
    Ok(Outcome::object(StatusCode::OK, shown, warnings))
}

/// A part of a pod with rules of its own.
#[derive(Clone, Copy)]
struct PodPart {
    prepare: fn(&mut Value, &Value),
    mutate: fn(&Context<'_>, &mut Value, &Value),
    validate: fn(&Value, &Value) -> Vec<field::Error>,
}

const EPHEMERAL: PodPart = PodPart {
    prepare: resource::pod::prepare_ephemeral,
    mutate: |_, _, _| {},
    validate: resource::pod::validate_ephemeral,
};
const RESIZE: PodPart = PodPart {
    prepare: resource::pod::prepare_resize,
    mutate: crate::admission::mutate_resize,
    validate: resource::pod::validate_resize,
};

async fn pod_part(context: &Context<'_>, body: Bytes, part: PodPart) -> Result<Outcome, Error> {
    let mut warnings = Vec::new();
    let mut heard = Vec::new();
    let shown = rewrite(context, Part::Bare, &mut warnings, |old| {
        let mut new = wanted(context, &body, old, &mut heard)?;
        (part.prepare)(&mut new, old);
        (part.mutate)(context, &mut new, old);
        let errors = (part.validate)(&new, old);
        if errors.is_empty() { Ok(new) } else { Err(context.invalid(&context.info().name, errors)) }
    })
    .await?;
    warnings.extend(heard);
    Ok(Outcome::object(StatusCode::OK, shown, warnings))
}

/// `namespaces/finalize`: sets `spec.finalizers`; the namespace goes with the last one.
async fn finalize(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    replace_part(context, body, &["spec", "finalizers"]).await
}

async fn scale(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let mut warnings = Vec::new();
    let shown = rewrite(context, Part::Main, &mut warnings, |old| {
        let mut scale = resource::scale::read(&context.resource, old);
        let before = scale.clone();
        if context.info().verb == "update" {
            scale = body::of_kind(context.headers, &body, "autoscaling", "v1", "Scale")?;
            let kind = scale["kind"].as_str().unwrap_or("Scale");
            if kind != "Scale" {
                return Err(Error::BadRequest(format!("wrong kind passed to the scale subresource: {kind}")));
            }
        } else {
            patch::patch_scale(context, &mut scale, &body)?;
        }
        let errors = resource::scale::validate(&scale);
        if !errors.is_empty() {
            let (group, kind) = ("autoscaling".to_owned(), "Scale".to_owned());
            return Err(Error::Invalid { group, kind, name: context.info().name.clone(), errors });
        }
        let mut new = old.clone();
        let version = &scale["metadata"]["resourceVersion"];
        new["metadata"]["resourceVersion"] =
            if *version == before["metadata"]["resourceVersion"] && context.info().verb == "patch" {
                Value::Null
            } else {
                version.clone()
            };
        resource::scale::write(&context.resource, &mut new, &scale);
        Ok(new)
    })
    .await?;
    let lens = crate::respond::Lens::new(context.resource.clone(), context.info());
    let scale = resource::scale::read(&context.resource, &lens.shown(&shown));
    Ok(Outcome::other(StatusCode::OK, scale, warnings))
}

/// `pods/binding`: assigns a pod to a node, once (upstream: `BindingREST.assignPod`).
async fn bind(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let binding = body::of_kind(context.headers, &body, "", "v1", "Binding")?;
    if binding["metadata"]["name"].as_str().unwrap_or_default() != context.info().name {
        return Err(Error::BadRequest("name in URL does not match name in Binding object".to_owned()));
    }
    let errors = resource::pod::validate_binding(&binding);
    if !errors.is_empty() {
        let (group, kind) = (String::new(), "Binding".to_owned());
        return Err(Error::Invalid { group, kind, name: context.info().name.clone(), errors });
    }
    let uid = binding["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let name = context.info().name.clone();
    rewrite(context, Part::System, &mut Vec::new(), |old| {
        if let Some(reason) = resource::pod::refuses_binding(old) {
            let (group, resource) = (String::new(), "pods/binding".to_owned());
            return Err(Error::Conflict { group, resource, name: name.clone(), message: reason });
        }
        let mut new = old.clone();
        super::remove(&mut new["metadata"], "resourceVersion");
        if !uid.is_empty() {
            new["metadata"]["uid"] = json!(uid);
        }
        resource::pod::bind(&mut new, &binding, &context.now);
        Ok(new)
    })
    .await?;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Outcome::other(StatusCode::CREATED, status, Vec::new()))
}
