//! An etcd of its own for a test, with TLS and client certificates.

use std::path::{Path, PathBuf};

use crate::pki::{Authority, Issued};
use crate::{Assets, Process, eventually, port};

/// A running etcd of one member. Its data outlives [`Etcd::restart`], not the directory.
pub struct Etcd {
    process: Process,
    port: u16,
    ca: PathBuf,
    client: Issued,
}

impl Etcd {
    /// Starts it with data and certificates below `directory`, and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(assets: &Assets, directory: &Path, logs: &Path) -> Self {
        let directory = directory.join("etcd-of-rowhouse");
        std::fs::create_dir_all(&directory).expect("the directory is writable");
        let authority = Authority::new(&directory, "etcd-authority");
        let (server, client) = (authority.server("etcd"), authority.client("rowhouse", None));
        let (port, peer) = (port::free(), format!("http://127.0.0.1:{}", port::free()));
        let url = format!("https://127.0.0.1:{port}");
        let arguments = [
            ("data-dir", directory.join("data").display().to_string()),
            ("listen-client-urls", url.clone()),
            ("advertise-client-urls", url),
            ("listen-peer-urls", peer.clone()),
            ("initial-advertise-peer-urls", peer.clone()),
            ("initial-cluster", format!("default={peer}")),
            ("cert-file", server.certificate.display().to_string()),
            ("key-file", server.key.display().to_string()),
            ("trusted-ca-file", authority.certificate().display().to_string()),
            ("client-cert-auth", "true".to_owned()),
            ("enable-grpc-gateway", "false".to_owned()),
            // Processes are killed here, machines are not: what was written is in the page cache.
            ("unsafe-no-fsync", "true".to_owned()),
            ("log-level", "warn".to_owned()),
        ];
        let arguments: Vec<String> = arguments.iter().map(|(flag, value)| format!("--{flag}={value}")).collect();
        let process = Process::start(&assets.path("etcd"), &arguments, &logs.join("etcd-of-rowhouse.log"));
        let mut etcd = Self { process, port, ca: authority.certificate(), client };
        etcd.await_ready();
        etcd
    }

    /// `https://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Port of loopback on which it serves.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// PEM file of its CA.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// PEM files of a client certificate and its key.
    pub fn client(&self) -> (&Path, &Path) {
        (&self.client.certificate, &self.client.key)
    }

    /// What `tenantctl up` and `apiproxy` are given to use it.
    pub fn arguments(&self) -> Vec<String> {
        vec![
            format!("--etcd-servers={}", self.url()),
            format!("--etcd-cafile={}", self.ca.display()),
            format!("--etcd-certfile={}", self.client.certificate.display()),
            format!("--etcd-keyfile={}", self.client.key.display()),
        ]
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it if it runs, starts it again on the same data, and waits until it accepts connections.
    ///
    /// # Panics
    /// When it does not.
    pub fn restart(&mut self) {
        self.process.restart();
        self.await_ready();
    }

    fn await_ready(&mut self) {
        eventually("etcd accepts connections", || {
            self.process.alive()?;
            std::net::TcpStream::connect(("127.0.0.1", self.port)).map(drop).map_err(|error| error.to_string())
        });
    }
}
