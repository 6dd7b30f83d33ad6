//! The end of objects: finalizers, grace, owners, namespaces, and definitions that take their objects with them.
//!
//! ```text
//!   DELETE ─► delete::begin ─┬─ grace or finalizers ─► deletionTimestamp set, object stays
//!                            └─ nothing holds it ────► gone ─► gc: dependents
//!   last finalizer removed ──► finish ───────────────► gone ─► gc: dependents
//! ```

pub(crate) mod delete;
mod gc;
pub(crate) mod namespace;
pub(crate) mod protection;
pub(crate) mod quota;
pub(crate) mod reaper;

use std::sync::Arc;

use serde_json::Value;
use store::{Action, Draft, Expect, Object, Write};

use crate::admission::Admitted;
use crate::respond::{Error, Shown};
use crate::write::Context;

/// Whether an object that is being deleted has nothing left that holds it.
pub(crate) fn finished(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    let namespace = object["kind"] == "Namespace" && object["apiVersion"] == "v1";
    metadata["deletionTimestamp"].is_string()
        && is_empty(&metadata["finalizers"])
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && (!namespace || is_empty(&object["spec"]["finalizers"]))
}

/// Removes an object whose last update made it [`finished`]. Answers with its last state.
pub(crate) async fn finish(context: &Context<'_>, object: &Arc<Object>, last: Admitted) -> Result<Shown, Error> {
    let mut value = last.into_value();
    if context.options.effect == crate::write::Effect::DryRun {
        return Ok(Shown::Computed(Box::new(value), context.tenant));
    }
    let kind = context.kind();
    kind.to_storage(&mut value);
    let fields = kind.fields(&value);
    let write = Write {
        key: object.key().clone(),
        expect: Expect::Revision(object.revision()),
        action: Action::Delete(Some(Draft { value, fields })),
    };
    let written = context.api.store.write(write).await.map_err(|error| crate::write::refused(context, &error))?;
    Ok(Shown::Stored(written.object))
}
