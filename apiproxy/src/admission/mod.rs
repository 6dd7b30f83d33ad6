//! What happens to an object between the client's wish and the store. [`Admitted`] is the evidence that it has been
//! here; `write::Commit` takes nothing else. (What ends objects, `lifecycle`, and what starts a tenant, `bootstrap`, write
//! by themselves.)
//!
//! ```compile_fail
//! // Nothing outside admission can make one.
//! let admitted = apiproxy::admission::Admitted { value: serde_json::Value::Null };
//! ```

mod definition;
mod namespace;
mod rbac;
mod service_account;
pub mod services;
mod signing;

use serde_json::Value;
use store::Object;

use crate::respond::Error;
use crate::write::Context;

/// An object that has passed admission.
#[derive(Debug)]
pub struct Admitted {
    value: Value,
}

impl Admitted {
    /// The object.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object, for the store.
    pub fn into_value(self) -> Value {
        self.value
    }
}

/// Admits a new object. Errors: 403, 404 (its namespace), 422.
pub(crate) async fn create(context: &Context<'_>, mut value: Value) -> Result<Admitted, Error> {
    namespace::check_create(context, &value)?;
    service_account::mutate(context, &mut value).await?;
    rbac::check(context, &value, None)?;
    signing::create(context, &mut value)?;
    definition::establish(context, &mut value);
    services::normalise(context, &mut value, None);
    Ok(Admitted { value })
}

/// Admits a change. Errors: 403, 422.
pub(crate) async fn update(context: &Context<'_>, mut value: Value, old: &Value) -> Result<Admitted, Error> {
    rbac::check(context, &value, Some(old))?;
    signing::update(context, &value, old)?;
    definition::establish(context, &mut value);
    services::normalise(context, &mut value, Some(old));
    Ok(Admitted { value })
}

/// Admits a deletion. Errors: 403.
pub(crate) fn delete(context: &Context<'_>, object: &Object) -> Result<(), Error> {
    namespace::check_delete(context, object)
}
