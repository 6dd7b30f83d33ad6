//! The only wait of the harness.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long [`eventually`] waits. Generous: it bounds a failure, not a success.
pub const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(100);

/// Tries until the attempt succeeds and returns its value.
///
/// # Panics
/// After [`PATIENCE`], with what was awaited and the last error.
#[track_caller]
pub fn eventually<T, E: Display>(what: &str, mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) if start.elapsed() > PATIENCE => panic!("gave up waiting: {what}: {error}"),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Watches a condition that must hold all the time for `span`: for things that must *not* happen. A slow machine can
/// only make this check miss a violation, never report one that is not there.
///
/// # Panics
/// As soon as the condition fails, with its error.
#[track_caller]
pub fn never_within<E: Display>(span: Duration, what: &str, mut holds: impl FnMut() -> Result<(), E>) {
    let start = Instant::now();
    while start.elapsed() < span {
        if let Err(error) = holds() {
            panic!("{what}: {error}");
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_first_success() {
        let mut tries = 0;
        let value = eventually("a third try", || {
            tries += 1;
            if tries < 3 { Err(format!("try {tries}")) } else { Ok(tries) }
        });
        assert_eq!(value, 3);
    }

    #[test]
    #[should_panic(expected = "broke")]
    fn a_violation_is_reported_at_once() {
        never_within(PATIENCE, "must hold", || Err("broke"));
    }
}
