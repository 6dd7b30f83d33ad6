//! `tenantctl`: parses, runs, reports, exits.

use std::process::ExitCode;

use clap::Parser;
use tenantctl::{Cli, exit_code};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&format!("cannot start: {error}"), 1),
    };
    match runtime.block_on(tenantctl::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error.to_string(), exit_code(&error)),
    }
}

#[allow(clippy::print_stderr, reason = "the last word of a command line program")]
fn report(error: &str, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}
