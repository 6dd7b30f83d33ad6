//! Runs the harness' own helm on the chart of this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Assets, Output, command};

/// The chart of this repository.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("e2e is a directory of the repository")
        .join("charts/rowhouse")
}

/// helm with one kubeconfig and a home directory of its own.
#[derive(Clone, Debug)]
pub struct Helm {
    binary: PathBuf,
    kubeconfig: PathBuf,
    home: PathBuf,
}

impl Helm {
    /// helm for a kubeconfig; `home` keeps its caches.
    pub fn new(assets: &Assets, kubeconfig: &Path, home: &Path) -> Self {
        Self { binary: assets.path("helm"), kubeconfig: kubeconfig.to_owned(), home: home.to_owned() }
    }

    /// Runs with arguments separated by white space.
    pub fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments.split_whitespace())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.home)
            .env_remove("HELM_NAMESPACE")
            .current_dir(&self.home);
        command::complete(command, "")
    }

    /// The chart rendered with `values` (arguments of helm), as release `rowhouse`.
    pub fn template(&self, values: &str) -> Output {
        let chart = chart();
        // A helm that was built from its module knows of no Kubernetes release.
        let version = "--kube-version=1.36.0 --namespace=rowhouse-system --set=image.repository=example.test/rowhouse";
        self.run(&format!("template rowhouse {} {version} {values}", chart.display()))
    }
}
