//! Scenarios against real Kubernetes: every promise of the README has one here. Run with `make e2e`.

mod host_alone;
