//! Which side an object or a name belongs to. Only the syncer's `translate` crosses from one to the other.

/// A thing as the tenant sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Virtual<T>(pub T);

/// A thing as the host cluster sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host<T>(pub T);
