//! One step of a controller, and the loop that takes steps.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use crate::client;
use crate::informer::Informer;
use crate::key::Key;
use crate::queue::{self, Outcome, Queue};

/// Workers of one controller, for all tenants together.
const WORKERS: usize = 32;
/// Workers one tenant may occupy; somewhat more than upstream's five for a cluster of its own.
pub(crate) const LANE_LIMIT: usize = 8;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API refused, or did not answer.
    #[error("{0}")]
    Api(#[from] kube::Error),
    /// An object does not have the expected types.
    #[error("unreadable object: {0}")]
    View(#[from] serde_json::Error),
    /// What was observed is older than what we know to be true; it will be newer soon.
    #[error("{0}")]
    Stale(String),
    /// Several writes failed; the first of them.
    #[error("{0}")]
    Failed(String),
}

/// A controller: what to do about one key.
pub(crate) trait Controller: Clone + Send + Sync + 'static {
    /// Its name in logs.
    const NAME: &'static str;

    /// Compares the observed with the wanted and writes the difference.
    fn sync(&self, key: &Key) -> impl Future<Output = Result<Outcome, Error>> + Send;
}

/// Waits until all `informers` are complete, then takes steps until `shutdown`. Errors are tried again with back-off,
/// except that nothing can be created any more in a namespace that goes away.
pub(crate) async fn work<C: Controller>(
    controller: C,
    queue: Queue<Key>,
    informers: Vec<Informer>,
    shutdown: CancellationToken,
) {
    let ready = futures::future::join_all(informers.iter().map(Informer::synced));
    tokio::select! {
        () = shutdown.cancelled() => return,
        _ = ready => {}
    }
    tracing::info!(controller = C::NAME, "started");
    let steps = queue::run(queue.clone(), WORKERS, move |key: Key| {
        let controller = controller.clone();
        async move {
            match controller.sync(&key).await {
                Ok(outcome) => outcome,
                Err(Error::Api(error)) if client::is_namespace_terminating(&error) => Outcome::Done,
                Err(error) => {
                    tracing::debug!(controller = C::NAME, %key, %error, "will try again");
                    Outcome::Retry
                }
            }
        }
    });
    tokio::pin!(steps);
    tokio::select! {
        () = &mut steps => {}
        () = shutdown.cancelled() => {
            queue.close();
            steps.await;
        }
    }
}
