//! get and list.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::StatusCode;
use schema::Resource;
use schema::decode::{Media, decode};
use serde_json::{Value, json};
use store::{At, Collection, Listing, Object, Position, Query, Revision, Scope};

use crate::api::Api;
use crate::authz::{Permit, Read};
use crate::request::Info;
use crate::respond::{
    self, Accept, Answer, Encoding, Error, Form, Lens, Rows, Shown, Wanted, encoded, json_bytes, partial, reshaped,
};
use crate::select::Selection;

/// Longest wait for a revision that a client has seen elsewhere (upstream: `blockTimeout`).
const FRESH_WAIT: std::time::Duration = std::time::Duration::from_secs(3);

/// Answers get and list.
pub(crate) async fn read(api: &Api, permit: &Permit<Read>, wanted: &Wanted) -> Result<Answer, Error> {
    let info = permit.info();
    let resource = find(api, info)?;
    let accept = wanted.choose(Lens::offer(&resource, info))?;
    let warning = crate::write::deprecation(&resource);
    let mut answer = if info.verb == "get" {
        get(api, info, resource, accept).await?
    } else if !info.subresource.is_empty() || !resource.verbs.iter().any(|verb| verb == "list") {
        return Err(Error::MethodNotAllowed);
    } else {
        list(api, info, resource, accept).await?
    };
    crate::respond::warn(&mut answer, warning.as_slice());
    Ok(answer)
}

/// The resource a request names. Errors: 404, also for a namespaced path to a cluster-scoped resource.
pub(crate) fn find(api: &Api, info: &Info) -> Result<Arc<Resource>, Error> {
    let found = api.catalog.resource(info.tenant, &info.group, &info.version, &info.resource);
    let resource = found.ok_or_else(|| missing(api, info))?;
    // A namespace is its own namespace.
    let is_namespaces = info.group.is_empty() && info.resource == "namespaces" && info.namespace == info.name;
    if resource.namespaced == info.namespace.is_empty() && !is_namespaces {
        let across = resource.namespaced && !info.named_by_path;
        if !across {
            return Err(Error::NoSuchPath);
        }
        if !matches!(info.verb, "list" | "watch") {
            return Err(Error::MethodNotAllowed);
        }
    }
    if !info.subresource.is_empty() && !resource.subresources.iter().any(|s| s.name == info.subresource) {
        let (group, plural, name) = (resource.group.clone(), resource.plural.clone(), info.name.clone());
        let custom = resource.custom.is_some();
        return Err(if custom { Error::NotFound { group, resource: plural, name } } else { Error::NoSuchPath });
    }
    Ok(resource)
}

/// 404 in the two forms upstream has: for a resource of a version that is served, and for anything else.
fn missing(api: &Api, info: &Info) -> Error {
    let same = |resource: &Arc<Resource>| resource.group == info.group && resource.version == info.version;
    let known = schema::table::Table::builtin().resources().iter().any(same)
        || info.tenant.is_some_and(|tenant| api.catalog.custom(tenant).iter().any(same));
    if known { Error::NoSuchPath } else { Error::NoSuchPage }
}

/// Where objects of a resource are stored.
pub(crate) fn collection(resource: &Resource) -> Collection {
    Collection::new(&resource.storage_group, &resource.plural)
}

/// Namespace component of a key: cluster-scoped objects have none.
pub(crate) fn key_namespace<'i>(resource: &Resource, info: &'i Info) -> &'i str {
    if resource.namespaced { &info.namespace } else { "" }
}

/// One stored object. Errors: 404.
pub(crate) fn stored(api: &Api, info: &Info, resource: &Resource) -> Result<Arc<Object>, Error> {
    let missing = || Error::NotFound {
        group: resource.group.clone(),
        resource: resource.plural.clone(),
        name: info.name.clone(),
    };
    let tenant = info.tenant.ok_or_else(missing)?;
    let namespace = key_namespace(resource, info);
    api.store.get(tenant, &collection(resource), namespace, &info.name).ok_or_else(missing)
}

async fn get(api: &Api, info: &Info, resource: Arc<Resource>, accept: Accept) -> Result<Answer, Error> {
    let verbs = match resource.subresources.iter().find(|s| s.name == info.subresource) {
        Some(subresource) => &subresource.verbs,
        None => &resource.verbs,
    };
    if !verbs.iter().any(|verb| verb == "get") {
        return Err(Error::MethodNotAllowed);
    }
    if let Some(revision) = minimum_revision(info.query.get("resourceVersion"))? {
        fresh(api, revision).await?;
    }
    let object = stored(api, info, &resource)?;
    let lens = Lens::new(resource.clone(), info);
    if info.subresource == "scale" {
        let scale = resource::scale::read(&resource, &lens.value(&object));
        let scale = reshaped(accept, resource.custom.is_some(), scale)?;
        return respond::value(accept, StatusCode::OK, &scale);
    }
    lens.answer(accept, StatusCode::OK, &Shown::Stored(object))
}

/// Parses a resource version that means "not older than". None for "" and "0".
fn minimum_revision(text: &str) -> Result<Option<Revision>, Error> {
    match text {
        "" | "0" => Ok(None),
        text => Ok(Some(parse_revision(text)?)),
    }
}

/// Parses a resource version. Errors: 400.
pub(crate) fn parse_revision(text: &str) -> Result<Revision, Error> {
    text.parse().map(Revision).map_err(|_| {
        let quoted = schema::field::go_quote(text);
        Error::BadRequest(format!(
            "invalid resource version: resourceVersion: Invalid value: {quoted}: strconv.ParseUint: parsing {quoted}: \
             invalid syntax"
        ))
    })
}

/// Waits until the store has reached a revision. Errors: 504 when it does not within three seconds.
pub(crate) async fn fresh(api: &Api, revision: Revision) -> Result<(), Error> {
    if api.store.revision() >= revision {
        return Ok(());
    }
    // It may be of another replica, and of a change this one has not heard of because it is none of ours.
    if tokio::time::timeout(FRESH_WAIT, api.store.current()).await.is_ok() && api.store.revision() >= revision {
        return Ok(());
    }
    let waited = tokio::time::timeout(FRESH_WAIT, api.store.wait_for(revision)).await;
    waited.map_err(|_| Error::TooLargeResourceVersion { asked: revision.0, current: api.store.revision().0 })
}

struct Paging {
    at: At,
    after: Option<Position>,
    limit: usize,
    continued: bool,
}

async fn list(api: &Api, info: &Info, resource: Arc<Resource>, accept: Accept) -> Result<Answer, Error> {
    let selection = Selection::parse(&resource, info)?;
    let paging = paging(api, info).await?;
    let lens = Lens::new(resource, info);
    let listing = select(api, info, lens.resource(), &selection, &paging)?;
    let mut metadata = json!({"resourceVersion": listing.revision.to_string()});
    if lens.resource().custom.is_some() {
        // Upstream's lists of custom resources have it, empty or not.
        metadata["continue"] = json!("");
    }
    if let Some(next) = &listing.next {
        metadata["continue"] = Value::from(continue_token(listing.revision, next));
        if selection.is_everything() {
            metadata["remainingItemCount"] = Value::from(listing.remaining);
        }
    }
    if accept.form == Form::Partial {
        return Err(lens.misfit(accept, &lens.resource().list_kind));
    }
    if accept.encoding == Encoding::Protobuf {
        let bytes = messages(&lens, &listing, &metadata, accept)?;
        return Ok(encoded(accept, StatusCode::OK, wire::MEDIA_TYPE, bytes));
    }
    let bytes = match accept.form {
        Form::Object => concatenated(&lens, &listing, &metadata),
        Form::Partial | Form::PartialList => {
            let items = listing.objects.iter().map(|object| partial(accept.version, &lens.value(object)));
            let list = json!({
                "kind": "PartialObjectMetadataList", "apiVersion": accept.version.api_version(),
                "metadata": metadata, "items": items.collect::<Vec<Value>>(),
            });
            Bytes::from(list.to_string())
        }
        Form::Table => {
            let rows = Rows::parse(info.query.get("includeObject"));
            let objects = listing.objects.iter().map(|object| lens.value(object));
            Bytes::from(lens.table(accept.version, objects, rows, &metadata, true).to_string())
        }
    };
    Ok(json_bytes(accept, StatusCode::OK, bytes))
}

/// A list in protobuf, encoded object by object.
fn messages(lens: &Lens, listing: &Listing, metadata: &Value, accept: Accept) -> Result<Bytes, Error> {
    let kind = match accept.form {
        Form::Object => respond::message_kind(&group_version(lens.resource()), &lens.resource().list_kind)?,
        _ => respond::message_kind(accept.version.api_version(), "PartialObjectMetadataList")?,
    };
    let mut list = kind.list(metadata).map_err(respond::unencodable)?;
    for object in &listing.objects {
        let pushed =
            if lens.converts() { list.push_value(&lens.value(object)) } else { list.push(&lens.bytes(object)) };
        pushed.map_err(respond::unencodable)?;
    }
    Ok(list.finish())
}

fn concatenated(lens: &Lens, listing: &Listing, metadata: &Value) -> Bytes {
    let resource = lens.resource();
    let group_version = group_version(resource);
    let items: Vec<Bytes> = listing.objects.iter().map(|object| lens.bytes(object)).collect();
    let size: usize = items.iter().map(|item| item.len() + 1).sum();
    let mut body = Vec::with_capacity(size + 256);
    let head = format!(
        "{{\"kind\":\"{}\",\"apiVersion\":\"{group_version}\",\"metadata\":{metadata},\"items\":[",
        resource.list_kind
    );
    body.extend_from_slice(head.as_bytes());
    // Items of built-in lists carry no kind of their own; it stands at the head of the stored bytes and is left out.
    let typed = format!("{{\"apiVersion\":\"{group_version}\",\"kind\":\"{}\",", resource.kind);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        match item.strip_prefix(typed.as_bytes()) {
            Some(rest) if resource.custom.is_none() => {
                body.push(b'{');
                body.extend_from_slice(rest);
            }
            _ => body.extend_from_slice(item),
        }
    }
    body.extend_from_slice(b"]}\n");
    Bytes::from(body)
}

/// `v1`, or `group/version`.
pub(crate) fn group_version(resource: &Resource) -> String {
    if resource.group.is_empty() {
        resource.version.clone()
    } else {
        format!("{}/{}", resource.group, resource.version)
    }
}

/// Lists what a request selects. Errors: 410 in upstream's words.
fn select(
    api: &Api,
    info: &Info,
    resource: &Resource,
    selection: &Selection,
    paging: &Paging,
) -> Result<Listing, Error> {
    let filter = |object: &Object| selection.matches(object);
    let query = Query {
        scope: scope(info),
        collection: &collection(resource),
        namespace: (!key_namespace(resource, info).is_empty()).then_some(info.namespace.as_str()),
        at: paging.at,
        after: paging.after.clone(),
        limit: paging.limit,
        filter: &filter,
    };
    api.store.list(&query).map_err(|_| {
        if !paging.continued {
            let message = "The resourceVersion for the provided list is too old.".to_owned();
            return Error::Expired { message, continue_token: None };
        }
        // Going on at the newest revision gives up consistency; the client decides.
        let token = paging.after.as_ref().map(|after| continue_token(Revision(0), after));
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a \
             new list without the continue parameter, or use the continue token in this response to retrieve the \
             remainder of the results. Continuing with the provided token results in an inconsistent list - objects \
             that were created, modified, or deleted between the time the first chunk was returned and now may show \
             up in the list.";
        Error::Expired { message: message.to_owned(), continue_token: token }
    })
}

/// The part of the store a request reaches.
pub(crate) fn scope(info: &Info) -> Scope {
    info.tenant.map_or(Scope::Fleet, Scope::Tenant)
}

async fn paging(api: &Api, info: &Info) -> Result<Paging, Error> {
    let query = &info.query;
    let limit = usize::try_from(query.number("limit")?.unwrap_or(0)).unwrap_or(usize::MAX);
    let version = query.get("resourceVersion");
    let matching = query.get("resourceVersionMatch");
    let token = query.get("continue");
    if !token.is_empty() {
        if !version.is_empty() && version != "0" {
            let message = "specifying resource version is not allowed when using continue";
            return Err(Error::BadRequest(message.to_owned()));
        }
        let (revision, after) = parse_continue(token)?;
        let at = if revision.0 == 0 { At::Latest } else { At::Exact(revision) };
        // The page before may have come from a replica that is ahead.
        fresh(api, revision).await?;
        return Ok(Paging { at, after: Some(after), limit, continued: true });
    }
    let forbidden = |detail: &str| {
        let kind = "ListOptions".to_owned();
        let errors = vec![schema::field::Error::forbidden("resourceVersionMatch", detail)];
        Error::Invalid { group: "meta.k8s.io".to_owned(), kind, name: String::new(), errors }
    };
    let at = match (matching, version) {
        ("", _) => At::Latest,
        (_, "") => return Err(forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")),
        ("Exact", "0") => {
            return Err(forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
        }
        ("Exact", version) => At::Exact(parse_revision(version)?),
        ("NotOlderThan", _) => At::Latest,
        (other, _) => {
            let errors = vec![schema::field::Error::not_supported(
                "resourceVersionMatch",
                other,
                &["Exact", "NotOlderThan", ""],
            )];
            let kind = "ListOptions".to_owned();
            return Err(Error::Invalid { group: "meta.k8s.io".to_owned(), kind, name: String::new(), errors });
        }
    };
    match at {
        At::Exact(revision) => fresh(api, revision).await?,
        At::Latest => {
            if let Some(revision) = minimum_revision(version)? {
                fresh(api, revision).await?;
            }
        }
    }
    Ok(Paging { at, after: None, limit, continued: false })
}

/// Unpadded base64; bits left over at its end are ignored, as Go does.
const CONTINUE: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

fn continue_token(revision: Revision, next: &Position) -> String {
    let token = json!({"v": "meta.k8s.io/v1", "rv": revision.0, "start": next.to_string()});
    CONTINUE.encode(token.to_string())
}

fn parse_continue(token: &str) -> Result<(Revision, Position), Error> {
    let refused = |why: &str| Error::BadRequest(format!("invalid continue token: continue key is not valid: {why}"));
    let bad = || refused("invalid encoding");
    let json = CONTINUE.decode(token).map_err(|_| bad())?;
    let value = decode(&json, Media::Json).map_err(|error| refused(&error.to_string()))?.value.take();
    if value["v"] != "meta.k8s.io/v1" {
        return Err(Error::BadRequest(
            "continue key is not valid: server does not recognize this encoded version".to_owned(),
        ));
    }
    let revision = value["rv"].as_u64().ok_or_else(bad)?;
    let position = value["start"].as_str().and_then(|start| start.parse().ok()).ok_or_else(bad)?;
    Ok((Revision(revision), position))
}
