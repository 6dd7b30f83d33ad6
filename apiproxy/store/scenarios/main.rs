//! The store over a real etcd: the suites of `tests/`, and what only etcd has.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "../tests/suite/basics.rs"]
mod basics;
#[path = "../tests/suite/concurrency.rs"]
mod concurrency;
#[path = "../tests/suite/crashes.rs"]
mod crashes;
#[path = "../tests/suite/durability.rs"]
mod durability;
mod engine;
mod faults;
mod forgetting;
mod gate;
#[path = "../tests/suite/model.rs"]
mod model;
mod sharing;
