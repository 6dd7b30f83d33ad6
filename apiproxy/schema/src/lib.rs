//! What the API knows of shapes: the schema table of all built-in kinds, and structural schemas of custom ones.
//!
//! ```text
//!   table.json (generated facts) ─► Table ─╮
//!                                          ├─► Resource { names, scope, verbs, columns, schema: Schema }
//!   CustomResourceDefinition ─────► crd ───╯                                              │
//!                                                                                         ▼
//!   decode ─► conform (types, unknown fields) ─► default ─► validate         one Node walk for every kind
//! ```

pub mod bootstrap;
pub mod conform;
pub mod crd;
pub mod decode;
pub mod defaults;
pub mod field;
pub mod jsonpath;
pub mod name;
mod node;
mod normalise;
pub mod openapi;
pub mod prune;
pub mod quantity;
mod resource;
mod rules;
pub mod scalar;
pub mod selector;
pub mod table;
pub mod validate;

pub use node::*;
pub use resource::*;
pub use table::Table;
