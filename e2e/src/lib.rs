//! Promises kept against real Kubernetes: harness, scenarios, tidy.
