//! Requests without credentials.

use super::Caller;

/// Name of whoever comes without credentials.
pub(super) const USER: &str = "system:anonymous";

/// `system:anonymous`; RBAC gives it `/livez`, `/readyz`, `/healthz` and `/version` and nothing else.
pub(super) fn caller() -> Caller {
    Caller {
        user: USER.to_owned(),
        uid: String::new(),
        groups: vec!["system:unauthenticated".to_owned()],
        extra: Vec::new(),
        system: false,
    }
}
