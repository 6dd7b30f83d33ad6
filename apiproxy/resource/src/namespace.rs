//! What only namespaces have: the `finalize` subresource.

use schema::field::Error;
use serde_json::Value;

/// Prepares a write to `finalize`: only `spec.finalizers` (and metadata) count.
pub fn prepare_finalize(new: &mut Value, old: &Value) {
    crate::kinds::namespace::prepare_finalize(new, old);
}

/// What is wrong with a write to `finalize`.
pub fn validate_finalize(new: &Value, old: &Value) -> Vec<Error> {
    crate::kinds::namespace::validate_finalize(new, old)
}
