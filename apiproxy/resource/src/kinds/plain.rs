//! Kinds that need little: whose status, generation and update rules are all there is to say.

use crate::Strategy;
use crate::strategy::BASE;

/// The entries of this file.
pub(super) static ALL: &[&Strategy] = &[&BASE_ENTRY];
static BASE_ENTRY: Strategy = BASE;
