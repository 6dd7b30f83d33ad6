//! Secrets of the server itself: made once, by whichever replica comes first, and kept in the store beside the routes.

use serde_json::{Value, json};
use store::{Action, Collection, Draft, Expect, Key, Store, Write};
use tenancy::{TenantId, route};

use crate::server::StartError;

/// `spec` of the secret called `name`: what the store has, or else what `make` gives, which is in the store then.
///
/// Errors: what `make` says, and a store that cannot be written.
pub(crate) async fn kept(
    store: &Store,
    kind: &str,
    name: &str,
    make: impl Fn() -> Result<Value, StartError>,
) -> Result<Value, StartError> {
    let key = Key::new(TenantId::SYSTEM, &Collection::new(route::GROUP, "authorities"), "", name);
    for _ in 0..2 {
        if let Some(object) = store.get(TenantId::SYSTEM, &key.collection, "", name) {
            return Ok(object.value()["spec"].take());
        }
        let value = json!({
            "apiVersion": format!("{}/{}", route::GROUP, route::VERSION), "kind": kind,
            "metadata": {"name": name}, "spec": make()?,
        });
        let draft = Draft { value, fields: Vec::new() };
        let write = Write { key: key.clone(), expect: Expect::Absent, action: Action::Put(draft) };
        match store.write(write).await {
            // Another replica may have been faster: then its secret is read.
            Ok(_) | Err(store::WriteError::Exists(_)) => {}
            Err(error) => return Err(StartError::Certificate(error.to_string())),
        }
    }
    Err(StartError::Certificate(format!("{name} cannot be stored")))
}
