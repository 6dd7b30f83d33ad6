//! patch: JSON Patch, merge patch, strategic merge patch, server-side apply.

use ::patch::PatchError;
use ::patch::apply::ApplyError;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use schema::decode::{Decoded, Media, decode};
use serde_json::{Value, json};

use super::options::reset;
use super::update::{Part, existing, rewrite};
use super::{Context, Outcome, body, create};
use crate::respond::Error;

/// The four kinds of patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// What custom resources are patched with.
const CUSTOM_PATCHES: &str = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// Upstream's whole answer to a patch of an unknown type.
fn unsupported() -> Error {
    Error::Status(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "details": {}, "code": 415,
        "message": "415: Unsupported Media Type", "reason": "UnsupportedMediaType",
    }))
}

/// Patches an object; apply creates it when it does not exist.
pub(super) async fn patch(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let part = if context.info().subresource == "status" { Part::Status } else { Part::Main };
    patch_part(context, body, part).await
}

/// Patches a part of an object.
pub(super) async fn patch_part(context: &Context<'_>, body: Bytes, part: Part) -> Result<Outcome, Error> {
    match patch_type(context)? {
        PatchType::Apply => apply(context, body, part).await,
        patch_type => {
            if context.options.force {
                let error = schema::field::Error::forbidden("force", "may not be specified for non-apply patch");
                return Err(Error::Invalid {
                    group: "meta.k8s.io".to_owned(),
                    kind: "PatchOptions".to_owned(),
                    name: String::new(),
                    errors: vec![error],
                });
            }
            let document = document(&body, Media::Json)?;
            let mut warnings = Vec::new();
            let mut complaints = Vec::new();
            let shown = rewrite(context, part, &mut warnings, |old| {
                let mut new = old.clone();
                changed(context, patch_type, &mut new, &document)?;
                complaints = reshape(context, &mut new)?;
                Ok(new)
            })
            .await
            .map_err(|error| context.failed(&warnings, error))?;
            warnings.extend(complaints);
            Ok(Outcome::object(StatusCode::OK, shown, warnings))
        }
    }
}

/// The kind of patch the content type names. Errors: 415.
pub(super) fn patch_type(context: &Context<'_>) -> Result<PatchType, Error> {
    let text = context.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(unsupported)?;
    match text.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        // Custom resources have no patch strategies (upstream: 415).
        "application/strategic-merge-patch+json" if context.resource.custom.is_none() => Ok(PatchType::Strategic),
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        "application/strategic-merge-patch+json" => Err(Error::UnsupportedMediaType(CUSTOM_PATCHES.to_owned())),
        _ => Err(unsupported()),
    }
}

fn document(body: &Bytes, media: Media) -> Result<Value, Error> {
    decode(body, media).map(|decoded| decoded.value).map_err(|error| Error::BadRequest(error.to_string()))
}

/// Applies a patch document to a value.
pub(super) fn changed(
    context: &Context<'_>,
    patch_type: PatchType,
    value: &mut Value,
    document: &Value,
) -> Result<(), Error> {
    let result = match patch_type {
        PatchType::Json => ::patch::json_patch(value, document),
        PatchType::Merge => ::patch::merge_patch(value, document),
        PatchType::Strategic => ::patch::strategic(context.resource.schema.node(), value, document),
        PatchType::Apply => Ok(()),
    };
    result.map_err(|error| refused(&error))
}

fn refused(error: &PatchError) -> Error {
    status(error.code(), error.reason(), &error.message())
}

/// A Status in the words of the patch crate, which knows upstream's.
fn status(code: u16, reason: &str, message: &str) -> Error {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    });
    if !reason.is_empty() {
        status["reason"] = json!(reason);
    }
    if code == 422 {
        status["details"] = json!({});
    }
    Error::Status(status)
}

/// Brings a patched object back into shape: kind, names, unknown fields, defaults. Returns warnings.
fn reshape(context: &Context<'_>, new: &mut Value) -> Result<Vec<String>, Error> {
    let resource = &context.resource;
    if !new.is_object() || !new["metadata"].is_object() {
        return Err(Error::Unprocessable(format!("cannot patch {} into something that is no object", resource.kind)));
    }
    let want = crate::read::group_version(resource);
    if new["kind"] != resource.kind.as_str() || new["apiVersion"] != want.as_str() {
        return Err(Error::BadRequest(format!(
            "{} in version \"{}\" cannot be handled as a {}: a patch may not change apiVersion or kind",
            resource.kind, resource.version, resource.kind
        )));
    }
    body::plain_names(context.info(), resource, new)?;
    let unknown = body::shape(resource, new)?;
    let warnings = body::judge(resource, &Value::Null.into(), &unknown, context.options.validation)?;
    context.kind().default(new);
    super::update::check_place(context, new)?;
    Ok(warnings)
}

async fn apply(context: &Context<'_>, body: Bytes, part: Part) -> Result<Outcome, Error> {
    if !context.options.manager_named {
        let error = schema::field::Error::required("fieldManager", "is required for apply patch");
        return Err(Error::Invalid {
            group: "meta.k8s.io".to_owned(),
            kind: "PatchOptions".to_owned(),
            name: String::new(),
            errors: vec![error],
        });
    }
    let mut decoded =
        decode(&body, Media::Yaml).map_err(|error| Error::BadRequest(format!("error decoding YAML: {error}")))?;
    let mut config = decoded.value.take();
    let mut warnings = check_config(context, &mut config, &decoded)?;
    let merge = |live: Option<&Value>| -> Result<Value, Error> {
        let (node, options) = (context.resource.schema.node(), &context.options);
        let merged = ::patch::apply::apply(
            node,
            live,
            &config,
            &options.manager,
            options.force,
            &context.now,
            reset(&context.resource, part),
        );
        let mut merged = merged.map_err(|error| conflicts(&error))?;
        // What Go's encoder always writes (`resources: {}`) is written whatever the way an object came.
        body::shape(&context.resource, &mut merged)?;
        context.kind().default(&mut merged);
        Ok(merged)
    };
    if existing(context).is_none() {
        if !context.info().subresource.is_empty() {
            return Err(context.not_found(&context.info().name));
        }
        if !config["metadata"]["uid"].is_null() {
            return Err(context.conflict(&context.info().name, "uid mismatch: the provided object specified uid"));
        }
        let object = merge(None)?;
        match create::from_value(context, object, &mut warnings).await {
            Err(Error::AlreadyExists { .. }) => {}
            result => {
                let shown = result.map_err(|error| context.failed(&warnings, error))?;
                return Ok(Outcome::object(StatusCode::CREATED, shown, warnings));
            }
        }
    }
    let shown = rewrite(context, part, &mut warnings, |old| merge(Some(old))).await;
    let shown = shown.map_err(|error| context.failed(&warnings, error))?;
    Ok(Outcome::object(StatusCode::OK, shown, warnings))
}

/// Checks an applied configuration: kind, names, no managedFields; prunes and conforms it.
fn check_config(context: &Context<'_>, config: &mut Value, decoded: &Decoded) -> Result<Vec<String>, Error> {
    let resource = &context.resource;
    let want = crate::read::group_version(resource);
    if !config.is_object() {
        return Err(Error::BadRequest("error decoding YAML: the configuration is no object".to_owned()));
    }
    if config["apiVersion"] == want.as_str() && config["kind"] != resource.kind.as_str() {
        let kind = config["kind"].as_str().unwrap_or_default();
        let message = format!("invalid object type: {}/{}, Kind={kind}", resource.group, resource.version);
        return Err(Error::BadRequest(message));
    }
    if config["apiVersion"] != want.as_str() {
        return Err(Error::BadRequest(format!(
            "Incorrect version specified in apply patch. Specified patch version: {}, expected: {want}",
            config["apiVersion"].as_str().unwrap_or_default()
        )));
    }
    if config["metadata"].is_null() {
        config["metadata"] = json!({});
    }
    if config["metadata"]["managedFields"].as_array().is_some_and(|fields| !fields.is_empty()) {
        return Err(Error::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    body::plain_names(context.info(), resource, config)?;
    // Only a copy is brought into shape: what is applied owns exactly the fields it says, not those a decoder adds.
    let unknown = body::shape(resource, &mut config.clone())?;
    let warnings = body::judge(resource, decoded, &unknown, context.options.validation)?;
    super::update::check_place(context, config)?;
    Ok(warnings)
}

fn conflicts(error: &ApplyError) -> Error {
    match error {
        ApplyError::Conflict(conflicts) => {
            let causes: Vec<Value> = conflicts
                .iter()
                .map(|conflict| {
                    json!({
                        "reason": "FieldManagerConflict", "message": conflict.message(),
                        "field": conflict.field,
                    })
                })
                .collect();
            Error::ApplyConflict { message: error.to_string(), causes: Value::from(causes) }
        }
        ApplyError::BadRequest(message) => Error::BadRequest(message.clone()),
        ApplyError::Internal(message) => status(500, "", message),
    }
}

/// The patched whole of an object, in shape. Apply patches are refused: 415.
pub(super) fn patched(context: &Context<'_>, old: &Value, body: &Bytes) -> Result<(Value, Vec<String>), Error> {
    let patch_type = patch_type(context)?;
    if patch_type == PatchType::Apply {
        return Err(unsupported());
    }
    let mut new = old.clone();
    changed(context, patch_type, &mut new, &document(body, Media::Json)?)?;
    let warnings = reshape(context, &mut new)?;
    Ok((new, warnings))
}

/// Patches a Scale. Apply patches are refused: 415.
pub(super) fn patch_scale(context: &Context<'_>, scale: &mut Value, body: &Bytes) -> Result<(), Error> {
    let patch_type = match patch_type(context)? {
        PatchType::Apply => return Err(unsupported()),
        // A Scale has no lists: the strategic patch of one is a merge patch.
        PatchType::Strategic => PatchType::Merge,
        other => other,
    };
    changed(context, patch_type, scale, &document(body, Media::Json)?)?;
    body::shape_of("autoscaling", "v1", "Scale", scale)
}
