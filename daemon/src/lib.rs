//! What the server binaries have beside their work: logs, signals, a health port, the way to the host.
//!
//! ```text
//!   start_logging ─► Health::listen ─► work ─► terminated() ─► Status::unready ─► grace ─► exit code
//! ```
//!
//! Exit codes: 0 after SIGTERM or SIGINT, 1 when something failed (the last log line says what), 2 for arguments that
//! cannot be understood.

mod health;
mod host;
mod object;
mod stop;

pub use health::{Health, Status};
pub use host::{HostError, host_config};
pub use object::{ObjectRef, ObjectRefError};
pub use stop::terminated;

/// Why a server did not start or did not stay.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Logs JSON lines to standard error; `RUST_LOG` chooses what, `info` without it.
pub fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    // Fails only when logging has been started already.
    let _ = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// An error with what caused it, in one line.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        // Many errors quote their cause already.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}
