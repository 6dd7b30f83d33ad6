//! Patches: JSON Patch, merge patch, strategic merge patch, server-side apply with field ownership.
//!
//! ```text
//!   json       RFC 6902 as upstream's library reads it   ─╮
//!   merge      RFC 7396                                   ├─► doc, changed as a whole or not at all ─► apply::track
//!   strategic  upstream's own, driven by the schema      ─╯
//!   apply      live + configuration + managedFields ─► merged object with managedFields, or conflicts
//! ```
//!
//! Everything here is pure: no clock, no IO. Documents are JSON values; the schema says how lists and maps merge.

pub mod apply;
mod error;
mod golang;
mod json;
mod merge;
mod strategic;

pub use error::PatchError;
pub use json::{MAX_COPIED_BYTES, MAX_DEPTH, MAX_OPERATIONS, json_patch, json_patch_unknown_fields};
pub use merge::merge_patch;
pub use strategic::strategic;
