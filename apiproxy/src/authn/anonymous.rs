//! Requests without credentials.

use super::Caller;

/// `system:anonymous`; RBAC gives it `/livez`, `/readyz`, `/healthz` and `/version` and nothing else.
pub(super) fn caller() -> Caller {
    Caller {
        user: "system:anonymous".to_owned(),
        uid: String::new(),
        groups: vec!["system:unauthenticated".to_owned()],
        extra: Vec::new(),
        system: false,
    }
}
