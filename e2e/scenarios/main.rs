//! Scenarios against real Kubernetes: every promise of the README has one here. Run with `make e2e`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod host_alone;
mod lab_parts;
