//! What each built-in kind adds to the schema table: defaults, strategies, validation, printed columns, conversion.
//!
//! ```text
//!   decoded object ─► Strategy::default ─► prepare_* ─► (admission) ─► validate_* ─► store
//!                                                                                      │
//!   table::row ◄─ convert::from_storage ◄──────────────────────────────────────────────╯
//! ```
//!
//! Everything here is a pure function over `serde_json::Value`; shapes (types, unknown fields, `+default` markers) are the
//! schema crate's business and are taken as given: a field of the wrong type reads as absent.

pub mod convert;
pub mod event;
pub mod fields;
mod format;
mod go;
mod json;
mod kinds;
pub mod meta;
pub mod namespace;
mod path;
pub mod pod;
pub mod scale;
mod selector;
mod strategy;
pub mod table;

pub use meta::NameRule;
pub use strategy::{Scope, Strategy, of, strategy};

pub(crate) use path::Path;
pub(crate) use schema::field::Error;

/// Errors of one validation, in the order found.
pub(crate) type Errors = Vec<Error>;
