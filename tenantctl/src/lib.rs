//! The command line of Rowhouse, and the lab: control plane and pretend host in one process.
//!
//! ```text
//!   cli ─► command::{create, list, get, kubeconfig, delete, …} ─► host (Tenant objects, Secrets)
//!      ╰─► up ─► apiproxy + controllers + syncer, one process ─► host, or lab
//! ```
//! Whatever a command does to tenants, it does with objects of the host API, so kubectl and GitOps can do it too.

mod age;
mod cli;
mod command;
mod data_dir;
mod error;
mod host;
pub mod lab;
mod manifest;
mod merge;
mod output;
mod plane;
mod progress;

pub use cli::Cli;
pub use error::{Error, exit_code};

use cli::Command;

/// Runs one command. Errors: [`Error`], with the next step in its text.
pub async fn run(cli: Cli) -> Result<(), Error> {
    // Fails only when a provider is there already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let host = cli.host;
    match cli.command {
        Command::Up(arguments) => command::up::run(&host, &arguments).await,
        Command::Create(arguments) => command::create::run(&host, &arguments).await,
        Command::List(arguments) => command::list::run(&host, &arguments).await,
        Command::Get(arguments) => command::get::run(&host, &arguments).await,
        Command::Kubeconfig(arguments) => command::kubeconfig::run(&host, &arguments).await,
        Command::Delete(arguments) => command::delete::run(&host, &arguments).await,
        Command::Demo => command::demo::run().await,
        Command::Version(arguments) => command::version::run(&host, &arguments).await,
        Command::Completion { shell } => command::completion::run(shell),
    }
}
