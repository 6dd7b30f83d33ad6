//! Calls to etcd: bounded in time, their errors sorted by what is known afterwards.

use super::layout::Layout;
use crate::backend::EtcdConfig;
use crate::engine::EngineError;
use etcd_client::{
    Certificate, ConnectOptions, DeleteOptions, Error, GetOptions, GetResponse, Identity, KvClient, ResponseHeader,
    TlsOptions, Txn, TxnResponse, WatchClient, WatchOptions, WatchRequestSender, WatchResponseStream,
};
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// etcd gives a request up by itself after seven seconds; what takes longer has lost its connection.
const CALL: Duration = Duration::from_secs(10);
/// A connection on which nothing is heard for this long is asked, and given up when there is no answer.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The revision asked for is compacted.
    Compacted,
    /// The request is larger than etcd takes.
    TooLarge,
    /// Anything else.
    Engine(EngineError),
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Compacted => Self::Unavailable("etcdserver: mvcc: required revision has been compacted".into()),
            Failure::TooLarge => Self::Refused("etcdserver: request is too large".into()),
            Failure::Engine(error) => error,
        }
    }
}

/// Sorts an error. What etcd says itself is passed on; what the transport says is logged, because it may name addresses.
fn failure(error: &Error) -> Failure {
    let Error::GRpcStatus(status) = error else {
        tracing::warn!(%error, "etcd cannot be reached");
        return Failure::Engine(EngineError::Unavailable("the store cannot be reached".into()));
    };
    let message = status.message();
    let refused = ["too many requests", "database space exceeded", "permission denied", "too many operations"];
    match message {
        _ if message.contains("required revision has been compacted") => Failure::Compacted,
        _ if message.contains("request is too large") => Failure::TooLarge,
        _ if refused.iter().any(|words| message.contains(words)) => {
            Failure::Engine(EngineError::Refused(message.into()))
        }
        _ if message.starts_with("etcdserver: ") => Failure::Engine(EngineError::Unavailable(message.into())),
        _ => {
            tracing::warn!(%error, "etcd did not answer");
            Failure::Engine(EngineError::Unavailable("the store cannot be reached".into()))
        }
    }
}

async fn bounded<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => answer.map_err(|error| failure(&error)),
        Err(_) => Err(Failure::Engine(EngineError::Unavailable("the store does not answer in time".into()))),
    }
}

/// The revision in the header of an answer.
pub(super) fn revision(header: Option<&ResponseHeader>) -> i64 {
    header.map_or(0, ResponseHeader::revision)
}

/// A connection to all members.
#[derive(Clone)]
pub(super) struct Client {
    kv: KvClient,
    watch: WatchClient,
    pub(super) layout: Layout,
}

impl Client {
    /// Makes a client; nothing is connected yet. Errors: the configuration cannot be used.
    pub(super) async fn new(config: &EtcdConfig) -> Result<Self, EngineError> {
        let unusable = |what: String| EngineError::Storage(format!("etcd: {what}").into());
        let mut options = ConnectOptions::new()
            .with_connect_timeout(KEEP_ALIVE)
            .with_keep_alive(KEEP_ALIVE, KEEP_ALIVE)
            .with_keep_alive_while_idle(true)
            .with_require_leader(true);
        if config.endpoints.iter().any(|endpoint| endpoint.starts_with("https://")) {
            let ca = config.ca.as_deref().ok_or_else(|| unusable("https needs a CA file".to_owned()))?;
            let read =
                |path: &Path| std::fs::read(path).map_err(|error| unusable(format!("{}: {error}", path.display())));
            let mut tls = TlsOptions::new().ca_certificate(Certificate::from_pem(read(ca)?));
            match (&config.certificate, &config.key) {
                (Some(certificate), Some(key)) => {
                    tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
                }
                (None, None) => {}
                _ => return Err(unusable("a client certificate and its key are given together".to_owned())),
            }
            options = options.with_tls(tls);
        }
        let client = etcd_client::Client::connect(&config.endpoints, Some(options)).await;
        let client = client.map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            kv: client.kv_client().max_decoding_message_size(usize::MAX),
            watch: client.watch_client().max_decoding_message_size(usize::MAX),
            layout: Layout::new(&config.prefix),
        })
    }

    pub(super) async fn get(&self, key: Vec<u8>, options: GetOptions) -> Result<GetResponse, Failure> {
        bounded(self.kv.clone().get(key, Some(options))).await
    }

    pub(super) async fn txn(&self, txn: Txn) -> Result<TxnResponse, Failure> {
        bounded(self.kv.clone().txn(txn)).await
    }

    /// Deletes a range; returns the revision of it.
    pub(super) async fn delete(&self, start: Vec<u8>, end: Option<Vec<u8>>) -> Result<i64, Failure> {
        let options = end.map(|end| DeleteOptions::new().with_range(end));
        let answer = bounded(self.kv.clone().delete(start, options)).await?;
        Ok(revision(answer.header()))
    }

    pub(super) async fn compact(&self, to: i64) -> Result<(), Failure> {
        bounded(self.kv.clone().compact(to, None)).await.map(drop)
    }

    /// The revision that includes every write acknowledged before the call.
    pub(super) async fn revision(&self) -> Result<i64, Failure> {
        let answer = self.get(self.layout.format(), GetOptions::new().with_count_only()).await?;
        Ok(revision(answer.header()))
    }

    /// Follows every key of the store from a revision on, that included.
    pub(super) async fn follow(&self, from: i64) -> Result<(WatchRequestSender, WatchResponseStream), Failure> {
        let (start, end) = self.layout.all();
        let options = WatchOptions::new().with_range(end).with_start_revision(from).with_progress_notify();
        Ok(bounded(self.watch.clone().watch(start, Some(options))).await?.split())
    }

    /// The revision up to which history is compacted, once it is known that some is. A watch from the beginning is how
    /// etcd tells it: the second message cancels the watch and names the revision.
    pub(super) async fn compacted(&self) -> Result<i64, Failure> {
        let options = WatchOptions::new().with_start_revision(1);
        let mut watch = self.watch.clone();
        let key = self.layout.compacted();
        bounded(async move {
            let (_requests, mut answers) = watch.watch(key, Some(options)).await?.split();
            while let Some(answer) = answers.message().await? {
                if answer.compact_revision() > 0 {
                    return Ok(answer.compact_revision());
                }
            }
            Err(Error::WatchError("the watch ended".to_owned()))
        })
        .await
    }
}
