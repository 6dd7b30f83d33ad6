//! Who is asking. Every credential is bound to one tenant: at another tenant's door it is no credential at all.
//!
//! | credential | identity |
//! |---|---|
//! | client certificate of the tenant CA | user = CN, groups = every O |
//! | service-account token | `system:serviceaccount:<namespace>:<name>` and its groups |
//! | none | `system:anonymous`, group `system:unauthenticated` |
//! | a bad token, a certificate of another CA and no token | 401 (upstream: the request is refused, not anonymous) |

mod anonymous;
mod client_cert;
pub mod service_account;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::api::Api;
use crate::respond::Error;
use crate::serve::Door;
use crate::tls::Connection;

/// The authenticated sender of a request. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Caller {
    user: String,
    uid: String,
    groups: Vec<String>,
    extra: Vec<(String, Vec<String>)>,
    system: bool,
}

impl Caller {
    /// User name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// User id, often empty.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Groups, `system:authenticated` included.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Extra attributes.
    pub fn extra(&self) -> &[(String, Vec<String>)] {
        &self.extra
    }

    /// Whether this is the control plane itself, in the fleet view. No tenant credential makes such a caller.
    pub fn is_system(&self) -> bool {
        self.system
    }

    /// Whether the request came without credentials.
    pub fn is_anonymous(&self) -> bool {
        self.user == anonymous::USER
    }

    /// This caller under another identity. Whether that is allowed is for `authz::impersonate` to say, before.
    pub(crate) fn acting_as(
        &self,
        user: String,
        uid: String,
        groups: Vec<String>,
        extra: Vec<(String, Vec<String>)>,
    ) -> Self {
        Self { user, uid, groups, extra, system: false }
    }

    fn new(user: String, uid: String, mut groups: Vec<String>, extra: Vec<(String, Vec<String>)>) -> Self {
        if !groups.iter().any(|g| g == "system:authenticated") {
            groups.push("system:authenticated".to_owned());
        }
        Self { user, uid, groups, extra, system: false }
    }

    fn system() -> Self {
        let mut caller = Self::new("system:rowhouse".to_owned(), String::new(), Vec::new(), Vec::new());
        caller.system = true;
        caller
    }
}

/// Authenticates a request at a door. Errors: 401.
pub fn authenticate(api: &Api, connection: &Connection, door: &Door, headers: &HeaderMap) -> Result<Caller, Error> {
    let tenant = match door {
        Door::Fleet => {
            let permitted = connection.is_internal() || api.fleet_opens(connection, bearer(headers)?);
            return if permitted { Ok(Caller::system()) } else { Err(Error::Unauthorized) };
        }
        Door::Tenant(tenant) => tenant,
    };
    if connection.is_internal() {
        return Ok(Caller::system());
    }
    if let Some(caller) = client_cert::authenticate(tenant, connection) {
        return Ok(caller);
    }
    match bearer(headers)? {
        Some(token) => service_account::authenticate(api, tenant, token).ok_or(Error::Unauthorized),
        None if connection.has_certificate() => Err(Error::Unauthorized),
        None => Ok(anonymous::caller()),
    }
}

/// The bearer token of a request. Errors: 401 for an `Authorization` header that cannot be read.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Error::Unauthorized)?;
    let Some((scheme, token)) = text.split_once(' ') else { return Ok(None) };
    Ok(scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty()))
}
