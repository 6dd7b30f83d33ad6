//! create, update, patch, delete and the subresources that change objects.
//!
//! ```text
//!   body ─► decode ─► prepare ─► admission::admit ─► Admitted ─► commit ─► Shown
//!                                   (evidence: only admission makes one, only commit takes one)
//! ```

mod body;
mod commit;
mod create;
mod delete;
mod evict;
mod kind;
mod options;
mod patch;
mod review;
mod routes;
mod subresource;
mod token;
mod update;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use schema::Resource;
use serde_json::Value;
use tenancy::{TenantId, route};

use crate::api::Api;
use crate::authz::{Permit, Write};
use crate::read::find;
use crate::request::Info;
use crate::respond::{self, Answer, Error, Lens, Shown, Wanted};

pub(crate) use commit::{Commit, refused};
pub(crate) use kind::{Kind, is_definition, remove};
pub(crate) use options::{Effect, Options};

/// Everything a write needs to know beside its body.
pub(crate) struct Context<'a> {
    pub(crate) api: &'a Arc<Api>,
    pub(crate) permit: &'a Permit<Write>,
    pub(crate) resource: Arc<Resource>,
    pub(crate) tenant: TenantId,
    pub(crate) options: Options,
    pub(crate) headers: &'a HeaderMap,
    /// RFC 3339, whole seconds: one time for everything this request stamps.
    pub(crate) now: String,
    /// What to warn about although the write fails.
    pub(crate) said: Mutex<Vec<String>>,
}

impl Context<'_> {
    pub(crate) fn info(&self) -> &Info {
        self.permit.info()
    }

    /// What the kind adds to the general rules.
    pub(crate) fn kind(&self) -> Kind<'_> {
        Kind::new(&self.resource)
    }

    /// A failure after which the client is still to hear what was warned about (upstream: warnings are headers from the
    /// moment they are found).
    pub(crate) fn failed(&self, warnings: &[String], error: Error) -> Error {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = warnings.to_vec();
        error
    }

    pub(crate) fn not_found(&self, name: &str) -> Error {
        Error::NotFound {
            group: self.resource.group.clone(),
            resource: self.resource.plural.clone(),
            name: name.to_owned(),
        }
    }

    pub(crate) fn invalid(&self, name: &str, errors: Vec<schema::field::Error>) -> Error {
        Error::Invalid {
            group: self.resource.group.clone(),
            kind: self.resource.kind.clone(),
            name: name.to_owned(),
            errors,
        }
    }

    pub(crate) fn conflict(&self, name: &str, message: impl Into<String>) -> Error {
        Error::Conflict {
            group: self.resource.group.clone(),
            resource: self.resource.plural.clone(),
            name: name.to_owned(),
            message: message.into(),
        }
    }
}

/// What a write answers with.
pub(crate) struct Outcome {
    code: StatusCode,
    body: OutcomeBody,
    warnings: Vec<String>,
}

enum OutcomeBody {
    Object(Shown),
    /// An object of another kind than the resource (Scale, TokenRequest, Status …).
    Other(Value),
}

impl Outcome {
    pub(crate) fn object(code: StatusCode, shown: Shown, warnings: Vec<String>) -> Self {
        Self { code, body: OutcomeBody::Object(shown), warnings }
    }

    pub(crate) fn warned(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    pub(crate) fn other(code: StatusCode, value: Value, warnings: Vec<String>) -> Self {
        Self { code, body: OutcomeBody::Other(value), warnings }
    }
}

/// Answers a write.
pub(crate) async fn write(
    api: &Arc<Api>,
    permit: &Permit<Write>,
    headers: &HeaderMap,
    body: Bytes,
    wanted: &Wanted,
) -> Result<Answer, Error> {
    let info = permit.info();
    let resource = find(api, info)?;
    check_verb(&resource, info)?;
    let accept = wanted.choose(Lens::offer(&resource, info))?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let options = Options::parse(info, headers, &resource)?;
    let tenant = body::tenant(info, &resource, headers, &body)?;
    let context = Context { api, permit, resource, tenant, options, headers, now, said: Mutex::default() };
    let outcome = match carry_out(&context, body).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let mut answer = respond::failure(wanted, &error);
            respond::warn(&mut answer, &context.said.into_inner().unwrap_or_else(PoisonError::into_inner));
            return Ok(answer);
        }
    };
    let mut warnings = outcome.warnings;
    warnings.extend(deprecation(&context.resource));
    let mut answer = match outcome.body {
        OutcomeBody::Object(shown) => Lens::new(context.resource.clone(), info).answer(accept, outcome.code, &shown)?,
        OutcomeBody::Other(value) => {
            let value = respond::reshaped(accept, context.resource.custom.is_some(), value)?;
            respond::value(accept, outcome.code, &value)?
        }
    };
    respond::warn(&mut answer, &warnings);
    Ok(answer)
}

async fn carry_out(context: &Context<'_>, body: Bytes) -> Result<Outcome, Error> {
    let info = context.info();
    if info.group == route::GROUP {
        return routes::write(context, body).await;
    }
    if !info.subresource.is_empty() {
        return subresource::write(context, body).await;
    }
    match info.verb {
        "create" if reviewed(&context.resource) => review::review(context, &body),
        "create" => create::create(context, body).await,
        "update" => update::update(context, body).await,
        "patch" => patch::patch(context, body).await,
        "delete" => delete::delete(context, body).await,
        "deletecollection" => delete::delete_collection(context, body).await,
        _ => Err(Error::MethodNotAllowed),
    }
}

/// What is said with every answer about a kind that is going away.
pub(crate) fn deprecation(resource: &Resource) -> Option<String> {
    let Some(custom) = &resource.custom else {
        let table = schema::table::Table::builtin();
        return table.deprecation(&resource.group, &resource.version, &resource.kind).map(str::to_owned);
    };
    custom.deprecation.clone()
}

fn check_verb(resource: &Resource, info: &Info) -> Result<(), Error> {
    let verbs = match resource.subresources.iter().find(|s| s.name == info.subresource) {
        Some(subresource) => &subresource.verbs,
        None => &resource.verbs,
    };
    let named = info.named_by_path;
    let well_formed = match info.verb {
        "create" => !named || !info.subresource.is_empty(),
        "deletecollection" => !named,
        _ => named,
    };
    let known = verbs.iter().any(|verb| verb == info.verb);
    if known && well_formed { Ok(()) } else { Err(Error::MethodNotAllowed) }
}

/// Kinds that can only be created are asked, not stored.
fn reviewed(resource: &Resource) -> bool {
    resource.verbs == ["create"]
}
