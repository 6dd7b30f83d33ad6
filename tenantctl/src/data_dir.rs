//! The directory where a control plane keeps what must survive it.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{Error, merge};

/// A data directory, locked for one process. Private: it holds keys.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// `${XDG_DATA_HOME:-~/.local/share}/rowhouse`. Errors: neither variable is set.
    pub(crate) fn default_path() -> Result<PathBuf, Error> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        variable("XDG_DATA_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
            .map(|base| base.join("rowhouse"))
            .ok_or_else(|| Error::File {
                path: "~/.local/share".into(),
                reason: "HOME is not set; give --data-dir".to_owned(),
            })
    }

    /// Makes the directory if need be, and locks it. Errors: [`Error::File`]; [`Error::InUse`] when another control
    /// plane has it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::File { path: path.to_owned(), reason: error.to_string() };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        // Others get this path to read: it must not depend on where we were started.
        let path = path.canonicalize().map_err(failed)?;
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(path)),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// A path inside.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file only its owner can read, as a whole or not at all. Errors: [`Error::File`].
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.join(name);
        match merge::replace(&path, text, 0o600) {
            Ok(()) => Ok(path),
            Err(error) => Err(Error::File { path, reason: error.to_string() }),
        }
    }

    /// Reads a file; `None` when it is not there. Errors: [`Error::File`].
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let path = self.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::File { path, reason: error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_control_plane_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let first = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(Error::InUse(_))));
        drop(first);
        assert!(DataDir::open(&path).is_ok());
    }

    #[test]
    fn private_files() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(&directory.path().join("d")).unwrap();
        assert_eq!(data.read("key").unwrap(), None);
        let path = data.write("key", "secret").unwrap();
        assert_eq!(data.read("key").unwrap().as_deref(), Some("secret"));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}
