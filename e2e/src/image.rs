//! Container images without a registry: tar archives made of files of this machine, for [`crate::Node::import_image`].

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::command;

/// An image of one layer. Everything in it belongs to root and has the mode of the file it was copied from.
#[derive(Clone, Debug, Default)]
pub struct Image {
    name: String,
    files: Vec<(PathBuf, String)>,
    links: Vec<(String, String)>,
    directories: Vec<String>,
    entrypoint: Vec<String>,
    user: String,
}

impl Image {
    /// An empty image. `name` is written in full (`registry.example/web:1`) and never `:latest`, which would be looked
    /// for in a registry.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Statically linked busybox with all its applets on the PATH, `/tmp` and nothing else.
    ///
    /// # Panics
    /// When this machine has no busybox.
    pub fn busybox(name: &str) -> Self {
        let applets = command::run("/bin/busybox", &["--list"]).ok();
        let links = applets.lines().filter(|applet| *applet != "busybox");
        let mut image = Self::new(name).file(Path::new("/bin/busybox"), "bin/busybox");
        image.links = links.map(|applet| ("busybox".to_owned(), format!("bin/{applet}"))).collect();
        image.directory("tmp").directory("root")
    }

    /// Adds a file; `target` is its path in the image, without a leading slash.
    #[must_use]
    pub fn file(mut self, source: &Path, target: &str) -> Self {
        self.files.push((source.to_owned(), target.to_owned()));
        self
    }

    /// Adds a program and the shared libraries that it is linked with; a static one has none.
    ///
    /// # Panics
    /// When a library is missing on this machine.
    #[must_use]
    pub fn program(mut self, source: &Path, target: &str) -> Self {
        let listed = command::run("ldd", &[&source.display().to_string()]);
        // `name => /path (address)`, or `/path (address)` for the loader; a static program is an error of ldd.
        for line in listed.stdout.lines().filter(|_| listed.code == Some(0)) {
            assert!(!line.contains("not found"), "{} needs{line}", source.display());
            if let Some(path) = line.split_whitespace().find(|word| word.starts_with('/')) {
                self = self.file(Path::new(path), path.trim_start_matches('/'));
            }
        }
        self.file(source, target)
    }

    /// Adds an empty directory that everybody may write to.
    #[must_use]
    pub fn directory(mut self, target: &str) -> Self {
        self.directories.push(target.to_owned());
        self
    }

    /// What runs when a container names no command.
    #[must_use]
    pub fn entrypoint(mut self, command: &[&str]) -> Self {
        self.entrypoint = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The user it runs as, by number (`65532` or `65532:65532`); root otherwise.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// Writes it as an archive of `docker save`.
    ///
    /// # Panics
    /// When a file is missing or the archive cannot be written.
    pub fn write(&self, archive: &Path) {
        let work = TempDir::with_prefix("rowhouse-image-").expect("a temporary directory");
        let stage = work.path().join("stage");
        self.stage(&stage);
        let layer = work.path().join("layer.tar");
        tar(&layer, &stage, ".");
        let digest = command::run("sha256sum", &[&layer.display().to_string()]).ok();
        let digest = digest.split_whitespace().next().expect("sha256sum prints a sum");
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {"Entrypoint": self.entrypoint, "User": self.user, "Env": ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        });
        let manifest = json!([{"Config": "config.json", "RepoTags": [self.name], "Layers": ["layer.tar"]}]);
        for (name, content) in [("config.json", config), ("manifest.json", manifest)] {
            std::fs::write(work.path().join(name), content.to_string()).expect("the temporary directory is writable");
        }
        std::fs::remove_dir_all(&stage).expect("the temporary directory is writable");
        tar(archive, work.path(), ".");
    }

    fn stage(&self, stage: &Path) {
        std::fs::create_dir_all(stage).expect("the temporary directory is writable");
        for directory in &self.directories {
            let path = stage.join(directory);
            std::fs::create_dir_all(&path).expect("the temporary directory is writable");
            let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
            std::fs::set_permissions(&path, everybody).expect("the directory is ours");
        }
        for (source, target) in &self.files {
            let path = parent(stage, target);
            std::fs::copy(source, &path).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        }
        for (source, target) in &self.links {
            let path = parent(stage, target);
            std::os::unix::fs::symlink(source, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

/// The path of a file in the stage; its directory is there.
fn parent(stage: &Path, target: &str) -> PathBuf {
    let path = stage.join(target);
    std::fs::create_dir_all(path.parent().expect("below the stage")).expect("the temporary directory is writable");
    path
}

fn tar(archive: &Path, directory: &Path, what: &str) {
    let as_root = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-cf"];
    let (archive, directory) = (archive.display().to_string(), directory.display().to_string());
    command::run("tar", &[&as_root[..], &[&archive, "-C", &directory, what]].concat()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_names_its_image_and_holds_its_files() {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("greeting");
        std::fs::write(&file, "hello\n").unwrap();
        let archive = directory.path().join("image.tar");
        Image::new("registry.example/web:1")
            .file(&file, "etc/greeting")
            .directory("data")
            .entrypoint(&["/bin/web"])
            .user("65532")
            .write(&archive);
        let read = |arguments: &[&str]| command::run("tar", arguments).ok();
        let path = archive.display().to_string();
        let manifest = read(&["-xOf", &path, "./manifest.json"]);
        assert!(manifest.contains(r#""RepoTags":["registry.example/web:1"]"#), "{manifest}");
        let config = read(&["-xOf", &path, "./config.json"]);
        assert!(config.contains(r#""Entrypoint":["/bin/web"]"#) && config.contains(r#""User":"65532""#), "{config}");
        read(&["-xf", &path, "-C", &directory.path().display().to_string(), "./layer.tar"]);
        let layer = directory.path().join("layer.tar").display().to_string();
        assert_eq!(read(&["-xOf", &layer, "./etc/greeting"]), "hello\n");
        assert!(read(&["-tvf", &layer]).contains("drwxrwxrwt 0/0"));
    }
}
