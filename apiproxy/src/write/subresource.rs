//! Subresources that change objects, and the kinds that answer without being stored (reviews).

use bytes::Bytes;
use http::StatusCode;
use schema::field;
use serde_json::{Value, json};

use super::update::{Part, rewrite};
use super::{Context, Outcome, body, delete, patch, token, update};
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
        ("eviction", "create") if resource == "pods" => delete::evict(context, body).await,
        ("token", "create") if resource == "serviceaccounts" => token::request(context, body).await,
        ("finalize", "update") if resource == "namespaces" => finalize(context, body).await,
        ("approval", "update" | "patch") => replace_part(context, body, &["status", "conditions"]).await,
        ("ephemeralcontainers", "update" | "patch") if resource == "pods" => {
            replace_part(context, body, &["spec", "ephemeralContainers"]).await
        }
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
    let mut new = old.clone();
    patch::apply_document(context, &mut new, body)?;
    context.kind().default(&mut new);
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
        check_part(context, path, &new)?;
        Ok(new)
    })
    .await?;
    warnings.extend(heard);
    Ok(Outcome::object(StatusCode::OK, shown, warnings))
}

/// What is wrong with an object whose part was replaced. Errors: 422.
fn check_part(context: &Context<'_>, path: &[&str], new: &Value) -> Result<(), Error> {
    // Ephemeral containers are checked as containers of a new pod are; the other parts are lists of plain values.
    if path != ["spec", "ephemeralContainers"] {
        return Ok(());
    }
    let mut errors = context.kind().validate_create(new);
    errors.retain(|error| error.field.starts_with("spec.ephemeralContainers"));
    if errors.is_empty() { Ok(()) } else { Err(context.invalid(&context.info().name, errors)) }
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
            scale = body::any_kind(context.headers, &body)?.value;
            if scale["kind"] != "Scale" && !scale["kind"].is_null() {
                return Err(Error::BadRequest(format!(
                    "wrong kind passed to the scale subresource: {}",
                    scale["kind"]
                )));
            }
        } else {
            patch::apply_document(context, &mut scale, &body)?;
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
    let decoded = body::any_kind(context.headers, &body)?;
    let binding = decoded.value;
    let node = binding["target"]["name"].as_str().unwrap_or_default().to_owned();
    let kind = binding["target"]["kind"].as_str().unwrap_or_default();
    let mut errors = Vec::new();
    if !kind.is_empty() && kind != "Node" {
        errors.push(field::Error::not_supported("target.kind", kind, &["Node", "<empty>"]));
    }
    if node.is_empty() {
        errors.push(field::Error::required("target.name", ""));
    }
    if !errors.is_empty() {
        let (group, kind) = (String::new(), "Binding".to_owned());
        return Err(Error::Invalid { group, kind, name: context.info().name.clone(), errors });
    }
    if binding["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty() && name != context.info().name) {
        return Err(Error::BadRequest("name in URL does not match name in Binding object".to_owned()));
    }
    let uid = binding["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let name = context.info().name.clone();
    rewrite(context, Part::Bare, &mut Vec::new(), |old| {
        let conflict = |message: String| context.conflict(&name, message);
        if !old["metadata"]["deletionTimestamp"].is_null() {
            return Err(conflict(format!("pod {name} is being deleted, cannot be assigned to a host")));
        }
        let assigned = old["spec"]["nodeName"].as_str().unwrap_or_default();
        if !assigned.is_empty() {
            return Err(conflict(format!("pod {name} is already assigned to node \"{assigned}\"")));
        }
        if old["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
            return Err(conflict(format!("pod {name} has non-empty .spec.schedulingGates")));
        }
        let mut new = old.clone();
        super::remove(&mut new["metadata"], "resourceVersion");
        if !uid.is_empty() {
            new["metadata"]["uid"] = json!(uid);
        }
        new["spec"]["nodeName"] = json!(node);
        let annotations = binding["metadata"]["annotations"].as_object();
        for (key, value) in annotations.into_iter().flatten() {
            new["metadata"]["annotations"][key] = value.clone();
        }
        scheduled(&mut new, &context.now);
        Ok(new)
    })
    .await?;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(Outcome::other(StatusCode::CREATED, status, Vec::new()))
}

/// Sets the `PodScheduled` condition.
fn scheduled(pod: &mut Value, now: &str) {
    let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let condition = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
        "observedGeneration": pod["metadata"]["generation"],
    });
    match conditions.iter_mut().find(|condition| condition["type"] == "PodScheduled") {
        Some(old) if old["status"] == "True" => {}
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
    pod["status"]["conditions"] = Value::from(conditions);
}
