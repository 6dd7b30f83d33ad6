//! The one clock of a store.

/// A point in the history of a store; what Kubernetes calls a resourceVersion.
///
/// One sequence for all tenants and collections. Revisions only grow and are never used twice, also after a crash.
/// Revision 1 is the empty store (the base layer has it); the first write gets 2 or later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of a store nobody has written to, and of every object of the base layer.
    pub const FIRST: Revision = Revision(1);
    /// Before everything; the revision of a row that does not exist.
    pub const NONE: Revision = Revision(0);

    /// The revision after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Revision {
    type Err = std::num::ParseIntError;
    /// Parses decimal digits. Errors: anything else, or more than 64 bits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
