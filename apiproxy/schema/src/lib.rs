//! What the API knows of shapes: the schema table of all built-in kinds, and structural schemas of custom ones.
//!
//! ```text
//!   table.json (generated facts) ─► Table ─╮
//!                                          ├─► Resource { names, scope, verbs, columns, schema: Schema }
//!   CustomResourceDefinition ─────► crd ───╯                                              │
//!                                                                                         ▼
//!   decode ─► conform (types, unknown fields) ─► default ─► validate         one Node walk for every kind
//! ```

pub mod field;
mod node;
mod resource;

pub use node::*;
pub use resource::*;
