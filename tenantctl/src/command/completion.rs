//! `tenantctl completion`: a script for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Cli, Error, output};

/// Prints the script. Errors: [`Error::Output`].
pub(crate) fn run(shell: Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tenantctl", &mut script);
    output::text(&String::from_utf8_lossy(&script))
}
