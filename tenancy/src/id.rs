//! The identity of a tenant.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Length of a tenant id in characters; 50 bits.
pub(crate) const TENANT_ID_LEN: usize = 10;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Identity of one tenant: ten characters of `[a-z2-7]`, derived from the uid of its `Tenant` object.
///
/// A tenant that is deleted and created again under the same name is another tenant, with another id, so nothing of
/// the old one can leak into the new one. The id is the first component of every store key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId([u8; TENANT_ID_LEN]);

/// A text that is not a tenant id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tenant id is {TENANT_ID_LEN} characters of a-z and 2-7")]
pub struct TenantIdError;

impl TenantId {
    /// The id under which the control plane keeps its own records (routes). No `Tenant` can have it: [`Self::from_uid`]
    /// never yields it, and no listener, SNI name or path leads to it.
    pub const SYSTEM: TenantId = TenantId(*b"2222222222");

    /// Derives the id from the uid of the `Tenant` object.
    pub fn from_uid(uid: &str) -> Self {
        let digest = Sha256::digest(uid.as_bytes());
        let mut id = [0; TENANT_ID_LEN];
        for (character, byte) in id.iter_mut().zip(digest.iter()) {
            *character = ALPHABET[usize::from(byte & 31)];
        }
        if id == Self::SYSTEM.0 {
            id[0] = b'a';
        }
        Self(id)
    }

    /// Parses an id. Errors: [`TenantIdError`].
    pub fn parse(text: &str) -> Result<Self, TenantIdError> {
        let bytes: [u8; TENANT_ID_LEN] = text.as_bytes().try_into().map_err(|_| TenantIdError)?;
        if bytes.iter().all(|b| ALPHABET.contains(b)) { Ok(Self(bytes)) } else { Err(TenantIdError) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id as bytes, for store keys.
    pub fn as_bytes(&self) -> &[u8; TENANT_ID_LEN] {
        &self.0
    }
}

impl TryFrom<String> for TenantId {
    type Error = TenantIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.as_str().to_owned()
    }
}

impl std::fmt::Display for TenantId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for TenantId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TenantId({})", self.as_str())
    }
}
