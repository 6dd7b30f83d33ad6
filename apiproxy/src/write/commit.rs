//! The last step of a write: from an admitted object to the store.

use serde_json::Value;
use store::{Action, Draft, Expect, Key, Write, WriteError};
use tenancy::TenantId;

use super::options::Effect;
use super::{Context, Kind};
use crate::admission::{self, Admitted};
use crate::read::collection;
use crate::respond::{Error, Shown};

/// One object on its way into the store.
pub(crate) struct Commit<'a, 'c> {
    context: &'a Context<'c>,
    admitted: Admitted,
    expect: Expect,
}

impl<'a, 'c> Commit<'a, 'c> {
    pub(crate) fn new(context: &'a Context<'c>, admitted: Admitted, expect: Expect) -> Self {
        Self { context, admitted, expect }
    }

    /// Stores the object (or not, on a dry run). Errors: 409, 403 when the tenant's store is full.
    pub(crate) async fn run(self) -> Result<Shown, Error> {
        let context = self.context;
        let (mut value, claim) = self.admitted.into_parts();
        if context.options.effect == Effect::DryRun {
            return dry(context, value, self.expect);
        }
        let kind = Kind::new(&context.resource);
        kind.to_storage(&mut value);
        super::kind::remove(&mut value["metadata"], "resourceVersion");
        let fields = kind.fields(&value);
        let key = key(context.tenant, &context.resource, &value);
        let write = Write { key, expect: self.expect, action: Action::Put(Draft { value, fields }) };
        let written = match claim {
            Some(claim) => admission::store_charged(context, write, &claim).await?,
            None => context.api.store.write(write).await.map_err(|error| refused(context, &error))?,
        };
        Ok(Shown::Stored(written.object))
    }
}

/// Key of an object.
pub(crate) fn key(tenant: TenantId, resource: &schema::Resource, value: &Value) -> Key {
    let text = |key: &str| value["metadata"][key].as_str().unwrap_or_default();
    let namespace = if resource.namespaced { text("namespace") } else { "" };
    Key { tenant, collection: collection(resource), namespace: namespace.into(), name: text("name").into() }
}

fn dry(context: &Context<'_>, value: Value, expect: Expect) -> Result<Shown, Error> {
    let key = key(context.tenant, &context.resource, &value);
    let there = context.api.store.get(key.tenant, &key.collection, &key.namespace, &key.name);
    match (expect, there) {
        (Expect::Absent, Some(object)) => Err(refused(context, &WriteError::Exists(object))),
        (Expect::Revision(_) | Expect::Present, None) => Err(refused(context, &WriteError::Missing)),
        (Expect::Revision(revision), Some(object)) if object.revision() != revision => {
            Err(refused(context, &WriteError::Conflict(object)))
        }
        _ => Ok(Shown::Computed(Box::new(value), context.tenant)),
    }
}

/// The API's words for what the store says.
pub(crate) fn refused(context: &Context<'_>, error: &WriteError) -> Error {
    let (group, resource) = (context.resource.group.clone(), context.resource.plural.clone());
    match error {
        WriteError::Exists(object) => Error::AlreadyExists { group, resource, name: object.key().name.to_string() },
        WriteError::Missing => context.not_found(&context.info().name),
        WriteError::Conflict(object) => context.conflict(&object.key().name, MODIFIED),
        WriteError::TooLarge { limit } => Error::TooLarge(*limit),
        WriteError::TenantFull { .. } => Error::StoreFull(error.to_string()),
        WriteError::Engine(error) => crate::respond::unstored(error),
        other => {
            tracing::error!(error = %other, "store write failed");
            Error::Internal("the store did not take the write".to_owned())
        }
    }
}

/// Upstream's words for a lost race (`registry.OptimisticLockErrorMsg`).
pub(crate) const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";
