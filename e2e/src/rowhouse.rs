//! The program under test: `tenantctl up` against a host, and `tenantctl` as a command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Output, Process, command, eventually, port};

/// Rowhouse running against a host.
pub struct Rowhouse {
    process: Process,
    home: PathBuf,
    host_kubeconfig: PathBuf,
}

impl Rowhouse {
    /// Starts `tenantctl up` with a data directory below `directory` and `more` arguments, and waits for its line with
    /// `ready`.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(host_kubeconfig: &Path, directory: &Path, logs: &Path, more: &[String]) -> Self {
        let home = directory.join("home-tenantctl");
        std::fs::create_dir_all(&home).expect("the temporary directory is writable");
        // The port is fixed, not 0: kubeconfigs of tenants must survive a restart.
        let mut arguments = vec![
            "up".to_owned(),
            format!("--kubeconfig={}", host_kubeconfig.display()),
            format!("--data-dir={}", directory.join("rowhouse").display()),
            format!("--listen=127.0.0.1:{}", port::free()),
        ];
        arguments.extend_from_slice(more);
        let process = Process::start(&Self::binary(), &arguments, &logs.join("tenantctl-up.log"));
        let mut rowhouse = Self { process, home, host_kubeconfig: host_kubeconfig.to_owned() };
        rowhouse.await_ready(1);
        rowhouse
    }

    /// Runs `tenantctl` against the host, arguments separated by white space.
    pub fn tenantctl(&self, arguments: &str) -> Output {
        let mut command = Command::new(Self::binary());
        command
            .args(arguments.split_whitespace())
            .env("KUBECONFIG", &self.host_kubeconfig)
            .env("HOME", &self.home)
            .env("NO_COLOR", "1");
        command::complete(command, "")
    }

    /// The running control plane.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it (SIGKILL) and starts it again on the same data; returns when it is ready.
    ///
    /// # Panics
    /// When it does not become ready again.
    pub fn crash_and_restart(&mut self) {
        let before = self.ready_lines();
        self.process.restart();
        self.await_ready(before + 1);
    }

    /// Home directory of `tenantctl`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The binary that `make e2e` built, beside the test itself; `ROWHOUSE_TENANTCTL` overrides it.
    ///
    /// # Panics
    /// When it is not there.
    pub fn binary() -> PathBuf {
        let path = std::env::var_os("ROWHOUSE_TENANTCTL")
            .map_or_else(|| Self::profile_directory().join("tenantctl"), PathBuf::from);
        assert!(path.is_file(), "{} is missing: `cargo build -p rowhouse-tenantctl` first", path.display());
        path
    }

    /// Another program of the workspace, from the same build.
    ///
    /// # Panics
    /// When it is not there.
    pub fn sibling(name: &str) -> PathBuf {
        let path = Self::profile_directory().join(name);
        assert!(path.is_file(), "{} is missing: `cargo build --workspace --bins` first", path.display());
        path
    }

    /// Cargo's target directory, found from where the test itself is.
    pub fn target_directory() -> PathBuf {
        let mut directory = Self::profile_directory();
        directory.pop();
        directory
    }

    fn profile_directory() -> PathBuf {
        let mut path = std::env::current_exe().expect("a running program has a path");
        // target/<profile>/deps/<test>-<hash>
        path.pop();
        path.pop();
        path
    }

    fn await_ready(&mut self, lines: usize) {
        eventually("tenantctl up is ready", || {
            self.process.alive().expect("tenantctl up runs");
            if self.ready_lines() >= lines { Ok(()) } else { Err(self.process.log()) }
        });
    }

    fn ready_lines(&self) -> usize {
        self.process.log().lines().filter(|line| line.contains("ready") && line.contains("https://")).count()
    }
}
