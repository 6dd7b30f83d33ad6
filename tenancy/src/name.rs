//! The name of a tenant, as people write it.

use serde::{Deserialize, Serialize};

/// Longest tenant name in bytes: `rowhouse-` and the name together make a namespace, an RFC 1123 label of 63.
pub const MAX_TENANT_NAME: usize = 54;

/// A parsed tenant name: an RFC 1123 label of at most [`MAX_TENANT_NAME`] bytes.
///
/// Names are for people and can be used again after a tenant is gone; identity is [`crate::TenantId`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantName(String);

/// Why a text is not a tenant name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantNameError {
    /// Empty, or longer than [`MAX_TENANT_NAME`].
    #[error("a tenant name has 1 to {MAX_TENANT_NAME} characters, this one has {0}")]
    Length(usize),
    /// A character outside `[a-z0-9-]`, or a hyphen at either end.
    #[error("a tenant name consists of lower case letters, digits and '-', and starts and ends with a letter or digit")]
    Characters,
}

impl TenantName {
    /// Parses a name. Errors: [`TenantNameError`].
    pub fn parse(text: &str) -> Result<Self, TenantNameError> {
        if text.is_empty() || text.len() > MAX_TENANT_NAME {
            return Err(TenantNameError::Length(text.chars().count()));
        }
        let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        if !text.as_bytes().iter().all(inner) || text.starts_with('-') || text.ends_with('-') {
            return Err(TenantNameError::Characters);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantName {
    type Error = TenantNameError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<TenantName> for String {
    fn from(name: TenantName) -> Self {
        name.0
    }
}

impl std::fmt::Display for TenantName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
