//! The program under test, against a host: `tenantctl up`, or apiproxy and syncer; and `tenantctl` as a command line.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::grants::Grants;
use crate::{Assets, CONTROL_NAMESPACE, Form, Host, Output, Process, command, eventually, port};

/// Rowhouse running against a host.
pub struct Rowhouse {
    servers: Vec<Server>,
    home: PathBuf,
    host_kubeconfig: PathBuf,
}

/// One process of it.
struct Server {
    process: Process,
    ready: Ready,
}

/// How a process says that it is ready.
enum Ready {
    /// By a line of its output, each time it is started; so many times it has been started.
    Line(usize),
    /// At this port of loopback.
    Port(u16),
}

impl Rowhouse {
    /// Starts it in one of its forms with data below `directory` and `more` arguments, and waits until it is ready. It
    /// has the rights that the chart grants, and no others.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(assets: &Assets, host: &Host, directory: &Path, logs: &Path, how: (Form, &[String])) -> Self {
        let (form, more) = how;
        let home = directory.join("home-tenantctl");
        std::fs::create_dir_all(&home).expect("the temporary directory is writable");
        let grants = Grants::apply(assets, host, directory, form);
        let mut rowhouse = Self { servers: Vec::new(), home, host_kubeconfig: host.kubeconfig().to_owned() };
        match form {
            Form::Up => rowhouse.up(&grants, directory, logs, more),
            Form::Split => rowhouse.split(&grants, directory, logs, more),
        }
        rowhouse.await_ready();
        rowhouse
    }

    fn up(&mut self, grants: &Grants, directory: &Path, logs: &Path, more: &[String]) {
        // The port is fixed, not 0: kubeconfigs of tenants must survive a restart.
        let mut arguments = vec![
            "up".to_owned(),
            format!("--kubeconfig={}", grants.syncer.display()),
            format!("--data-dir={}", directory.join("rowhouse").display()),
            format!("--listen=127.0.0.1:{}", port::free()),
        ];
        arguments.extend_from_slice(more);
        let process = Process::start(&Self::binary(), &arguments, &logs.join("tenantctl-up.log"));
        self.servers.push(Server { process, ready: Ready::Line(1) });
    }

    /// `more` goes to the process it is for: where pods reach the apiproxy concerns both, controllers the syncer.
    fn split(&mut self, grants: &Grants, directory: &Path, logs: &Path, more: &[String]) {
        let (front, fleet) = (port::free(), port::free());
        let secret = format!("--fleet-secret={CONTROL_NAMESPACE}/rowhouse-fleet");
        let mut apiproxy = vec![
            format!("--kubeconfig={}", grants.apiproxy.display()),
            format!("--listen=127.0.0.1:{front}"),
            format!("--fleet-listen=127.0.0.1:{fleet}"),
            format!("--fleet-url=https://127.0.0.1:{fleet}"),
            secret.clone(),
        ];
        if !more.iter().any(|argument| argument.starts_with("--etcd-servers=")) {
            apiproxy.push(format!("--data-dir={}", directory.join("rowhouse").display()));
        }
        let mut syncer = vec![
            format!("--kubeconfig={}", grants.syncer.display()),
            format!("--server-url=https://127.0.0.1:{front}"),
            format!("--control-namespace={CONTROL_NAMESPACE}"),
            format!("--lease={CONTROL_NAMESPACE}/rowhouse-syncer"),
            // As a container that is started again in its pod.
            "--identity=syncer-0".to_owned(),
            "--no-install".to_owned(),
            secret,
        ];
        for argument in more {
            if let Some(address) = argument.strip_prefix("--advertise-address=") {
                apiproxy.push(format!("--tenant-listen={address}"));
            }
            let is_syncers = ["--advertise-address=", "--controllers="].iter().any(|flag| argument.starts_with(flag));
            if is_syncers { &mut syncer } else { &mut apiproxy }.push(argument.clone());
        }
        for (name, mut arguments) in [("apiproxy", apiproxy), ("syncer", syncer)] {
            let health = port::free();
            arguments.push(format!("--health-listen=127.0.0.1:{health}"));
            let log = logs.join(format!("{name}.log"));
            let process = Process::start(&Self::program(name), &arguments, &log);
            self.servers.push(Server { process, ready: Ready::Port(health) });
        }
    }

    /// Runs `tenantctl` against the host as its administrator, arguments separated by white space.
    pub fn tenantctl(&self, arguments: &str) -> Output {
        let mut command = Command::new(Self::binary());
        command
            .args(arguments.split_whitespace())
            .env("KUBECONFIG", &self.host_kubeconfig)
            .env("HOME", &self.home)
            .env("NO_COLOR", "1");
        command::complete(command, "")
    }

    /// The process that serves tenants: `tenantctl up`, or the apiproxy.
    pub fn process(&mut self) -> &mut Process {
        &mut self.servers[0].process
    }

    /// All its processes, the one that serves tenants first.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        self.servers.iter_mut().map(|server| &mut server.process)
    }

    /// Kills everything (SIGKILL).
    pub fn kill(&mut self) {
        self.processes().for_each(Process::kill);
    }

    /// Asks everything to end (SIGTERM), the loops first.
    ///
    /// # Panics
    /// When a process does not end, or not with exit code 0.
    pub fn terminate(&mut self) {
        for server in self.servers.iter_mut().rev() {
            assert_eq!(server.process.terminate(), Some(0), "SIGTERM ends it cleanly: {}", server.process.log());
        }
    }

    /// Kills it (SIGKILL) and starts it again on the same data; returns when it is ready.
    ///
    /// # Panics
    /// When it does not become ready again.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        for server in &mut self.servers {
            if let Ready::Line(lines) = &mut server.ready {
                *lines += 1;
            }
            server.process.restart();
        }
        self.await_ready();
    }

    /// Home directory of `tenantctl`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// `tenantctl` as `make e2e` built it, beside the test itself; `ROWHOUSE_TENANTCTL` overrides it.
    ///
    /// # Panics
    /// When it is not there.
    pub fn binary() -> PathBuf {
        std::env::var_os("ROWHOUSE_TENANTCTL").map_or_else(|| Self::program("tenantctl"), PathBuf::from)
    }

    /// A binary that `make e2e` built, beside the test itself.
    ///
    /// # Panics
    /// When it is not there.
    pub fn program(name: &str) -> PathBuf {
        let path = Self::profile_directory().join(name);
        assert!(path.is_file(), "{} is missing: `cargo build --workspace --bins` first", path.display());
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

    fn await_ready(&mut self) {
        for server in &mut self.servers {
            eventually("Rowhouse is ready", || {
                server.process.alive().expect("Rowhouse runs");
                if server.ready.is_reached(&server.process) { Ok(()) } else { Err(server.process.log()) }
            });
        }
    }
}

impl Ready {
    fn is_reached(&self, process: &Process) -> bool {
        match self {
            Self::Line(lines) => {
                let is_ready = |line: &&str| line.contains("ready") && line.contains("https://");
                process.log().lines().filter(is_ready).count() >= *lines
            }
            Self::Port(port) => probe(*port, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")),
        }
    }
}

/// Asks a health port of loopback.
fn probe(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
