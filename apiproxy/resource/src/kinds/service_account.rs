//! ServiceAccounts.

use serde_json::{Value, json};

use crate::json::{items_mut, text};
use crate::strategy::BASE;
use crate::{NameRule, Scope, Strategy, meta};

pub(super) static SERVICE_ACCOUNT: Strategy = Strategy {
    plural: "serviceaccounts",
    scope: Scope::Namespaced,
    validate_update: |new, _, errors| {
        meta::check_create(new, Scope::Namespaced, NameRule::DnsSubdomain, errors);
    },
    prepare_create: names_only,
    prepare_update: |new, _| names_only(new),
    ..BASE
};

/// References to secrets keep nothing but the name.
fn names_only(obj: &mut Value) {
    for secret in items_mut(obj, "secrets") {
        *secret = json!({"name": text(secret, "name")});
    }
}
