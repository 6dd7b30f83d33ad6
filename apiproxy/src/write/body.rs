//! From the bytes of a body to an object of the kind the path names.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use schema::Resource;
use schema::decode::{Media, Reader, decode};
use serde_json::Value;
use tenancy::{TenantId, fleet};

use super::options::Validation;
use crate::read::group_version;
use crate::request::Info;
use crate::respond::{ACCEPTED, Error};

/// A decoded object and what there is to warn about.
pub(super) struct Decoded {
    pub(super) value: Value,
    pub(super) warnings: Vec<String>,
}

/// The media type of a body. Errors: 415.
pub(super) fn media(headers: &HeaderMap) -> Result<Media, Error> {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    match text.split(';').next().unwrap_or_default().trim() {
        "" | "application/json" => Ok(Media::Json),
        "application/yaml" | "application/x-yaml" | "text/yaml" => Ok(Media::Yaml),
        _ => Err(Error::UnsupportedMediaType(ACCEPTED.to_owned())),
    }
}

fn is_protobuf(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim() == wire::MEDIA_TYPE
}

/// Decodes a body of whatever kind: JSON, YAML or protobuf, which need not name its kind when `default` does
/// (`apiVersion`, `kind`). Errors: 400, 415.
pub(super) fn any_kind(
    headers: &HeaderMap,
    body: &Bytes,
    default: Option<(&str, &str)>,
) -> Result<schema::decode::Decoded, Error> {
    if !is_protobuf(headers) {
        return decode(body, media(headers)?).map_err(|error| Error::BadRequest(error.to_string()));
    }
    let value = wire::decode(body, default).map_err(|error| Error::BadRequest(error.to_string()))?;
    Ok(value.into())
}

/// Decodes a body of a kind that is no resource of its own (Binding, Scale, DeleteOptions …) and brings it into shape.
/// Errors: 400, 415.
pub(super) fn of_kind(
    headers: &HeaderMap,
    body: &Bytes,
    group: &str,
    version: &str,
    kind: &str,
) -> Result<Value, Error> {
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut value = any_kind(headers, body, Some((&api_version, kind)))?.value;
    shape_of(group, version, kind, &mut value)?;
    Ok(value)
}

/// As [`of_kind`] for kinds that upstream decodes without converting: its errors then do not name the kind.
pub(super) fn bare(headers: &HeaderMap, body: &Bytes, group: &str, version: &str, kind: &str) -> Result<Value, Error> {
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut value = any_kind(headers, body, Some((&api_version, kind)))?.value;
    conformed(group, version, kind, &mut value).map_err(Error::BadRequest)?;
    Ok(value)
}

/// Brings a value into the shape of a kind of the table. Errors: 400.
pub(super) fn shape_of(group: &str, version: &str, kind: &str, value: &mut Value) -> Result<(), Error> {
    conformed(group, version, kind, value).map_err(|detail| {
        Error::BadRequest(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {detail}"))
    })
}

fn conformed(group: &str, version: &str, kind: &str, value: &mut Value) -> Result<(), String> {
    if !value.is_object() {
        return Err("json: cannot unmarshal a value that is no object".to_owned());
    }
    let Some(schema) = schema::table::Table::builtin().kind(group, version, kind) else { return Ok(()) };
    schema::conform::conform(schema.node(), value).map(|_| ()).map_err(|mismatch| mismatch.to_string())
}

/// The tenant a write is for. In the fleet view the name of a new cluster-scoped object tells it.
/// Errors: 400 when nothing does.
pub(super) fn tenant(info: &Info, resource: &Resource, headers: &HeaderMap, body: &Bytes) -> Result<TenantId, Error> {
    if let Some(tenant) = info.tenant {
        return Ok(tenant);
    }
    let nowhere = || Error::BadRequest("a write to the fleet view must name its tenant".to_owned());
    if resource.namespaced || info.verb != "create" {
        return Err(nowhere());
    }
    let decoded = any_kind(headers, body, Some((&group_version(resource), &resource.kind)))?;
    let metadata = &decoded.value["metadata"];
    let name = metadata["name"].as_str().or_else(|| metadata["generateName"].as_str()).ok_or_else(nowhere)?;
    let (tenant, _) = fleet::split(name).ok_or_else(nowhere)?;
    if tenant == TenantId::SYSTEM { Err(nowhere()) } else { Ok(tenant) }
}

/// Decodes an object of the request's kind. Errors: 400 for what is no such object, with every unknown or duplicate
/// field under strict validation.
pub(super) fn object(
    info: &Info,
    resource: &Resource,
    headers: &HeaderMap,
    body: &Bytes,
    validation: Validation,
) -> Result<Decoded, Error> {
    let protobuf = is_protobuf(headers);
    if protobuf && resource.custom.is_some() {
        // Their decoder knows no messages (upstream: the connection breaks off).
        return Err(Error::UnsupportedMediaType(ACCEPTED.to_owned()));
    }
    let expected = group_version(resource);
    let mut decoded = any_kind(headers, body, Some((&expected, &resource.kind))).map_err(|error| match error {
        Error::BadRequest(error) => Error::BadRequest(format!(
            "the object provided is unrecognized (must be of type {}): {}{error} ({})",
            resource.kind,
            if protobuf { "" } else { "couldn't get version/kind; json parse error: " },
            excerpt(body)
        )),
        other => other,
    })?;
    let mut value = decoded.value.take();
    if !value.is_object() {
        return Err(Error::BadRequest(format!(
            "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error",
            resource.kind
        )));
    }
    check_kind(resource, &mut value, body)?;
    plain_names(info, resource, &mut value)?;
    let unknown = shape(resource, &mut value)?;
    let warnings = judge(resource, &decoded, &unknown, validation)?;
    Ok(Decoded { value, warnings })
}

/// The beginning of a body, for people to recognise it (upstream: `summarizeData`).
fn excerpt(body: &Bytes) -> String {
    const SHOWN: usize = 30;
    let head = &body[..body.len().min(SHOWN)];
    let more = if body.len() > SHOWN { " ..." } else { "" };
    match head.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(head)),
        Some(_) => format!("{}{more}", head.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// Brings a value into the shape of its kind; returns the paths of fields that are not in it.
pub(super) fn shape(resource: &Resource, value: &mut Value) -> Result<Vec<String>, Error> {
    if resource.custom.is_some() {
        let unknown = schema::prune::metadata(resource.schema.node(), value);
        let mut unknown = unknown.map_err(|mismatch| {
            Error::BadRequest(format!(
                "{} in version \"{}\" cannot be handled as a {}: {mismatch}",
                resource.kind, resource.version, resource.kind
            ))
        })?;
        unknown.extend(schema::prune::prune(resource.schema.node(), value));
        if !value["metadata"].is_object() {
            value["metadata"] = Value::Object(serde_json::Map::new());
        }
        return Ok(unknown);
    }
    schema::conform::conform(resource.schema.node(), value).map_err(|mismatch| {
        Error::BadRequest(format!(
            "{} in version \"{}\" cannot be handled as a {}: {mismatch}",
            resource.kind, resource.version, resource.kind
        ))
    })
}

/// Turns complaints into warnings, or into the failure that strict validation wants.
pub(super) fn judge(
    resource: &Resource,
    decoded: &schema::decode::Decoded,
    unknown: &[String],
    validation: Validation,
) -> Result<Vec<String>, Error> {
    let reader = if resource.custom.is_some() { Reader::Untyped } else { Reader::Typed };
    let complaints = decoded.strict_errors(unknown, reader);
    if complaints.is_empty() || validation == Validation::Ignore {
        return Ok(Vec::new());
    }
    if validation == Validation::Warn {
        return Ok(complaints);
    }
    Err(Error::BadRequest(format!(
        "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
        resource.kind,
        resource.version,
        resource.kind,
        complaints.join(", ")
    )))
}

fn check_kind(resource: &Resource, value: &mut Value, body: &Bytes) -> Result<(), Error> {
    let want = group_version(resource);
    let given = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (given("apiVersion"), given("kind"));
    if resource.custom.is_some() || resource.plural == tenancy::route::RESOURCE {
        // Custom resources have no default kind: both must be said (upstream: `crdhandler`).
        if kind.is_empty() || version.is_empty() {
            let missing = if kind.is_empty() { "Kind" } else { "apiVersion" };
            let text = String::from_utf8_lossy(&body[..body.len().min(1024)]);
            return Err(Error::BadRequest(format!(
                "the object provided is unrecognized (must be of type {}): Object '{missing}' is missing in '{text}' \
                 ({})",
                resource.kind,
                excerpt(body)
            )));
        }
        if version != want {
            return Err(Error::BadRequest(format!(
                "the API version in the data ({version}) does not match the expected API version ({want})"
            )));
        }
    }
    // A kind that exists is refused for what it is, any other for its version.
    let (group, plain) = version.split_once('/').unwrap_or(("", &version));
    let exists = || schema::table::Table::builtin().kind(group, plain, &kind).is_some();
    if !kind.is_empty() && kind != resource.kind && (version.is_empty() || version == want || exists()) {
        let package = resource.group.split('.').next().filter(|first| !first.is_empty()).unwrap_or("core");
        return Err(Error::BadRequest(format!(
            "{kind} in version \"{v}\" cannot be handled as a {}: converting ({v}.{kind}) to ({package}.{}): unknown \
             conversion",
            resource.kind,
            resource.kind,
            v = if plain.is_empty() { &resource.version } else { plain }
        )));
    }
    if !version.is_empty() && version != want {
        return Err(Error::BadRequest(format!(
            "{} in version \"{version}\" cannot be handled as a {}: no kind \"{}\" is registered for version \
             \"{version}\" in scheme \"pkg/runtime/scheme.go:111\"",
            resource.kind, resource.kind, resource.kind
        )));
    }
    value["apiVersion"] = Value::from(want);
    value["kind"] = Value::from(resource.kind.clone());
    if value["metadata"].is_null() {
        value["metadata"] = Value::Object(serde_json::Map::new());
    }
    Ok(())
}

/// In the fleet view objects carry fleet names; inside they are plain. Errors: 400 for the name of another tenant.
pub(super) fn plain_names(info: &Info, resource: &Resource, value: &mut Value) -> Result<(), Error> {
    if !info.has_fleet_names() {
        return Ok(());
    }
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return Ok(()) };
    let keys: &[&str] = if resource.namespaced { &["namespace"] } else { &["name", "generateName"] };
    for key in keys {
        let joined = metadata.get(*key).and_then(Value::as_str);
        let Some((tenant, plain)) = joined.and_then(fleet::split) else { continue };
        if info.tenant.is_some_and(|meant| meant != tenant) {
            return Err(Error::BadRequest(format!(
                "metadata.{key} names another tenant ({tenant}) than the URL of the request"
            )));
        }
        let plain = plain.to_owned();
        metadata.insert((*key).to_owned(), Value::from(plain));
    }
    Ok(())
}
