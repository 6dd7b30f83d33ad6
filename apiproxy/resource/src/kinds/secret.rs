//! Secrets.

use serde_json::Value;

use crate::json::{fill_text, put, text};
use crate::strategy::BASE;
use crate::{Scope, Strategy};

pub(super) static SECRET: Strategy = Strategy {
    plural: "secrets",
    scope: Scope::Namespaced,
    default: |_, obj| fill_text(obj, "type", "Opaque"),
    prepare_update,
    fields: &[("type", |secret| text(secret, "type").to_owned())],
    ..BASE
};

fn prepare_update(new: &mut Value, old: &Value) {
    if text(new, "type").is_empty() {
        put(new, "type", text(old, "type"));
    }
}
