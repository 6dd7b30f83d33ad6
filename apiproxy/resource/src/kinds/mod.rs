//! The kinds, one file each, and the list that [`crate::strategy`] looks up.

mod plain;

use crate::Strategy;

/// Every kind with an entry.
pub(crate) static ALL: &[&Strategy] = plain::ALL;
