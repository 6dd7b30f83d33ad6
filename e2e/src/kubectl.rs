//! Runs the harness' own kubectl: the release of the host, whatever is on the PATH.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Assets, Output, Process, command};

/// kubectl with one kubeconfig and a home directory of its own (caches, plugins).
#[derive(Clone, Debug)]
pub struct Kubectl {
    binary: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
    environment: Vec<(String, String)>,
}

impl Kubectl {
    /// kubectl for a kubeconfig. `home` keeps its discovery cache; two scenarios never share one.
    pub fn new(assets: &Assets, kubeconfig: &Path, home: &Path) -> Self {
        Self {
            binary: assets.path("kubectl"),
            kubeconfig: kubeconfig.to_owned(),
            home: home.to_owned(),
            environment: Vec::new(),
        }
    }

    /// The same with one more environment variable, such as kubectl's feature gates.
    #[must_use]
    pub fn with_environment(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.environment.push((name.to_owned(), value.to_owned()));
        other
    }

    /// Runs with arguments separated by white space.
    pub fn run(&self, arguments: &str) -> Output {
        self.args(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs with arguments as they are.
    pub fn args(&self, arguments: &[&str]) -> Output {
        command::complete(self.command(arguments), "")
    }

    /// Runs with `input` on standard input (`-f -`).
    pub fn input(&self, arguments: &str, input: &str) -> Output {
        command::complete(self.command(&arguments.split_whitespace().collect::<Vec<_>>()), input)
    }

    /// Runs with `-o json` and reads the answer.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn json(&self, arguments: &str) -> serde_json::Value {
        let text = self.run(&format!("{arguments} -o json")).ok();
        serde_json::from_str(&text).expect("kubectl prints JSON")
    }

    /// Applies a manifest.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        self.input("apply -f -", manifest).ok();
    }

    /// Runs `kubectl edit` with an editor that is a shell command; `$1` is the file.
    pub fn edit(&self, arguments: &str, editor: &str) -> Output {
        let script = self.home.join("editor");
        std::fs::write(&script, format!("#!/bin/sh\n{editor}\n")).expect("the home directory is writable");
        let mut command = self.command(&[&["edit"], &*arguments.split_whitespace().collect::<Vec<_>>()].concat());
        command.env("EDITOR", format!("sh {}", script.display()));
        command::complete(command, "")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .env_remove("KUBECTL_EXTERNAL_DIFF")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.home);
        command
    }

    /// Starts a command that goes on until it is dropped (`logs -f`, `get -w`); output goes to `log`.
    pub fn start(&self, arguments: &str, log: &Path) -> Process {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig.display());
        let arguments: Vec<String> =
            std::iter::once(kubeconfig).chain(arguments.split_whitespace().map(str::to_owned)).collect();
        Process::start_with(&self.binary, &arguments, &self.environment, log)
    }

    /// The kubeconfig it uses.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}
