//! Server-side apply: merging configurations of several managers, with ownership of fields.
