//! Validation rules of custom resources (`x-kubernetes-validations`) in the Common Expression Language.
//!
//! ```text
//!   schema ─► types ─╮
//!   rule ──► parse ──┴─► check (at CRD creation) ─► meter ─► run over every object, with a budget
//! ```
//!
//! The `cel` crate parses and evaluates. It neither checks types nor bounds cost, so both are done here: the checker
//! refuses what upstream refuses, and the syntax tree is rewritten so that every iteration and every growing value
//! pays from a budget. Parsing and evaluation run on a thread of their own with a large stack, because the tree of a
//! long expression is deep, and a panic inside them becomes an error of the rule.

mod check;
mod definition;
mod functions;
mod meter;
mod program;
mod run;
mod signatures;
mod types;
mod value;

pub(crate) use definition::check_definition;
pub(crate) use run::{has_rules, validate};

/// Runs `work` on a thread with a large stack. None when it panicked or no thread could be had.
fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    const STACK: usize = 32 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("cel".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        thread.ok()?.join().ok()
    })
}

#[cfg(test)]
mod tests;
