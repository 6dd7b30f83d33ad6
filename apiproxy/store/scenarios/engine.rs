//! What the suites need to know of the engine they run over; an etcd for each test.

use e2e::{Assets, Etcd};
use std::path::PathBuf;
use std::time::Duration;
use store::{Backend, Config, EtcdConfig, Store};
use tempfile::TempDir;

/// Whether each row of a transaction has a revision of its own.
pub(crate) const ONE_REVISION_EACH: bool = false;
/// Whether the engine has rows of its own that use revisions.
pub(crate) const OWN_ROWS: bool = true;
/// Random cases of the model; each starts an etcd.
pub(crate) const CASES: u32 = 12;

/// Where a store is; it can be opened there again and again, also by several at once.
pub(crate) struct Place {
    config: EtcdConfig,
    own: Option<(Etcd, TempDir)>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = TempDir::with_prefix("rowhouse-store-").unwrap();
        let etcd = Etcd::start(&Assets::locate(), directory.path(), directory.path());
        let (certificate, key) = etcd.client();
        let config = EtcdConfig {
            ca: Some(etcd.ca().into()),
            certificate: Some(certificate.into()),
            key: Some(key.into()),
            ..EtcdConfig::new(vec![etcd.url()])
        };
        Self { config, own: Some((etcd, directory)) }
    }

    /// The place of another process, from what its [`Place::name`] says.
    pub(crate) fn named(name: &str) -> Self {
        let parts: Vec<&str> = name.split(' ').collect();
        let [url, ca, certificate, key] = parts[..] else { panic!("{name} is no place") };
        let path = |text: &str| Some(PathBuf::from(text));
        let config = EtcdConfig {
            ca: path(ca),
            certificate: path(certificate),
            key: path(key),
            ..EtcdConfig::new(vec![url.to_owned()])
        };
        Self { config, own: None }
    }

    pub(crate) fn name(&self) -> String {
        let path = |path: &Option<PathBuf>| path.as_ref().unwrap().display().to_string();
        let Self { config, .. } = self;
        [config.endpoints[0].clone(), path(&config.ca), path(&config.certificate), path(&config.key)].join(" ")
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend::Etcd(self.config.clone())
    }

    /// Kills etcd under load, every second time; it is back a moment later.
    pub(crate) fn disturb(&mut self, round: usize) {
        if round.is_multiple_of(2) {
            self.etcd().restart();
        }
    }

    pub(crate) fn etcd(&mut self) -> &mut Etcd {
        &mut self.own.as_mut().unwrap().0
    }

    /// Another store at this place.
    pub(crate) fn open(&self) -> Store {
        Store::open(Config { backend: self.backend(), ..Config::default() }).unwrap()
    }

    /// The same, reached by another port.
    pub(crate) fn open_by(&self, port: u16) -> Store {
        let endpoints = vec![format!("https://127.0.0.1:{port}")];
        let backend = Backend::Etcd(EtcdConfig { endpoints, ..self.config.clone() });
        Store::open(Config { backend, ..Config::default() }).unwrap()
    }

    /// A store that compacts as often as it can.
    pub(crate) fn open_compacting(&self, interval: Duration) -> Store {
        let backend = Backend::Etcd(EtcdConfig { compaction_interval: Some(interval), ..self.config.clone() });
        Store::open(Config { backend, ..Config::default() }).unwrap()
    }

    /// etcd itself, as any other client of it.
    pub(crate) async fn client(&self) -> etcd_client::Client {
        let read = |path: &Option<PathBuf>| std::fs::read(path.as_ref().unwrap()).unwrap();
        let tls = etcd_client::TlsOptions::new()
            .ca_certificate(etcd_client::Certificate::from_pem(read(&self.config.ca)))
            .identity(etcd_client::Identity::from_pem(read(&self.config.certificate), read(&self.config.key)));
        let options = etcd_client::ConnectOptions::new().with_tls(tls);
        etcd_client::Client::connect(&self.config.endpoints, Some(options)).await.unwrap()
    }
}
