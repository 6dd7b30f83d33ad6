//! The one service account of a host namespace.

/// Name of the account every host pod runs under: no rights, no token, no pull secrets.
pub const POD_ACCOUNT: &str = "rowhouse-pods";
