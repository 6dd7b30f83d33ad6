//! The server as its clients meet it: a TLS listener, client certificates, HTTP/2, JSON, protobuf.
//!
//! ```text
//!   world    a server in memory with two tenants, `acme` and `beta`, and what clients need to reach it
//!   client   one identity at one door: requests, answers, watches
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value, reason = "test code")]

mod client;
mod world;

mod admission;
mod definitions;
mod deletion;
mod doors;
mod fleet;
mod hostile;
mod lists;
mod names;
mod objects;
mod options;
mod ownership;
mod patches;
mod pod_security;
mod policy;
mod protobuf;
mod quotas;
mod refused;
mod restart;
mod subresources;
mod tokens;
mod watches;
