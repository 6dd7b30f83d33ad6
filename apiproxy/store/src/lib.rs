//! Ordered, revisioned store of many tenants, its cache of wire-ready objects, and watches.
