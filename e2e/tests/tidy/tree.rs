//! The files of the repository.

use std::path::{Path, PathBuf};

/// One text file.
pub(crate) struct File {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e is a directory of the repository").to_owned()
}

/// All files whose name ends so, sorted. Build output and hidden directories are not the repository.
pub(crate) fn files(suffix: &str) -> Vec<File> {
    let (root, mut found) = (root(), Vec::new());
    walk(&root, &mut |path| {
        let relative = path.strip_prefix(&root).expect("found below the root").display().to_string();
        if relative.ends_with(suffix) {
            let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{relative}: {error}"));
            found.push(File { path: relative, text });
        }
    });
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no file ends with {suffix}");
    found
}

fn walk(directory: &Path, found: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let entry = entry.expect("a readable entry");
        let name = entry.file_name();
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            walk(&entry.path(), found);
        } else if kind.is_file() {
            found(&entry.path());
        }
    }
}

/// Fails with every complaint, one per line.
#[track_caller]
pub(crate) fn expect_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}
