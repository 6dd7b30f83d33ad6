//! Scenarios against real Kubernetes: every promise of the README has one here. Run with `make e2e`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod admission;
mod chart;
mod clients;
mod crashes;
mod deletion;
mod fixtures;
mod host_alone;
mod hostile_neighbours;
mod in_cluster;
mod lab_parts;
mod main_job;
mod replicas;
mod running_pods;
mod rust_client;
mod tenant_spec;
mod upstream_controllers;
mod verbs_reading;
mod verbs_running;
mod verbs_writing;
mod widths;
mod workloads;
