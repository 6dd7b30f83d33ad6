//! House rules, as an ordinary test: what reviewers would otherwise have to remember.

#![allow(clippy::panic, reason = "test code")]

mod documents;
mod manifests;
mod sources;
mod tree;
