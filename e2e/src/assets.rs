//! Where the real Kubernetes binaries are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Directory with the Kubernetes commands, etcd, kwok and helm.
#[derive(Clone, Debug)]
pub struct Assets {
    directory: PathBuf,
}

impl Assets {
    /// Builds the pinned release when it is missing (minutes), or takes `KUBEBUILDER_ASSETS` when that is set; see
    /// `e2e/kubernetes/build`, which does both.
    ///
    /// # Panics
    /// When the build fails: nothing can be tested then.
    pub fn locate() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes/build");
        let output =
            Command::new(&script).stderr(Stdio::inherit()).output().expect("e2e/kubernetes/build is executable");
        assert!(output.status.success(), "{} failed: {}", script.display(), output.status);
        let text = String::from_utf8(output.stdout).expect("a path in UTF-8");
        Self { directory: PathBuf::from(text.trim()) }
    }

    /// Path of one binary.
    ///
    /// # Panics
    /// When it is not there, naming it: `KUBEBUILDER_ASSETS` may hold only some.
    pub fn path(&self, binary: &str) -> PathBuf {
        let path = self.directory.join(binary);
        assert!(path.is_file(), "{binary} is missing in {}", self.directory.display());
        path
    }
}
