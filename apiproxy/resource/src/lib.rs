//! What each built-in kind adds to the schema table: defaults, strategies, validation, printed columns.
