//! One request, from connection to answer: the whole path in one function (design §4).

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderValue, Request as HttpRequest};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Limited};
use tenancy::{TenantId, fleet};

use crate::api::Api;
use crate::authz::{self, Permitted};
use crate::fairness::Seat;
use crate::request::{self, Realm};
use crate::respond::{self, Answer, BoxError, Error, Wanted};
use crate::routes::Tenant;
use crate::tls::{Connection, Entrance, Internal};
use crate::{admin, authn, connect, discovery, read, watch, write};

/// Largest body of a request in bytes (upstream: `MaxRequestBodyBytes`).
pub const MAX_BODY: usize = 3 * 1024 * 1024;

/// Whose API a request has reached.
#[derive(Clone, Debug)]
pub enum Door {
    /// One tenant's.
    Tenant(Arc<Tenant>),
    /// The fleet view.
    Fleet,
}

impl Door {
    /// The realm behind the door.
    pub fn realm(&self) -> Realm {
        match self {
            Door::Tenant(tenant) => Realm::Tenant(tenant.id),
            Door::Fleet => Realm::Fleet,
        }
    }

    /// The tenant behind the door.
    fn tenant(&self) -> Option<TenantId> {
        match self {
            Door::Tenant(tenant) => Some(tenant.id),
            Door::Fleet => None,
        }
    }
}

/// Handles one request. Never fails: every error is a `Status`.
pub async fn handle<B>(api: &Arc<Api>, connection: &Connection, request: HttpRequest<B>) -> Answer
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let began = Instant::now();
    let id = uuid::Uuid::new_v4().to_string();
    let (mut parts, body) = request.into_parts();
    let wanted = Wanted::read(&parts.headers, parts.uri.query().unwrap_or_default());
    let mut answer = match flow(api, connection, &mut parts, body, &wanted).await {
        Ok(answer) => answer,
        Err(error) => respond::failure(&wanted, &error),
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(HeaderName::from_static("audit-id"), value);
    }
    let code = answer.status().as_u16();
    api.metrics.request(parts.method.as_str(), code);
    tracing::debug!(
        request = %id, method = %parts.method, path = parts.uri.path(), code,
        micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX), "request"
    );
    answer
}

async fn flow<B>(
    api: &Arc<Api>,
    connection: &Connection,
    parts: &mut Parts,
    body: B,
    wanted: &Wanted,
) -> Result<Answer, Error>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Some((door, path)) = enter(api, connection, parts.uri.path()) else {
        return admin::answer(api, connection, parts);
    };
    let caller = match authn::authenticate(api, connection, &door, &parts.headers) {
        // What the credential is bound to may have been made by another replica a moment ago.
        Err(Error::Unauthorized) if api.store.shared() && api.store.current().await.is_ok() => {
            authn::authenticate(api, connection, &door, &parts.headers)?
        }
        outcome => outcome?,
    };
    if !caller.is_anonymous() {
        connection.settle(&api.seats, door.tenant())?;
    }
    let caller = authz::impersonate(api, &door, caller, &parts.headers)?;
    let request = request::parse(door.realm(), parts, &path)?;
    if request.needs_current() {
        api.store.current().await.map_err(|error| respond::unstored(&error))?;
    }
    let permitted = authz::authorize(api, caller, request)?;
    let flooding = match &door {
        Door::Tenant(tenant) if !connection.is_internal() => Some(tenant.id),
        Door::Tenant(_) | Door::Fleet => None,
    };
    let seat = |seat| api.seats.take(flooding, seat);
    match permitted {
        Permitted::Read(permit) => {
            let _seat = seat(Seat::Request)?;
            read::read(api, &permit, wanted).await
        }
        Permitted::Watch(permit) => watch::watch(api, &permit, wanted, seat(Seat::Watch)?).await,
        Permitted::Write(permit) => {
            let _seat = seat(Seat::Request)?;
            let body = collect(body).await?;
            write::write(api, &permit, &parts.headers, body, wanted).await
        }
        Permitted::Connect(permit) => connect::open(api, &permit, parts, body, seat(Seat::Stream)?).await,
        Permitted::NonResource(permit) => {
            let _seat = seat(Seat::Request)?;
            discovery::answer(api, &permit, parts, wanted).await
        }
    }
}

/// Finds the door and the path behind it. None: the request is to the process itself.
fn enter(api: &Api, connection: &Connection, path: &str) -> Option<(Door, String)> {
    let own = |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
    let tenant = |id: TenantId| api.routes.by_id(id).map(Door::Tenant);
    match connection.internal_api() {
        Some(Internal::Fleet) => return Some((Door::Fleet, own(path))),
        Some(Internal::Tenant(id)) => return Some((tenant(id)?, own(path))),
        None => {}
    }
    if let Entrance::Tenant(id) = connection.entrance() {
        return Some((tenant(id)?, own(path)));
    }
    if connection.entrance() == Entrance::Front
        && let Some(tail) = path.strip_prefix("/tenants/")
    {
        let (name, tail) = tail.split_once('/').unwrap_or((tail, ""));
        let tenant = api.routes.by_name(name)?;
        return Some((Door::Tenant(tenant), format!("/{tail}")));
    }
    if let Some(tail) = path.strip_prefix(fleet::PREFIX)
        && (tail.is_empty() || tail.starts_with('/'))
    {
        return Some((Door::Fleet, own(tail)));
    }
    let label = connection.tenant_label().filter(|_| connection.entrance() == Entrance::Front)?;
    let tenant = api.routes.by_name(label)?;
    Some((Door::Tenant(tenant), own(path)))
}

/// Reads a body. Errors: 413 beyond [`MAX_BODY`], 400 when the client breaks off.
async fn collect<B>(body: B) -> Result<Bytes, Error>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Error::TooLarge(MAX_BODY)),
        Err(error) => Err(Error::BadRequest(format!("unable to read the request body: {error}"))),
    }
}
